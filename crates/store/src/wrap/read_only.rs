//! A store that is read and never written to.

use std::sync::Arc;

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BlockStore, BoxFuture, Cid, GetError, PutError};

/// Passes reads on and refuses writes. A commit without writes is no write.
pub struct ReadOnly {
    inner: Arc<dyn BlockStore>,
}

impl ReadOnly {
    /// The store behind it stays as it is.
    pub fn new(inner: Arc<dyn BlockStore>) -> Self {
        Self { inner }
    }
}

impl BlockGet for ReadOnly {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        self.inner.get(cid)
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        self.inner.get_local(cid)
    }
}

impl BlockPut for ReadOnly {
    /// Refused, unless there is nothing to put.
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        if blocks.is_empty() { Ok(()) } else { Err(PutError::Failed("this store is read only".into())) }
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

impl BlockHas for ReadOnly {
    fn has(&self, cid: &Cid) -> bool {
        self.inner.has(cid)
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.inner.size_of(cid)
    }
}
