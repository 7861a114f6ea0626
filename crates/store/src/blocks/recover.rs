//! Opening: the index as far as it is on disk, then what the log has beyond it.
//!
//! Records beyond what the index covers were perhaps never flushed, so each is believed only if its hash is right. After
//! the last good one the segment is cut. When good records stand behind a bad one nothing is cut, since they may have been
//! acknowledged: the bad one is passed over. (Of all segments only such a one is not a valid CAR file to the letter.)
//!
//! When the index is not whole, `removed.log` says which records were removed on purpose.
//!
//! All steps can be repeated: a second crash during recovery finds what the first left.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use merkury_core::limits::BLOCK_BYTES_MAX;
use merkury_core::{Block, BlockError, Cid};

use super::index::image::Covered;
use super::index::{Id, Index, NewBlock, Place, Purpose};
use super::index_files::{Changes, IndexFiles, Loaded};
use super::prepare::Prepared;
use super::record::SEGMENT_HEADER;
use super::removed::{Removed, RemovedLog};
use super::scan::{Found, Scan};
use super::segments::Segments;
use crate::StoreError;
use crate::disk::{Disk, DiskFile};

/// Data whose hashes are checked side by side.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Having read more than this beyond the index, opening writes a checkpoint, so that the next one need not.
const UNCOVERED_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What opening made of the files.
pub(super) struct Recovered {
    pub(super) index: parking_lot::RwLock<Index>,
    pub(super) files: IndexFiles,
    /// The newest segment and its length, if records can be appended to it.
    pub(super) resume: Option<(u32, u64)>,
    pub(super) next_segment: u32,
    /// Bytes of all segments.
    pub(super) log_bytes: u64,
    /// What is missing or wrong, for people.
    pub(super) damage: Vec<String>,
}

/// Opens the index and brings it up to date.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    dir: &std::path::Path,
    segments: &Segments,
    removed: &RemovedLog,
    checkpoint_bytes_min: u64,
) -> Result<Recovered, StoreError> {
    let (files, Loaded { mut index, covered, dropped, whole }) =
        IndexFiles::load(disk.clone(), dir.to_owned(), checkpoint_bytes_min)?;
    let mut on_disk = segments.list()?;
    let past_covered = covered.segment + u32::from(covered.offset > 0);
    // An index that is whole knows what was removed.
    let removed = if whole || on_disk.is_empty() { Removed::default() } else { removed.read() };
    let next_segment = on_disk.keys().next_back().map_or(1, |last| last.saturating_add(1)).max(past_covered);
    let next_segment = next_segment.max(removed.segment_max().saturating_add(1));
    let dropped: Vec<u32> = dropped.into_iter().filter(|segment| on_disk.remove(segment).is_some()).collect();
    if !dropped.is_empty() {
        // What says so may be in the file by luck alone: without a flush a second crash takes it and leaves the removal.
        files.flush()?;
        dropped.into_iter().try_for_each(|segment| segments.remove(segment))?;
        segments.sync_dir()?;
    }
    let Missing { mut damage, short } = forget_missing(&mut index, segments, &on_disk);
    // Before reading on: what was removed may have been put again since, at another place.
    forget_removed(&mut index, &removed);
    let rebuilding = covered == Covered::default();
    let mut scanned = 0;
    let mut grown = Vec::new();
    for (segment, len) in on_disk.clone() {
        let from = match segment.cmp(&covered.segment) {
            std::cmp::Ordering::Less if index.usage().contains_key(&segment) => continue,
            std::cmp::Ordering::Equal => u64::from(covered.offset),
            _ => 0,
        };
        if from >= len && len > 0 {
            continue;
        }
        scanned += len - from.min(len);
        let tail = read_tail(&mut index, segments, &removed, segment, from, len)?;
        for what in tail.bad {
            // In the newest segments it was perhaps never flushed, and so promised to nobody.
            if rebuilding && segment.saturating_add(2) < next_segment {
                damage.push(what)
            } else {
                tracing::warn!(what, "a record of the newest ones is not whole")
            }
        }
        if tail.added {
            grown.push(segment);
        }
        if tail.end < SEGMENT_HEADER.len() as u64 {
            segments.remove(segment)?;
            on_disk.remove(&segment);
        } else {
            index.note_end(segment, tail.end);
            on_disk.insert(segment, tail.end);
        }
    }
    // The index names a segment only after the name is durable. One that it does not know, even without a record, may be
    // left by a process that died before; what comes next is appended to it.
    let known = |segment: u32| segment < covered.segment || (segment == covered.segment && covered.offset > 0);
    let new_names = on_disk.keys().any(|segment| !known(*segment));
    sync_tails(segments, &grown, new_names)?;
    for what in &damage {
        tracing::error!(what, "the block store is damaged");
    }

    // Not one before the place that the index covers: what is appended there would not be looked for after a crash. It is
    // the newest when it was left, and nothing was put since.
    let resumable = |segment: u32| segment + 1 >= next_segment && segment >= covered.segment;
    let last = on_disk.last_key_value().map(|(segment, len)| (*segment, *len));
    let resume = last.filter(|(segment, _)| resumable(*segment));
    let covered = match resume {
        Some((segment, len)) => Covered { segment, offset: len as u32 },
        _ => Covered { segment: next_segment, offset: 0 },
    };
    let renumbered = index.wants_renumbering();
    if renumbered {
        index.renumber();
    }
    let (ids, aliases) = index.take_changed();
    let index = parking_lot::RwLock::new(index);
    let must_mend = files.is_broken() || renumbered || !removed.is_empty() || !damage.is_empty();
    if scanned > UNCOVERED_BYTES_MAX || must_mend {
        // The index is disposable: that it cannot be written (a full or read-only disk) only costs the next opening time.
        if let Err(error) = files.mend(&index, covered) {
            tracing::warn!(%error, "the index could not be written");
        }
    } else if !grown.is_empty() {
        files.append(&index, Changes { covered, ids, aliases, dropped: &[], durable: false })?;
    }
    // A segment that was cut short from outside may end within a record: nothing can be appended to it.
    let resume = resume.filter(|(segment, _)| !short.contains_key(segment));
    let log_bytes = on_disk.values().sum();
    Ok(Recovered { index, files, resume, next_segment, log_bytes, damage })
}

struct Missing {
    damage: Vec<String>,
    /// Segments that are shorter than they must be, with their lengths.
    short: BTreeMap<u32, u64>,
}

/// Forgets blocks whose segments are gone or cut short.
fn forget_missing(index: &mut Index, segments: &Segments, on_disk: &BTreeMap<u32, u64>) -> Missing {
    let mut damage = Vec::new();
    let mut short = BTreeMap::new();
    for (segment, usage) in index.usage().clone() {
        let path = segments.path(segment);
        match on_disk.get(&segment) {
            Some(len) if *len >= usage.end => {}
            Some(len) => {
                short.insert(segment, *len);
                damage.push(format!("{} should have at least {} bytes, it has {len}", path.display(), usage.end));
            }
            None if usage.blocks == 0 => index.drop_segment(segment),
            None => {
                short.insert(segment, 0);
                damage.push(format!("{} is missing, and {} blocks with it", path.display(), usage.blocks));
            }
        }
    }
    if short.is_empty() {
        return Missing { damage, short };
    }
    let ids = (0..index.ids() as u32).map(Id);
    let lost: Vec<Id> = ids
        .filter(|id| {
            let place = index.stored(*id).map(|(place, _)| place);
            let end = |place: Place| u64::from(place.offset) + u64::from(place.len);
            place.is_some_and(|place| short.get(&place.segment).is_some_and(|len| end(place) > *len))
        })
        .collect();
    lost.into_iter().for_each(|id| index.forget(id));
    short.iter().for_each(|(segment, len)| index.shorten_segment(*segment, *len));
    Missing { damage, short }
}

fn forget_removed(index: &mut Index, removed: &Removed) {
    if removed.is_empty() {
        return;
    }
    let is_removed = |id: &Id| index.stored(*id).is_some_and(|(at, _)| removed.has(at.segment, at.offset.into()));
    let gone: Vec<Id> = (0..index.ids() as u32).map(Id).filter(is_removed).collect();
    gone.into_iter().for_each(|id| index.forget(id));
}

#[derive(Default)]
struct Tail {
    /// The length of the segment after the cut.
    end: u64,
    added: bool,
    /// Bad records before good ones, in words.
    bad: Vec<String>,
}

/// Enters the records from `from` on, and cuts the segment after the last good one.
fn read_tail(
    index: &mut Index,
    segments: &Segments,
    removed: &Removed,
    segment: u32,
    from: u64,
    len: u64,
) -> Result<Tail, StoreError> {
    let path = segments.path(segment);
    let fail = |e| StoreError::io("read", &path, e);
    let file = segments.file(segment)?;
    let mut header = vec![0; SEGMENT_HEADER.len()];
    let header_len = file.read_at(&mut header, 0).map_err(fail)?;
    let header_good = header_len == SEGMENT_HEADER.len() && header == SEGMENT_HEADER;

    let mut tail = Tail::default();
    let mut good_end = if header_good { from.max(SEGMENT_HEADER.len() as u64) } else { 0 };
    let mut bad = Vec::new();
    let mut scan = Scan::new(file.clone(), from, len);
    let mut batch = Batch::default();
    loop {
        let found = scan.next().map_err(fail)?;
        let end = found.is_none();
        match found {
            Some(Found::Record { offset, cid, data, record_len, .. }) => batch.push(offset, cid, data, record_len),
            Some(Found::Lost { offset }) => bad.push(offset),
            None => {}
        }
        if end || batch.bytes >= BATCH_BYTES {
            for (offset, record_len, checked) in batch.check() {
                match checked {
                    Ok(block) => {
                        tail.added = true;
                        good_end = good_end.max(offset + record_len);
                        if !removed.has(segment, offset) {
                            enter(index, segment, offset, block)?;
                        }
                    }
                    Err(_) => {
                        bad.push(offset);
                        for (offset, end, block) in rescue(&file, offset, record_len, len).map_err(fail)? {
                            tail.added = true;
                            good_end = good_end.max(end);
                            enter(index, segment, offset, block)?;
                        }
                    }
                }
            }
        }
        if end {
            break;
        }
    }
    tail.end = good_end;
    if !header_good && tail.added {
        let file = segments.open_for_append(segment)?;
        file.write_at(SEGMENT_HEADER, 0).map_err(|e| StoreError::io("write to", &path, e))?;
    }
    for offset in bad.into_iter().filter(|offset| *offset < good_end) {
        tail.bad.push(format!("{} has a record at byte {offset} that does not match its hash", path.display()));
    }
    if good_end < len && good_end >= SEGMENT_HEADER.len() as u64 {
        tracing::info!(path = %path.display(), good_end, cut = len - good_end, "cut unfinished writes off a segment");
        segments.cut(segment, good_end)?;
    }
    Ok(tail)
}

/// Good records that begin within a bad one: perhaps it is its length that is wrong. With where they begin and end.
fn rescue(file: &Arc<dyn DiskFile>, offset: u64, record_len: u64, len: u64) -> std::io::Result<Vec<(u64, u64, Block)>> {
    let mut scan = Scan::searching(file.clone(), offset + 1, len);
    let mut found = Vec::new();
    while let Some(next) = scan.next()? {
        let Found::Record { offset: at, cid, data, record_len: more, .. } = next else { continue };
        if at >= offset + record_len {
            break;
        }
        match Block::verify_big(cid, data) {
            Ok(block) => found.push((at, at + more, block)),
            Err(_) => scan = Scan::searching(file.clone(), at + 1, len),
        }
    }
    Ok(found)
}

fn enter(index: &mut Index, segment: u32, offset: u64, block: Block) -> Result<(), StoreError> {
    let prepared = Prepared::new(index.seed(), block);
    let place = Place { segment, offset: offset as u32, len: prepared.block.data().len() as u32 };
    let Prepared { name, codec, checksum, links, .. } = prepared;
    index.insert(NewBlock { name, codec, place, checksum, links, purpose: Purpose::Put })?;
    Ok(())
}

/// A block taken for stored must be durable: these bytes may only be in the system's memory after a kill.
fn sync_tails(segments: &Segments, grown: &[u32], new_names: bool) -> Result<(), StoreError> {
    for segment in grown {
        let file = segments.open_for_append(*segment)?;
        file.sync().map_err(|e| StoreError::io("flush", &segments.path(*segment), e))?;
    }
    if grown.is_empty() && !new_names { Ok(()) } else { segments.sync_dirs() }
}

/// Records whose hashes are checked together.
#[derive(Default)]
pub(super) struct Batch {
    places: Vec<(u64, u64)>,
    records: Vec<(Cid, Bytes)>,
    pub(super) bytes: usize,
}

impl Batch {
    pub(super) fn push(&mut self, offset: u64, cid: Cid, data: Bytes, record_len: u64) {
        self.bytes += data.len() + 64;
        self.places.push((offset, record_len));
        self.records.push((cid, data));
    }

    /// Checks and takes all: for each record its offset, its length and the block.
    pub(super) fn check(&mut self) -> Vec<(u64, u64, Result<Block, BlockError>)> {
        self.bytes = 0;
        let records = std::mem::take(&mut self.records);
        let big: Vec<bool> = records.iter().map(|(_, data)| data.len() > BLOCK_BYTES_MAX).collect();
        let (mut usual, mut large) = (Vec::new(), Vec::new());
        for (record, big) in records.into_iter().zip(&big) {
            if *big { large.push(record) } else { usual.push(record) }
        }
        let mut usual = Block::verify_many(usual).into_iter();
        let mut large = large.into_iter().map(|(cid, data)| Block::verify_big(cid, data));
        let checked = big.into_iter().filter_map(|big| if big { large.next() } else { usual.next() });
        let places = std::mem::take(&mut self.places).into_iter();
        places.zip(checked).map(|((offset, len), block)| (offset, len, block)).collect()
    }
}
