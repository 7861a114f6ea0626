//! What is kept.

use merkury_core::Cid;

use crate::{Answer, ItemStream};

/// How a pin keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PinMode {
    /// The block alone.
    Direct,
    /// Everything below.
    Recursive,
}

/// How a block is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinKind {
    /// Pinned alone.
    Direct,
    /// Pinned with everything below.
    Recursive,
    /// Below the recursive pin named here.
    Indirect {
        /// That pin's root; `None` in listings of all pins, as in Kubo.
        via: Option<Cid>,
    },
}

/// How to pin.
#[derive(Clone, Debug)]
pub struct PinOptions {
    /// Direct or recursive.
    pub mode: PinMode,
    /// A name for people; `None` keeps the old one. At most 255 bytes.
    pub name: Option<String>,
    /// Send progress events.
    pub progress: bool,
    /// When the pin ends by itself, in seconds since 1970; `None` is never.
    pub expires_unix_secs: Option<u64>,
}

/// What pinning tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinEvent {
    /// Walked so far.
    Progress {
        /// Blocks.
        blocks: u64,
        /// Bytes of those blocks.
        bytes: u64,
    },
    /// Pinned, durably; the last item.
    Pinned(Cid),
}

/// One pin, or one kept block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinEntry {
    /// The block.
    pub cid: Cid,
    /// How it is kept.
    pub kind: PinKind,
    /// Its name; empty without one.
    pub name: String,
    /// When the pin ends by itself, in seconds since 1970; `None` is never.
    pub expires_unix_secs: Option<u64>,
}

/// Whether what a recursive pin keeps is all here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinVerified {
    /// The pin's root.
    pub cid: Cid,
    /// Blocks below it that are missing or cannot be read, with what is wrong; empty when it is whole. At most a few thousand.
    pub bad: Vec<(Cid, String)>,
}

/// Something that keeps blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A pin; a direct one keeps its own block alone.
    Pin {
        /// How it keeps.
        mode: PinMode,
        /// Its name; empty without one.
        name: String,
        /// When it ends by itself, in seconds since 1970.
        expires_unix_secs: Option<u64>,
    },
    /// The mutable file system.
    Mfs,
    /// Another named root of this node.
    Root {
        /// Its name.
        name: String,
    },
    /// Something that runs now and needs it.
    Operation,
}

/// One reason why a block is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBy {
    /// What keeps it.
    pub keeper: Keeper,
    /// From the keeper's block down to this one, both included. The middle of a long chain is left out.
    pub chain: Vec<Cid>,
    /// Names of the links on the way, where they have names: the path from the keeper.
    pub path: Vec<String>,
}

/// What keeps a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhyKept {
    /// The reasons, nearest first; empty when a collection may remove it.
    pub kept_by: Vec<KeptBy>,
    /// There are, or may be, more reasons.
    pub more: bool,
    /// The block is stored here.
    pub is_here: bool,
}

/// Which pins to list.
#[derive(Clone, Debug, Default)]
pub struct PinFilter {
    /// Only these kinds; all `false` means all.
    pub direct: bool,
    /// Recursive pins.
    pub recursive: bool,
    /// Blocks below recursive pins.
    pub indirect: bool,
    /// Only pins whose name contains this.
    pub name_contains: Option<String>,
    /// Only these blocks, with the path that named each; one that is not pinned is an error in Kubo's words. Empty means all.
    pub cids: Vec<(Cid, String)>,
}

/// Pins.
pub trait Pins: Send + Sync {
    /// Pins a DAG, fetching what is missing when the reach allows it.
    fn add(&self, cid: Cid, options: PinOptions) -> ItemStream<PinEvent>;

    /// Removes a pin; `NotFound`-like errors in Kubo's words.
    fn remove(&self, cid: Cid, mode: PinMode) -> Answer<'_, ()>;

    /// Lists pins.
    fn list(&self, filter: PinFilter) -> ItemStream<PinEntry>;

    /// Looks whether all that recursive pins keep is here: an item a pin. Reads no blocks of whole ones.
    fn verify(&self) -> ItemStream<PinVerified>;

    /// What keeps this block: a bounded answer, from memory.
    fn why(&self, cid: Cid) -> Answer<'_, WhyKept>;

    /// Moves a recursive pin to another root.
    fn update(&self, from: Cid, to: Cid, unpin: bool) -> Answer<'_, ()>;
}
