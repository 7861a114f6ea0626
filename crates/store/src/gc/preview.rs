//! What a collection would do now, without doing it.

use super::Collection;
use super::compact::Plan;
use crate::StoreError;
use crate::blocks::{Blocks, Id};

/// Some blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    pub(crate) fn add(&mut self, bytes: u32) {
        self.blocks += 1;
        self.bytes += u64::from(bytes);
    }

    fn minus(self, other: Self) -> Self {
        Self { blocks: self.blocks.saturating_sub(other.blocks), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// What a collection would remove and keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcPreview {
    /// What would go.
    pub garbage: Amount,
    /// When what would go was last used, the longest and the shortest time ago, in seconds since 1970; `None` when nothing
    /// would go, or it is not known of any.
    pub garbage_used: Option<(u32, u32)>,
    /// Kept by pins.
    pub pinned: Amount,
    /// Kept by roots (the mutable file system) and not by pins.
    pub rooted: Amount,
    /// Kept only because something that runs needs it, or because it was put a moment ago.
    pub in_use: Amount,
    /// Segments of which nothing would be left.
    pub segments_dropped: u64,
    /// Segments that would be copied and removed.
    pub segments_compacted: u64,
    /// Bytes the files would be shorter by at once.
    pub reclaimed_bytes: u64,
    /// Bytes that would be copied for that.
    pub copied_bytes: u64,
}

/// Counts. `mark_roots` marks what roots and temporary pins keep, after the pins were marked.
pub(super) fn preview(
    blocks: &Blocks,
    mut collection: Collection<'_>,
    mark_roots: impl FnOnce(&mut Collection<'_>) -> Result<(), StoreError>,
) -> Result<GcPreview, StoreError> {
    let pinned = kept(blocks, &collection);
    mark_roots(&mut collection)?;
    let rooted = kept(blocks, &collection).minus(pinned);
    collection.mark_temporary()?;
    let dead = collection.unmarked()?;
    let mut preview = GcPreview { pinned, rooted, ..GcPreview::default() };
    let index = blocks.index.read();
    let (mut usage, mut shrunk) = (index.usage().clone(), index.shrunk().clone());
    for (place, id) in &dead {
        preview.garbage.add(place.len);
        if let Some(usage) = usage.get_mut(&place.segment) {
            usage.blocks = usage.blocks.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(place.len.into());
        }
        shrunk.insert(place.segment);
        let used = index.used(*id);
        if used > 0 {
            let (oldest, newest) = preview.garbage_used.unwrap_or((used, used));
            preview.garbage_used = Some((oldest.min(used), newest.max(used)));
        }
    }
    let all = Amount { blocks: index.blocks(), bytes: index.bytes() };
    preview.in_use = all.minus(preview.garbage).minus(pinned).minus(rooted);
    let plan = Plan::after_collection(&usage, &shrunk);
    let dropped = plan.victims.iter().filter(|(_, usage)| usage.blocks == 0).count() as u64;
    preview.segments_dropped = dropped;
    preview.segments_compacted = plan.victims.len() as u64 - dropped;
    (preview.reclaimed_bytes, preview.copied_bytes) = (plan.freed, plan.copied);
    Ok(preview)
}

fn kept(blocks: &Blocks, collection: &Collection<'_>) -> Amount {
    let index = blocks.index.read();
    let mut kept = Amount::default();
    for id in (0..index.ids() as u32).map(Id).filter(|id| collection.is_kept(*id)) {
        index.stored(id).iter().for_each(|(place, _)| kept.add(place.len));
    }
    kept
}
