//! Reading large blocks from a disk, past the page cache.
//!
//! What was just added went past the page cache, and what is opened after a long time has left it. A reader of such a
//! file would pay for each page: it is taken from the system's free memory, filled, and copied. On a virtual machine whose
//! free memory must first be got from its host that is 2 CPU-seconds per GiB, against 0.1 for direct reads into memory that
//! is used again and again. Here, when a large read finds that the page cache does not have the bytes, the whole stretch
//! of [`STRETCH_BYTES`] around it is read directly, and blocks are slices of it. When a read goes on where another ended,
//! the next [`AHEAD`] stretches are read meanwhile by the threads of [`Helpers`]: disks give most when they are
//! asked for several things at once.
//!
//! A stretch is read this way once: whoever reads it again gets it through the page cache, so that what is asked for often
//! stays in memory and what is read once does not push that out. Small blocks always go through the page cache, because a
//! slice keeps its whole stretch in memory. So does the rest of a reader's blocks once it came upon one in the page cache:
//! there the system's own reading ahead is at work.
//!
//! Bounds: [`STRETCHES_MAX`] stretches are kept, and [`SPARE_MAX`] buffers for the next ones. A stretch shows the file as it
//! was when it was read; segments only grow, so what lies past its end is read again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::{Condvar, Mutex};

use super::record::HEAD_BYTES_MAX;
use crate::disk::{ALIGN, DiskFile};

/// Bytes of one direct read, a multiple of [`ALIGN`].
const STRETCH_BYTES: usize = 2 << 20;
/// Stretches kept: two readers' own and what is read ahead for them.
const STRETCHES_MAX: usize = 8;
/// Stretches read ahead of a reader that goes on where it was.
const AHEAD: u64 = 2;
/// Buffers kept for the next stretches; new memory costs a fault for each page.
const SPARE_MAX: usize = 4;
/// Smaller reads go through the page cache.
const READ_BYTES_MIN: usize = 64 << 10;
/// Larger reads do, too: they need no help to be long. A block that peers exchange is not larger.
const READ_BYTES_MAX: usize = 2 * STRETCH_BYTES;
/// Readers whose place is remembered.
const READERS_MAX: usize = 16;
/// A read that begins at most so far behind the end of another one goes on with it.
const GAP_BYTES_MAX: u64 = 64 << 10;
/// Threads that read ahead.
const THREADS_MAX: usize = 3;
/// How long such a thread waits for more to do before it ends.
const THREAD_IDLE: Duration = Duration::from_secs(1);

/// The stretches of all segments.
#[derive(Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    helpers: Arc<Helpers>,
}

#[derive(Default)]
struct State {
    /// Where reads have ended: segment and offset, the newest last.
    ends: VecDeque<(u32, u64)>,
    held: VecDeque<Arc<Stretch>>,
    /// By segment, a bit for each stretch that was read.
    read_once: BTreeMap<u32, Vec<u64>>,
}

/// A stretch, read by whoever needs it first. `None` when that failed: then the usual way tells why.
struct Stretch {
    segment: u32,
    number: u64,
    file: Arc<dyn DiskFile>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    bytes: OnceLock<Option<Bytes>>,
}

impl Ahead {
    /// The bytes from `offset` on, if this is the way to read them.
    pub(super) fn read(&self, file: &Arc<dyn DiskFile>, segment: u32, offset: u64, len: usize) -> Option<Bytes> {
        if !(READ_BYTES_MIN..=READ_BYTES_MAX).contains(&len) {
            return None;
        }
        let end = offset + len as u64;
        let (first, last) = (number_of(offset), number_of(end - 1));
        let (follows, held) = {
            let mut state = self.state.lock();
            (state.follows(segment, offset, end), state.find(segment, first))
        };
        if held.is_none() && file.is_cached(offset) && file.is_cached(end - 1) {
            return None;
        }
        let stretch = held.or_else(|| self.enter(file, segment, first))?;
        // Begun before the first is waited for: the disk and this thread work side by side.
        let ahead = if follows { AHEAD } else { 0 };
        (first + 1..=last + ahead).for_each(|number| self.begin(file, segment, number));
        let bytes = self.load(&stretch)?;
        let start = (offset - stretch.offset()) as usize;
        if last == first {
            let read = bytes.get(start..start + len).map(|part| bytes.slice_ref(part));
            if end == stretch.end() {
                self.state.lock().leave(&stretch);
            }
            return read;
        }
        let mut joined = BytesMut::with_capacity(len);
        joined.extend_from_slice(bytes.get(start..)?);
        for number in first + 1..=last {
            let next = self.state.lock().find(segment, number)?;
            let bytes = self.load(&next)?;
            let count = bytes.len().min(len - joined.len());
            joined.extend_from_slice(bytes.get(..count)?);
        }
        self.state.lock().leave(&stretch);
        (joined.len() == len).then(|| joined.freeze())
    }

    /// Forgets what was read of a segment: its bytes were not what they should be.
    pub(super) fn forget(&self, segment: u32) {
        self.state.lock().held.retain(|stretch| stretch.segment != segment);
    }

    /// Has a stretch read by a thread, unless it is held, was read before, or lies past the end.
    fn begin(&self, file: &Arc<dyn DiskFile>, segment: u32, number: u64) {
        if let Some(stretch) = self.enter(file, segment, number) {
            self.helpers.read(stretch);
        }
    }

    /// Takes a stretch in that nobody has read yet.
    fn enter(&self, file: &Arc<dyn DiskFile>, segment: u32, number: u64) -> Option<Arc<Stretch>> {
        let mut state = self.state.lock();
        let read_once = state.read_once_mut(segment, number)?;
        // Asked while locked, but only for the first reader of a stretch.
        if file.len().ok()? <= number * STRETCH_BYTES as u64 {
            return None;
        }
        read_once.set();
        let (file, spare) = (file.clone(), self.spare.clone());
        let stretch = Arc::new(Stretch { segment, number, file, spare, bytes: OnceLock::new() });
        state.hold(stretch.clone());
        Some(stretch)
    }

    fn load(&self, stretch: &Arc<Stretch>) -> Option<Bytes> {
        let bytes = stretch.load();
        if bytes.is_none() {
            self.state.lock().leave(stretch);
        }
        bytes
    }
}

/// The mark of a stretch that was not read yet.
struct ReadOnce<'a> {
    word: &'a mut u64,
    bit: u64,
}

impl ReadOnce<'_> {
    fn set(self) {
        *self.word |= self.bit;
    }
}

impl State {
    /// Whether a read goes on where another ended; remembers its own end.
    ///
    /// Who reads a record asks for a few bytes more than its length says, so the next one begins a little before that end.
    fn follows(&mut self, segment: u32, offset: u64, end: u64) -> bool {
        let goes_on = |&(other, ended): &(u32, u64)| {
            other == segment && (ended.saturating_sub(HEAD_BYTES_MAX as u64)..=ended + GAP_BYTES_MAX).contains(&offset)
        };
        let found = self.ends.iter().position(goes_on);
        if let Some(at) = found {
            self.ends.remove(at);
        } else if self.ends.len() == READERS_MAX {
            self.ends.pop_front();
        }
        self.ends.push_back((segment, end));
        found.is_some()
    }

    fn find(&self, segment: u32, number: u64) -> Option<Arc<Stretch>> {
        self.held.iter().find(|held| held.segment == segment && held.number == number).cloned()
    }

    /// The mark of a stretch, if it was not read yet.
    fn read_once_mut(&mut self, segment: u32, number: u64) -> Option<ReadOnce<'_>> {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        let words = self.read_once.entry(segment).or_default();
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words.get_mut(word).filter(|word| **word & bit == 0).map(|word| ReadOnce { word, bit })
    }

    fn hold(&mut self, stretch: Arc<Stretch>) {
        if self.held.len() == STRETCHES_MAX {
            self.held.pop_front();
        }
        self.held.push_back(stretch);
    }

    fn leave(&mut self, stretch: &Arc<Stretch>) {
        self.held.retain(|held| !Arc::ptr_eq(held, stretch));
    }
}

impl Stretch {
    fn offset(&self) -> u64 {
        self.number * STRETCH_BYTES as u64
    }

    fn end(&self) -> u64 {
        self.offset() + STRETCH_BYTES as u64
    }

    fn load(&self) -> Option<Bytes> {
        self.bytes.get_or_init(|| self.read()).clone()
    }

    fn read(&self) -> Option<Bytes> {
        let memory = self.spare.lock().pop().unwrap_or_else(|| vec![0; STRETCH_BYTES + ALIGN]);
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        let mut buffer = Buffer { memory, start, len: 0, spare: self.spare.clone() };
        let room = buffer.memory.get_mut(start..start + STRETCH_BYTES)?;
        buffer.len = self.file.read_bulk_at(room, self.offset()).ok()??;
        Some(Bytes::from_owner(buffer))
    }
}

/// Threads that read stretches. They are started when needed and end when there was nothing to do for [`THREAD_IDLE`].
#[derive(Default)]
struct Helpers {
    jobs: Mutex<Jobs>,
    more: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Arc<Stretch>>,
    threads: usize,
    idle: usize,
}

impl Helpers {
    /// Has a stretch read soon. When nobody can, the reader does it itself once it gets there.
    fn read(self: &Arc<Self>, stretch: Arc<Stretch>) {
        let mut jobs = self.jobs.lock();
        if jobs.waiting.len() == STRETCHES_MAX {
            return;
        }
        jobs.waiting.push_back(stretch);
        if jobs.idle >= jobs.waiting.len() || jobs.threads == THREADS_MAX {
            self.more.notify_one();
            return;
        }
        let helpers = self.clone();
        let thread = std::thread::Builder::new().name("store-read".into()).spawn(move || helpers.work());
        match thread {
            Ok(_) => jobs.threads += 1,
            Err(_) => drop(jobs.waiting.pop_back()),
        }
    }

    fn work(&self) {
        let mut jobs = self.jobs.lock();
        loop {
            if let Some(stretch) = jobs.waiting.pop_front() {
                parking_lot::MutexGuard::unlocked(&mut jobs, || {
                    stretch.load();
                    drop(stretch);
                });
                continue;
            }
            jobs.idle += 1;
            let timed_out = self.more.wait_for(&mut jobs, THREAD_IDLE).timed_out();
            jobs.idle -= 1;
            if timed_out && jobs.waiting.is_empty() {
                jobs.threads -= 1;
                return;
            }
        }
    }
}

/// Memory of a stretch, which goes back when the last slice of it is gone.
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    len: usize,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spare = self.spare.lock();
        if spare.len() < SPARE_MAX {
            spare.push(std::mem::take(&mut self.memory));
        }
    }
}

fn number_of(offset: u64) -> u64 {
    offset / STRETCH_BYTES as u64
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A file that is not in the page cache.
    struct Cold {
        bytes: Vec<u8>,
        direct_reads: AtomicUsize,
    }

    impl DiskFile for Cold {
        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.len() as u64)
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Err(io::Error::other("the usual way"))
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Err(io::Error::other("for reading"))
        }

        fn is_cached(&self, _: u64) -> bool {
            false
        }

        fn read_bulk_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
            assert!((buffer.as_ptr() as usize).is_multiple_of(ALIGN) && buffer.len().is_multiple_of(ALIGN));
            self.direct_reads.fetch_add(1, Ordering::Relaxed);
            let rest = self.bytes.get(offset as usize..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(Some(count))
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            Err(io::Error::other("for reading"))
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    const RECORD: usize = 200_003;
    /// Who reads a record asks for a few bytes more.
    const ASKED: usize = RECORD + 3;

    fn cold(bytes: usize) -> (Arc<Cold>, Arc<dyn DiskFile>) {
        let bytes = (0..bytes).map(|i| (i / 7 + i / STRETCH_BYTES) as u8).collect();
        let file = Arc::new(Cold { bytes, direct_reads: AtomicUsize::new(0) });
        (file.clone(), file)
    }

    #[test]
    fn a_long_read_gets_its_bytes_from_few_large_ones() {
        let (cold, file) = cold(5 * STRETCH_BYTES + 12_345);
        let ahead = Ahead::default();
        let mut direct = 0;
        for offset in (0..cold.bytes.len() - ASKED).step_by(RECORD) {
            if let Some(bytes) = ahead.read(&file, 1, offset as u64, ASKED) {
                assert!(bytes == cold.bytes[offset..offset + ASKED], "at {offset}");
                direct += 1;
            }
        }
        assert_eq!(direct, cold.bytes.len() / RECORD);
        // Of the last stretch nothing was asked for: a thread may not have got there yet.
        assert!((5..=6).contains(&cold.direct_reads.load(Ordering::Relaxed)));
        assert!(ahead.state.lock().held.len() <= STRETCHES_MAX);
    }

    #[test]
    fn what_is_read_again_goes_through_the_page_cache() {
        let (cold, file) = cold(STRETCH_BYTES);
        let ahead = Ahead::default();
        let read_all = || {
            let offsets = (0..STRETCH_BYTES - RECORD).step_by(RECORD);
            offsets.filter(|&offset| ahead.read(&file, 1, offset as u64, RECORD).is_some()).count()
        };
        assert!(read_all() > 0);
        ahead.forget(1);
        assert_eq!(read_all(), 0);
        assert!(cold.direct_reads.load(Ordering::Relaxed) <= 2);
    }

    #[test]
    fn a_scattered_read_reads_nothing_ahead() {
        let (cold, file) = cold(8 * STRETCH_BYTES);
        let ahead = Ahead::default();
        for stretch in [0, 6, 2, 4] {
            let offset = stretch * STRETCH_BYTES + 1_000;
            let bytes = ahead.read(&file, 1, offset as u64, RECORD);
            assert!(bytes.is_some_and(|bytes| bytes == cold.bytes[offset..offset + RECORD]), "at {offset}");
        }
        assert_eq!(ahead.helpers.jobs.lock().threads, 0);
        assert_eq!(cold.direct_reads.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_record_may_touch_three_stretches_and_end_the_file() {
        let (cold, file) = cold(3 * STRETCH_BYTES);
        let ahead = Ahead::default();
        let (offset, len) = (STRETCH_BYTES - 10, STRETCH_BYTES + 20);
        let bytes = ahead.read(&file, 1, offset as u64, len);
        assert!(bytes.is_some_and(|bytes| bytes == cold.bytes[offset..offset + len]));
        let end = cold.bytes.len() as u64;
        assert!(ahead.read(&file, 1, end - RECORD as u64, ASKED).is_none(), "the usual way finds where it ends");
        assert!(ahead.state.lock().find(1, 3).is_none());
    }

    #[test]
    fn small_reads_go_through_the_page_cache() {
        let (cold, file) = cold(2 * STRETCH_BYTES);
        let ahead = Ahead::default();
        for offset in (0..1_000_000).step_by(READ_BYTES_MIN - 1) {
            assert!(ahead.read(&file, 2, offset, READ_BYTES_MIN - 1).is_none());
        }
        assert_eq!(cold.direct_reads.load(Ordering::Relaxed), 0);
    }
}
