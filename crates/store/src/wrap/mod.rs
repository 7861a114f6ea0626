//! Stores around stores: each is a [`BlockStore`](merkury_core::BlockStore) again and passes `testkit`'s suite.
//!
//! Parts, one file each: [`ReadCache`] (recent blocks in memory before a slow store), [`Mirror`] (the same blocks on several
//! disks), [`Layers`] (a store that is written to, over others that are only read), [`ReadOnly`], [`NoCopy`] (blocks
//! that are parts of the user's files, or of what an address serves). Those that bring a dependency of their own live in
//! crates of their own: an existing Kubo repository (`merkury-kubo`), an object store (`merkury-backends`).
//!
//! Invariants: a wrapper never makes a [`Block`](merkury_core::Block) from bytes it did not check, and never acknowledges
//! what the store below did not. None of them decides what is kept: pins and collection are the [`Store`](crate::Store)'s.

mod cache;
mod layers;
mod mirror;
mod no_copy;
mod read_only;

pub use cache::ReadCache;
pub use layers::Layers;
pub use mirror::{CaughtUp, CopyDisk, CopyState, Mirror};
pub use no_copy::{NoCopy, Origin, RefState, Reference, UrlReader};
pub use read_only::ReadOnly;
