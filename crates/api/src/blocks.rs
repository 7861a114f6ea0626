//! Single blocks.

use bytes::Bytes;
use merkury_core::{Block, Cid};

use crate::{Answer, ItemStream};

/// Name and size of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockStat {
    /// The name.
    pub cid: Cid,
    /// Size of the data in bytes.
    pub size: u64,
}

/// How to name and keep a new block.
#[derive(Clone, Debug)]
pub struct BlockPutOptions {
    /// Multicodec number of the content.
    pub codec: u64,
    /// Version 0 CID (only with dag-pb and SHA-2 256).
    pub cid_v0: bool,
    /// Multicodec number of the hash function.
    pub hash: u64,
    /// Digest length in bytes; `None` is the function's usual length.
    pub hash_bytes: Option<usize>,
    /// Pin it (recursively).
    pub pin: bool,
    /// Allow blocks that peers would refuse (over 2 MiB).
    pub allow_big: bool,
}

/// The outcome of one removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRemoved {
    /// The block.
    pub cid: Cid,
    /// Why it is still here, in Kubo's words.
    pub error: Option<String>,
}

/// Single blocks by CID.
pub trait Blocks: Send + Sync {
    /// The block; asks peers when the reach allows it.
    fn get<'a>(&'a self, cid: &'a Cid) -> Answer<'a, Block>;

    /// Name and size; asks peers when the reach allows it.
    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, BlockStat>;

    /// Whether the block is stored here.
    fn has<'a>(&'a self, cid: &'a Cid) -> Answer<'a, bool>;

    /// Stores bytes as a block; durable when it answers.
    fn put(&self, data: Bytes, options: BlockPutOptions) -> Answer<'_, BlockStat>;

    /// Removes blocks. A pinned one is not removed and its item says why; with `force` a missing one is no error.
    fn remove(&self, cids: Vec<Cid>, force: bool) -> ItemStream<BlockRemoved>;

    /// Every stored block (CIDv1 raw of each multihash, as Kubo lists them).
    fn list(&self) -> ItemStream<Cid>;
}
