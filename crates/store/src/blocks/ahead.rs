//! Reading large blocks one after the other from a disk, past the page cache.
//!
//! What was just added went past the page cache, and what is opened after a long time has left it. A reader of such a
//! file would pay for each page twice: the system fetches it in small pieces and copies it. Here, as soon as a read goes
//! on where another ended and the page cache does not have the bytes, whole stretches of [`STRETCH_BYTES`] are read
//! directly, the next one while the first is being used, and blocks are slices of them.
//!
//! A stretch is read this way once: whoever reads it again gets it through the page cache, so that what is asked for often
//! stays in memory and what is read once does not push that out. Small blocks always go through the page cache, because a
//! slice keeps its whole stretch in memory.
//!
//! Bounds: [`STRETCHES_MAX`] stretches are kept, and [`SPARE_MAX`] buffers for the next ones. A stretch shows the file as it
//! was when it was read; segments only grow, so what lies past its end is read again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use crate::disk::{ALIGN, DiskFile};

/// Bytes of one direct read, a multiple of [`ALIGN`].
const STRETCH_BYTES: usize = 2 << 20;
/// Stretches kept: two for each of three readers.
const STRETCHES_MAX: usize = 6;
/// Buffers kept for the next stretches; new memory costs a fault for each page.
const SPARE_MAX: usize = 4;
/// Smaller reads go through the page cache.
const READ_BYTES_MIN: usize = 64 << 10;
/// Readers whose place is remembered.
const READERS_MAX: usize = 16;
/// A read that begins at most so far behind the end of another one goes on with it.
const GAP_BYTES_MAX: u64 = 64 << 10;

/// The stretches of all segments.
#[derive(Default)]
pub(super) struct Ahead {
    state: Mutex<State>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
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
    bytes: OnceLock<Option<Bytes>>,
}

impl Ahead {
    /// The bytes from `offset` on, if this is the way to read them.
    pub(super) fn read(&self, file: &Arc<dyn DiskFile>, segment: u32, offset: u64, len: usize) -> Option<Bytes> {
        if len < READ_BYTES_MIN {
            return None;
        }
        let end = offset + len as u64;
        let (first, last) = (number_of(offset), number_of(end - 1));
        let follows = self.state.lock().follows(segment, offset, end);
        let held = self.state.lock().find(segment, first);
        if held.is_none() && (!follows || (file.is_cached(offset) && file.is_cached(end - 1))) {
            return None;
        }
        let stretch = held.or_else(|| self.state.lock().enter(file, segment, first))?;
        // Begun before the first is waited for: the disk and this thread work side by side.
        let next = self.begin(file, segment, last.max(first + 1));
        let mut bytes = self.load(&stretch)?;
        let start = (offset - stretch.offset()) as usize;
        if last == first {
            let read = bytes.get(start..start + len).map(|part| bytes.slice_ref(part));
            if end == stretch.offset() + STRETCH_BYTES as u64 {
                self.state.lock().leave(&stretch);
            }
            return read;
        }
        let next = next.or_else(|| self.state.lock().find(segment, last))?;
        let mut joined = BytesMut::with_capacity(len);
        joined.extend_from_slice(bytes.get(start..)?);
        bytes = self.load(&next)?;
        joined.extend_from_slice(bytes.get(..len.checked_sub(joined.len())?)?);
        self.state.lock().leave(&stretch);
        Some(joined.freeze())
    }

    /// Forgets what was read of a segment: its bytes were not what they should be.
    pub(super) fn forget(&self, segment: u32) {
        self.state.lock().held.retain(|stretch| stretch.segment != segment);
    }

    /// Starts reading a stretch on a thread of its own, unless it is held or was read before.
    fn begin(&self, file: &Arc<dyn DiskFile>, segment: u32, number: u64) -> Option<Arc<Stretch>> {
        let stretch = self.state.lock().enter(file, segment, number)?;
        let (ahead, spare) = (stretch.clone(), self.spare.clone());
        let read = move || {
            ahead.bytes.get_or_init(|| ahead.read(&spare));
        };
        // Without a thread the reader does it itself when it gets there.
        drop(std::thread::Builder::new().name("store-read".into()).spawn(read));
        Some(stretch)
    }

    fn load(&self, stretch: &Arc<Stretch>) -> Option<Bytes> {
        let bytes = stretch.bytes.get_or_init(|| stretch.read(&self.spare)).clone();
        if bytes.is_none() {
            self.state.lock().leave(stretch);
        }
        bytes
    }
}

impl State {
    /// Whether a read goes on where another ended; remembers its own end.
    fn follows(&mut self, segment: u32, offset: u64, end: u64) -> bool {
        let goes_on =
            |&(other, ended): &(u32, u64)| other == segment && (ended..=ended + GAP_BYTES_MAX).contains(&offset);
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

    /// Takes a stretch in that nobody has read yet.
    fn enter(&mut self, file: &Arc<dyn DiskFile>, segment: u32, number: u64) -> Option<Arc<Stretch>> {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        let words = self.read_once.entry(segment).or_default();
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        if words[word] & bit != 0 {
            return None;
        }
        words[word] |= bit;
        let stretch = Arc::new(Stretch { segment, number, file: file.clone(), bytes: OnceLock::new() });
        if self.held.len() == STRETCHES_MAX {
            self.held.pop_front();
        }
        self.held.push_back(stretch.clone());
        Some(stretch)
    }

    fn leave(&mut self, stretch: &Arc<Stretch>) {
        self.held.retain(|held| !Arc::ptr_eq(held, stretch));
    }
}

impl Stretch {
    fn offset(&self) -> u64 {
        self.number * STRETCH_BYTES as u64
    }

    fn read(&self, spare: &Arc<Mutex<Vec<Vec<u8>>>>) -> Option<Bytes> {
        let memory = spare.lock().pop().unwrap_or_else(|| vec![0; STRETCH_BYTES + ALIGN]);
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        let mut buffer = Buffer { memory, start, len: 0, spare: spare.clone() };
        let room = buffer.memory.get_mut(start..start + STRETCH_BYTES)?;
        buffer.len = self.file.read_bulk_at(room, self.offset()).ok()??;
        Some(Bytes::from_owner(buffer))
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
        for offset in (0..cold.bytes.len() - RECORD).step_by(RECORD) {
            if let Some(bytes) = ahead.read(&file, 1, offset as u64, RECORD) {
                assert!(bytes == cold.bytes[offset..offset + RECORD], "at {offset}");
                direct += 1;
            }
        }
        let records = cold.bytes.len() / RECORD;
        assert!(direct >= records - 2, "{direct} of {records}: all but the first and what reaches past the end");
        assert!(cold.direct_reads.load(Ordering::Relaxed) <= 7);
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
    fn scattered_and_small_reads_go_through_the_page_cache() {
        let (cold, file) = cold(2 * STRETCH_BYTES);
        let ahead = Ahead::default();
        for offset in [0, 1_000_000, 400_000, 2_000_000] {
            assert!(ahead.read(&file, 1, offset, RECORD).is_none());
        }
        for offset in (0..1_000_000).step_by(READ_BYTES_MIN - 1) {
            assert!(ahead.read(&file, 2, offset, READ_BYTES_MIN - 1).is_none());
        }
        assert_eq!(cold.direct_reads.load(Ordering::Relaxed), 0);
    }
}
