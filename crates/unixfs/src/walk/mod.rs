//! Walks over DAGs of any codec: what a pin reaches, what an export holds, what refers to what.
//!
//! Parts: [`fetch`] (every block once, as fast as they come: pins), [`Preorder`] (depth first in link order, with
//! blocks ahead of the reader: `refs`, exports, sizes).
//!
//! Invariants:
//! - Stacks are on the heap and hold the links of the nodes on the way, at most [`LINKS_HELD_MAX`].
//! - Each distinct CID is remembered where it must be met once only: memory grows with the number of distinct blocks
//!   of the walk, about 100 bytes each, and with nothing else. The multihash alone would not do: the same bytes may be
//!   met as plain bytes first and as a node with links later.
//! - Blocks in flight are bounded by [`FETCH_BLOCKS`] and [`AHEAD_BLOCKS`]. Dropping a walk gives its gets up.

mod fetch;
mod preorder;

use merkury_core::codec::{self, CodecError};
use merkury_core::{Block, Cid, ErrorKind, GetError};

pub use fetch::{Fetched, fetch, fetch_all};
pub use preorder::{Preorder, Step};

/// Links a walk may hold: 256 of the widest nodes, far over any DAG that was not made to hurt.
pub const LINKS_HELD_MAX: usize = 16 << 20;
/// Gets in flight of [`fetch`]: 64 MiB of usual leaves, so that one peer on a long line is kept busy.
pub const FETCH_BLOCKS: usize = 256;
/// Gets in flight of [`Preorder`] ahead of its reader.
pub const AHEAD_BLOCKS: usize = 32;

/// Why a walk ended early.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WalkError {
    /// A block is missing.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A block's links cannot be read.
    #[error("cannot read the links of {cid}: {why}")]
    Codec {
        /// The block.
        cid: Cid,
        /// What is wrong.
        why: CodecError,
    },
    /// More links wait than a walk may hold.
    #[error("the graph below {cid} is too wide to be walked")]
    TooWide {
        /// The node that was one too many.
        cid: Cid,
    },
}

impl WalkError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            _ => ErrorKind::Invalid,
        }
    }
}

/// What a block links to, in order; nothing for codecs without links.
pub fn links_of(block: &Block) -> Result<Vec<Cid>, WalkError> {
    codec::links(block.cid().codec(), block.data()).map_err(|why| WalkError::Codec { cid: block.cid().clone(), why })
}
