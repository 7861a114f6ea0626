//! Appends records to the active segment.
//!
//! Records are copied into slabs; a full slab goes to a thread that writes it, so that the disk works while callers hash.
//! The thread is started with the first full slab: a small command has none. A segment that has reached its size is left
//! and a new one begun.
//!
//! Invariants:
//! - A record is appended whole or not at all: room is waited for before its first byte.
//! - At most [`QUEUE_SLABS`] full slabs wait (a single block larger than a slab may exceed that by its own size).
//! - What was appended is readable at once, through [`Writer::overlay`] until the file has it.
//! - When the disk is full, appended bytes stay in memory and each further call tries again. Any other failed write stops
//!   the writer for good.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::index::Place;
use super::index::image::Covered;
use super::record::SEGMENT_HEADER;
use super::segments::Segments;
use super::slab::{Memory, Slab};
use crate::StoreError;
use crate::disk::{ALIGN, DiskFile};

/// Full slabs that may wait for the disk.
const QUEUE_SLABS: usize = 3;

/// The writer of a store.
pub(super) struct Writer {
    shared: Arc<Shared>,
    state: Mutex<State>,
    segment_bytes: u64,
    slab_bytes: usize,
}

struct Shared {
    segments: Arc<Segments>,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// A hint for readers: whether there is anything that the files may not have.
    pending: AtomicBool,
}

#[derive(Default)]
struct Queue {
    /// Full slabs in the order of the log; the first is being written.
    full: VecDeque<Arc<Slab>>,
    /// The slab that is being filled.
    current: Option<Arc<Slab>>,
    /// Memory of slabs that are done.
    spare: Vec<Memory>,
    failure: Option<StoreError>,
    stop: bool,
}

struct State {
    active: Option<Active>,
    /// The segment to resume, if the store was not empty when opened, and its length.
    resume: Option<(u32, u64)>,
    next_segment: u32,
    /// Records appended since the store was opened.
    appended: u64,
    unsynced: Vec<(u32, Arc<dyn DiskFile>)>,
    new_names: NewNames,
    thread: Option<JoinHandle<()>>,
}

struct Active {
    segment: u32,
    file: Arc<dyn DiskFile>,
    end: u64,
    /// Something was appended since the last flush.
    dirty: bool,
}

/// Which directory entries are not durable yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NewNames {
    None,
    /// A segment was created.
    Segment,
    /// The first segment of all was created, and with it directories.
    Directories,
}

/// What must be flushed to make everything appended so far durable.
pub(super) struct ToSync {
    pub(super) files: Vec<(u32, Arc<dyn DiskFile>)>,
    pub(super) new_names: NewNames,
    /// How many records that covers.
    pub(super) appended: u64,
    /// Where the log ends.
    pub(super) covered: Covered,
}

impl Writer {
    /// A writer that goes on in the segment `resume` of this length if it is not full, else in a new one.
    pub(super) fn new(
        segments: Arc<Segments>,
        resume: Option<(u32, u64)>,
        next_segment: u32,
        segment_bytes: u64,
        slab_bytes: usize,
    ) -> Self {
        let resume = resume.filter(|(_, len)| *len < segment_bytes);
        let shared =
            Shared { segments, queue: Mutex::default(), changed: Condvar::new(), pending: AtomicBool::new(false) };
        let new_names = NewNames::None;
        let state =
            State { active: None, resume, next_segment, appended: 0, unsynced: Vec::new(), new_names, thread: None };
        let slab_bytes = slab_bytes.next_multiple_of(ALIGN).max(ALIGN);
        Self { shared: Arc::new(shared), state: Mutex::new(state), segment_bytes, slab_bytes }
    }

    /// Takes the writer, to append several records in a row.
    pub(super) fn appender(&self) -> Appender<'_> {
        Appender { writer: self, state: self.state.lock() }
    }

    /// How many records were appended.
    pub(super) fn appended(&self) -> u64 {
        self.state.lock().appended
    }

    /// The segment that is being filled, or would be.
    pub(super) fn active_segment(&self) -> Option<u32> {
        let state = self.state.lock();
        state.active.as_ref().map(|active| active.segment).or(state.resume.map(|(segment, _)| segment))
    }

    /// Leaves the active segment; the next record begins a new one.
    pub(super) fn seal(&self) -> Result<(), StoreError> {
        let mut appender = self.appender();
        appender.state.resume = None;
        appender.leave_segment()
    }

    /// Hands everything appended to the system and says what must be flushed; `while_held` runs before others append.
    pub(super) fn flush<T>(&self, while_held: impl FnOnce() -> T) -> Result<(ToSync, T), StoreError> {
        let mut appender = self.appender();
        appender.drain()?;
        let made = while_held();
        let state = &mut *appender.state;
        let covered = match (&state.active, state.resume) {
            (Some(active), _) => Covered { segment: active.segment, offset: active.end as u32 },
            (None, Some((segment, len))) => Covered { segment, offset: len as u32 },
            (None, None) => Covered { segment: state.next_segment, offset: 0 },
        };
        let files = std::mem::take(&mut state.unsynced);
        let new_names = std::mem::replace(&mut state.new_names, NewNames::None);
        Ok((ToSync { files, new_names, appended: state.appended, covered }, made))
    }

    /// What may be missing from the file of a segment: slabs to lay over what was read. Take it before reading.
    pub(super) fn overlay(&self, segment: u32) -> Overlay {
        if !self.shared.pending.load(Ordering::Acquire) {
            return Overlay(Vec::new());
        }
        let queue = self.shared.queue.lock();
        let of_segment = queue.full.iter().chain(&queue.current).filter(|slab| slab.segment == segment);
        Overlay(of_segment.cloned().collect())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.queue.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.state.get_mut().thread.take() {
            let _ = thread.join();
        }
    }
}

/// Slabs of one segment that were not in its file when the overlay was taken.
pub(super) struct Overlay(Vec<Arc<Slab>>);

impl Overlay {
    /// The part of the segment that is in memory; empty when nothing is. Slabs follow each other without a hole.
    pub(super) fn span(&self) -> Range<u64> {
        let start = self.0.iter().map(|slab| slab.base).min().unwrap_or(0);
        start..self.0.iter().map(|slab| slab.end()).max().unwrap_or(0)
    }

    /// Completes `bytes`, which were read from the file at `offset`.
    pub(super) fn lay_over(&self, bytes: &mut [u8], offset: u64) {
        self.0.iter().for_each(|slab| slab.copy_to(bytes, offset));
    }
}

/// The right to append.
pub(super) struct Appender<'a> {
    writer: &'a Writer,
    state: MutexGuard<'a, State>,
}

impl Appender<'_> {
    /// Appends a record; returns where it is. On an error nothing was appended.
    pub(super) fn append(&mut self, head: &[u8], data: &[u8]) -> Result<Place, StoreError> {
        self.wait_for_room()?;
        if self.state.active.as_ref().is_some_and(|active| active.end >= self.writer.segment_bytes) {
            self.leave_segment()?;
        }
        if self.state.active.is_none() {
            self.enter_segment()?;
        }
        let Some(active) = &mut self.state.active else {
            return Err(StoreError::Full { why: "no segment could be begun" });
        };
        let (segment, offset) = (active.segment, active.end as u32);
        active.end += (head.len() + data.len()) as u64;
        active.dirty = true;
        self.push(head);
        self.push(data);
        self.state.appended += 1;
        Ok(Place { segment, offset, len: data.len() as u32 })
    }

    /// Copies bytes into slabs; full ones go to the thread.
    fn push(&mut self, mut bytes: &[u8]) {
        let shared = self.writer.shared.clone();
        while !bytes.is_empty() {
            let mut queue = shared.queue.lock();
            let Some(current) = queue.current.clone() else { return };
            if current.is_full() {
                let base = current.base + self.writer.slab_bytes as u64;
                let memory = queue.spare.pop();
                let next = Slab::new(current.segment, base, current.file().clone(), self.writer.slab_bytes, memory);
                queue.current = Some(Arc::new(next));
                queue.full.push_back(current);
                drop(queue);
                self.start_thread();
                shared.changed.notify_all();
                continue;
            }
            drop(queue);
            let count = current.append(bytes);
            shared.pending.store(true, Ordering::Release);
            bytes = bytes.get(count..).unwrap_or_default();
        }
    }

    /// Opens the segment to resume, or creates the next one.
    fn enter_segment(&mut self) -> Result<(), StoreError> {
        let segments = self.writer.shared.segments.clone();
        let (segment, file, end) = match self.state.resume {
            Some((segment, len)) => (segment, segments.open_for_append(segment)?, len),
            None => {
                let segment = self.state.next_segment;
                (segment, segments.create(segment)?, 0)
            }
        };
        let base = end / ALIGN as u64 * ALIGN as u64;
        let slab = Slab::new(segment, base, file.clone(), self.writer.slab_bytes, None);
        if end > base {
            let page = file.read_exact_at((end - base) as usize, base);
            slab.resume(&page.map_err(|e| StoreError::io("read", &segments.path(segment), e))?);
        }
        if self.state.resume.take().is_none() {
            let full = StoreError::Full { why: "no segment numbers are left" };
            self.state.next_segment = segment.checked_add(1).ok_or(full)?;
            let first = segment == 1;
            let names = if first { NewNames::Directories } else { NewNames::Segment };
            self.state.new_names = self.state.new_names.max(names);
        }
        self.writer.shared.queue.lock().current = Some(Arc::new(slab));
        self.state.active = Some(Active { segment, file, end, dirty: true });
        if end == 0 {
            self.push(SEGMENT_HEADER);
            self.state.active.iter_mut().for_each(|active| active.end = SEGMENT_HEADER.len() as u64);
        }
        Ok(())
    }

    fn leave_segment(&mut self) -> Result<(), StoreError> {
        self.drain()?;
        self.state.active = None;
        self.writer.shared.queue.lock().current = None;
        Ok(())
    }

    /// Waits until nothing is left to be handed to the system, and hands over the last, partly filled slab itself.
    fn drain(&mut self) -> Result<(), StoreError> {
        let shared = &self.writer.shared;
        self.wait_until(|queue| queue.full.is_empty())?;
        let current = {
            let mut queue = shared.queue.lock();
            queue.spare.clear();
            queue.current.clone()
        };
        if let Some(slab) = current.filter(|slab| slab.is_dirty()) {
            slab.write(&shared.segments)?;
        }
        // The current slab stays laid over what is read, which is right, but no longer needed.
        shared.pending.store(false, Ordering::Release);
        let state = &mut *self.state;
        if let Some(active) = state.active.as_mut().filter(|active| active.dirty) {
            active.dirty = false;
            state.unsynced.push((active.segment, active.file.clone()));
        }
        Ok(())
    }

    fn wait_for_room(&mut self) -> Result<(), StoreError> {
        self.wait_until(|queue| queue.full.len() < QUEUE_SLABS)
    }

    /// Waits for the thread. A full disk is tried once more before it is reported.
    fn wait_until(&mut self, done: impl Fn(&Queue) -> bool) -> Result<(), StoreError> {
        let shared = &self.writer.shared;
        let mut queue = shared.queue.lock();
        if matches!(queue.failure, Some(StoreError::NoSpace { .. })) {
            queue.failure = None;
            shared.changed.notify_all();
        }
        loop {
            if let Some(failure) = &queue.failure {
                return Err(failure.clone());
            }
            if done(&queue) {
                return Ok(());
            }
            shared.changed.wait(&mut queue);
        }
    }

    fn start_thread(&mut self) {
        if self.state.thread.is_some() {
            return;
        }
        let shared = self.writer.shared.clone();
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || write_slabs(&shared));
        match thread {
            Ok(thread) => self.state.thread = Some(thread),
            Err(error) => {
                let failure = StoreError::io("start a thread to write to", self.writer.shared.segments.dir(), error);
                self.writer.shared.queue.lock().failure = Some(failure);
            }
        }
    }
}

/// The thread: writes full slabs in order until the writer is dropped. What is then left was promised to nobody.
fn write_slabs(shared: &Shared) {
    let mut queue = shared.queue.lock();
    while !queue.stop {
        let next = queue.full.front().filter(|_| queue.failure.is_none()).cloned();
        let Some(slab) = next else {
            shared.changed.wait(&mut queue);
            continue;
        };
        let result = MutexGuard::unlocked(&mut queue, || slab.write(&shared.segments));
        match result {
            Ok(()) => {
                drop(slab);
                // A reader that still looks at it keeps the memory.
                let done = queue.full.pop_front().and_then(Arc::into_inner);
                queue.spare.extend(done.map(Slab::into_memory));
            }
            Err(error) => queue.failure = Some(error),
        }
        shared.changed.notify_all();
    }
}
