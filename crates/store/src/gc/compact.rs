//! Giving space back: segments in which nothing lives are removed, sparse ones after what lives in them was copied.
//!
//! A [`Plan`] says which; [`run`] carries it out, a group of segments at a time: copy, flush, lead the index to the copies,
//! flush that the segments will go, remove them. A crash in between leaves copies or originals, never neither.

use std::collections::{BTreeMap, BTreeSet};

use super::{GcStats, Pace};
use crate::StoreError;
use crate::blocks::{Blocks, Id, Place, Usage};

/// By itself, a segment of which less than this part (in percent) lives is copied and removed: at most one byte is copied for
/// each that is given back.
const LIVE_PERCENT_ALONE: u64 = 50;
/// After a collection, which somebody asked for to have space, at most three bytes are copied for each.
const LIVE_PERCENT_COLLECTED: u64 = 75;
/// Beyond that, so many bytes are copied after a collection to give back at once what it took from fuller segments: a small
/// repository shrinks by all of it, a large one is not written anew.
const EAGER_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes copied before they are flushed, the index follows, and what they came from is removed.
const GROUP_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes copied before somebody may want to slow us down.
const PACE_BYTES: u64 = 1024 * 1024;
/// Bytes read at a time, unless a record is longer.
const SPAN_BYTES_MAX: u32 = 1024 * 1024;
/// A gap between living records up to this is read over: seeking costs more.
const GAP_BYTES_MAX: u32 = 8 * 1024;
/// Less dead than this in a segment is left to the next collection.
const ALONE_BYTES_MIN: u64 = 1024 * 1024;
/// What a record takes beside its data, nearly always.
const HEAD_BYTES: u64 = 40;

/// Segments to be given back, and what that costs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) victims: Vec<(u32, Usage)>,
    /// Bytes the files will be shorter by in the end.
    pub(crate) freed: u64,
    /// Bytes to be copied.
    pub(crate) copied: u64,
}

/// Bytes of a segment that nobody needs.
fn dead(usage: &Usage) -> u64 {
    usage.end.saturating_sub(live(usage))
}

fn live(usage: &Usage) -> u64 {
    usage.bytes + u64::from(usage.blocks) * HEAD_BYTES
}

impl Plan {
    fn add(&mut self, segment: u32, usage: Usage) {
        self.freed += dead(&usage);
        self.copied += live(&usage);
        self.victims.push((segment, usage));
    }

    /// All segments of which less than so many percent live.
    fn sparse(usage: &BTreeMap<u32, Usage>, percent: u64) -> Self {
        let mut plan = Self::default();
        let is_sparse = |usage: &Usage| usage.blocks == 0 || live(usage) * 100 < usage.end * percent;
        let sparse = by_density(usage.iter().filter(|(_, usage)| is_sparse(usage)));
        sparse.into_iter().for_each(|(segment, usage)| plan.add(segment, usage));
        plan
    }

    /// Those, and of the segments in `shrunk` as many as can be copied quickly, the sparsest first.
    pub(crate) fn after_collection(usage: &BTreeMap<u32, Usage>, shrunk: &BTreeSet<u32>) -> Self {
        let mut plan = Self::sparse(usage, LIVE_PERCENT_COLLECTED);
        let planned: BTreeSet<u32> = plan.victims.iter().map(|(segment, _)| *segment).collect();
        let more = usage.iter().filter(|(segment, _)| shrunk.contains(segment) && !planned.contains(segment));
        let mut budget = EAGER_BYTES;
        for (segment, usage) in by_density(more.filter(|(_, usage)| dead(usage) > 0)) {
            if live(&usage) > budget {
                break;
            }
            budget -= live(&usage);
            plan.add(segment, usage);
        }
        plan
    }

    /// All empty segments and one sparse one that was not tried yet and is worth the work; `None` when there is none.
    pub(crate) fn next_sparse(usage: &BTreeMap<u32, Usage>, tried: &BTreeSet<u32>) -> Option<Self> {
        let is_worth_it = |usage: &Usage| usage.blocks == 0 || dead(usage) >= ALONE_BYTES_MIN;
        let mut plan = Self::default();
        for (segment, usage) in Self::sparse(usage, LIVE_PERCENT_ALONE).victims {
            if !tried.contains(&segment) && is_worth_it(&usage) {
                plan.add(segment, usage);
                if usage.blocks > 0 {
                    break;
                }
            }
        }
        (!plan.victims.is_empty()).then_some(plan)
    }

    /// The sparsest segments until so many bytes are given back, or all of which anything is dead.
    pub(crate) fn to_free(usage: &BTreeMap<u32, Usage>, bytes: u64) -> Self {
        let mut plan = Self::default();
        for (segment, usage) in by_density(usage.iter().filter(|(_, usage)| dead(usage) > 0 || usage.blocks == 0)) {
            if plan.freed >= bytes {
                break;
            }
            plan.add(segment, usage);
        }
        plan
    }
}

/// The sparsest first.
fn by_density<'a>(segments: impl Iterator<Item = (&'a u32, &'a Usage)>) -> Vec<(u32, Usage)> {
    let mut segments: Vec<_> = segments.map(|(segment, usage)| (*segment, *usage)).collect();
    let density = |usage: &Usage| live(usage) as f64 / usage.end.max(1) as f64;
    segments.sort_by(|(_, a), (_, b)| density(a).total_cmp(&density(b)));
    segments
}

/// Carries a plan out, until `enough` says so. The caller holds the lock against other collections.
pub(crate) fn run(
    blocks: &Blocks,
    plan: &Plan,
    pace: &Pace,
    enough: &dyn Fn() -> bool,
    stats: &mut GcStats,
) -> Result<(), StoreError> {
    if plan.victims.is_empty() {
        return Ok(());
    }
    if blocks.active_segment().is_some_and(|active| plan.victims.iter().any(|(segment, _)| *segment == active)) {
        blocks.seal()?;
    }
    // Ids stand in the list of what lives.
    let _ids = blocks.hold_ids();
    let mut living = living_in(blocks, plan);
    let mut group = Group { blocks, pace, moves: Vec::new(), segments: Vec::new(), copied: 0, unpaced: 0 };
    for (segment, usage) in &plan.victims {
        if enough() {
            break;
        }
        // On a full disk the empty ones must be gone before anything is copied.
        if usage.blocks > 0 && group.copied == 0 {
            group.finish(stats)?;
        }
        group.copy_all(living.remove(segment).unwrap_or_default())?;
        group.segments.push((*segment, *usage));
        if group.copied >= GROUP_BYTES {
            group.finish(stats)?;
        }
    }
    group.finish(stats)
}

/// What lives in the segments of a plan, in the order of the disk.
fn living_in(blocks: &Blocks, plan: &Plan) -> BTreeMap<u32, Vec<(Place, Id, u32)>> {
    let mut living: BTreeMap<u32, Vec<(Place, Id, u32)>> =
        plan.victims.iter().filter(|(_, usage)| usage.blocks > 0).map(|(segment, _)| (*segment, Vec::new())).collect();
    if living.is_empty() {
        return living;
    }
    let index = blocks.index.read();
    for id in (0..index.ids() as u32).map(Id) {
        if let Some((place, checksum)) = index.stored(id)
            && let Some(of_segment) = living.get_mut(&place.segment)
        {
            of_segment.push((place, id, checksum));
        }
    }
    drop(index);
    living.values_mut().for_each(|of_segment| of_segment.sort_unstable());
    living
}

/// Where a record ends, nearly always; at least near enough to read it.
fn record_end(place: Place) -> u32 {
    place.offset.saturating_add(place.len).saturating_add(HEAD_BYTES as u32)
}

/// How many of the first records are worth reading in one piece; one at least.
fn neighbours(living: &[(Place, Id, u32)]) -> usize {
    let first = living.first().map_or(0, |(place, ..)| place.offset);
    let pairs = living.iter().zip(living.iter().skip(1));
    let together = pairs.take_while(|((place, ..), (next, ..))| {
        next.offset.saturating_sub(record_end(*place)) <= GAP_BYTES_MAX && record_end(*next) - first <= SPAN_BYTES_MAX
    });
    1 + together.count()
}

/// Segments that go together.
struct Group<'a> {
    blocks: &'a Blocks,
    pace: &'a Pace,
    moves: Vec<(Id, Place, Place)>,
    segments: Vec<(u32, Usage)>,
    copied: u64,
    unpaced: u64,
}

impl Group<'_> {
    /// Appends living blocks to the log anew, reading neighbours at a time. A damaged block stays, and its segment with it.
    fn copy_all(&mut self, living: Vec<(Place, Id, u32)>) -> Result<(), StoreError> {
        let mut rest = living.as_slice();
        while let Some((first, ..)) = rest.first() {
            let (span, after) = rest.split_at(neighbours(rest));
            rest = after;
            let end = span.last().map_or(0, |(last, ..)| record_end(*last));
            let bytes = self.blocks.read_range(first.segment, first.offset, end)?;
            for (place, id, checksum) in span {
                self.copy_one(*place, *id, *checksum, bytes.get((place.offset - first.offset) as usize..))?;
            }
            if self.unpaced >= PACE_BYTES {
                self.pace.wait(std::mem::take(&mut self.unpaced));
            }
        }
        Ok(())
    }

    fn copy_one(&mut self, place: Place, id: Id, checksum: u32, bytes: Option<&[u8]>) -> Result<(), StoreError> {
        match self.blocks.copy(place, checksum, bytes.unwrap_or_default()) {
            Ok(to) => {
                self.moves.push((id, place, to));
                let bytes = u64::from(place.len) + HEAD_BYTES;
                (self.copied, self.unpaced) = (self.copied + bytes, self.unpaced + bytes);
                Ok(())
            }
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!(%error, "a damaged block stays where it is");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the copies durable, then removes what they came from.
    fn finish(&mut self, stats: &mut GcStats) -> Result<(), StoreError> {
        if self.segments.is_empty() {
            return Ok(());
        }
        self.blocks.finish_moves(&mut self.moves)?;
        let segments = std::mem::take(&mut self.segments);
        let empty: Vec<u32> = {
            let index = self.blocks.index.read();
            let is_empty = |segment: &u32| index.usage().get(segment).is_none_or(|usage| usage.blocks == 0);
            segments.iter().map(|(segment, _)| *segment).filter(is_empty).collect()
        };
        self.blocks.commit_index(&empty)?;
        let before = self.blocks.disk_bytes();
        self.blocks.remove_segments(&empty)?;
        for (_, usage) in segments.iter().filter(|(segment, _)| empty.contains(segment)) {
            match usage.blocks {
                0 => stats.segments_dropped += 1,
                _ => stats.segments_compacted += 1,
            }
        }
        let removed = before.saturating_sub(self.blocks.disk_bytes());
        stats.reclaimed_bytes += removed.saturating_sub(std::mem::take(&mut self.copied));
        Ok(())
    }
}
