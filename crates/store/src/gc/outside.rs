//! Collecting blocks that a keeper has: the same marks decide, the keeper forgets.

use merkury_core::Cid;

use super::{BATCH, Collection, GcEvent, GcStats};
use crate::StoreError;
use crate::outside::Outside;

impl Collection<'_> {
    /// Removes a keeper's blocks that nothing keeps.
    pub(super) fn sweep_outside(
        &mut self,
        keeper: &dyn Outside,
        stats: &mut GcStats,
        each: &mut dyn FnMut(GcEvent),
    ) -> Result<(), StoreError> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let page = keeper.page(last.as_deref(), BATCH)?;
            let Some(cid) = page.last() else { return Ok(()) };
            last = Some(cid.hash().to_bytes());
            let dead = self.forget_outside(&page, false)?;
            let sizes: Vec<u64> = dead.iter().map(|cid| keeper.kept_size(cid).unwrap_or_default()).collect();
            keeper.remove(&dead)?;
            for (cid, bytes) in dead.into_iter().zip(sizes) {
                stats.removed_blocks += 1;
                each(GcEvent::Removed { cid, bytes });
            }
        }
    }

    /// Takes those blocks of a keeper out of the index that nothing keeps; answers which.
    pub(crate) fn forget_outside(&mut self, cids: &[Cid], even_fresh: bool) -> Result<Vec<Cid>, StoreError> {
        let seed = self.blocks.seed();
        self.when_marked(|collection, index| {
            let mut dead = Vec::new();
            for cid in cids {
                let Some(id) = index.find(seed.name(cid.hash())) else { continue };
                if index.is_outside(id) && collection.may_go(index, id, even_fresh) {
                    index.forget_outside(id);
                    dead.push(cid.clone());
                }
            }
            dead
        })
    }
}
