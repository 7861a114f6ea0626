//! Recent blocks in memory, before a store that is slow to read.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BlockStore, BoxFuture, Cid, GetError, Multihash, PutError};
use parking_lot::Mutex;

/// No block takes more than this part of the cache: one large block shall not push out everything else.
const BLOCK_SHARE: usize = 8;

/// Keeps the blocks that were read last, up to a number of bytes; the least recently read go first.
///
/// Only what the store below still has is answered, so a removed block is gone here too. Writes pass through and are not
/// kept: what was just written is seldom what is read next.
pub struct ReadCache {
    below: Arc<dyn BlockStore>,
    bytes_max: usize,
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    blocks: HashMap<Multihash, (Block, u64)>,
    /// From the last use to the block, the oldest first.
    order: BTreeMap<u64, Multihash>,
    bytes: usize,
    clock: u64,
}

impl ReadCache {
    /// A cache of up to `bytes_max` bytes of blocks.
    pub fn new(below: Arc<dyn BlockStore>, bytes_max: usize) -> Self {
        Self { below, bytes_max, recent: Mutex::default() }
    }

    /// Bytes of the blocks in memory.
    pub fn bytes(&self) -> usize {
        self.recent.lock().bytes
    }

    fn find(&self, cid: &Cid) -> Option<Block> {
        if !self.below.has(cid) {
            self.recent.lock().remove(cid.hash());
            return None;
        }
        let block = self.recent.lock().touch(cid.hash())?;
        block.with_cid(cid.clone()).ok()
    }

    fn keep(&self, block: &Block) {
        if block.data().len() <= self.bytes_max / BLOCK_SHARE && !block.cid().hash().is_identity() {
            self.recent.lock().insert(block.clone(), self.bytes_max);
        }
    }
}

impl Recent {
    fn touch(&mut self, hash: &Multihash) -> Option<Block> {
        self.clock += 1;
        let (block, used) = self.blocks.get_mut(hash)?;
        if let Some(hash) = self.order.remove(used) {
            self.order.insert(self.clock, hash);
        }
        *used = self.clock;
        Some(block.clone())
    }

    fn remove(&mut self, hash: &Multihash) {
        if let Some((block, used)) = self.blocks.remove(hash) {
            self.order.remove(&used);
            self.bytes -= block.data().len();
        }
    }

    fn insert(&mut self, block: Block, bytes_max: usize) {
        let hash = block.cid().hash().clone();
        self.remove(&hash);
        self.clock += 1;
        self.bytes += block.data().len();
        self.order.insert(self.clock, hash.clone());
        self.blocks.insert(hash, (block, self.clock));
        while self.bytes > bytes_max
            && let Some((_, oldest)) = self.order.first_key_value()
        {
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
    }
}

impl BlockGet for ReadCache {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        Box::pin(async move {
            if let Some(block) = self.find(cid) {
                return Ok(block);
            }
            let block = self.below.get(cid).await?;
            self.keep(&block);
            Ok(block)
        })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        if let Some(block) = self.find(cid) {
            return Ok(Some(block));
        }
        let found = self.below.get_local(cid)?;
        found.iter().for_each(|block| self.keep(block));
        Ok(found)
    }
}

impl BlockPut for ReadCache {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.below.put_many(blocks)
    }

    fn put_cached(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.below.put_cached(blocks)
    }

    fn commit(&self) -> Result<(), PutError> {
        self.below.commit()
    }
}

impl BlockHas for ReadCache {
    fn has(&self, cid: &Cid) -> bool {
        self.below.has(cid)
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.below.size_of(cid)
    }
}
