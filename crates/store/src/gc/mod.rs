//! Garbage collection: removes what no pin, root or temporary pin reaches, while writers go on.
//!
//! Parts: this file (mark, sweep), [`compact`] (giving space back), [`evict`] (making room under a limit), [`preview`],
//! [`pace`], [`outside`] (blocks that a keeper has).
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
//! copied, flushed, and the index' account of it flushed. What was removed is noted in a log of its own too, before the
//! collection answers, so that it stays removed should the index be lost.
//!
//! Blocks are never read back, but for their names where somebody wants to be told what was removed.

pub(crate) mod compact;
pub(crate) mod evict;
mod outside;
mod pace;
mod preview;

use std::collections::HashSet;
use std::sync::Arc;

use merkury_core::Cid;

use crate::blocks::{Blocks, Id, Index, Place};
use crate::meta::Tables;
use crate::outside::Outside;
use crate::temp::TempPins;
use crate::walk::{self, Marks, Walk};
use crate::{PinKind, Pins, StoreError};

pub use pace::Pace;
pub use preview::{Amount, GcPreview};

/// Blocks removed at a time.
pub(crate) const BATCH: usize = 2048;

/// How to collect.
#[derive(Clone, Debug, Default)]
pub struct GcOptions {
    /// Further DAGs to keep, as far as they are here.
    pub extra_roots: Vec<Cid>,
    /// Do not tell what was removed: names of blocks need not be read then.
    pub silent: bool,
    /// How fast segments may be copied.
    pub pace: Pace,
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

    pub(super) fn is_kept(&self, id: Id) -> bool {
        self.walk.seen.has(id) || self.direct.contains(&id)
    }

    /// As [`Collection::unmarked`], those that were last used the longest time ago first.
    pub(crate) fn unmarked_by_use(&mut self) -> Result<Vec<(Place, Id)>, StoreError> {
        let mut unmarked = self.unmarked()?;
        let index = self.blocks.index.read();
        // In the order of the disk among those of the same second: what was put together goes together.
        unmarked.sort_by_key(|(_, id)| index.used(*id));
        Ok(unmarked)
    }

    /// The blocks that are stored and were not marked, in the order of the disk.
    pub(crate) fn unmarked(&mut self) -> Result<Vec<(Place, Id)>, StoreError> {
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

    /// Forgets what is not marked; returns where it was.
    fn sweep(
        &mut self,
        silent: bool,
        stats: &mut GcStats,
        each: &mut dyn FnMut(GcEvent),
    ) -> Result<Vec<Place>, StoreError> {
        let dead = self.unmarked()?;
        let mut removed = Vec::with_capacity(dead.len());
        let mut heads = self.blocks.heads();
        for batch in dead.chunks(BATCH) {
            let mut cids: Vec<Option<Cid>> = Vec::new();
            if !silent {
                cids.extend(batch.iter().map(|(place, _)| heads.cid_at(*place)));
            }
            let mut cids = cids.into_iter();
            let forgotten = self.forget(batch, false)?;
            for ((place, _), forgotten) in batch.iter().zip(forgotten) {
                let cid = cids.next().flatten();
                if forgotten {
                    removed.push(*place);
                    stats.removed_blocks += 1;
                    stats.removed_bytes += u64::from(place.len);
                    if let Some(cid) = cid {
                        each(GcEvent::Removed { cid, bytes: place.len.into() });
                    }
                }
            }
        }
        Ok(removed)
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        self.temp.end_collection();
        self.blocks.end_collection();
    }
}

/// What a collection looks at.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) blocks: &'a Blocks,
    pub(crate) temp: &'a TempPins,
    pub(crate) tables: &'a Tables,
    pub(crate) pins: Pins<'a>,
}

impl<'a> Sources<'a> {
    /// Begins a collection and marks what pins keep. An incomplete pin is an error that names the hole.
    pub(crate) fn begin(self) -> Result<Collection<'a>, StoreError> {
        let mut collection = Collection::begin(self.blocks, self.temp);
        if collection.mark_pins(self.pins)? {
            for pin in self.pins.list()? {
                let pin = pin?;
                if pin.kind == PinKind::Recursive {
                    walk::find_hole(self.blocks, &pin.cid)?;
                }
            }
        }
        Ok(collection)
    }

    /// Marks what the roots keep that count when room is needed.
    pub(crate) fn mark_needed_roots(self, collection: &mut Collection<'_>) -> Result<(), StoreError> {
        crate::roots::not_spare(self.tables)?.iter().try_for_each(|cid| collection.mark_root(cid))
    }

    /// Marks what roots keep.
    pub(crate) fn mark_roots(self, collection: &mut Collection<'_>, extra: &[Cid]) -> Result<(), StoreError> {
        crate::roots::all(self.tables)?.iter().chain(extra).try_for_each(|cid| collection.mark_root(cid))
    }
}

/// Collects. The caller holds the lock against other collections.
pub(crate) fn collect(
    sources: Sources<'_>,
    outsides: &[Arc<dyn Outside>],
    options: &GcOptions,
    pace: &Pace,
    each: &mut dyn FnMut(GcEvent),
) -> Result<GcStats, StoreError> {
    let blocks = sources.blocks;
    let mut nobody = |_| {};
    let each = if options.silent { &mut nobody } else { each };
    let mut stats = GcStats::default();
    let mut collection = sources.begin()?;
    collection.mark_temporary()?;
    sources.mark_roots(&mut collection, &options.extra_roots)?;
    if !options.silent {
        // The names of what is removed are read from the files.
        blocks.flush_to_files()?;
    }
    let mut removed = collection.sweep(options.silent, &mut stats, each)?;
    for keeper in outsides {
        collection.sweep_outside(&**keeper, &mut stats, each)?;
    }
    drop(collection);
    let plan = {
        let index = blocks.index.read();
        compact::Plan::after_collection(index.usage(), index.shrunk())
    };
    compact::run(blocks, &plan, pace, &|| false, &mut stats)?;
    blocks.stay_removed(&mut removed)?;
    stats.kept_blocks = blocks.index.read().blocks();
    Ok(stats)
}

/// Says what a collection would do. The caller holds the lock against other collections.
pub(crate) fn preview(sources: Sources<'_>, options: &GcOptions) -> Result<GcPreview, StoreError> {
    let collection = sources.begin()?;
    // Spare roots are given up before a collection that somebody asks for.
    preview::preview(sources.blocks, collection, |collection| {
        sources.mark_needed_roots(collection)?;
        options.extra_roots.iter().try_for_each(|cid| collection.mark_root(cid))
    })
}
