//! One store that is written to, over others that are only read.

use std::sync::Arc;

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BlockStore, BoxFuture, Cid, GetError, PutError};

/// Reads look into the top store first and then into each of the others, in order; writes go to the top store alone.
///
/// A block that only a lower store has is written again when it is put: what is pinned must be in the top store, which does
/// not rely on a store that others may change.
pub struct Layers {
    top: Arc<dyn BlockStore>,
    below: Vec<Arc<dyn BlockStore>>,
}

impl Layers {
    /// `top` over `below`, of which the first is asked first.
    pub fn new(top: Arc<dyn BlockStore>, below: Vec<Arc<dyn BlockStore>>) -> Self {
        Self { top, below }
    }

    fn all(&self) -> impl Iterator<Item = &Arc<dyn BlockStore>> {
        std::iter::once(&self.top).chain(&self.below)
    }
}

/// What several stores answered about one block: the first that has it wins; without one, a failure says more than "not here".
struct Verdict(Option<GetError>);

impl Verdict {
    fn take(&mut self, answer: Result<Option<Block>, GetError>) -> Option<Block> {
        match answer {
            Ok(found) => found,
            Err(GetError::NotHere { .. }) => None,
            Err(error) => {
                self.0.get_or_insert(error);
                None
            }
        }
    }
}

impl BlockGet for Layers {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        Box::pin(async move {
            let mut verdict = Verdict(None);
            for store in self.all() {
                if let Some(block) = verdict.take(store.get(cid).await.map(Some)) {
                    return Ok(block);
                }
            }
            Err(verdict.0.unwrap_or_else(|| GetError::NotHere { cid: cid.clone() }))
        })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        let mut verdict = Verdict(None);
        for store in self.all() {
            if let Some(block) = verdict.take(store.get_local(cid)) {
                return Ok(Some(block));
            }
        }
        verdict.0.map_or(Ok(None), Err)
    }
}

impl BlockPut for Layers {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.top.put_many(blocks)
    }

    fn put_cached(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.top.put_cached(blocks)
    }

    fn commit(&self) -> Result<(), PutError> {
        self.top.commit()
    }
}

impl BlockHas for Layers {
    fn has(&self, cid: &Cid) -> bool {
        self.all().any(|store| store.has(cid))
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.all().find_map(|store| store.size_of(cid))
    }
}
