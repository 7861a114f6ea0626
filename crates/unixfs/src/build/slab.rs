//! Buffers that files are read into and blocks are slices of.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::leaf::{LeafForm, PREFIX_BYTES, SUFFIX_BYTES};
use crate::meta::Metadata;

/// A slab has room for this many leaves at least, so that they are hashed side by side …
const LEAVES_WANTED: usize = 16;
/// … but not more bytes than this: a few slabs are the memory of an import.
const SLAB_BYTES_MAX: usize = 8 << 20;
/// Small leaves fill a slab of this size.
const SLAB_BYTES_MIN: usize = 4 << 20;
/// Leaves per slab at most; tiny chunks would otherwise make the lists long.
pub(super) const LEAVES_MAX: usize = 4096;

/// Bytes of a slab for leaves of up to `leaf_bytes`.
pub(super) fn slab_bytes(leaf_bytes: usize) -> usize {
    let frame = frame_bytes(leaf_bytes);
    (frame * LEAVES_WANTED).clamp(SLAB_BYTES_MIN, SLAB_BYTES_MAX).max(frame)
}

/// Bytes a leaf takes in a slab with room for its frame.
pub(super) fn frame_bytes(leaf_bytes: usize) -> usize {
    PREFIX_BYTES + leaf_bytes + SUFFIX_BYTES
}

/// A leaf whose data lies in a slab.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    /// The entry it belongs to.
    pub(super) entry: u64,
    /// Which leaf of the file it is.
    pub(super) index: u64,
    /// Where its data is.
    pub(super) data: Range<usize>,
    /// Set when the leaf is the whole file.
    pub(super) meta: Metadata,
}

/// A slab being filled with leaves.
pub(super) struct Slab {
    bytes: BytesMut,
    used: usize,
    slots: Vec<Slot>,
}

impl Slab {
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes: BytesMut::zeroed(bytes), used: 0, slots: Vec::new() }
    }

    /// Where the data of the next leaf may be read to, when `bytes` of it fit.
    pub(super) fn room(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let start = self.used + PREFIX_BYTES;
        if self.slots.len() >= LEAVES_MAX || start + bytes + SUFFIX_BYTES > self.bytes.len() {
            return None;
        }
        Some(&mut self.bytes[start..start + bytes])
    }

    /// Takes the leaf that was read into [`Slab::room`]: its first `length` bytes.
    pub(super) fn take(&mut self, entry: u64, index: u64, length: usize, meta: Metadata) {
        let start = self.used + PREFIX_BYTES;
        self.slots.push(Slot { entry, index, data: start..start + length, meta });
        self.used = start + length + SUFFIX_BYTES;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Frames the leaves. Returns the slots, the blocks' bytes, and the slab's memory for [`Slab::reuse`].
    pub(super) fn seal(mut self, form: LeafForm) -> (Vec<Slot>, Vec<Bytes>, Bytes) {
        let mut ranges = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            ranges.push(form.frame(&mut self.bytes, slot.data.clone(), &slot.meta));
        }
        let whole = self.bytes.freeze();
        let blocks = ranges.into_iter().map(|range| whole.slice(range)).collect();
        (self.slots, blocks, whole)
    }

    /// An empty slab, of the old memory when nobody holds a slice of it any more.
    pub(super) fn reuse(memory: Bytes, mut slots: Vec<Slot>) -> Self {
        slots.clear();
        let length = memory.len();
        match memory.try_into_mut() {
            Ok(bytes) => Self { bytes, used: 0, slots },
            Err(_) => Self { bytes: BytesMut::zeroed(length), used: 0, slots },
        }
    }
}
