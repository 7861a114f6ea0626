//! Garbage collection: removes what no pin, root or temporary pin reaches, while writers go on.
//!
//! Parts: this file (mark, sweep), [`compact`] (giving space back), [`outside`] (blocks that a keeper has).
//!
//! How it keeps what is needed:
//! - *Mark* walks recorded links in memory from all pins and roots. If a recursive pin has a hole, or a block of it that does
//!   not decode, nothing is removed: what lies beyond the hole is unknown. Roots and temporary pins may have holes (the
//!   mutable file system holds files that were never fetched); what is here below them is kept.
//! - Blocks put since the collection began, or since the oldest temporary pin was taken, are never removed: they have a later
//!   *epoch*. So a put that finds its block stored needs no lock against the sweep.
//! - *Sweep* goes in small batches. Before each, roots named and blocks put meanwhile are marked, with what they lead to;
//!   during it no root can be named, which takes less than a millisecond.
//!
//! A crash at any point loses nothing: removing changes the index only; segments are unlinked after what lives in them was
//! copied, flushed, and the index' account of it flushed.

mod compact;
mod outside;

use std::collections::HashSet;
use std::sync::Arc;

use merkury_core::Cid;

use crate::blocks::{Blocks, Id, Index, Place};
use crate::meta::Tables;
use crate::outside::Outside;
use crate::temp::TempPins;
use crate::walk::{self, Marks, Walk};
use crate::{PinKind, Pins, StoreError};

/// Blocks removed at a time.
const BATCH: usize = 2048;

/// How to collect.
#[derive(Clone, Debug, Default)]
pub struct GcOptions {
    /// Further DAGs to keep, as far as they are here.
    pub extra_roots: Vec<Cid>,
}

/// What a collection reports while it runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum GcEvent {
    /// A block was removed.
    Removed {
        /// Its CID, as it was stored.
        cid: Cid,
        /// Its size.
        bytes: u64,
    },
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcStats {
    /// Blocks removed.
    pub removed_blocks: u64,
    /// Their size.
    pub removed_bytes: u64,
    /// Blocks kept.
    pub kept_blocks: u64,
    /// Space given back to the file system.
    pub reclaimed_bytes: u64,
    /// Segments removed because nothing in them lived.
    pub segments_dropped: u64,
    /// Segments removed after their living blocks were copied.
    pub segments_compacted: u64,
}

/// A running collection; ends when dropped.
pub(crate) struct Collection<'a> {
    blocks: &'a Blocks,
    temp: &'a TempPins,
    walk: Walk<'a, Marks>,
    /// Kept without what they lead to. Not among the marks, where a walk would take them for walked from.
    direct: HashSet<Id>,
    temp_roots: Vec<Cid>,
    /// Blocks put since this epoch are kept.
    keep_from: u32,
}

impl<'a> Collection<'a> {
    /// Begins: from here on all that is put or named is noted. The caller holds the lock against other collections.
    pub(crate) fn begin(blocks: &'a Blocks, temp: &'a TempPins) -> Self {
        let epoch = blocks.begin_collection();
        let (temp_roots, oldest) = temp.begin_collection();
        let keep_from = oldest.map_or(epoch, |oldest| oldest.min(epoch));
        let walk = Walk::new(blocks, Marks::default());
        Self { blocks, temp, walk, direct: HashSet::new(), temp_roots, keep_from }
    }

    /// Marks what pins keep; first of all marks, since only here holes count. Answers whether there are any.
    pub(crate) fn mark_pins(&mut self, pins: Pins<'_>) -> Result<bool, StoreError> {
        for pin in pins.list()? {
            let pin = pin?;
            match pin.kind {
                PinKind::Recursive => self.walk.push_root(&self.blocks.index.read(), &pin.cid),
                PinKind::Direct => self.direct.extend(self.blocks.id(&pin.cid)),
            }
        }
        self.walk.run()?;
        Ok(self.walk.holes)
    }

    /// Marks what temporary pins have named, as far as it is here.
    pub(crate) fn mark_temporary(&mut self) -> Result<(), StoreError> {
        std::mem::take(&mut self.temp_roots).iter().try_for_each(|cid| self.mark_root(cid))
    }

    /// Marks what a root reaches, as far as it is here.
    pub(crate) fn mark_root(&mut self, cid: &Cid) -> Result<(), StoreError> {
        self.walk.push_root(&self.blocks.index.read(), cid);
        self.walk.run()
    }

    fn is_kept(&self, id: Id) -> bool {
        self.walk.seen.has(id) || self.direct.contains(&id)
    }

    /// The blocks that are stored and were not marked, in the order of the disk.
    fn unmarked(&mut self) -> Result<Vec<(Place, Id)>, StoreError> {
        self.walk.run()?;
        let index = self.blocks.index.read();
        let mut dead = Vec::new();
        for id in (0..index.ids() as u32).map(Id).filter(|id| !self.is_kept(*id)) {
            if let Some((place, _)) = index.stored(id).filter(|_| index.epoch_of(id) < self.keep_from) {
                dead.push((place, id));
            }
        }
        drop(index);
        dead.sort_unstable();
        Ok(dead)
    }

    /// Forgets those blocks that are still where they were and still unmarked; answers which.
    ///
    /// With `even_fresh`, also blocks that were put since the collection began.
    pub(crate) fn forget(&mut self, batch: &[(Place, Id)], even_fresh: bool) -> Result<Vec<bool>, StoreError> {
        self.when_marked(|collection, index| {
            let mut forgotten = Vec::with_capacity(batch.len());
            for (place, id) in batch {
                let there = index.stored(*id).is_some_and(|(now, _)| now == *place);
                let dead = there && collection.may_go(index, *id, even_fresh);
                if dead {
                    index.forget(*id);
                }
                forgotten.push(dead);
            }
            forgotten
        })
    }

    fn may_go(&self, index: &Index, id: Id, even_fresh: bool) -> bool {
        (even_fresh || index.epoch_of(id) < self.keep_from) && !self.is_kept(id)
    }

    /// Marks what was named and put meanwhile, then acts while nothing can be named or put.
    fn when_marked<T>(&mut self, act: impl FnOnce(&Self, &mut Index) -> T) -> Result<T, StoreError> {
        loop {
            self.walk.run()?;
            let mut gate = self.temp.gate();
            let mut index = self.blocks.index.write();
            gate.take_late().iter().for_each(|root| self.walk.push_root(&index, root));
            // A block that was marked when it was missing leads somewhere now.
            self.blocks.take_fresh().into_iter().for_each(|id| self.walk.push_below(&index, id));
            while self.walk.step(&index, usize::MAX) {}
            if self.walk.has_unread() {
                continue;
            }
            return Ok(act(self, &mut index));
        }
    }

    fn sweep(&mut self, stats: &mut GcStats, each: &mut dyn FnMut(GcEvent)) -> Result<(), StoreError> {
        let dead = self.unmarked()?;
        let mut heads = self.blocks.heads();
        for batch in dead.chunks(BATCH) {
            let cids: Vec<Option<Cid>> = batch.iter().map(|(place, _)| heads.cid_at(*place)).collect();
            let forgotten = self.forget(batch, false)?;
            for (((place, _), cid), forgotten) in batch.iter().zip(cids).zip(forgotten) {
                if forgotten {
                    stats.removed_blocks += 1;
                    stats.removed_bytes += u64::from(place.len);
                    if let Some(cid) = cid {
                        each(GcEvent::Removed { cid, bytes: place.len.into() });
                    }
                }
            }
        }
        Ok(())
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        self.temp.end_collection();
        self.blocks.end_collection();
    }
}

/// Collects. The caller holds the lock against other collections.
pub(crate) fn collect(
    blocks: &Blocks,
    temp: &TempPins,
    tables: &Tables,
    pins: Pins<'_>,
    outsides: &[Arc<dyn Outside>],
    options: &GcOptions,
    each: &mut dyn FnMut(GcEvent),
) -> Result<GcStats, StoreError> {
    let mut stats = GcStats::default();
    let mut collection = Collection::begin(blocks, temp);
    // Everything older than the collection reaches the files, where the sweep reads names.
    blocks.flush_to_files()?;
    if collection.mark_pins(pins)? {
        for pin in pins.list()? {
            let pin = pin?;
            if pin.kind == PinKind::Recursive {
                walk::find_hole(blocks, &pin.cid)?;
            }
        }
    }
    collection.mark_temporary()?;
    for cid in crate::roots::all(tables)? {
        collection.mark_root(&cid)?;
    }
    for cid in &options.extra_roots {
        collection.mark_root(cid)?;
    }
    collection.sweep(&mut stats, each)?;
    for keeper in outsides {
        collection.sweep_outside(&**keeper, &mut stats, each)?;
    }
    drop(collection);
    compact::compact(blocks, &mut stats)?;
    stats.kept_blocks = blocks.index.read().blocks();
    Ok(stats)
}

/// Gives back the space of removed blocks. The caller holds the lock against other collections.
pub(crate) fn compact_alone(blocks: &Blocks) -> Result<(), StoreError> {
    compact::compact(blocks, &mut GcStats::default())
}
