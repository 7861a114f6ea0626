//! What garbage collection asks of the blocks.

use std::sync::atomic::Ordering;

use merkury_core::Cid;

use super::scan::{Found, Scan};
use super::{Blocks, Id, Place};
use crate::StoreError;

impl Blocks {
    /// From here on, what is put is noted; returns the epoch that begins.
    pub(crate) fn begin_collection(&self) -> u32 {
        // Under the lock, so that every put is either before this and marked, or after it and in the new epoch.
        let mut index = self.index.write();
        self.fresh.lock().clear();
        self.collecting.store(true, Ordering::Relaxed);
        index.advance_epoch()
    }

    pub(crate) fn end_collection(&self) {
        let _index = self.index.write();
        self.collecting.store(false, Ordering::Relaxed);
        *self.fresh.lock() = Vec::new();
    }

    /// The blocks put since the collection began or this was last called. The index is locked.
    pub(crate) fn take_fresh(&self) -> Vec<Id> {
        std::mem::take(&mut self.fresh.lock())
    }

    /// Begins an epoch for a temporary pin.
    pub(crate) fn advance_epoch(&self) -> u32 {
        self.index.write().advance_epoch()
    }

    /// The segment that is being filled.
    pub(crate) fn active_segment(&self) -> Option<u32> {
        self.writer.active_segment()
    }

    /// Leaves the segment that is being filled.
    pub(crate) fn seal(&self) -> Result<(), StoreError> {
        self.check_usable()?;
        self.writer.seal().map_err(|error| self.poison_if_fatal(error))
    }

    /// Appends a copy of a record. The index does not know it before [`Blocks::finish_moves`].
    pub(crate) fn copy(&self, place: Place, checksum: u32) -> Result<Place, StoreError> {
        self.check_usable()?;
        let (record, head_len) = self.read_checked(place, checksum)?;
        let (head, data) = record.split_at_checked(head_len).unwrap_or_default();
        self.writer.appender().append(head, data).map_err(|error| self.poison_if_fatal(error))
    }

    /// Makes copies durable and lets the index point to them, where a block is still where it was copied from.
    pub(crate) fn finish_moves(&self, moves: &mut Vec<(Id, Place, Place)>) -> Result<(), StoreError> {
        self.commit()?;
        let mut index = self.index.write();
        for (id, from, to) in moves.drain(..) {
            index.relocate(id, from, to);
        }
        Ok(())
    }

    /// Removes a segment in which nothing lives, after [`Blocks::commit_index`] has said so.
    pub(crate) fn remove_segment(&self, segment: u32) -> Result<(), StoreError> {
        self.index.write().drop_segment(segment);
        self.segments.remove(segment)
    }

    /// Reads names of records, fastest in the order of the disk.
    pub(crate) fn heads(&self) -> Heads<'_> {
        Heads { blocks: self, scan: None }
    }
}

/// Reads the CIDs of records.
pub(crate) struct Heads<'a> {
    blocks: &'a Blocks,
    scan: Option<(u32, Scan)>,
}

impl Heads<'_> {
    /// The CID of the record at a place; `None` if it cannot be read.
    pub(crate) fn cid_at(&mut self, place: Place) -> Option<Cid> {
        if self.scan.as_ref().is_none_or(|(segment, _)| *segment != place.segment) {
            let file = self.blocks.segments.file(place.segment).ok()?;
            let len = file.len().ok()?;
            self.scan = Some((place.segment, Scan::heads(file, 0, len)));
        }
        let (_, scan) = self.scan.as_mut()?;
        scan.seek(place.offset.into());
        match scan.next() {
            Ok(Some(Found::Record { cid, .. })) => Some(cid),
            _ => None,
        }
    }
}
