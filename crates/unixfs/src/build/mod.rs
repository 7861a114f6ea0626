//! Import: files and directories become blocks.
//!
//! ```text
//! source (walk of a disk, multipart body, standard input)
//!   → steps in order: enter, file, symlink, leave             local.rs, stream.rs, steps.rs
//!   → jobs: open and read small files, pieces of large ones   pump.rs, feed.rs, pending.rs
//!   → threads: read into a slab, hash many leaves, put        worker.rs, slab.rs, leaf.rs
//!   → file nodes from (CID, size) pairs                       file.rs
//!   → directories, bottom up                                  tree.rs, ../dir/build.rs
//! ```
//!
//! Invariants:
//! - The same input and options give the same CIDs as Kubo 0.43.1.
//! - A block is handed to the store after all blocks below it.
//! - The bytes of a file are read once, to the place in the slab that is later the block.
//! - Memory: a slab per thread and three for sequential input, 24 to 40 MiB together; entries in flight are bounded;
//!   a directory's entries are held until it is written.
//! - On one thread nothing is spawned: a single small file is imported by the caller's thread.
//!
//! A crash loses what was not committed: the caller commits and pins after [`Importer::add_items`] returns.

mod feed;
mod file;
mod leaf;
mod local;
mod options;
mod pending;
mod pump;
mod sink;
mod slab;
mod steps;
mod stream;
mod tree;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use merkury_core::{BlockPut, Cid, ErrorKind};

use crate::dir::{DirEntry, DirError};

pub(crate) use file::DEPTH_REPEAT;
pub use file::FileLink;
pub use local::{Exclude, Symlinks, WalkOptions};
pub use options::{
    CidOptions, DirOptions, FILE_LINKS_DEFAULT, HAMT_FANOUT_DEFAULT, HAMT_THRESHOLD_DEFAULT, ImportOptions, Layout,
    MetadataOptions, SizeEstimation,
};
pub use sink::{NodeSink, SinkError};
pub use stream::{EntryStream, StreamEntry, StreamKind};

/// Why an import failed. Nothing of it is pinned; blocks already stored are garbage.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// A file or directory cannot be read.
    #[error("cannot read {name}: {error}")]
    Read {
        /// The path or name.
        name: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// Neither a file, a directory nor a symbolic link.
    #[error("unrecognized file type for {name}: {mode}")]
    NotAFile {
        /// The path or name.
        name: String,
        /// Its kind and mode, as `prw-r--r--`.
        mode: String,
    },
    /// A file lost bytes while it was read.
    #[error("a file shrank while it was added")]
    Shrank,
    /// A directory could not be written.
    #[error("cannot write directory {name:?}: {error}")]
    Directory {
        /// The path.
        name: String,
        /// Why.
        error: Box<DirError>,
    },
    /// Directories are nested deeper than we follow.
    #[error("directories nested more than {0} deep")]
    TooDeep(usize),
    /// A path in a stream that no tree can hold.
    #[error("path {0:?} is not allowed")]
    Path(String),
    /// A node could not be built or stored.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A thread of the import panicked: a mistake of ours.
    #[error("a thread of the import panicked")]
    Panicked,
    /// The caller gave up.
    #[error("add was cancelled")]
    Cancelled,
}

impl AddError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { error, .. } => match error.kind() {
                std::io::ErrorKind::NotFound => ErrorKind::NotFound,
                std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                _ => ErrorKind::Unavailable,
            },
            Self::NotAFile { .. } | Self::TooDeep(_) | Self::Path(_) => ErrorKind::Invalid,
            Self::Shrank | Self::Cancelled => ErrorKind::Unavailable,
            Self::Panicked => ErrorKind::Internal,
            Self::Directory { error, .. } => error.kind(),
            Self::Sink(error) => error.kind(),
        }
    }
}

/// What an import tells while it runs, in Kubo's order: files and symlinks as the walk meets them, the directories of
/// an item after its last file, children before parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddEvent<'a> {
    /// Bytes of a file were stored; only with [`ImportOptions::progress`].
    Progress {
        /// Path below the item, as in `Added`.
        name: &'a str,
        /// Bytes of this file so far.
        bytes: u64,
    },
    /// An entry is complete.
    Added {
        /// The item's name and the path below it; empty for a wrapping directory.
        name: &'a str,
        /// Its root.
        cid: &'a Cid,
        /// Encoded size of its DAG.
        size: u64,
        /// Whether it is a directory.
        is_directory: bool,
    },
}

/// One item that was added: a file or a whole tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The item's name; empty for a wrapping directory.
    pub name: String,
    /// Its root.
    pub cid: Cid,
    /// Encoded size of its DAG.
    pub size: u64,
}

impl Added {
    fn of_entry(entry: DirEntry) -> Self {
        Self { name: entry.name_text().into_owned(), cid: entry.cid, size: entry.tsize }
    }
}

/// One thing to add.
pub enum Item<'a> {
    /// A path of the local file system.
    Path {
        /// The name of the item.
        name: String,
        /// Where it is.
        path: std::path::PathBuf,
        /// What of it is taken.
        walk: WalkOptions,
    },
    /// Bytes to be read to their end.
    Reader {
        /// The name of the item; empty: it is named by its CID.
        name: String,
        /// The bytes.
        reader: &'a mut dyn std::io::Read,
    },
}

/// Adds things to a store. Blocking: call it on a thread that may wait.
pub struct Importer {
    put: Arc<dyn BlockPut>,
    options: ImportOptions,
    threads: usize,
    cancel: Arc<AtomicBool>,
}

impl Importer {
    /// An importer for `put`, on as many threads as there are cores.
    pub fn new(put: Arc<dyn BlockPut>, options: ImportOptions) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { put, options, threads, cancel: Arc::default() }
    }

    /// Uses this many threads, at least one.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// A switch that ends a running import with [`AddError::Cancelled`].
    pub fn cancel_switch(&self) -> CancelSwitch {
        CancelSwitch(self.cancel.clone())
    }

    /// Adds items, each on its own or all in one wrapping directory. Returns the roots in the order of the items.
    /// Blocks are in the store then; [`BlockPut::commit`] is the caller's.
    pub fn add_items(
        &self,
        items: Vec<Item<'_>>,
        wrap: bool,
        events: &mut dyn FnMut(AddEvent<'_>),
    ) -> Result<Vec<Added>, AddError> {
        self.run(&mut local::LocalSteps::new(items, wrap), false, events)
    }

    /// Adds a stream of entries, as a multipart body brings them. Entries of one item may come in any order.
    pub fn add_stream(
        &self,
        stream: &mut dyn EntryStream,
        wrap: bool,
        events: &mut dyn FnMut(AddEvent<'_>),
    ) -> Result<Vec<Added>, AddError> {
        self.run(&mut stream::StreamSteps::new(stream, wrap), true, events)
    }

    fn run(
        &self,
        steps: &mut dyn steps::Steps,
        lazy: bool,
        events: &mut dyn FnMut(AddEvent<'_>),
    ) -> Result<Vec<Added>, AddError> {
        pump::run(
            steps,
            lazy,
            &pump::Context { put: &*self.put, options: &self.options, threads: self.threads, cancel: &self.cancel },
            events,
        )
    }
}

/// Ends an import from another thread.
#[derive(Clone, Debug)]
pub struct CancelSwitch(Arc<AtomicBool>);

impl CancelSwitch {
    /// The import returns soon, with an error.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
