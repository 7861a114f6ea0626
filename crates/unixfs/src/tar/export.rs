//! A DAG as a sequence of items: depth first, each directory before what is in it.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt};
use merkury_core::codec::unixfs::check_file_name;
use merkury_core::{Block, BlockGet, Cid};

use super::{DEPTH_MAX, Entry, EntryKind, Item, TarError};
use crate::dir::{self, DirEntry, DirError};
use crate::node::{Node, NodeType};
use crate::read::{File, FileStream};

/// Entries whose blocks are asked for ahead, near the root …
const AHEAD: usize = 16;
/// … and from this depth on none: a deep tree would hold many blocks.
const AHEAD_DEPTH: usize = 8;

type Child = Result<(DirEntry, Block), DirError>;

/// An export on its way; ask [`Export::next`].
pub struct Export {
    get: Arc<dyn BlockGet>,
    root: Option<Cid>,
    /// Directories from the root to the current one: their name and what is left of them.
    open: Vec<(Bytes, BoxStream<'static, Child>)>,
    file: Option<FileStream>,
}

/// Exports everything below `root`.
pub fn export(get: Arc<dyn BlockGet>, root: Cid) -> Export {
    Export { get, root: Some(root), open: Vec::new(), file: None }
}

impl Export {
    /// The next item, or `None` at the end. Not to be called again after an error.
    pub async fn next(&mut self) -> Option<Result<Item, TarError>> {
        self.try_next().await.transpose()
    }

    async fn try_next(&mut self) -> Result<Option<Item>, TarError> {
        if let Some(file) = &mut self.file {
            if let Some(part) = file.next().await {
                return Ok(Some(Item::Data(part?)));
            }
            self.file = None;
        }
        if let Some(root) = self.root.take() {
            let block = self.get.get(&root).await?;
            return self.enter(Bytes::new(), &block).map(Some);
        }
        while let Some((_, children)) = self.open.last_mut() {
            match children.next().await {
                Some(child) => {
                    let (entry, block) = child?;
                    return self.enter(entry.name, &block).map(Some);
                }
                None => drop(self.open.pop()),
            }
        }
        Ok(None)
    }

    /// Begins an entry: for a directory or a file, what is in it comes next.
    fn enter(&mut self, name: Bytes, block: &Block) -> Result<Item, TarError> {
        let node = Node::of_block(block)?;
        let mut path: Vec<Bytes> = self.open.iter().skip(1).map(|(name, _)| name.clone()).collect();
        if !self.open.is_empty() {
            check_file_name(&name).map_err(|_| TarError::Path(String::from_utf8_lossy(&name).into_owned()))?;
            path.push(name.clone());
        }
        let meta = node.metadata();
        let kind = match node.node_type() {
            Some(NodeType::Directory) => {
                if self.open.len() >= DEPTH_MAX {
                    return Err(TarError::TooDeep);
                }
                self.open.push((name, children(self.get.clone(), block, self.open.len())));
                EntryKind::Directory
            }
            Some(NodeType::Symlink) => {
                EntryKind::Symlink { target: node.symlink_target().cloned().unwrap_or_default() }
            }
            _ => {
                let file = File::of_node(self.get.clone(), block.cid().clone(), node)?;
                self.file = Some(file.read_range(0, None));
                EntryKind::File { bytes: file.size() }
            }
        };
        Ok(Item::Entry(Entry { path, kind, meta }))
    }
}

/// The entries of a directory with their blocks.
fn children(get: Arc<dyn BlockGet>, directory: &Block, depth: usize) -> BoxStream<'static, Child> {
    let ahead = if depth < AHEAD_DEPTH { AHEAD } else { 1 };
    dir::list_block(get.clone(), directory).map(move |entry| child(get.clone(), entry)).buffered(ahead).boxed()
}

fn child(get: Arc<dyn BlockGet>, entry: Result<DirEntry, DirError>) -> BoxFuture<'static, Child> {
    Box::pin(async move {
        let entry = entry?;
        let block = get.get(&entry.cid).await?;
        Ok((entry, block))
    })
}
