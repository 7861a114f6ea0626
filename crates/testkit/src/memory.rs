//! Blocks in a map.

use std::collections::HashMap;

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BoxFuture, Cid, GetError, Multihash, PutError};
use parking_lot::Mutex;

/// A block store in memory; what was put is there at once and "durable" without a commit.
#[derive(Default)]
pub struct MemoryBlocks {
    blocks: Mutex<HashMap<Multihash, Block>>,
}

impl MemoryBlocks {
    /// Number of distinct blocks.
    pub fn len(&self) -> usize {
        self.blocks.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets a block; says whether it was there.
    pub fn remove(&self, cid: &Cid) -> bool {
        self.blocks.lock().remove(cid.hash()).is_some()
    }
}

impl BlockGet for MemoryBlocks {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.get_local(cid);
        Box::pin(async move { found?.ok_or_else(|| GetError::NotHere { cid: cid.clone() }) })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        Ok(self.blocks.lock().get(cid.hash()).map(|block| block.with_cid(cid.clone()).expect("the hash is the key")))
    }
}

impl BlockPut for MemoryBlocks {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        let mut map = self.blocks.lock();
        for block in blocks {
            map.entry(block.cid().hash().clone()).or_insert(block);
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

impl BlockHas for MemoryBlocks {
    fn has(&self, cid: &Cid) -> bool {
        self.size_of(cid).is_some()
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.get_local(cid).ok().flatten().map(|block| block.data().len() as u64)
    }
}
