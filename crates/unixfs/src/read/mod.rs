//! Reading files: a range of bytes as a stream of slices of blocks.
//!
//! Parts: [`File`] (a root that was read: its size, ranges of it), [`FileStream`] (one range on its way).
//!
//! Invariants:
//! - Blocks outside the range are not read, but for the nodes above it.
//! - While blocks are at hand nothing is read ahead. As soon as one has to be waited for, following blocks are asked
//!   for too, up to a window of bytes that grows while the reader waits.
//! - Declared sizes choose what to fetch and must turn out true; nothing is allocated by them.
//! - Layouts do not matter: any tree of file nodes is read in link order, bounded in depth and in links held.

mod stream;

use std::sync::Arc;

use merkury_core::{BlockGet, Cid, ErrorKind, GetError};

use crate::node::{Node, NodeError, NodeType};

pub use stream::FileStream;

/// Nodes above a leaf at most; real files have under ten.
pub const FILE_DEPTH_MAX: usize = 64;
/// Links held at once by one stream: 16 of the widest nodes.
pub const LINKS_HELD_MAX: usize = 1 << 20;

/// Why a file cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// A block is missing.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A block is malformed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The root is a directory. Kubo's words.
    #[error("this dag node is a directory")]
    IsDirectory,
    /// The root is a symbolic link. Kubo's words.
    #[error("cannot currently read symlinks")]
    IsSymlink,
    /// A node inside the file is no file node.
    #[error("{cid} inside a file is not part of a file")]
    NotAFile {
        /// The node.
        cid: Cid,
    },
    /// A node's content has another length than its parent says.
    #[error("{cid} holds {actual} bytes of a file, its parent says {declared}")]
    SizeMismatch {
        /// The node.
        cid: Cid,
        /// What the parent says.
        declared: u64,
        /// What it is.
        actual: u64,
    },
    /// The tree is deeper or wider than any file needs.
    #[error("file is nested too deep or too wide at {cid}")]
    TooLarge {
        /// Where.
        cid: Cid,
    },
}

impl ReadError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            _ => ErrorKind::Invalid,
        }
    }
}

/// How much is asked for ahead of the reader when blocks come from peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadWindow {
    /// At first.
    pub start_bytes: u64,
    /// At most: with hundreds of readers this is what a node holds for each of them.
    pub max_bytes: u64,
}

impl Default for ReadWindow {
    fn default() -> Self {
        Self { start_bytes: 4 << 20, max_bytes: 16 << 20 }
    }
}

/// A file whose root was read.
#[derive(Clone)]
pub struct File {
    get: Arc<dyn BlockGet>,
    cid: Cid,
    root: Arc<Node>,
    window: ReadWindow,
}

impl File {
    /// Reads the root of a file.
    pub async fn open(get: Arc<dyn BlockGet>, cid: &Cid) -> Result<Self, ReadError> {
        let block = get.get(cid).await?;
        let node = Node::of_block(&block)?;
        Self::of_node(get, cid.clone(), node)
    }

    /// A file whose root is at hand.
    pub fn of_node(get: Arc<dyn BlockGet>, cid: Cid, root: Node) -> Result<Self, ReadError> {
        match root.node_type() {
            Some(NodeType::File) => Ok(Self { get, cid, root: Arc::new(root), window: ReadWindow::default() }),
            Some(NodeType::Directory) => Err(ReadError::IsDirectory),
            Some(NodeType::Symlink) => Err(ReadError::IsSymlink),
            None => Err(ReadError::NotAFile { cid }),
        }
    }

    /// Uses another window.
    pub fn window(mut self, window: ReadWindow) -> Self {
        self.window = window;
        self
    }

    /// The root.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The root's node.
    pub fn node(&self) -> &Node {
        &self.root
    }

    /// Length in bytes as the root says. A stream that was read without error had exactly the bytes asked for.
    pub fn size(&self) -> u64 {
        self.root.file_bytes()
    }

    /// The bytes from `offset`, at most `length`; past the end there are none. The stream's items are slices of
    /// blocks, none empty.
    pub fn read_range(&self, offset: u64, length: Option<u64>) -> FileStream {
        let end = length.map_or(u64::MAX, |length| offset.saturating_add(length)).min(self.size());
        FileStream::new(self.get.clone(), self.cid.clone(), &self.root, offset.min(end)..end, self.window)
    }

    /// All bytes of a range, for files known to be small: an error when there are more than `bytes_max`.
    pub async fn read_to_vec(&self, offset: u64, length: Option<u64>, bytes_max: usize) -> Result<Vec<u8>, ReadError> {
        use futures::TryStreamExt;
        let mut stream = self.read_range(offset, length);
        let mut out = Vec::new();
        while let Some(part) = stream.try_next().await? {
            if out.len() + part.len() > bytes_max {
                return Err(ReadError::TooLarge { cid: self.cid.clone() });
            }
            out.extend_from_slice(&part);
        }
        Ok(out)
    }
}
