//! The repository as a whole.

use std::time::Duration;

use merkury_core::Cid;

use crate::{Answer, ItemStream};

/// Size of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoStat {
    /// Bytes used.
    pub size: u64,
    /// `Datastore.StorageMax` in bytes.
    pub storage_max: u64,
    /// Number of blocks.
    pub objects: u64,
    /// Where it is.
    pub path: String,
    /// As Kubo prints it: `fs-repo@18`.
    pub version: String,
}

/// Version of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoVersion {
    /// The number, `18`.
    pub version: String,
}

/// How to collect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcRequest {
    /// Nobody wants to be told what was removed: no [`GcEvent::Removed`] comes, and names of blocks are not read.
    pub silent: bool,
    /// Remove nothing; the one item is [`GcEvent::Preview`].
    pub dry_run: bool,
}

/// Some blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a collection would do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcPreview {
    /// What would go.
    pub garbage: Amount,
    /// How long ago the blocks that would go were last used: the longest and the shortest time in seconds, where known.
    pub garbage_rested: Option<(u64, u64)>,
    /// What pins keep.
    pub pinned: Amount,
    /// What the mutable file system keeps beside.
    pub files: Amount,
    /// What running operations need.
    pub in_use: Amount,
    /// Segments of the store that would go at once because nothing in them would be left.
    pub segments_dropped: u64,
    /// Segments that would go after what is left in them was copied.
    pub segments_compacted: u64,
    /// Bytes the repository would be smaller by at once.
    pub bytes_freed: u64,
}

/// What a collection tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GcEvent {
    /// Blocks are gone.
    Removed(Vec<Cid>),
    /// What would be done.
    Preview(GcPreview),
    /// One block could not be looked at or removed; nothing that is kept was touched.
    Failed(String),
    /// The last item.
    Done {
        /// Blocks removed.
        blocks: u64,
        /// Bytes given back to the file system.
        bytes_freed: u64,
    },
}

/// How to verify stored blocks.
#[derive(Clone, Debug, Default)]
pub struct VerifyOptions {
    /// Take damaged blocks off the list of damaged ones. They are gone.
    pub drop: bool,
    /// Also fetch them from peers again, waiting at most this long for each.
    pub heal: Option<Duration>,
    /// Stop after this long, and go on there the next time.
    pub for_at_most: Option<Duration>,
    /// Only the N-th of so many parts.
    pub part: Option<(u32, u32)>,
}

/// What became of a damaged block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamagedBlock {
    /// It is on the list of damaged blocks; it is never returned.
    Quarantined,
    /// It had one wrong bit, and has none now.
    Mended,
    /// It is off the list.
    Removed,
    /// It is off the list, and here again.
    Healed,
    /// It is off the list, and no peer gave it.
    NotHealed(String),
}

/// What verification tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyEvent {
    /// So many blocks are checked.
    Progress {
        /// Blocks.
        blocks: u64,
    },
    /// A damaged block.
    Damaged {
        /// Its CID; `None` when its name is unreadable too.
        cid: Option<Cid>,
        /// What is wrong.
        why: String,
        /// What became of it.
        outcome: DamagedBlock,
    },
    /// Something that is no block was wrong and is put right.
    Repaired(String),
    /// The last item.
    Done {
        /// Blocks checked.
        blocks: u64,
        /// Their bytes.
        bytes: u64,
        /// The end was reached.
        is_complete: bool,
    },
}

/// The state of one structure of the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// Which structure.
    pub what: String,
    /// Nothing is wrong with it.
    pub is_well: bool,
    /// What was found, in words.
    pub found: String,
    /// What to do about it; empty when there is nothing to do.
    pub next: String,
}

/// The repository.
pub trait Repo: Send + Sync {
    /// Sizes and counts; O(1).
    fn stat(&self) -> Answer<'_, RepoStat>;

    /// Removes what nothing keeps, beside writers, or says what that would remove. A reader that takes nothing for some seconds
    /// is not waited for: the list of what was removed ends with an error, the collection does not.
    fn gc(&self, request: GcRequest) -> ItemStream<GcEvent>;

    /// The version.
    fn version(&self) -> Answer<'_, RepoVersion>;

    /// Reads blocks and checks them. Damaged ones of earlier runs are told again until they are here again or dropped.
    fn verify(&self, options: VerifyOptions) -> ItemStream<VerifyEvent>;

    /// Looks at every structure of the repository. Where no daemon runs the index is built anew from the segments.
    /// With `accept_pins`, pins that are in doubt after damage are taken for complete.
    fn check_up(&self, accept_pins: bool) -> ItemStream<Checkup>;
}
