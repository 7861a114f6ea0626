//! Blocks that count as stored although the segments do not hold their bytes: parts of the user's own files.
//!
//! They have no links. Pins may reach them, a collection removes those that nothing keeps. The index holds their names in
//! memory, entered anew each time the store is opened; the truth is with their [`Outside`].

use merkury_core::Cid;

use crate::StoreError;
use crate::blocks::Blocks;

/// Who keeps the bytes of such blocks. All methods may be called from several threads.
pub(crate) trait Outside: Send + Sync {
    /// Up to `count` of its blocks in the order of their multihashes' bytes, from the first one after `after`.
    fn page(&self, after: Option<&[u8]>, count: usize) -> Result<Vec<Cid>, StoreError>;

    /// Size of a block it keeps.
    fn kept_size(&self, cid: &Cid) -> Option<u64>;

    /// Keeps these no longer; durable when it returns.
    fn remove(&self, cids: &[Cid]) -> Result<(), StoreError>;
}

impl Blocks {
    /// Enters the names of blocks that a keeper has.
    pub(crate) fn note_outside(&self, cids: &[Cid]) -> Result<(), StoreError> {
        let seed = self.seed();
        let mut index = self.index.write();
        for cid in cids.iter().filter(|cid| !cid.hash().is_identity()) {
            let id = index.note_outside(seed.name(cid.hash()))?;
            self.note_fresh(id);
        }
        Ok(())
    }

    /// Takes out the names of blocks that a keeper has no longer.
    pub(crate) fn forget_outside(&self, cids: &[Cid]) {
        let seed = self.seed();
        let mut index = self.index.write();
        for cid in cids {
            if let Some(id) = index.find(seed.name(cid.hash())) {
                index.forget_outside(id);
            }
        }
    }

    /// Whether the block is stored, or a keeper has it.
    pub(crate) fn is_here(&self, cid: &Cid) -> bool {
        cid.hash().is_identity() || self.len(cid).is_some() || self.is_outside(cid)
    }

    /// Whether a keeper has the block.
    pub(crate) fn is_outside(&self, cid: &Cid) -> bool {
        let name = self.seed().name(cid.hash());
        let index = self.index.read();
        index.find(name).is_some_and(|id| index.is_outside(id))
    }
}
