//! Graphs of blocks.

use merkury_core::Cid;

use crate::{Answer, ByteStream, ItemStream};

/// A link inside a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Name of the link; empty in file nodes.
    pub name: String,
    /// Where it points.
    pub cid: Cid,
    /// Cumulative size it claims, if any.
    pub size: Option<u64>,
}

/// How to list references.
#[derive(Clone, Debug)]
pub struct RefsOptions {
    /// Follow links of links.
    pub recursive: bool,
    /// Each CID once.
    pub unique: bool,
    /// Levels to descend; `None` is all. Counts only with `recursive`.
    pub max_depth: Option<u32>,
}

/// One reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefItem {
    /// The node that holds the link.
    pub source: Cid,
    /// Where it points.
    pub target: Cid,
    /// Name of the link.
    pub name: String,
}

/// Size of a DAG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DagStat {
    /// Its root.
    pub root: Cid,
    /// Bytes of its distinct blocks.
    pub size: u64,
    /// Number of its distinct blocks.
    pub blocks: u64,
}

/// An item of a statistics stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DagStatItem {
    /// Counted so far, of the root at this place in the request; sent a few times a second.
    Progress(DagStat),
    /// All roots counted.
    Done {
        /// One entry a root, in the order asked.
        dags: Vec<DagStat>,
        /// Distinct blocks over all roots.
        unique_blocks: u64,
        /// Bytes of the distinct blocks over all roots.
        total_size: u64,
        /// Bytes that more than one root shares: the sum of the single sizes less `total_size`.
        shared_size: u64,
    },
}

/// How to import archives.
#[derive(Clone, Debug)]
pub struct DagImportOptions {
    /// Pin the roots recursively once every block is in.
    pub pin_roots: bool,
    /// Allow blocks that peers would refuse.
    pub allow_big: bool,
    /// Do not ask peers for blocks that a pinned root lacks.
    pub local_only: bool,
}

/// What an import did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CarImported {
    /// A root, and why it could not be pinned, if so.
    Root {
        /// The root.
        cid: Cid,
        /// Kubo's words for what went wrong; `None` is success.
        pin_error: Option<String>,
    },
    /// Counted over all archives of the request; the last item.
    Stats {
        /// Sections read.
        blocks: u64,
        /// Bytes of the blocks.
        bytes: u64,
    },
}

/// Which blocks below a root an archive takes (trustless gateway: `dag-scope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarScope {
    /// The root block alone.
    Block,
    /// The file, or the directory's own blocks, without its children.
    Entity,
    /// Everything below.
    All,
}

/// A byte range of a file (trustless gateway: `entity-bytes`); negative numbers count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarRange {
    /// First byte.
    pub from: i64,
    /// Last byte, inclusive; `None` is the end.
    pub to: Option<i64>,
}

/// What to export.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Root written into the header. For a path this is the resolved CID, or what the gateway's rules say.
    pub header_roots: Vec<Cid>,
    /// Blocks on the way to `root`, written first.
    pub path_blocks: Vec<Cid>,
    /// Where the export starts.
    pub root: Cid,
    /// How much of it.
    pub scope: CarScope,
    /// Part of a file; only with [`CarScope::Entity`].
    pub range: Option<CarRange>,
    /// Write a block each time it is met instead of once.
    pub duplicates: bool,
    /// Leave out what is not stored here instead of failing or asking peers.
    pub local_only: bool,
    /// Write blocks that are in their CIDs already, too.
    pub identities: bool,
}

impl ExportRequest {
    /// The whole DAG below one root, each block once, depth first.
    pub fn whole(root: Cid) -> Self {
        Self {
            header_roots: vec![root.clone()],
            path_blocks: Vec::new(),
            root,
            scope: CarScope::All,
            range: None,
            duplicates: false,
            local_only: false,
            identities: false,
        }
    }
}

/// Operations on graphs.
pub trait Dag: Send + Sync {
    /// The links of one node.
    fn links<'a>(&'a self, cid: &'a Cid) -> Answer<'a, Vec<Link>>;

    /// References below a root, in Kubo's order.
    fn refs(&self, root: Cid, options: RefsOptions) -> ItemStream<RefItem>;

    /// Sizes of DAGs.
    fn stat(&self, roots: Vec<Cid>) -> ItemStream<DagStatItem>;

    /// Imports archives (CAR v1 or v2), one after the other, and pins their roots when all are read: one archive may
    /// hold what the root in another needs. Every block is verified; a wrong one ends the import with an error and
    /// nothing is pinned.
    fn import(&self, cars: ItemStream<ByteStream>, options: DagImportOptions) -> ItemStream<CarImported>;

    /// An archive (CAR v1). A missing block is an error inside the stream.
    fn export(&self, request: ExportRequest) -> Answer<'_, ByteStream>;
}
