//! The mutable file system: ordinary paths over immutable nodes. Paths are absolute, `/a/b`.

use std::fmt;

use bytes::Bytes;
use merkury_core::Cid;

use crate::{Answer, ByteStream, ItemStream, Metadata, NodeKind};

/// How new nodes are built; `None` is the parent's way, as Kubo does.
#[derive(Clone, Debug, Default)]
pub struct MfsNodeOptions {
    /// CID version.
    pub cid_version: Option<u8>,
    /// Hash function's multicodec number.
    pub hash: Option<u64>,
}

/// How to write.
#[derive(Clone, Debug)]
pub struct MfsWriteOptions {
    /// First byte to write.
    pub offset: u64,
    /// Make the file when it is missing.
    pub create: bool,
    /// Make missing parents.
    pub parents: bool,
    /// Cut the file to nothing first.
    pub truncate: bool,
    /// Write at most so many bytes.
    pub count: Option<u64>,
    /// Leaves without a wrapper in new parts.
    pub raw_leaves: Option<bool>,
    /// How a new file is built.
    pub node: MfsNodeOptions,
    /// Durable when it answers (`--flush`, the default).
    pub flush: bool,
}

/// How to copy.
#[derive(Clone, Debug)]
pub struct MfsCopyOptions {
    /// Make missing parents.
    pub parents: bool,
    /// Replace an existing file, and take nodes that are not UnixFS.
    pub force: bool,
    /// Durable when it answers.
    pub flush: bool,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfsStat {
    /// The node.
    pub cid: Cid,
    /// What it is.
    pub kind: NodeKind,
    /// Bytes of a file.
    pub size: u64,
    /// Bytes of the DAG below.
    pub cumulative_size: u64,
    /// Links in the root block.
    pub blocks: u64,
    /// Mode and time, when stored.
    pub metadata: Metadata,
    /// With-local answer: whether everything is stored here, and how many bytes are; only when asked.
    pub local: Option<(bool, u64)>,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfsEntry {
    /// Its name.
    pub name: String,
    /// The node; `None` in a short listing.
    pub cid: Option<Cid>,
    /// What it is; only in a long listing.
    pub kind: NodeKind,
    /// Bytes of a file; only in a long listing.
    pub size: u64,
    /// Mode and time, when stored; only in a long listing.
    pub metadata: Metadata,
}

/// One change of a batch. `Display` is the command that makes it, for people and for the list of what can be undone.
#[derive(Clone, Debug)]
pub enum MfsChange {
    /// Makes a directory.
    Mkdir {
        /// Where.
        path: String,
        /// Make missing parents; no error when it exists.
        parents: bool,
        /// How it is built.
        node: MfsNodeOptions,
    },
    /// Writes bytes into a file.
    Write {
        /// The file.
        path: String,
        /// The bytes.
        data: Bytes,
        /// How; `flush` does not count in a batch.
        options: MfsWriteOptions,
    },
    /// Copies without copying data.
    Copy {
        /// A path of the file system, or `/ipfs/…`.
        source: String,
        /// Where to.
        target: String,
        /// How; `flush` does not count in a batch.
        options: MfsCopyOptions,
    },
    /// Moves or renames.
    Rename {
        /// What.
        source: String,
        /// Where to.
        target: String,
    },
    /// Removes a path.
    Remove {
        /// What.
        path: String,
        /// Directories too, with all that is in them.
        recursive: bool,
        /// Also what cannot be read; no error when it is not there.
        force: bool,
    },
    /// Sets permissions; 0 takes them away.
    SetMode {
        /// Of what.
        path: String,
        /// The twelve bits.
        mode: u32,
    },
    /// Sets the time of modification.
    Touch {
        /// Of what.
        path: String,
        /// Seconds since the epoch and nanoseconds.
        mtime: (i64, u32),
    },
    /// Names a directory by another CID version or hash function.
    ChangeCid {
        /// The directory.
        path: String,
        /// How; nothing changes when neither is said.
        node: MfsNodeOptions,
    },
}

impl fmt::Display for MfsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mkdir { path, .. } => write!(f, "files mkdir {path}"),
            Self::Write { path, .. } => write!(f, "files write {path}"),
            Self::Copy { source, target, .. } => write!(f, "files cp {source} {target}"),
            Self::Rename { source, target } => write!(f, "files mv {source} {target}"),
            Self::Remove { path, .. } => write!(f, "files rm {path}"),
            Self::SetMode { mode, path } => write!(f, "files chmod {mode:04o} {path}"),
            Self::Touch { path, .. } => write!(f, "files touch {path}"),
            Self::ChangeCid { path, .. } => write!(f, "files chcid {path}"),
        }
    }
}

/// A root that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfsRootChange {
    /// What it was; `None` when the file system was never written to.
    pub old: Option<Cid>,
    /// What it is.
    pub new: Cid,
}

/// The mutable file system.
pub trait Mfs: Send + Sync {
    /// Makes a directory.
    fn mkdir(&self, path: String, parents: bool, node: MfsNodeOptions, flush: bool) -> Answer<'_, ()>;

    /// Writes bytes into a file.
    fn write(&self, path: String, data: ByteStream, options: MfsWriteOptions) -> Answer<'_, ()>;

    /// Bytes of a file.
    fn read(&self, path: String, offset: u64, count: Option<u64>) -> Answer<'_, ByteStream>;

    /// Entries of a directory in its own order, or the one entry of a file.
    fn list(&self, path: String, long: bool) -> Answer<'_, ItemStream<MfsEntry>>;

    /// What a path is; `/ipfs/…` and `/ipns/…` are allowed too.
    fn stat(&self, path: String, with_local: bool) -> Answer<'_, MfsStat>;

    /// Copies from MFS or from `/ipfs/…` to MFS, without copying data.
    fn copy(&self, source: String, target: String, options: MfsCopyOptions) -> Answer<'_, ()>;

    /// Moves or renames inside MFS.
    fn rename(&self, source: String, target: String, flush: bool) -> Answer<'_, ()>;

    /// Removes one path. `force` also removes what cannot be read.
    fn remove(&self, path: String, recursive: bool, force: bool, flush: bool) -> Answer<'_, ()>;

    /// Makes a path durable and returns its CID.
    fn flush(&self, path: String) -> Answer<'_, Cid>;

    /// Makes one change that has no method of its own.
    fn change(&self, change: MfsChange, flush: bool) -> Answer<'_, ()>;

    /// Makes all changes, durably and in one step, or none. Returns the root. An error names the change by its place,
    /// counted from one.
    fn batch(&self, changes: Vec<MfsChange>) -> Answer<'_, Cid>;

    /// Puts another directory in the place of the root; without one an empty one. It must be stored here.
    fn replace_root(&self, root: Option<Cid>) -> Answer<'_, MfsRootChange>;
}
