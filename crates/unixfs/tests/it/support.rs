//! Blocks in memory, for tests and examples of this crate.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use merkury_core::{Block, BlockGet, BlockPut, BoxFuture, Cid, GetError, PutError};
use parking_lot::Mutex;

/// A store that counts.
#[derive(Default)]
pub(crate) struct Memory {
    blocks: Mutex<HashMap<Cid, Block>>,
    pub(crate) gets: AtomicUsize,
}

#[allow(dead_code)]
impl Memory {
    pub(crate) fn len(&self) -> usize {
        self.blocks.lock().len()
    }

    pub(crate) fn remove(&self, cid: &Cid) {
        self.blocks.lock().remove(cid);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.blocks.lock().values().map(|block| block.data().len()).sum()
    }

    pub(crate) fn cids(&self) -> Vec<Cid> {
        self.blocks.lock().keys().cloned().collect()
    }
}

impl BlockGet for Memory {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.get_local(cid);
        Box::pin(async move { found?.ok_or_else(|| GetError::NotHere { cid: cid.clone() }) })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        Ok(Block::from_identity(cid).or_else(|| self.blocks.lock().get(cid).cloned()))
    }
}

impl BlockPut for Memory {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        let mut kept = self.blocks.lock();
        for block in blocks {
            // A copy: a slice would keep a whole slab in memory.
            let data = bytes::Bytes::copy_from_slice(block.data());
            let copy =
                Block::verify_big(block.cid().clone(), data).map_err(|error| PutError::Failed(error.to_string()))?;
            kept.insert(block.cid().clone(), copy);
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

/// The bytes that all known CIDs are of.
#[allow(dead_code)]
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| ((i * 31 + length) >> 3) as u8).collect()
}
