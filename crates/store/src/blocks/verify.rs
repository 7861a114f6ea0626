//! Reading stored blocks back and checking their hashes: all of them or a part, as fast as the disk gives or slowly, in one
//! go or going on where the last run ended.
//!
//! The index says where records are, so that one with a damaged length hides nothing behind it. Records that stand
//! together are read together (a *window*), by several threads; no id and no lock is held while a window is read.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use merkury_core::Cid;
use parking_lot::Mutex;

use super::mend::Examined;
use super::record::SEGMENT_HEADER;
use super::recover::Batch;
use super::{Blocks, Id, Place, decode_head, record};
use crate::StoreError;

/// Bytes of one window; a larger record is a window of its own.
const WINDOW_BYTES: u64 = 4 * 1024 * 1024;
/// Dead bytes between two records that are read over.
const GAP_BYTES_MAX: u64 = 64 * 1024;
/// Places taken from the index at a time, about: 16 MiB of them.
const PLACES: u64 = 1 << 20;
/// Entries of the index looked at before it is unlocked for a moment.
const STEPS_PER_LOCK: usize = 64 * 1024;
/// Threads that read and hash.
const THREADS_MAX: usize = 4;
/// Checked windows that wait for the caller.
const QUEUE_WINDOWS: usize = 4;
/// Longest sleep before looking whether to stop.
const NAP: Duration = Duration::from_millis(100);
/// A part of the store is made of pieces of segments of this size.
const PIECE_BITS: u32 = 22;
/// What is said of a block whose bytes hash to something else: Kubo's words.
const WRONG_HASH: &str = "block in storage has different hash than requested";

/// How far a verification came: all before this place is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyPlace {
    /// The segment.
    pub segment: u32,
    /// The byte in it.
    pub offset: u32,
}

/// How to verify.
#[derive(Clone, Copy, Debug, Default)]
pub struct VerifyOptions<'a> {
    /// Go on from here.
    pub from: VerifyPlace,
    /// Only this part: the N-th of so many. Parts are by place and of about the same size; all of them together are the whole.
    pub part: Option<(u32, u32)>,
    /// Stop after this long.
    pub for_at_most: Option<Duration>,
    /// Bytes checked in a second, at most; also, one thread works.
    pub bytes_per_second: Option<u64>,
    /// Stop when this becomes true.
    pub stop: Option<&'a AtomicBool>,
}

/// What a verification did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blocks checked.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, blocks that had one wrong bit, which is put right.
    pub mended: u64,
    /// Of these, blocks that are lost.
    pub bad: u64,
    /// Where to go on; `None` when the end was reached.
    pub next: Option<VerifyPlace>,
}

/// A block, checked.
pub(crate) enum Checked {
    Good(Cid),
    Mended(Cid),
    Bad(Option<Cid>, String),
    /// Something that is no block was put right.
    Repaired(String),
}

/// A record to be checked.
#[derive(Clone, Copy)]
struct Target {
    place: Place,
    checksum: u32,
    id: Id,
}

/// A window, checked.
struct Done {
    number: u64,
    /// All before this is checked once the windows before this one are.
    until: VerifyPlace,
    bytes: u64,
    blocks: Vec<Checked>,
}

impl Blocks {
    /// Checks stored blocks; `each` is called with every one. A lost block is forgotten, so that it can be fetched and put again.
    pub(crate) fn verify(
        &self,
        options: &VerifyOptions<'_>,
        each: &mut dyn FnMut(Checked),
    ) -> Result<Verified, StoreError> {
        // So that the files have it all.
        self.flush_to_files()?;
        self.repair_headers(options, each)?;
        let windows = Mutex::new(Windows::new(self, options));
        let halt = AtomicBool::new(false);
        let threads = match options.bytes_per_second {
            Some(_) => 1,
            None => std::thread::available_parallelism().map_or(1, |count| count.get().min(THREADS_MAX)),
        };
        std::thread::scope(|scope| {
            let (sender, done) = mpsc::sync_channel(QUEUE_WINDOWS);
            for _ in 0..threads {
                let sender = sender.clone();
                scope.spawn(|| self.work(&windows, &halt, sender));
            }
            drop(sender);
            let verified = collect(&done, options, &halt, each);
            halt.store(true, Relaxed);
            // Those who wait to hand a window over find nobody.
            drop(done);
            Ok(verified)
        })
    }

    /// The first bytes of segments: we do not need them, other readers of CAR files do.
    fn repair_headers(&self, options: &VerifyOptions<'_>, each: &mut dyn FnMut(Checked)) -> Result<(), StoreError> {
        let living: Vec<u32> = {
            let index = self.index.read();
            let living = index.usage().iter().filter(|(_, usage)| usage.blocks > 0);
            living.map(|(segment, _)| *segment).filter(|segment| *segment >= options.from.segment).collect()
        };
        for segment in living {
            let path = self.segments.path(segment);
            let header =
                self.segments.file(segment).ok().and_then(|file| file.read_up_to(SEGMENT_HEADER.len(), 0).ok());
            if header.is_none_or(|header| header == SEGMENT_HEADER || header.len() < SEGMENT_HEADER.len()) {
                continue;
            }
            let file = self.segments.open_for_append(segment)?;
            let written = file.write_at(SEGMENT_HEADER, 0).and_then(|()| file.sync());
            written.map_err(|error| StoreError::io("write to", &path, error))?;
            each(Checked::Repaired(format!("{} had a damaged header; it is written anew", path.display())));
        }
        Ok(())
    }

    fn work(&self, windows: &Mutex<Windows<'_>>, halt: &AtomicBool, sender: mpsc::SyncSender<Done>) {
        while !halt.load(Relaxed) {
            let next = windows.lock().next();
            let Some((number, targets)) = next else { return };
            let Some(last) = targets.last().map(|last| last.place) else { return };
            let until = VerifyPlace { segment: last.segment, offset: last.offset.saturating_add(1) };
            let bytes = targets.iter().map(|target| u64::from(target.place.len)).sum();
            let blocks = self.check_window(&targets);
            if sender.send(Done { number, until, bytes, blocks }).is_err() {
                return;
            }
        }
    }

    fn check_window(&self, targets: &[Target]) -> Vec<Checked> {
        let span = span(targets);
        let segment = targets.first().map_or(0, |first| first.place.segment);
        let file = self.segments.file(segment);
        let read = file.and_then(|file| {
            let read = file.read_up_to((span.end - span.start) as usize, span.start);
            read.map_err(|error| StoreError::io("read", &self.segments.path(segment), error))
        });
        // What the disk does not give in one piece is tried record by record below.
        let bytes = read.map(Bytes::from).unwrap_or_default();
        let mut batch = Batch::default();
        let mut waiting = BTreeMap::new();
        let mut suspicious = Vec::new();
        for target in targets {
            let start = (u64::from(target.place.offset) - span.start) as usize;
            match whole_record(&bytes, start, target.place) {
                Some((cid, data)) => {
                    batch.push(target.place.offset.into(), cid, data, 0);
                    waiting.insert(target.place.offset, *target);
                }
                None => suspicious.push((*target, "its record cannot be read")),
            }
        }
        let mut checked = Vec::with_capacity(targets.len());
        for (offset, _, block) in batch.check() {
            let Some(target) = waiting.remove(&(offset as u32)) else { continue };
            match block {
                // A record of another block than the index expects here is no good one.
                Ok(block) if self.is_where_expected(target, block.cid()) => {
                    checked.push(Checked::Good(block.into_parts().0));
                }
                Ok(_) => suspicious.push((target, "its record is of another block")),
                Err(_) => suspicious.push((target, WRONG_HASH)),
            }
        }
        for (target, why) in suspicious {
            checked.extend(self.check_again(target, why));
        }
        checked
    }

    /// Whether the index, as it is now, expects this block at this place.
    fn is_where_expected(&self, target: Target, cid: &Cid) -> bool {
        let Some(id) = self.id(cid) else { return false };
        self.is_named(id, cid) && self.index.read().stored(id) == Some((target.place, target.checksum))
    }

    /// Looks closely at one record; `None` when it has moved or was removed meanwhile.
    fn check_again(&self, target: Target, why: &str) -> Option<Checked> {
        let Target { place, checksum, id } = target;
        // The index may have been renumbered since the window was made.
        let id = if self.index.read().stored(id) == Some((place, checksum)) { Some(id) } else { self.id_at(place) };
        match self.examine(id?, place, checksum, why) {
            Examined::Gone => None,
            Examined::Good(cid) => Some(Checked::Good(cid)),
            Examined::Mended(cid) => Some(Checked::Mended(cid)),
            Examined::Lost(damaged) => Some(Checked::Bad(damaged.cid, damaged.why)),
        }
    }

    /// The block the index expects at a place. Looks at the whole index.
    fn id_at(&self, place: Place) -> Option<Id> {
        let index = self.index.read();
        index.usage().get(&place.segment)?;
        (0..index.ids() as u32).map(Id).find(|id| index.stored(*id).is_some_and(|(now, _)| now == place))
    }
}

/// Hands checked blocks to the caller in the order of the disk, and keeps to the pace.
fn collect(
    done: &mpsc::Receiver<Done>,
    options: &VerifyOptions<'_>,
    halt: &AtomicBool,
    each: &mut dyn FnMut(Checked),
) -> Verified {
    let began = Instant::now();
    let is_over = || {
        options.stop.is_some_and(|stop| stop.load(Relaxed))
            || options.for_at_most.is_some_and(|most| began.elapsed() >= most)
    };
    let mut verified = Verified { next: Some(options.from), ..Verified::default() };
    let mut early = BTreeMap::new();
    let mut next = 0;
    while let Ok(window) = done.recv() {
        early.insert(window.number, window);
        while let Some(window) = early.remove(&next) {
            next += 1;
            verified.blocks += window.blocks.len() as u64;
            verified.bytes += window.bytes;
            verified.next = Some(window.until);
            for block in window.blocks {
                match &block {
                    Checked::Good(_) | Checked::Repaired(_) => {}
                    Checked::Mended(_) => verified.mended += 1,
                    Checked::Bad(..) => verified.bad += 1,
                }
                each(block);
            }
        }
        while !is_over() && ahead_of_pace(options, verified.bytes, began) {
            std::thread::sleep(NAP);
        }
        if is_over() {
            halt.store(true, Relaxed);
            return verified;
        }
    }
    verified.next = None;
    verified
}

fn ahead_of_pace(options: &VerifyOptions<'_>, bytes: u64, began: Instant) -> bool {
    let Some(pace) = options.bytes_per_second else { return false };
    bytes as f64 / pace.max(1) as f64 > began.elapsed().as_secs_f64()
}

/// The CID and data of the record at `start`, if it is whole and as long as the index says.
fn whole_record(bytes: &Bytes, start: usize, place: Place) -> Option<(Cid, Bytes)> {
    let head = decode_head(bytes.get(start..)?).ok()?;
    if head.data_len != place.len as usize {
        return None;
    }
    let from = start.checked_add(head.head_len)?;
    let to = from.checked_add(head.data_len).filter(|to| *to <= bytes.len())?;
    Some((head.cid, bytes.slice(from..to)))
}

/// The bytes of the segment in which the records of a window stand.
fn span(targets: &[Target]) -> Range<u64> {
    let start = targets.first().map_or(0, |first| u64::from(first.place.offset));
    let end = targets.last().map_or(start, |last| record_end(last.place));
    start..end.max(start)
}

/// Where a record ends at the latest.
fn record_end(place: Place) -> u64 {
    u64::from(place.offset) + u64::from(place.len) + record::HEAD_BYTES_MAX as u64
}

/// The windows of a verification, made as they are asked for.
struct Windows<'a> {
    blocks: &'a Blocks,
    from: VerifyPlace,
    part: Option<(u32, u32)>,
    segments: VecDeque<(u32, u64)>,
    targets: VecDeque<Target>,
    number: u64,
}

impl<'a> Windows<'a> {
    fn new(blocks: &'a Blocks, options: &VerifyOptions<'_>) -> Self {
        let index = blocks.index.read();
        let living = index.usage().iter().filter(|(segment, _)| **segment >= options.from.segment);
        let segments = living.map(|(segment, usage)| (*segment, u64::from(usage.blocks))).collect();
        let (from, part) = (options.from, options.part.filter(|(_, of)| *of > 1));
        Self { blocks, from, part, segments, targets: VecDeque::new(), number: 0 }
    }

    fn next(&mut self) -> Option<(u64, Vec<Target>)> {
        while self.targets.is_empty() {
            self.refill()?;
        }
        let first = self.targets.pop_front()?;
        let mut window = vec![first];
        let mut end = record_end(first.place);
        while let Some(next) = self.targets.front().copied() {
            let Place { segment, offset, .. } = next.place;
            let fits = segment == first.place.segment
                && u64::from(offset) <= end + GAP_BYTES_MAX
                && record_end(next.place) - u64::from(first.place.offset) <= WINDOW_BYTES;
            if !fits {
                break;
            }
            self.targets.pop_front();
            end = record_end(next.place);
            window.push(next);
        }
        let number = self.number;
        self.number += 1;
        Some((number, window))
    }

    /// Takes the places of the next segments from the index; `None` when there are none.
    fn refill(&mut self) -> Option<()> {
        let (first, mut count) = self.segments.pop_front()?;
        let mut last = first;
        while let Some((segment, blocks)) = self.segments.front().copied()
            && count + blocks <= PLACES
        {
            self.segments.pop_front();
            (last, count) = (segment, count + blocks);
        }
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let index = self.blocks.index.read();
            let ids = index.ids();
            for id in (at..(at + STEPS_PER_LOCK).min(ids)).map(|id| Id(id as u32)) {
                if let Some((place, checksum)) = index.stored(id)
                    && (first..=last).contains(&place.segment)
                    && self.wants(place)
                {
                    found.push(Target { place, checksum, id });
                }
            }
            at += STEPS_PER_LOCK;
            if at >= ids {
                break;
            }
        }
        found.sort_unstable_by_key(|target| target.place);
        self.targets = found.into();
        Some(())
    }

    fn wants(&self, place: Place) -> bool {
        let Place { segment, offset, .. } = place;
        let piece = (segment << (32 - PIECE_BITS)).wrapping_add(offset >> PIECE_BITS);
        (VerifyPlace { segment, offset }) >= self.from
            && self.part.is_none_or(|(nth, of)| piece % of == nth.saturating_sub(1))
    }
}
