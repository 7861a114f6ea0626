//! What other people's Kubo holds: its repository, read in place and without changing it, and its content over its RPC.
//!
//! Parts: [`KuboRepo`] (the directory, its layout, its configuration), [`FlatFs`] and [`KuboBlocks`] (blocks), [`leveldb`]
//! (everything small, read without lock or recovery), [`pins()`], [`mfs_root`] and [`ipns_records`] (what is found there),
//! [`Rpc`] (the same from a running Kubo, for repositories whose databases are not read here).
//!
//! Invariants: nothing here writes to, locks, or creates a file in a Kubo repository. What comes out as a
//! [`Block`](merkury_core::Block) was hashed here.

mod blocks;
mod error;
mod files;
mod flatfs;
pub mod leveldb;
mod pins;
mod repo;
pub mod rpc;

pub use blocks::KuboBlocks;
pub use error::KuboError;
pub use flatfs::FlatFs;
pub use pins::{KuboPin, pin_of, pins};
pub use repo::{KuboRepo, Layout, ipns_records, mfs_root};
pub use rpc::Rpc;
