//! The mutable file system: paths over immutable nodes.
//!
//! Parts: [`Mfs`] (operations, each makes a new root), [`path`] (Kubo's reading of paths), [`edit`] (bytes written into
//! a file), [`trickle`] (appending in the layout that `files write` uses).
//!
//! Invariants:
//! - An operation that fails leaves the root as it was.
//! - Work is along one path: directories beside it are not read, and of sharded ones only the shards on the way.
//! - The same operations give the same CIDs as Kubo 0.43.1.
//!
//! Nodes are handed to the store as they are made; the caller keeps the root durable ([`Mfs::root`]) after
//! [`BlockPut::commit`](merkury_core::BlockPut::commit). One caller at a time: it holds the lock, so that two changes do not lose each other.
//! Operations wait for blocks and for the store: run them where blocking is allowed.

mod edit;
mod ops;
mod path;
mod trickle;

use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::{BlockGet, BlockPut, Cid, ErrorKind, GetError};

use crate::build::{CidOptions, DirOptions, FILE_LINKS_DEFAULT, NodeSink, SinkError};
use crate::chunk::Chunker;
use crate::dir::DirError;
use crate::meta::Metadata;
use crate::node::NodeError;
use crate::read::ReadError;

pub use ops::{MfsNode, WriteOptions};
pub use path::MfsPath;

/// How the file system builds nodes: the `Import` section of Kubo's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MfsOptions {
    /// Names of new directories and files, unless an operation says otherwise.
    pub cid: CidOptions,
    /// Shape of directories.
    pub directory: DirOptions,
    /// How written bytes are cut.
    pub chunker: Chunker,
    /// Leaves of written bytes are plain bytes; `None`: as the file's CID version says.
    pub raw_leaves: Option<bool>,
}

/// Links per file node of written files; Kubo has no option for it.
const LINKS_MAX: usize = FILE_LINKS_DEFAULT;

/// Why an operation failed. The words are Kubo's where it has some.
#[derive(Debug, thiserror::Error)]
pub enum MfsError {
    /// A block is missing.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A directory cannot be read or written.
    #[error(transparent)]
    Directory(#[from] DirError),
    /// A node is malformed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A node could not be made or stored.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The data to write could not be read.
    #[error("cannot read the data: {0}")]
    Data(std::io::Error),
    /// A path that is none.
    #[error("{0}")]
    Path(&'static str),
    /// No such entry.
    #[error("file does not exist")]
    NotFound,
    /// There is one already.
    #[error("file already exists")]
    Exists,
    /// There is one already, where something is put.
    #[error("directory already has entry by that name")]
    EntryExists,
    /// Making `/`.
    #[error("cannot create directory '/': Already exists")]
    RootExists,
    /// A name on the way is no directory.
    #[error("cannot access {0}: Not a directory")]
    NotADirectory(String),
    /// The target of a write is no file.
    #[error("{0} was not a file")]
    NotAFile(String),
    /// Removing `/`.
    #[error("cannot delete root")]
    RemoveRoot,
    /// Removing a directory without `recursive`.
    #[error("path is a directory, use -r to remove directories")]
    IsDirectory,
    /// Moving a directory below itself.
    #[error("cannot move {0} into itself")]
    IntoItself(String),
    /// A hole larger than [`HOLE_BYTES_MAX`].
    #[error("offset is {0} bytes past the end of the file, at most {HOLE_BYTES_MAX} are filled with zeros")]
    Hole(u64),
    /// A file that is nested deeper than any file needs.
    #[error("file is nested too deep at {0}")]
    TooDeep(Cid),
}

/// Most zeros that one write or truncation puts between the end of a file and its new bytes: they are real nodes.
pub const HOLE_BYTES_MAX: u64 = 16 << 30;

impl MfsError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            Self::Directory(error) => error.kind(),
            Self::Read(error) => error.kind(),
            Self::Sink(error) => error.kind(),
            Self::Data(_) => ErrorKind::Unavailable,
            Self::NotFound => ErrorKind::NotFound,
            Self::Exists | Self::EntryExists | Self::RootExists | Self::RemoveRoot | Self::IsDirectory => {
                ErrorKind::Conflict
            }
            _ => ErrorKind::Invalid,
        }
    }
}

/// A file system at one root.
pub struct Mfs {
    get: Arc<dyn BlockGet>,
    put: Arc<dyn BlockPut>,
    options: MfsOptions,
    root: Cid,
}

impl Mfs {
    /// The file system whose root is `root`.
    pub fn new(get: Arc<dyn BlockGet>, put: Arc<dyn BlockPut>, options: MfsOptions, root: Cid) -> Self {
        Self { get, put, options, root }
    }

    /// Stores an empty directory and returns it: the root of a new file system.
    pub fn empty_root(put: &dyn BlockPut, options: &MfsOptions) -> Result<Cid, MfsError> {
        let mut sink = NodeSink::new(put, options.cid);
        let link = crate::dir::build_directory(Vec::new(), &options.directory, &Metadata::default(), &mut sink)?;
        sink.flush()?;
        Ok(link.cid)
    }

    /// The root after the last operation.
    pub fn root(&self) -> &Cid {
        &self.root
    }
}

/// The way a node of ours was named, to name its successor.
fn cid_options_of(cid: &Cid, fallback: CidOptions) -> CidOptions {
    let format = match cid.version() {
        merkury_core::Version::V0 => CidFormat::V0,
        merkury_core::Version::V1 => CidFormat::V1,
    };
    // An identity CID says nothing about how a larger node is to be named.
    let hash_code = if cid.hash().is_identity() { fallback.hash_code } else { cid.hash().code() };
    CidOptions { format, hash_code, inline_bytes_max: None }
}
