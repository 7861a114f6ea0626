//! The mutable file system: ordinary paths over immutable nodes. Paths are absolute, `/a/b`.

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

/// The mutable file system.
pub trait Mfs: Send + Sync {
    /// Makes a directory.
    fn mkdir(&self, path: String, parents: bool, node: MfsNodeOptions, flush: bool) -> Answer<'_, ()>;

    /// Writes bytes into a file.
    fn write(&self, path: String, data: ByteStream, options: MfsWriteOptions) -> Answer<'_, ()>;

    /// Bytes of a file.
    fn read(&self, path: String, offset: u64, count: Option<u64>) -> Answer<'_, ByteStream>;

    /// Entries of a directory, or the one entry of a file. Sorted by name.
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
}
