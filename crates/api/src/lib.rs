//! The one typed API of a node, as traits of one subject each.
//!
//! Surfaces (commands, RPC, gateway, …) know this crate and never the node: they compile and test without a network.
//! A [`Node`] hands out an [`Api`], a set of handles, for a [`Reach`]: with peers or without.
//!
//! Invariants:
//! - Plain types and boxed futures only; a dropped future or stream gives its work up.
//! - Every stream is pulled by its reader: a slow reader slows the work, nothing piles up.
//! - An answer that says "stored" or "pinned" is durable.

mod blocks;
mod config;
mod dag;
mod error;
mod files;
mod history;
mod keys;
mod mfs;
mod migrate;
mod names;
mod peers;
mod pins;
mod records;
mod references;
mod repo;
mod routing;
mod space;

use std::sync::Arc;

pub use blocks::{BlockPutOptions, BlockRemoved, BlockStat, Blocks};
pub use config::{Config, ConfigChange};
pub use dag::{
    CarImported, CarRange, CarScope, Dag, DagImportOptions, DagStat, DagStatItem, ExportRequest, Link, RefItem,
    RefsOptions,
};
pub use error::ApiError;
pub use files::{
    AddEvent, AddInput, AddOptions, DirEntry, EntryBody, FileRead, FileStat, Files, InputEntry, ListOptions, Metadata,
    NameFilter, NodeKind, ReadRange, TarOptions,
};
pub use history::{History, UndoStep, Undone};
pub use keys::{KeyInfo, KeyKind, Keys};
pub use mfs::{Mfs, MfsChange, MfsCopyOptions, MfsEntry, MfsNodeOptions, MfsRootChange, MfsStat, MfsWriteOptions};
pub use migrate::{Migrate, MigrateEvent, MigrateProgress, MigrateRequest, Migrated};
pub use names::{LookupOptions, Names, PublishOptions, Resolved};
pub use peers::{BitswapStat, ConnectionDirection, ConnectionInfo, Identity, KnownPeer, Ledger, PeerIdentify, Peers};
pub use pins::{
    Keeper, KeptBy, PinEntry, PinEvent, PinFilter, PinKind, PinMode, PinOptions, PinVerified, Pins, WhyKept,
};
pub use records::Records;
pub use references::{FilePart, PartState, Referenced, References};
pub use repo::{
    Amount, Checkup, DamagedBlock, GcEvent, GcPreview, GcRequest, Repo, RepoStat, RepoVersion, VerifyEvent,
    VerifyOptions,
};
pub use routing::{FastProvide, PeerAddresses, ProvideStat, Routing, RoutingEvent};
pub use space::{Extent, Finding, Forgotten, Health, KeptAs, KeptDag, Space, SpaceUsage};

pub use merkury_core::BoxFuture;

/// A future of an API answer.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ApiError>>;
/// A stream of items; an error is the last item.
pub type ItemStream<T> = futures::stream::BoxStream<'static, Result<T, ApiError>>;
/// A stream of bytes; an error is the last item.
pub type ByteStream = ItemStream<bytes::Bytes>;

/// How far an operation may go for what is not stored here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Only what is stored here.
    Local,
    /// Ask peers too. On a node without a network this is the same as [`Reach::Local`].
    Network,
}

/// A node, as its surfaces see it.
pub trait Node: Send + Sync {
    /// The handles, for operations of this reach.
    fn api(&self, reach: Reach) -> Api;

    /// Whether this node has a network now (a daemon that is not `--offline`).
    fn is_online(&self) -> bool;

    /// Asks the node to stop: the daemon ends its surfaces, finishes writes and closes. Returns at once.
    fn shutdown(&self) -> Answer<'_, ()>;
}

/// The handles of a node. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// Single blocks.
    pub blocks: Arc<dyn Blocks>,
    /// Graphs of blocks: references, statistics, archives.
    pub dag: Arc<dyn Dag>,
    /// UnixFS files and directories by CID.
    pub files: Arc<dyn Files>,
    /// The mutable file system.
    pub mfs: Arc<dyn Mfs>,
    /// What can be undone.
    pub history: Arc<dyn History>,
    /// What is kept.
    pub pins: Arc<dyn Pins>,
    /// Paths and names.
    pub names: Arc<dyn Names>,
    /// Keys of this node.
    pub keys: Arc<dyn Keys>,
    /// Who has what, and where.
    pub routing: Arc<dyn Routing>,
    /// Connections and the exchange with them.
    pub peers: Arc<dyn Peers>,
    /// Parts of the user's files that are blocks.
    pub references: Arc<dyn References>,
    /// The repository as a whole.
    pub repo: Arc<dyn Repo>,
    /// Taking over what a Kubo has.
    pub migrate: Arc<dyn Migrate>,
    /// Space and health.
    pub space: Arc<dyn Space>,
    /// The configuration file.
    pub config: Arc<dyn Config>,
    /// Small values, for debugging.
    pub records: Arc<dyn Records>,
}
