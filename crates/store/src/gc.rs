//! Garbage collection: its options, events and figures.

use merkury_core::Cid;

/// How to collect.
#[derive(Clone, Debug, Default)]
pub struct GcOptions {
    /// Further DAGs to keep, as far as they are here.
    pub extra_roots: Vec<Cid>,
}

/// What a collection reports while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GcEvent {
    /// A block was removed.
    Removed {
        /// Its CID, as it was stored.
        cid: Cid,
        /// Its size.
        bytes: u64,
    },
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcStats {
    /// Blocks removed.
    pub removed_blocks: u64,
    /// Their size.
    pub removed_bytes: u64,
    /// Blocks kept.
    pub kept_blocks: u64,
    /// Space given back to the file system.
    pub reclaimed_bytes: u64,
    /// Segments removed because nothing in them lived.
    pub segments_dropped: u64,
    /// Segments removed after their living blocks were copied.
    pub segments_compacted: u64,
}
