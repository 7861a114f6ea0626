//! UnixFS files and directories by CID.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

use merkury_core::Cid;

use crate::{Answer, ByteStream, ItemStream};

/// What a node is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A file (dag-pb).
    File,
    /// Plain bytes (codec raw), also a file.
    Raw,
    /// A directory, of whatever layout.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A node that is not UnixFS.
    Other,
}

/// Optional UnixFS metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// POSIX permission bits, at most `0o7777`.
    pub mode: Option<u32>,
    /// Modification time: seconds since 1970 and nanoseconds.
    pub mtime: Option<(i64, u32)>,
}

/// What is known of a node without reading it whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// The node.
    pub cid: Cid,
    /// What it is.
    pub kind: NodeKind,
    /// A directory split over several blocks.
    pub sharded: bool,
    /// Bytes of the file; 0 for directories.
    pub size: u64,
    /// Bytes of the whole DAG below, as its links claim.
    pub cumulative_size: u64,
    /// Number of links in the root block.
    pub links: u64,
    /// Where a symbolic link points.
    pub target: Option<String>,
    /// Mode and time, when stored.
    pub metadata: Metadata,
}

/// A part of a file in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadRange {
    /// First byte.
    pub offset: u64,
    /// How many bytes; `None` is to the end.
    pub length: Option<u64>,
}

/// Bytes of a file as they come.
pub struct FileRead {
    /// Size of the whole file in bytes.
    pub size: u64,
    /// The asked part.
    pub bytes: ByteStream,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Name; bytes that are not UTF-8 are replaced.
    pub name: String,
    /// What it points to.
    pub cid: Cid,
    /// Cumulative size the link claims.
    pub link_size: u64,
    /// Kind, file size and metadata of the child, when asked for.
    pub stat: Option<FileStat>,
}

/// How to list a directory.
#[derive(Clone, Copy, Debug)]
pub struct ListOptions {
    /// Look at each child for its kind and size (may ask peers).
    pub stat_children: bool,
    /// HAMT order as it comes (`false`) or sorted by name (`true`; holds the names in memory).
    pub sorted: bool,
}

/// How to pack a node for `get`.
#[derive(Clone, Debug)]
pub struct TarOptions {
    /// Name of the top entry.
    pub name: String,
}

/// Says whether a file or directory of this name is left out.
pub type NameFilter = Arc<dyn Fn(&OsStr) -> bool + Send + Sync>;

/// What to add.
pub enum AddInput {
    /// Files, directories and links of this machine. Only for callers that may read its disk.
    Local {
        /// The paths, in the order given.
        paths: Vec<PathBuf>,
        /// Take hidden files below directories too.
        hidden: bool,
        /// Follow symbolic links given as arguments.
        dereference_args: bool,
        /// Follow every symbolic link.
        dereference_symlinks: bool,
        /// Names below directories to leave out.
        exclude: Option<NameFilter>,
    },
    /// Entries as they come from a client. Directories come before what is in them.
    Stream(ItemStream<InputEntry>),
}

/// One entry of an add stream.
pub struct InputEntry {
    /// Path relative to the top, `/` between names. Already checked: no `..`, no empty names, not absolute. Empty for
    /// bytes without a name (standard input).
    pub path: String,
    /// What it is.
    pub body: EntryBody,
    /// Mode and time, when the client sends them.
    pub metadata: Metadata,
    /// Where the file is on the node's machine, when the client says so: for references to it, never to be read.
    pub source: Option<PathBuf>,
}

/// What an entry of an add stream is.
pub enum EntryBody {
    /// A directory; its entries follow.
    Directory,
    /// A symbolic link.
    Symlink(String),
    /// A file; must be read to its end before the next entry comes.
    File(ByteStream),
}

/// How to build and keep what is added. Defaults are Kubo's (see `Default`).
#[derive(Clone, Debug)]
pub struct AddOptions {
    /// Version 0 CIDs.
    pub cid_v0: bool,
    /// Multicodec number of the hash function.
    pub hash: u64,
    /// Leaves without a UnixFS wrapper.
    pub raw_leaves: bool,
    /// Chunker as text, `size-262144`.
    pub chunker: String,
    /// Most links of a file node.
    pub file_links_max: usize,
    /// Most links of a basic directory; `None`: only the size threshold decides.
    pub directory_links_max: Option<usize>,
    /// Fan-out of sharded directories.
    pub hamt_fanout: usize,
    /// Size in bytes above which a directory is sharded.
    pub hamt_threshold: u64,
    /// Measure that size by the encoded block instead of names and CIDs.
    pub hamt_threshold_by_block: bool,
    /// Wrap everything in one directory.
    pub wrap: bool,
    /// Compute CIDs, store nothing.
    pub only_hash: bool,
    /// Pin the root.
    pub pin: bool,
    /// Name of the pin.
    pub pin_name: Option<String>,
    /// Path in MFS where the result is put too.
    pub to_files: Option<String>,
    /// Trickle layout instead of the balanced one.
    pub trickle: bool,
    /// Blocks up to this many bytes go into their own CID (`--inline`).
    pub inline_bytes_max: Option<usize>,
    /// Keep directories without entries.
    pub empty_directories: bool,
    /// Mode and time for every entry, unless preserved.
    pub fixed_metadata: Metadata,
    /// Keep modes of the source.
    pub preserve_mode: bool,
    /// Keep modification times of the source.
    pub preserve_mtime: bool,
    /// Send progress events.
    pub progress: bool,
    /// Refer to leaves in the files instead of storing them (`--nocopy`).
    pub no_copy: bool,
    /// Do not store blocks that are referred to already (`--fscache`).
    pub skip_referenced: bool,
}

impl Default for AddOptions {
    fn default() -> Self {
        Self {
            cid_v0: true,
            hash: merkury_core::multihash::code::SHA2_256,
            raw_leaves: false,
            chunker: "size-262144".into(),
            file_links_max: 174,
            directory_links_max: None,
            hamt_fanout: 256,
            hamt_threshold: 256 * 1024,
            hamt_threshold_by_block: false,
            wrap: false,
            only_hash: false,
            pin: true,
            pin_name: None,
            to_files: None,
            trickle: false,
            inline_bytes_max: None,
            empty_directories: true,
            fixed_metadata: Metadata::default(),
            preserve_mode: false,
            preserve_mtime: false,
            progress: false,
            no_copy: false,
            skip_referenced: false,
        }
    }
}

/// What an add tells while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddEvent {
    /// Bytes of this entry read so far; a few times a second.
    Progress {
        /// Path of the entry.
        name: String,
        /// Bytes read.
        bytes: u64,
    },
    /// An entry is built. It is durable only when the stream has ended without an error.
    Added {
        /// Path of the entry as Kubo prints it.
        name: String,
        /// Its CID.
        cid: Cid,
        /// Cumulative size of its DAG in bytes, as Kubo prints it.
        size: u64,
        /// Whether it is a directory.
        is_directory: bool,
    },
}

/// UnixFS by CID.
pub trait Files: Send + Sync {
    /// Builds files and directories. The stream's end without an error means: durable, and pinned if asked.
    fn add(&self, input: AddInput, options: AddOptions) -> ItemStream<AddEvent>;

    /// What a node is.
    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, FileStat>;

    /// Bytes of a file. Directories and nodes that are not UnixFS are errors in Kubo's words.
    fn read<'a>(&'a self, cid: &'a Cid, range: ReadRange) -> Answer<'a, FileRead>;

    /// Entries of a directory; of a file: none.
    fn list<'a>(&'a self, cid: &'a Cid, options: ListOptions) -> Answer<'a, ItemStream<DirEntry>>;

    /// One entry of a directory by name, `None` when there is none. O(log n) in sharded directories.
    fn lookup<'a>(&'a self, directory: &'a Cid, name: &'a str) -> Answer<'a, Option<Cid>>;

    /// A tar archive of a node, as `get` sends it.
    fn tar<'a>(&'a self, cid: &'a Cid, options: TarOptions) -> Answer<'a, ByteStream>;
}
