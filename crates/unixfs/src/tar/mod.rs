//! A DAG as files: a tar archive (`get` over RPC), or written to a disk, safely.
//!
//! ```text
//! root CID  → export  → items ─┬→ write    tar bytes
//!                              └→ DiskWriter   files below one directory
//! tar bytes → extract → items ───┘
//! ```
//!
//! Invariants:
//! - A name of an item is never `..`, absolute, empty or with `/` or NUL in it, whoever made the archive.
//! - Nothing is written outside the target: every directory is opened by one name below its parent and never through
//!   a symbolic link, so that no link in the archive and no racing process can lead a write away.
//! - Symbolic links are written as links and never followed.
//! - Depth is bounded by [`DEPTH_MAX`]; memory holds a few blocks per level and nothing per entry.

mod bulk;
mod disk;
mod export;
mod extract;
mod header;
mod write;

use merkury_core::{ErrorKind, GetError};

use crate::dir::DirError;
use crate::meta::Metadata;
use crate::node::NodeError;
use crate::read::ReadError;

pub use disk::DiskWriter;
pub use export::{Export, export};
pub use extract::extract;
pub use write::write;

/// Directories below each other at most.
pub const DEPTH_MAX: usize = 256;

/// What an export says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An entry begins; content follows for a file.
    Entry(Entry),
    /// Content of the last file.
    Data(bytes::Bytes),
}

/// A file, directory or link of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names from the root, which itself has none.
    pub path: Vec<bytes::Bytes>,
    /// What it is.
    pub kind: EntryKind,
    /// Mode and time, when stored.
    pub meta: Metadata,
}

/// What an entry of an export is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory; its entries follow.
    Directory,
    /// A file of exactly so many bytes.
    File {
        /// Its length.
        bytes: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: bytes::Bytes,
    },
}

/// Why a DAG cannot be written out, or an archive not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// A block is missing.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A block is malformed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A directory cannot be read.
    #[error(transparent)]
    Directory(#[from] DirError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The archive is malformed, or has what no export of ours has.
    #[error("malformed tar archive: {0}")]
    Format(&'static str),
    /// A path that would leave the target, or that no file system can hold.
    #[error("path {0:?} is not allowed")]
    Path(String),
    /// Directories are nested too deep.
    #[error("directories nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// The disk failed, or something there stands in the way.
    #[error("cannot write {path:?}: {error}")]
    Disk {
        /// The path below the target.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The archive cannot be read.
    #[error("cannot read the archive: {0}")]
    Archive(std::io::Error),
}

impl TarError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            Self::Directory(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::Node(_) | Self::Format(_) | Self::Path(_) | Self::TooDeep => ErrorKind::Invalid,
            Self::Disk { .. } => ErrorKind::Conflict,
            Self::Archive(_) => ErrorKind::Unavailable,
        }
    }
}

/// The names of a path as text, for people.
fn path_text(path: &[bytes::Bytes]) -> String {
    let names: Vec<_> = path.iter().map(|name| String::from_utf8_lossy(name)).collect();
    names.join("/")
}
