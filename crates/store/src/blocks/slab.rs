//! A piece of a segment in memory, on its way to the disk.

use std::sync::Arc;

use parking_lot::RwLock;

use super::segments::Segments;
use crate::StoreError;
use crate::disk::{ALIGN, DiskFile};

/// From this many bytes on, a write goes past the page cache. Measured on ext4: direct writes of 4 MiB take 0.03 to 0.06
/// CPU-seconds per GiB, buffered ones with a flush 2.4 to 2.7; below this size the page cache is the shorter way.
const BULK_BYTES_MIN: usize = 1024 * 1024;

/// `capacity` bytes of a segment from `base` on, both multiples of [`ALIGN`].
pub(super) struct Slab {
    pub(super) segment: u32,
    pub(super) base: u64,
    file: Arc<dyn DiskFile>,
    data: RwLock<Data>,
}

/// The memory of a slab that is done.
pub(super) struct Memory(Vec<u8>);

struct Data {
    /// Longer than the capacity, so that an aligned start is in it.
    memory: Vec<u8>,
    start: usize,
    capacity: usize,
    len: usize,
    /// Bytes from the start that are in the file.
    written: usize,
}

impl Slab {
    /// `memory` is that of a slab of the same capacity which is done; getting it anew costs a fault for each page.
    pub(super) fn new(
        segment: u32,
        base: u64,
        file: Arc<dyn DiskFile>,
        capacity: usize,
        memory: Option<Memory>,
    ) -> Self {
        debug_assert!(base.is_multiple_of(ALIGN as u64) && capacity.is_multiple_of(ALIGN));
        // Zeroed memory comes from the system page by page, when it is first used: a small command touches little of it.
        let memory = memory.map_or_else(|| vec![0; capacity + ALIGN], |memory| memory.0);
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { segment, base, file, data: RwLock::new(Data { memory, start, capacity, len: 0, written: 0 }) }
    }

    /// The memory, for the next slab.
    pub(super) fn into_memory(self) -> Memory {
        Memory(self.data.into_inner().memory)
    }

    /// Takes over the bytes between `base` and the end of the file, which are in the file already.
    pub(super) fn resume(&self, bytes: &[u8]) {
        let mut data = self.data.write();
        let taken = data.append(bytes);
        debug_assert_eq!(taken, bytes.len());
        data.written = data.len;
    }

    /// Appends what fits; returns how many bytes that were.
    pub(super) fn append(&self, bytes: &[u8]) -> usize {
        self.data.write().append(bytes)
    }

    pub(super) fn is_full(&self) -> bool {
        let data = self.data.read();
        data.len == data.capacity
    }

    /// Whether there are bytes that are not in the file yet.
    pub(super) fn is_dirty(&self) -> bool {
        let data = self.data.read();
        data.written < data.len
    }

    pub(super) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }

    /// Copies the part of this slab that lies in `target`, which shows the segment from `offset` on.
    pub(super) fn copy_to(&self, target: &mut [u8], offset: u64) {
        let data = self.data.read();
        let (from, to) = (self.base.max(offset), (self.base + data.len as u64).min(offset + target.len() as u64));
        if from >= to {
            return;
        }
        let count = (to - from) as usize;
        let (here, there) = ((from - self.base) as usize, (from - offset) as usize);
        if let (Some(source), Some(target)) =
            (data.bytes().get(here..here + count), target.get_mut(there..there + count))
        {
            target.copy_from_slice(source);
        }
    }

    /// Where the bytes in this slab end in the segment.
    pub(super) fn end(&self) -> u64 {
        self.base + self.data.read().len as u64
    }

    /// Hands what is new to the system. Nobody appends meanwhile; reading goes on.
    ///
    /// A large write is aligned and so may write the beginning of its first page again, with the same bytes.
    pub(super) fn write(&self, segments: &Segments) -> Result<(), StoreError> {
        let fail = |error| StoreError::io("write to", &segments.path(self.segment), error);
        let data = self.data.read();
        let (mut from, to, bytes) = (data.written, data.len, data.bytes());
        if to - from >= BULK_BYTES_MIN {
            let (first, last) = (from / ALIGN * ALIGN, to / ALIGN * ALIGN);
            self.file.write_bulk_at(&bytes[first..last], self.base + first as u64).map_err(fail)?;
            from = last;
        }
        if from < to {
            self.file.write_at(&bytes[from..to], self.base + from as u64).map_err(fail)?;
        }
        drop(data);
        self.data.write().written = to;
        Ok(())
    }
}

impl Data {
    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    fn append(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.capacity - self.len);
        let at = self.start + self.len;
        self.memory[at..at + count].copy_from_slice(&bytes[..count]);
        self.len += count;
        count
    }
}
