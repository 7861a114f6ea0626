//! Paths and names.

use merkury_core::{Cid, ContentPath};

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

/// Names.
pub trait Names: Send + Sync {
    /// Walks a path to its node. A missing name is `NotFound` in Kubo's words (`no link named "x" under Qm…`).
    fn resolve<'a>(&'a self, path: &'a ContentPath) -> Answer<'a, Resolved>;
}
