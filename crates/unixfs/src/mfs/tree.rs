//! Directories that are open: those on the way to a change, and those that a batch keeps open.
//!
//! A single operation opens the directories from the root to the one it changes ([`Mfs::open`]) and writes them again
//! when it is done ([`Mfs::close`]). A batch ([`Mfs::hold`]) leaves them open, so that a directory is written once
//! however many of its entries change; [`Mfs::settle`] writes what is open.
//!
//! Invariants:
//! - While a batch holds, `root` is the last settled root; what came after is in the held tree alone.
//! - An operation that fails while a batch holds may lose the directories it had open: the batch then refuses everything.
//! - A held child has an entry in its parent, which may name an older state of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::future::BoxFuture;
use merkury_core::Block;

use super::ops::MfsNode;
use super::{Mfs, MfsError, cid_options_of};
use crate::build::{CidOptions, NodeSink};
use crate::dir::{DirEntry, Directory, NodeLink};
use crate::meta::Metadata;
use crate::read::FILE_DEPTH_MAX;

/// Directories that are nested deeper than this cannot be kept open by a batch: writing them is recursive.
const HELD_DEPTH_MAX: usize = FILE_DEPTH_MAX * 8;

/// A directory that is open.
#[derive(Debug)]
pub(super) struct OpenDir {
    pub(super) dir: Directory,
    /// How it is named when it is written.
    pub(super) cid: CidOptions,
    /// It, or one below, differs from what is stored.
    is_changed: bool,
    /// Held ones below it.
    below: BTreeMap<String, OpenDir>,
}

/// The directories from the root to the one that is changed, each with its name.
pub(super) struct Chain {
    dirs: Vec<(String, OpenDir)>,
}

/// How to name the failure when a name on the way to a change is a file. The words are Kubo's, which depend on the command.
#[derive(Clone, Copy, Debug)]
pub(super) enum OnFile<'a> {
    /// The parent is looked up together with this name in it.
    Access(&'a str),
    /// The parent is looked up alone, and must be a directory.
    Parent,
    /// The same, in the words of `rm`.
    Removing,
}

impl OnFile<'_> {
    fn error(self, above: &[String], file_at: usize) -> MfsError {
        if file_at + 1 < above.len() {
            return MfsError::NotADirectory(above[..=file_at + 1].join("/"));
        }
        match self {
            Self::Access(name) => MfsError::NotADirectory(format!("{}/{name}", above.join("/"))),
            Self::Parent => MfsError::IsNotADirectory(format!("/{}/", above.join("/"))),
            Self::Removing => MfsError::ParentIsAFile,
        }
    }
}

impl OpenDir {
    fn of_block(block: &Block, mfs: &Mfs) -> Result<Self, MfsError> {
        let dir = Directory::of_block(block, mfs.options.directory)?;
        let cid = cid_options_of(block.cid(), mfs.options.cid);
        Ok(Self { dir, cid, is_changed: false, below: BTreeMap::new() })
    }

    /// Writes it, and first what is held below it.
    fn write<'a>(
        &'a mut self,
        mfs: &'a Mfs,
        sink: &'a mut NodeSink<'_>,
        depth: usize,
    ) -> BoxFuture<'a, Result<NodeLink, MfsError>> {
        Box::pin(async move {
            if depth > HELD_DEPTH_MAX {
                return Err(MfsError::DirectoriesTooDeep(HELD_DEPTH_MAX));
            }
            let below = std::mem::take(&mut self.below);
            for (name, mut child) in below.into_iter().filter(|(_, child)| child.is_changed) {
                let link = child.write(mfs, sink, depth + 1).await?;
                // A parent that shrinks to a plain directory reads its shards: they must be there.
                sink.flush()?;
                self.dir.insert(&*mfs.get, entry_of(&name, link)).await?;
            }
            sink.set_cid_options(self.cid);
            Ok(self.dir.write(sink)?)
        })
    }
}

pub(super) fn entry_of(name: &str, link: NodeLink) -> DirEntry {
    DirEntry { name: Bytes::copy_from_slice(name.as_bytes()), cid: link.cid, tsize: link.tsize }
}

impl Mfs {
    /// From here on directories stay open until [`Mfs::settle`]: for many changes that count together. After a failed
    /// operation the batch must be given up, together with this value.
    pub fn hold(&mut self) {
        self.is_holding = true;
    }

    /// Writes the directories that are open and makes the outermost the root. Goes on holding.
    pub async fn settle(&mut self) -> Result<(), MfsError> {
        self.check_batch()?;
        let Some(mut root) = self.held.take().filter(|root| root.is_changed) else { return Ok(()) };
        let put = self.put.clone();
        let mut sink = NodeSink::new(&*put, self.options.cid);
        let link = root.write(self, &mut sink, 0).await?;
        sink.flush()?;
        self.root = link.cid;
        Ok(())
    }

    /// Opens the directories on the way to `names`. `on_file`: what to say when one of them is a file.
    pub(super) async fn open(&mut self, names: &[String], on_file: OnFile<'_>) -> Result<Chain, MfsError> {
        let mut chain = self.open_root().await?;
        for (index, name) in names.iter().enumerate() {
            let error = match chain.enter(self, name).await? {
                Some(true) => continue,
                Some(false) => on_file.error(names, index),
                None => MfsError::NotFound,
            };
            self.put_back(chain);
            return Err(error);
        }
        Ok(chain)
    }

    /// Opens the directories on the way to `names`; missing ones are made and named by `make`, if it says how. `last`: what
    /// to say when the last of them is a file.
    pub(super) async fn open_or_make(
        &mut self,
        names: &[String],
        make: Option<CidOptions>,
        last: fn(String) -> MfsError,
    ) -> Result<Chain, MfsError> {
        let mut chain = self.open_root().await?;
        for (index, name) in names.iter().enumerate() {
            match (chain.enter(self, name).await?, make) {
                (Some(true), _) => {}
                (Some(false), _) => {
                    let before = names[..index].join("/");
                    return Err(if index + 1 == names.len() {
                        last(before)
                    } else {
                        MfsError::WasNotADirectory(before)
                    });
                }
                (None, Some(cid)) => chain.enter_new(self, name, cid).await?,
                (None, None) => return Err(MfsError::NotFound),
            }
        }
        Ok(chain)
    }

    async fn open_root(&mut self) -> Result<Chain, MfsError> {
        self.check_batch()?;
        let mut root = match self.held.take() {
            Some(root) => root,
            None => OpenDir::of_block(&self.get.get(&self.root).await?, self)?,
        };
        self.is_out = self.is_holding;
        // The root is named as the options say, whatever it was before; others keep their way.
        root.cid = self.options.cid;
        Ok(Chain { dirs: vec![(String::new(), root)] })
    }

    /// An operation that took the open directories and did not bring them back has failed.
    fn check_batch(&self) -> Result<(), MfsError> {
        if self.is_out { Err(MfsError::BatchFailed) } else { Ok(()) }
    }

    /// Keeps the directories of a chain that was only looked at.
    pub(super) fn put_back(&mut self, chain: Chain) {
        if self.is_holding {
            self.held = chain.into_held(false);
            self.is_out = false;
        }
    }

    /// Writes the directories of a chain, innermost first, and makes the outermost the root. While a batch holds they are
    /// only kept.
    pub(super) async fn close(&mut self, mut chain: Chain) -> Result<(), MfsError> {
        if self.is_holding {
            self.held = chain.into_held(true);
            self.is_out = false;
            return Ok(());
        }
        let put = self.put.clone();
        let mut sink = NodeSink::new(&*put, self.options.cid);
        while let Some((name, mut open)) = chain.dirs.pop() {
            let link = open.write(self, &mut sink, 0).await?;
            sink.flush()?;
            match chain.dirs.last_mut() {
                Some((_, parent)) => drop(parent.dir.insert(&*self.get, entry_of(&name, link)).await?),
                None => self.root = link.cid,
            }
        }
        Ok(())
    }

    /// The node at a path while a batch holds.
    pub(super) async fn look_up_held(&mut self, names: &[String]) -> Result<MfsNode, MfsError> {
        let mut chain = self.open_root().await?;
        let mut found = None;
        for (index, name) in names.iter().enumerate() {
            if !chain.last_mut()?.below.contains_key(name) {
                found = Some((index + 1, chain.find(self, name).await?));
                break;
            }
            chain.enter(self, name).await?;
        }
        self.put_back(chain);
        match found {
            Some((_, None)) => Err(MfsError::NotFound),
            Some((depth, Some(entry))) => {
                let node = MfsNode::of_block(self.get.get(&entry.cid).await?)?;
                self.look_up_below(node, names, depth).await
            }
            // It is an open directory itself: what it is now has to be written to have a name.
            None => {
                self.settle().await?;
                let root = MfsNode::of_block(self.get.get(&self.root).await?)?;
                self.look_up_below(root, names, 0).await
            }
        }
    }
}

impl Chain {
    /// The innermost directory.
    pub(super) fn last_mut(&mut self) -> Result<&mut OpenDir, MfsError> {
        self.dirs.last_mut().map(|(_, open)| open).ok_or(MfsError::NotFound)
    }

    /// The entry of a name in the innermost directory.
    pub(super) async fn find(&mut self, mfs: &Mfs, name: &str) -> Result<Option<DirEntry>, MfsError> {
        Ok(self.last_mut()?.dir.find(&*mfs.get, name.as_bytes()).await?)
    }

    /// Puts an entry into the innermost directory; what was open under that name is let go.
    pub(super) async fn put(&mut self, mfs: &Mfs, name: &str, link: NodeLink) -> Result<(), MfsError> {
        let last = self.last_mut()?;
        last.below.remove(name);
        last.dir.insert(&*mfs.get, entry_of(name, link)).await?;
        Ok(())
    }

    /// Takes an entry out of the innermost directory; says whether it was there.
    pub(super) async fn remove(&mut self, mfs: &Mfs, name: &str) -> Result<bool, MfsError> {
        let last = self.last_mut()?;
        last.below.remove(name);
        Ok(last.dir.remove(&*mfs.get, name.as_bytes()).await?.is_some())
    }

    /// Opens the directory of that name. `Some(false)`: it is a file. `None`: there is nothing.
    pub(super) async fn enter(&mut self, mfs: &Mfs, name: &str) -> Result<Option<bool>, MfsError> {
        if let Some(held) = self.last_mut()?.below.remove(name) {
            self.dirs.push((name.to_owned(), held));
            return Ok(Some(true));
        }
        let Some(entry) = self.find(mfs, name).await? else { return Ok(None) };
        let block = mfs.get.get(&entry.cid).await?;
        if !MfsNode::of_block(block.clone())?.is_directory() {
            return Ok(Some(false));
        }
        self.dirs.push((name.to_owned(), OpenDir::of_block(&block, mfs)?));
        Ok(Some(true))
    }

    /// Makes a directory in the innermost one and opens it.
    pub(super) async fn enter_new(&mut self, mfs: &Mfs, name: &str, cid: CidOptions) -> Result<(), MfsError> {
        let dir = Directory::new(mfs.options.directory, Metadata::default());
        if mfs.is_holding {
            let mut sink = NodeSink::new(&*mfs.put, cid);
            let link = dir.write(&mut sink)?;
            sink.flush()?;
            self.put(mfs, name, link).await?;
        }
        self.dirs.push((name.to_owned(), OpenDir { dir, cid, is_changed: true, below: BTreeMap::new() }));
        Ok(())
    }

    /// The root with everything below it put back to its place.
    fn into_held(mut self, is_changed: bool) -> Option<OpenDir> {
        while let Some((name, mut open)) = self.dirs.pop() {
            open.is_changed |= is_changed;
            match self.dirs.last_mut() {
                Some((_, parent)) => {
                    parent.is_changed |= open.is_changed;
                    parent.below.insert(name, open);
                }
                None => return Some(open),
            }
        }
        None
    }
}
