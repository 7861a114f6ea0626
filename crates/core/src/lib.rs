//! The data model of IPFS: what everybody else in the house speaks.
//!
//! Parts: [`Cid`] and [`Multihash`] (names), [`bases`] (how they are written), [`Block`] (verified bytes), [`hash`] (many blocks at once), [`codec`]
//! (dag-pb, dag-cbor, dag-json and the links in them), [`car`] (CAR v1 and v2), [`ContentPath`], [`PeerId`], [`bootstrap`] and
//! [`keys`], the capability traits [`BlockGet`], [`BlockPut`], [`BlockHas`], error [`kinds`](ErrorKind) and
//! [`limits`].
//!
//! Invariants:
//! - A [`Block`] exists only with its hash checked or computed here.
//! - Decoders of foreign bytes return typed errors; they never panic, never recurse without a limit and never
//!   allocate from a claimed length.
//! - No runtime, no I/O, no clock: fuzzers and WASM use this crate too.

mod base58;
pub mod bases;
pub mod block;
pub mod bootstrap;
pub mod car;
pub mod cid;
pub mod codec;
pub mod error;
pub mod hash;
pub mod ipns;
pub mod keys;
pub mod limits;
pub mod mode;
pub mod multihash;
pub mod path;
pub mod peer_id;
pub mod stamp;
pub mod traits;
pub mod varint;

pub use block::{Block, BlockError};
pub use cid::{Cid, CidError, Version};
pub use error::ErrorKind;
pub use multihash::Multihash;
pub use path::ContentPath;
pub use peer_id::PeerId;
pub use traits::{BlockGet, BlockHas, BlockPut, BlockStore, BoxFuture, GetError, PutError};
