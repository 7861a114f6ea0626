//! Blocks that are parts of the user's own files (`add --nocopy`): where they are, and whether they still are.

use merkury_core::Cid;

use crate::{Answer, ItemStream};

/// A part of a file that is a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// The file, relative to the directory that holds the repository, or an address.
    pub path: String,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartState {
    /// It is still the block; or nobody looked.
    Good,
    /// The file has other bytes there, or fewer; in words.
    Changed(String),
    /// The file is gone; in words.
    Gone(String),
    /// It could not be read; in words.
    Failed(String),
    /// No part of a file is this block.
    Missing,
}

/// A block and its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referenced {
    /// The block, as version 1 CID of codec raw.
    pub cid: Cid,
    /// Where it is.
    pub part: Option<FilePart>,
    /// What became of it.
    pub state: PartState,
}

/// References to parts of files. Errors when they are not switched on (`Experimental.FilestoreEnabled`).
pub trait References: Send + Sync {
    /// All of them, `verify` looks into the files; by file and offset when asked (then all are in memory at once).
    fn list(&self, by_file: bool, verify: bool) -> ItemStream<Referenced>;

    /// One, looked at.
    fn look_up(&self, cid: Cid) -> Answer<'_, Referenced>;

    /// Forgets one, pinned or not; durable when it answers.
    fn forget(&self, cid: Cid) -> Answer<'_, ()>;

    /// Blocks that are stored too.
    fn duplicates(&self) -> ItemStream<Cid>;
}
