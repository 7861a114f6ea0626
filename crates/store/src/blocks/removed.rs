//! Removals, for an index that must be rebuilt.
//!
//! A removed block is forgotten by the index, while its record stays in the segment until that is compacted. Were the index
//! lost meanwhile, the segments alone would bring the block back. So whoever removes blocks notes the places of those whose
//! segments still stand in `removed.log` before it answers: one append, one flush, about two bytes a block. A block that is
//! put again has another place, so a place that was noted is dead for good.
//!
//! The format is that of `meta.log`. Table `removed`; key: segment and a running number (u32 BE each); value: offsets in
//! ascending order, each as a varint of its distance from the one before (the first from 0).
//!
//! Invariants:
//! - A place is noted only after the index was flushed without it: were an older index to say that the block is there, it might
//!   be pinned, and be gone with the index.
//! - The log is read only when the index cannot be trusted, or when something is removed.
//! - A segment's number is not given to another while the log speaks of it: see [`Removed::segment_max`].
//! - What cannot be read of a damaged log says nothing: removed blocks may come back, as garbage, and nothing else is lost.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use merkury_core::varint;
use parking_lot::Mutex;

use super::Place;
use crate::StoreError;
use crate::disk::Disk;
use crate::meta::{Change, Tables};

const TABLE: &str = "removed";
/// Offsets under one key: a few hundred kilobytes at most.
const OFFSETS_MAX: usize = 1 << 16;
/// Entries taken from the table at a time.
const PAGE: usize = 1024;

/// The log.
pub(super) struct RemovedLog {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    tables: Mutex<Option<Arc<Tables>>>,
    bytes: AtomicU64,
}

/// What the log says.
#[derive(Default)]
pub(super) struct Removed(BTreeMap<u32, HashSet<u32>>);

impl Removed {
    /// Whether the record there was removed.
    pub(super) fn has(&self, segment: u32, offset: u64) -> bool {
        let offset = u32::try_from(offset).ok();
        offset.is_some_and(|offset| self.0.get(&segment).is_some_and(|offsets| offsets.contains(&offset)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The highest segment it speaks of: new ones must have higher numbers.
    pub(super) fn segment_max(&self) -> u32 {
        self.0.last_key_value().map_or(0, |(segment, _)| *segment)
    }
}

impl RemovedLog {
    /// The log at `path`, which need not exist.
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf) -> Self {
        Self { disk, path, tables: Mutex::default(), bytes: AtomicU64::new(0) }
    }

    /// Its length, as far as it was looked at.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Reads it. One that cannot be read says nothing.
    pub(super) fn read(&self) -> Removed {
        let tables = match self.tables() {
            Ok(tables) => tables,
            Err(error) => {
                tracing::warn!(%error, "removed blocks may come back as garbage");
                return Removed::default();
            }
        };
        let mut removed = Removed::default();
        each_entry(&tables, |key, value| {
            let Some((segment, _)) = parse_key(key) else { return };
            removed.0.entry(segment).or_default().extend(decode(value));
        });
        removed
    }

    /// Notes removed records, and forgets about segments that do not stand any more; durable when it returns.
    pub(super) fn note(&self, places: &mut Vec<Place>, stands: &dyn Fn(u32) -> bool) -> Result<(), StoreError> {
        places.retain(|place| stands(place.segment));
        if places.is_empty() && self.tables.lock().is_none() {
            return Ok(());
        }
        places.sort_unstable();
        let tables = self.tables()?;
        let (mut changes, mut number) = (Vec::new(), 0u32);
        each_entry(&tables, |key, _| match parse_key(key) {
            Some((segment, last)) if stands(segment) => number = number.max(last.saturating_add(1)),
            _ => changes.push(Change::Delete { table: TABLE, key: key.to_vec() }),
        });
        for of_segment in places.chunk_by(|a, b| a.segment == b.segment) {
            for some in of_segment.chunks(OFFSETS_MAX) {
                let segment = some.first().map_or(0, |place| place.segment);
                let key = [segment.to_be_bytes(), number.to_be_bytes()].concat();
                number = number.saturating_add(1);
                changes.push(Change::Set { table: TABLE, key, value: encode(some) });
            }
        }
        tables.commit(&changes)?;
        self.bytes.store(tables.bytes(), Relaxed);
        Ok(())
    }

    fn tables(&self) -> Result<Arc<Tables>, StoreError> {
        let mut slot = self.tables.lock();
        if let Some(tables) = slot.as_ref() {
            return Ok(tables.clone());
        }
        let opened = Tables::open(self.disk.clone(), self.path.clone(), false)?;
        self.bytes.store(opened.bytes(), Relaxed);
        Ok(slot.insert(Arc::new(opened)).clone())
    }
}

fn each_entry(tables: &Tables, mut each: impl FnMut(&[u8], &[u8])) {
    let mut last: Option<Vec<u8>> = None;
    loop {
        let page = tables.page(TABLE, last.as_deref(), PAGE);
        let Some((key, _)) = page.last() else { return };
        last = Some(key.clone());
        page.iter().for_each(|(key, value)| each(key, value));
    }
}

fn parse_key(key: &[u8]) -> Option<(u32, u32)> {
    let (segment, number) = key.split_at_checked(4)?;
    Some((u32::from_be_bytes(segment.try_into().ok()?), u32::from_be_bytes(number.try_into().ok()?)))
}

fn encode(places: &[Place]) -> Vec<u8> {
    let (mut bytes, mut before) = (Vec::with_capacity(places.len() * 2), 0);
    for place in places {
        varint::encode(u64::from(place.offset.saturating_sub(before)), &mut bytes);
        before = place.offset;
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Vec<u32> {
    let (mut offsets, mut at) = (Vec::new(), 0u64);
    while let Ok((distance, rest)) = varint::decode(bytes) {
        at = at.saturating_add(distance);
        offsets.extend(u32::try_from(at).ok());
        bytes = rest;
    }
    offsets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    fn place(segment: u32, offset: u32) -> Place {
        Place { segment, offset, len: 1 }
    }

    fn log(disk: &SimDisk) -> RemovedLog {
        RemovedLog::new(Arc::new(disk.clone()), "/store/removed.log".into())
    }

    #[test]
    fn what_was_noted_is_read_back_after_a_power_cut() {
        let disk = SimDisk::new();
        let noted = log(&disk);
        noted.note(&mut vec![], &|_| true).unwrap();
        assert_eq!(disk.files().len(), 0, "nothing to note makes no file");
        noted.note(&mut vec![place(2, 90), place(1, 18), place(2, 18)], &|_| true).unwrap();
        noted.note(&mut vec![place(2, 4000), place(7, 1)], &|segment| segment != 7).unwrap();
        let disk = disk.after_crash(3);
        let removed = log(&disk).read();
        for (segment, offset, is_gone) in
            [(1, 18, true), (2, 18, true), (2, 90, true), (2, 4000, true), (1, 90, false), (7, 1, false)]
        {
            assert_eq!(removed.has(segment, offset), is_gone, "{segment} {offset}");
        }
        assert_eq!(removed.segment_max(), 2);
        // Segment 2 is gone by now.
        log(&disk).note(&mut vec![place(3, 5)], &|segment| segment != 2).unwrap();
        let removed = log(&disk).read();
        assert!(removed.has(3, 5) && removed.has(1, 18) && !removed.has(2, 18));
    }

    #[test]
    fn a_damaged_log_says_nothing() {
        let disk = SimDisk::new();
        disk.create_dir_all(std::path::Path::new("/store")).unwrap();
        disk.set_contents(std::path::Path::new("/store/removed.log"), b"not a log of any kind".to_vec());
        assert!(log(&disk).read().is_empty());
        log(&disk).note(&mut vec![place(1, 1)], &|_| true).unwrap();
        assert!(log(&disk).read().has(1, 1));
    }
}
