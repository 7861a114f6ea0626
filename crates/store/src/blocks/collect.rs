//! What garbage collection asks of the blocks.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use merkury_core::Cid;

use super::record::decode_head;
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

    /// Bytes of a segment, as far as it has them.
    pub(crate) fn read_range(&self, segment: u32, from: u32, to: u32) -> Result<Bytes, StoreError> {
        self.read_span(segment, from.into(), to.saturating_sub(from) as usize)
    }

    /// Appends a copy of a record that `bytes` begin with, or are too short for. The index does not know it before
    /// [`Blocks::finish_moves`].
    pub(crate) fn copy(&self, place: Place, checksum: u32, bytes: &[u8]) -> Result<Place, StoreError> {
        self.check_usable()?;
        let append = |head: &[u8], data: &[u8]| {
            let to = self.writer.appender().append(head, data).map_err(|error| self.poison_if_fatal(error))?;
            self.count_appended(to, head.len());
            Ok(to)
        };
        if let Some((head, data)) = whole_record(bytes, place, checksum) {
            return append(head, data);
        }
        // Longer than is usual, moved meanwhile, or damaged.
        let (record, head_len) = self.read_checked(place, checksum)?;
        let (head, data) = record.split_at_checked(head_len).unwrap_or_default();
        append(head, data)
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

    /// Removes segments in which nothing lives, after [`Blocks::commit_index`] has said so; durable when it returns. Were one
    /// back after a power cut, and the index lost, what was removed from it would be back too.
    pub(crate) fn remove_segments(&self, segments: &[u32]) -> Result<(), StoreError> {
        for segment in segments {
            let path = self.segments.path(*segment);
            let len = self.segments.file(*segment)?.len().map_err(|e| StoreError::io("read", &path, e))?;
            self.index.write().drop_segment(*segment);
            self.segments.remove(*segment)?;
            self.log_bytes.fetch_sub(len, Ordering::Relaxed);
        }
        if segments.is_empty() { Ok(()) } else { self.segments.sync_dir() }
    }

    /// Makes sure that what was forgotten stays so after a restart, and even when the index is lost.
    ///
    /// The index comes first: a place may be called dead only when no index, however old, can say that a block lives there,
    /// for such a block may be pinned later.
    pub(crate) fn stay_removed(&self, places: &mut Vec<Place>) -> Result<(), StoreError> {
        self.commit_index(&[])?;
        let stands = |segment: u32| self.index.read().usage().contains_key(&segment);
        self.removed.note(places, &stands)
    }

    /// Reads names of records, fastest in the order of the disk.
    pub(crate) fn heads(&self) -> Heads<'_> {
        Heads { blocks: self, scan: None }
    }
}

/// Head and data of the record that `bytes` begin with, if it is all there and is the right one.
fn whole_record(bytes: &[u8], place: Place, checksum: u32) -> Option<(&[u8], &[u8])> {
    let head = decode_head(bytes).ok().filter(|head| head.data_len == place.len as usize)?;
    let (before, rest) = bytes.split_at_checked(head.head_len)?;
    let data = rest.get(..head.data_len)?;
    (crc32fast::hash(data) == checksum).then_some((before, data))
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
