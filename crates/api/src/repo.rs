//! The repository as a whole.

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

/// What a collection tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GcEvent {
    /// A block is gone.
    Removed(Cid),
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

/// The repository.
pub trait Repo: Send + Sync {
    /// Sizes and counts; O(1).
    fn stat(&self) -> Answer<'_, RepoStat>;

    /// Removes what nothing keeps, beside writers.
    fn gc(&self) -> ItemStream<GcEvent>;

    /// The version.
    fn version(&self) -> Answer<'_, RepoVersion>;

    /// Reads every block and checks it; an item for each damaged one, as Kubo's words.
    fn verify(&self) -> ItemStream<String>;
}
