//! Making room: cached blocks, which nothing keeps, leave least recently used first.
//!
//! Space is given back by whole segments, so evicting goes on, still in the order of last use, until copying what lives in
//! the sparsest segments is worth what that frees ([`COPY_PER_FREED_MAX`]). If even without any cache there were too little
//! room, nothing is evicted at all.

use super::compact::{self, Plan};
use super::{BATCH, Collection, GcStats, Pace};
use crate::StoreError;
use crate::blocks::{Blocks, Id, Place};

/// Bytes that may be copied for each byte that is freed. Cache that was fetched together is used together, so its segments
/// empty as a whole and little is copied; this bounds the cost when they do not.
const COPY_PER_FREED_MAX: u64 = 2;

/// How much room is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// With less than this nothing is won.
    pub(crate) bytes_min: u64,
    /// So much shall be free, so that the next writes need not come here again.
    pub(crate) bytes: u64,
}

/// Evicts and compacts until `wanted` is free or nothing more can go. `collection` has marked all that is kept.
pub(crate) fn evict(
    blocks: &Blocks,
    mut collection: Collection<'_>,
    wanted: Wanted,
    pace: &Pace,
) -> Result<GcStats, StoreError> {
    let mut stats = GcStats::default();
    let mut cached = collection.unmarked_by_use()?;
    let plan_now = || Plan::to_free(blocks.index.read().usage(), wanted.bytes);
    let cached_bytes: u64 = cached.iter().map(|(place, _)| u64::from(place.len)).sum();
    let dead_bytes = Plan::to_free(blocks.index.read().usage(), u64::MAX).freed;
    if dead_bytes + cached_bytes < wanted.bytes_min {
        return Ok(stats);
    }
    // The most recently used last; taken from the front by turning it round.
    cached.reverse();
    let mut removed = Vec::new();
    let mut plan = plan_now();
    let mut step = (wanted.bytes / 4).max(1);
    while plan.freed < wanted.bytes || plan.copied > COPY_PER_FREED_MAX * plan.freed {
        let short = wanted.bytes.saturating_sub(plan.freed).max(step);
        step = step.saturating_mul(2);
        if !forget_oldest(&mut collection, &mut cached, short, &mut removed)? {
            break;
        }
        plan = plan_now();
    }
    drop(collection);
    let goal = blocks.disk_bytes().saturating_sub(wanted.bytes);
    stats.removed_blocks = removed.len() as u64;
    stats.removed_bytes = removed.iter().map(|place| u64::from(place.len)).sum();
    compact::run(blocks, &plan, pace, &|| blocks.disk_bytes() <= goal, &mut stats)?;
    if !removed.is_empty() {
        blocks.stay_removed(&mut removed)?;
    }
    stats.kept_blocks = blocks.index.read().blocks();
    Ok(stats)
}

/// Forgets about so many bytes from the end of the list; false when nothing is left.
fn forget_oldest(
    collection: &mut Collection<'_>,
    cached: &mut Vec<(Place, Id)>,
    bytes: u64,
    removed: &mut Vec<Place>,
) -> Result<bool, StoreError> {
    if cached.is_empty() {
        return Ok(false);
    }
    let mut left = bytes;
    while left > 0 && !cached.is_empty() {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && left > 0
            && let Some((place, id)) = cached.pop()
        {
            left = left.saturating_sub(u64::from(place.len).max(1));
            batch.push((place, id));
        }
        for ((place, _), forgotten) in batch.iter().zip(collection.forget(&batch, false)?) {
            if forgotten {
                removed.push(*place);
            }
        }
    }
    Ok(true)
}
