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
    /// Only these blocks; one that is not pinned is an error in Kubo's words. Empty means all.
    pub cids: Vec<Cid>,
}

/// Pins.
pub trait Pins: Send + Sync {
    /// Pins a DAG, fetching what is missing when the reach allows it.
    fn add(&self, cid: Cid, options: PinOptions) -> ItemStream<PinEvent>;

    /// Removes a pin; `NotFound`-like errors in Kubo's words.
    fn remove(&self, cid: Cid, mode: PinMode) -> Answer<'_, ()>;

    /// Lists pins.
    fn list(&self, filter: PinFilter) -> ItemStream<PinEntry>;

    /// Moves a recursive pin to another root.
    fn update(&self, from: Cid, to: Cid, unpin: bool) -> Answer<'_, ()>;
}
