//! Directories: one node, or a hash array mapped trie (HAMT) of nodes when they are large.
//!
//! Parts: [`build_directory`] (all entries at once, one pass), [`Directory`] (look up, insert and remove along one
//! path of the trie), [`find`] (one entry), [`list`] (stream the entries).
//!
//! Invariants:
//! - The same entries give the same CID, whatever the order of insertions and removals, as long as the size did not
//!   cross the threshold in between (Kubo keeps a HAMT that shrank by less than it grew; so do we).
//! - Names are bytes, not empty, not `.` or `..`, without `/` and NUL.
//! - The depth of a trie is bounded by the 64 bits of the hash.

mod build;
mod edit;
mod find;
pub(crate) mod hamt;
mod list;
mod shard;

use bytes::Bytes;
use merkury_core::codec::dag_pb::PbLink;
use merkury_core::codec::unixfs::UnixFsError;
use merkury_core::{Cid, ErrorKind, GetError};

pub(crate) use build::order_of_names;
pub use build::{build_directory, symlink_node};
pub use edit::{Directory, Replaced};
pub use find::find;
pub(crate) use find::find_in_block;
pub use list::{list, list_block};

use crate::build::SinkError;

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// Its name.
    pub name: Bytes,
    /// What it leads to.
    pub cid: Cid,
    /// Encoded size of everything below, as the writer of the directory claimed.
    pub tsize: u64,
}

impl DirEntry {
    /// The name as text; bytes that are not UTF-8 become the replacement character.
    pub fn name_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    pub(crate) fn of_link(link: &PbLink) -> Self {
        Self {
            name: link.name.clone().unwrap_or_default(),
            cid: link.cid.clone(),
            tsize: link.tsize.unwrap_or_default(),
        }
    }

    pub(crate) fn to_link(&self) -> PbLink {
        PbLink::new(self.cid.clone(), self.name.clone(), self.tsize)
    }

    /// What the entry adds to a directory's size when links are counted.
    pub(crate) fn link_bytes(&self) -> usize {
        self.name.len() + self.cid.encoded_len()
    }
}

/// A node that was written: what a parent needs to link to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLink {
    /// The node.
    pub cid: Cid,
    /// Encoded size of everything below, the node included.
    pub tsize: u64,
}

/// Why a directory could not be read or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DirError {
    /// A block of it is missing.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A block of it is malformed.
    #[error("malformed directory {cid}: {why}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What is wrong.
        why: Box<UnixFsError>,
    },
    /// The node is something else.
    #[error("{cid} is not a directory")]
    NotADirectory {
        /// The node.
        cid: Cid,
    },
    /// The node is no UnixFS node at all.
    #[error("{cid} has codec 0x{codec:x}, not dag-pb")]
    Codec {
        /// The node.
        cid: Cid,
        /// Its codec.
        codec: u64,
    },
    /// Two entries of one name.
    #[error("directory already has entry by that name: {0:?}")]
    Duplicate(String),
    /// More names share a hash than the trie can tell apart, or a foreign trie is deeper than its hash.
    #[error("sharded directory too deep")]
    TooDeep,
    /// A name that no directory can hold.
    #[error(transparent)]
    Name(UnixFsError),
    /// The number of slots is not a power of two from 8 to 1024.
    #[error("HAMT fanout must be a positive power of 2 and multiple of 8: {0}")]
    Fanout(usize),
    /// A node could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl DirError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            Self::Duplicate(_) => ErrorKind::Conflict,
            Self::Sink(error) => error.kind(),
            _ => ErrorKind::Invalid,
        }
    }
}
