//! The block store, pins, roots, garbage collection, key store and repository lock.
//!
//! Parts: [`Repo`] (the directory with Kubo's names: config, lock, key store, address files) and [`Store`] (what is
//! in `merkury/` below it: blocks, [`Pins`], [`Roots`], small tables ([`Meta`]), garbage collection); [`wrap`] has stores
//! around stores.
//!
//! A node does: `Repo::at(path)`, `repo.lock()` and keep the guard, `Store::open(&repo.store_dir(), Options::default())`.
//! `Store` is a [`BlockPut`](merkury_core::BlockPut), [`BlockHas`](merkury_core::BlockHas) and
//! [`BlockGet`](merkury_core::BlockGet) (local only). Adding goes: `store.temp_pin()`, `put_many` from several threads,
//! `store.pins().add(..)` (which commits the blocks first), drop the guard. All calls block; none needs a runtime.
//!
//! What nothing keeps is cache. [`Store::gc`] removes all of it; under a limit ([`Store::set_limit`]) it leaves by itself,
//! least recently used first.

mod blocks;
mod clock;
pub mod disk;
mod error;
mod gc;
mod meta;
mod one_bit;
mod outside;
mod pins;
mod quarantine;
mod quota;
mod repo;
mod roots;
mod store;
mod temp;
mod usage;
mod walk;
mod why;
pub mod wrap;

pub use blocks::{SealedSegment, SegmentEntry, Settled};
pub use blocks::{Verified, VerifyOptions, VerifyPlace};
pub use clock::Clock;
pub use disk::Counts;
pub use error::StoreError;
pub use gc::{Amount, GcEvent, GcOptions, GcPreview, GcStats, Pace};
pub use meta::Entry;
pub use pins::{PIN_NAME_BYTES_MAX, Pin, PinKind, PinnedHow, Pins};
pub use quarantine::Quarantined;
pub use quota::Allowance;
pub use repo::{Holder, KeyStore, KeyStoreError, REPO_VERSION, Repo, RepoError, RepoLock, open_files_max};
pub use roots::{Meta, Roots, RootsChange, SPARE_PREFIX};
pub use store::{Options, ReadCheck, Store, StoreStat, VerifyEvent};
pub use temp::TempPin;
pub use usage::{DagUsage, Extent, Usage};
pub use why::{Keeper, KeptBy, Why};
