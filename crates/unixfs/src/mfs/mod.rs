//! The mutable file system: paths over immutable nodes.
//!
//! Parts: [`Mfs`] (operations, each makes a new root), [`tree`] (open directories, batches), [`path`] (Kubo's reading of
//! paths), [`edit`] (bytes written into a file), [`trickle`] (appending in the layout that `files write` uses).
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
mod tree;
mod trickle;

use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code;
use merkury_core::{Block, BlockGet, BlockPut, Cid, ErrorKind, GetError};

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
    /// The parent of a copy or move is no directory.
    #[error("{0} is not a directory")]
    IsNotADirectory(String),
    /// A name on the way to a new directory is a file; says the path before it.
    #[error("{0} was not a directory")]
    WasNotADirectory(String),
    /// The parent of what is removed is a file.
    #[error("expected *mfs.Directory, didn't get it. This is likely a race condition")]
    ParentIsAFile,
    /// What a copy shall replace cannot be replaced.
    #[error("cannot unlink existing file: {0}")]
    Replace(String),
    /// The way of naming can be changed for directories.
    #[error("can only update directories")]
    OnlyDirectories,
    /// An operation of a batch failed before.
    #[error("an operation of this batch has failed: it must be given up")]
    BatchFailed,
    /// A batch changed directories that are nested deeper than this.
    #[error("directories are nested deeper than {0}")]
    DirectoriesTooDeep(usize),
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
    /// The block that could not be had, if that is the reason.
    pub fn missing_block(&self) -> Option<&Cid> {
        let get = match self {
            Self::Get(get) | Self::Directory(DirError::Get(get)) | Self::Read(ReadError::Get(get)) => get,
            _ => return None,
        };
        match get {
            GetError::NotHere { cid } | GetError::NotFound { cid, .. } => Some(cid),
            _ => None,
        }
    }

    /// Kubo looks for the file to replace before anything else, and says so.
    fn of_replacing(self, replace: bool) -> Self {
        match self {
            Self::IsNotADirectory(path) if replace => Self::Replace(format!("not a directory: {path}")),
            Self::NotADirectory(_) if replace => Self::Replace(self.to_string()),
            other => other,
        }
    }

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
    /// Whether directories stay open from one operation to the next.
    is_holding: bool,
    /// Those that are open.
    held: Option<tree::OpenDir>,
    /// An operation of the batch has them and did not bring them back yet.
    is_out: bool,
}

impl Mfs {
    /// The file system whose root is `root`.
    pub fn new(get: Arc<dyn BlockGet>, put: Arc<dyn BlockPut>, options: MfsOptions, root: Cid) -> Self {
        Self { get, put, options, root, is_holding: false, held: None, is_out: false }
    }

    /// Stores an empty directory and returns it: the root of a new file system.
    pub fn empty_root(put: &dyn BlockPut, options: &MfsOptions) -> Result<Cid, MfsError> {
        let mut sink = NodeSink::new(put, options.cid);
        let link = crate::dir::build_directory(Vec::new(), &options.directory, &Metadata::default(), &mut sink)?;
        sink.flush()?;
        Ok(link.cid)
    }

    /// The name that a root has by these options: the next operation would give it. Stores the block under it.
    pub fn name_root(put: &dyn BlockPut, root: &Block, options: &MfsOptions) -> Result<Cid, MfsError> {
        if cid_options_of(root.cid(), options.cid) == options.cid {
            return Ok(root.cid().clone());
        }
        let mut sink = NodeSink::new(put, options.cid);
        let cid = sink.add(codec_code::DAG_PB, root.data().clone())?;
        sink.flush()?;
        Ok(cid)
    }

    /// The root after the last operation; while a batch holds, after the last [`Mfs::settle`].
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
