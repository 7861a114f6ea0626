//! Giving space back: segments in which little lives are copied and removed.

use std::collections::BTreeMap;

use super::GcStats;
use crate::StoreError;
use crate::blocks::{Blocks, Id, Place, Usage};

/// A segment of which less than this part (in percent) lives is copied and removed. At a half, a byte is copied once at most
/// for each byte that was removed.
const LIVE_PERCENT_MIN: u64 = 50;
/// Bytes copied before they are flushed and the index follows.
const COPY_BYTES: u64 = 64 * 1024 * 1024;
/// What a record takes beside its data, nearly always.
const HEAD_BYTES: u64 = 40;

/// Copies what lives in sparse segments and removes them, and removes those in which nothing lives.
pub(super) fn compact(blocks: &Blocks, stats: &mut GcStats) -> Result<(), StoreError> {
    let active = blocks.active_segment();
    if active.is_some_and(|active| usage(blocks, active).is_some_and(|usage| is_sparse(&usage))) {
        blocks.seal()?;
    }
    let active = blocks.active_segment();
    let victims: BTreeMap<u32, Usage> = {
        let index = blocks.index.read();
        let sealed = index.usage().iter().filter(|(segment, _)| Some(**segment) != active);
        sealed.filter(|(_, usage)| is_sparse(usage)).map(|(segment, usage)| (*segment, *usage)).collect()
    };
    if victims.is_empty() {
        // What was forgotten shall stay so after a restart.
        return blocks.commit_index(&[]);
    }
    let copied = copy_living(blocks, &victims)?;
    let empty: Vec<u32> = {
        let index = blocks.index.read();
        let empty = |segment: &u32| index.usage().get(segment).is_none_or(|usage| usage.blocks == 0);
        victims.keys().copied().filter(empty).collect()
    };
    blocks.commit_index(&empty)?;
    for segment in empty {
        blocks.remove_segment(segment)?;
        if let Some(usage) = victims.get(&segment) {
            stats.reclaimed_bytes += usage.end;
            match usage.blocks {
                0 => stats.segments_dropped += 1,
                _ => stats.segments_compacted += 1,
            }
        }
    }
    stats.reclaimed_bytes = stats.reclaimed_bytes.saturating_sub(copied);
    Ok(())
}

fn usage(blocks: &Blocks, segment: u32) -> Option<Usage> {
    blocks.index.read().usage().get(&segment).copied()
}

fn is_sparse(usage: &Usage) -> bool {
    let live = usage.bytes + u64::from(usage.blocks) * HEAD_BYTES;
    usage.blocks == 0 || live * 100 < usage.end * LIVE_PERCENT_MIN
}

/// Appends the living blocks of segments to the log anew; returns how many bytes. A damaged block stays, and its segment with it.
fn copy_living(blocks: &Blocks, victims: &BTreeMap<u32, Usage>) -> Result<u64, StoreError> {
    let mut living: Vec<(Place, Id, u32)> = {
        let index = blocks.index.read();
        let all = (0..index.ids() as u32).map(Id);
        let stored = all.filter_map(|id| index.stored(id).map(|(place, checksum)| (place, id, checksum)));
        stored.filter(|(place, ..)| victims.contains_key(&place.segment)).collect()
    };
    living.sort_unstable();
    let (mut copied, mut since_flush, mut moves) = (0, 0, Vec::new());
    for (place, id, checksum) in living {
        match blocks.copy(place, checksum) {
            Ok(to) => {
                moves.push((id, place, to));
                since_flush += u64::from(place.len) + HEAD_BYTES;
            }
            Err(error @ StoreError::Damaged { .. }) => {
                tracing::error!(%error, "a damaged block stays where it is");
            }
            Err(error) => return Err(error),
        }
        if since_flush >= COPY_BYTES {
            blocks.finish_moves(&mut moves)?;
            copied += std::mem::take(&mut since_flush);
        }
    }
    blocks.finish_moves(&mut moves)?;
    Ok(copied + since_flush)
}
