//! What keeps how much, letting go of it, and whether all is well.

use merkury_core::Cid;

use crate::Answer;

/// Blocks and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What keeps a DAG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptAs {
    /// A pin, with its name, which may be empty.
    Pin {
        /// The name.
        name: String,
    },
    /// An entry at the top of the mutable file system.
    File {
        /// Its path.
        path: String,
    },
}

/// One DAG that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDag {
    /// Its root.
    pub cid: Cid,
    /// What keeps it.
    pub kept_as: KeptAs,
    /// All of it that is here.
    pub total: Extent,
    /// What no other DAG of the list holds.
    pub unique: Extent,
    /// A part of it is not here.
    pub has_holes: bool,
}

/// What all kept DAGs take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceUsage {
    /// Each.
    pub dags: Vec<KeptDag>,
    /// All together, every block once.
    pub together: Extent,
    /// All blocks that are stored, kept or not.
    pub stored: Extent,
    /// Bytes of the repository's files.
    pub disk_bytes: u64,
}

/// What letting go of a pin does, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The pin.
    pub cid: Cid,
    /// Its name.
    pub name: String,
    /// Blocks that only it kept: they are gone, or would be.
    pub freed: Extent,
    /// All of it that was here.
    pub total: Extent,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// All is well.
    Good,
    /// Worth a look.
    Warning,
    /// Something does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, one word.
    pub area: &'static str,
    /// How it is.
    pub health: Health,
    /// What was found, a sentence.
    pub what: String,
    /// What to type next.
    pub next: Option<String>,
}

/// Space and health.
pub trait Space: Send + Sync {
    /// What keeps how much, from recorded sizes: no block is read.
    fn usage(&self) -> Answer<'_, SpaceUsage>;

    /// Lets a pin go and removes what only it kept. With `preview` nothing is changed.
    fn forget(&self, cid: Cid, preview: bool) -> Answer<'_, Forgotten>;

    /// Looks at the repository, the disk, rights, the clock, ports, the configuration and the network.
    fn checkup(&self) -> Answer<'_, Vec<Finding>>;
}
