//! What can be undone: the last changes of the mutable file system and the last pins that were removed.

use merkury_core::Cid;

use crate::Answer;

/// A change that can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UndoStep {
    /// Its number; later changes have higher ones.
    pub number: u64,
    /// When it was made, in seconds since the epoch.
    pub time: u64,
    /// What was done: a command line without the program's name.
    pub what: String,
    /// The root of the mutable file system before it; `None` when it did not touch that.
    pub root: Option<Cid>,
    /// Pins it removed.
    pub pins: Vec<Cid>,
}

/// What an undo, or a redo, did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The changes that were taken back, or made again, in that order.
    pub steps: Vec<UndoStep>,
    /// The root of the mutable file system now.
    pub root: Cid,
}

/// The changes that can be undone. What they need is kept from garbage collection while they are listed here.
pub trait History: Send + Sync {
    /// The steps, latest first.
    fn steps(&self) -> Answer<'_, Vec<UndoStep>>;

    /// Undoes the latest `count` steps (at least one). Durable when it answers.
    fn undo(&self, count: usize) -> Answer<'_, Undone>;

    /// Makes again what the last undo took back from the mutable file system, if nothing was changed since.
    fn redo(&self) -> Answer<'_, Undone>;

    /// Forgets all steps, so that a collection may remove what only they need; returns how many there were.
    fn forget(&self) -> Answer<'_, usize>;
}
