//! Small capabilities that storage, network and builders give each other.

use std::future::Future;
use std::pin::Pin;

use crate::{Block, Cid, ErrorKind};

/// A boxed future; crate edges use these so that generics stay inside crates.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a block could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GetError {
    /// Not in the local store, and nobody was asked.
    #[error("block was not found locally (offline): ipld: could not find {cid}")]
    NotHere {
        /// The wanted block.
        cid: Cid,
    },
    /// Peers were asked; the wait ended. `why` tells what was tried, for people.
    #[error("no peer sent block {cid}: {why}")]
    NotFound {
        /// The wanted block.
        cid: Cid,
        /// What was tried.
        why: String,
    },
    /// The stored bytes do not hash to the name.
    #[error("stored block {cid} is damaged: {why}")]
    Corrupt {
        /// The wanted block.
        cid: Cid,
        /// What is wrong.
        why: String,
    },
    /// The block's bytes are kept in a file or at an address of somebody else, where they are no longer.
    #[error("block {cid} is part of {origin}, which {why}")]
    Moved {
        /// The wanted block.
        cid: Cid,
        /// The file or address.
        origin: String,
        /// "has changed", "is gone", …
        why: String,
    },
    /// The CID itself is refused (unsafe hash, over-long identity).
    #[error("{why}")]
    Refused {
        /// The wanted block.
        cid: Cid,
        /// Which rule.
        why: String,
    },
    /// It came, and there is no space to store it.
    #[error("no space left to store block {cid}: {why}")]
    NoSpace {
        /// The wanted block.
        cid: Cid,
        /// What is full, and what to do.
        why: String,
    },
    /// The store or the network failed.
    #[error("cannot read block {cid}: {why}")]
    Failed {
        /// The wanted block.
        cid: Cid,
        /// The cause.
        why: String,
    },
}

impl GetError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotHere { .. } | Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Corrupt { .. } | Self::Moved { .. } => ErrorKind::Corrupt,
            Self::Refused { .. } => ErrorKind::Invalid,
            Self::NoSpace { .. } => ErrorKind::NoSpace,
            Self::Failed { .. } => ErrorKind::Internal,
        }
    }

    /// The block that was wanted.
    pub fn cid(&self) -> &Cid {
        match self {
            Self::NotHere { cid }
            | Self::NotFound { cid, .. }
            | Self::Corrupt { cid, .. }
            | Self::Moved { cid, .. }
            | Self::Refused { cid, .. }
            | Self::NoSpace { cid, .. }
            | Self::Failed { cid, .. } => cid,
        }
    }
}

/// Why blocks could not be kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PutError {
    /// No space left, on the disk or in the quota.
    #[error("no space left to store blocks: {0}")]
    NoSpace(String),
    /// The store failed; after a failed fsync every further put fails until it is opened again.
    #[error("cannot store blocks: {0}")]
    Failed(String),
}

impl PutError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSpace(_) => ErrorKind::NoSpace,
            Self::Failed(_) => ErrorKind::Internal,
        }
    }
}

/// Gives blocks by CID: a store, a session with peers, or both. Identity CIDs are answered by every implementation.
///
/// Dropping the future gives up the want. Callers bound how many they have in flight.
pub trait BlockGet: Send + Sync {
    /// The block, or why not. May wait for peers.
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>>;

    /// The block if it is at hand without waiting for a peer. Reading a disk is allowed.
    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError>;
}

/// Takes blocks. Called from blocking threads: building a DAG is work of the CPU and the disk.
pub trait BlockPut: Send + Sync {
    /// Hands blocks over. They are readable at once through the same store, and durable after [`BlockPut::commit`].
    /// A block that is already there is not written again.
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError>;

    /// As [`BlockPut::put_many`], for blocks that were fetched for a reader: nobody counts on them to stay.
    fn put_cached(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.put_many(blocks)
    }

    /// Returns when everything handed over so far survives a power cut.
    fn commit(&self) -> Result<(), PutError>;
}

/// Knows what is stored. Answers from memory, never waits.
pub trait BlockHas: Send + Sync {
    /// Whether the bytes of this multihash are stored. Never a false "no".
    fn has(&self, cid: &Cid) -> bool;

    /// Size of the stored block in bytes.
    fn size_of(&self, cid: &Cid) -> Option<u64>;
}

/// All three capabilities at once: what a block store is, and what a wrapper around one is again.
pub trait BlockStore: BlockGet + BlockPut + BlockHas {}

impl<T: BlockGet + BlockPut + BlockHas + ?Sized> BlockStore for T {}
