//! Paths and names.

use std::time::Duration;

use merkury_core::{Cid, ContentPath, PeerId};

use crate::Answer;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The last node on the way.
    pub cid: Cid,
    /// Names that remain inside that node (dag-cbor, dag-json); empty for UnixFS.
    pub rest: Vec<String>,
    /// The nodes from the root to `cid`, both included, in order. Inner nodes of sharded directories included.
    pub steps: Vec<Cid>,
    /// How long the answer may be cached, in seconds; `None` when the path is immutable.
    pub ttl_secs: Option<u64>,
}

/// How a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupOptions {
    /// Go on while the answer is a name itself.
    pub recursive: bool,
    /// Answers that were found before will do.
    pub cached: bool,
}

/// What to publish under a name.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// A key of this node: its name, its peer id or its IPNS name.
    pub key: String,
    /// The path to point at.
    pub value: String,
    /// How long the record is valid.
    pub lifetime: Duration,
    /// How long it may be served from a cache.
    pub ttl: Duration,
    /// Its number, higher than the last one; `None` counts on.
    pub sequence: Option<u64>,
    /// With the fields that readers of the first version want.
    pub for_old_readers: bool,
    /// Without a network it is enough that the record is stored here.
    pub allow_offline: bool,
}

/// Names.
pub trait Names: Send + Sync {
    /// Walks a path to its node. A missing name is `NotFound` in Kubo's words (`no link named "x" under Qm…`).
    fn resolve<'a>(&'a self, path: &'a ContentPath) -> Answer<'a, Resolved>;

    /// The path a name points at, with the rest of the given path behind it.
    fn lookup<'a>(&'a self, path: &'a ContentPath, options: LookupOptions) -> Answer<'a, String>;

    /// Points a name at a path: the record is durable here, then given to the network. Returns the name.
    fn publish(&self, options: PublishOptions) -> Answer<'_, PeerId>;

    /// The best valid record of a name.
    fn record(&self, name: PeerId) -> Answer<'_, Vec<u8>>;

    /// Keeps a record that somebody signed and gives it to the network. It must be valid; an older one than the one
    /// that is here changes nothing.
    fn put_record(&self, name: PeerId, record: Vec<u8>, allow_offline: bool) -> Answer<'_, ()>;
}
