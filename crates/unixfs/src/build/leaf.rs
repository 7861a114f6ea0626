//! The protobuf frame around a leaf's bytes, written in place.
//!
//! A leaf's data is read into a slab at a place that leaves [`PREFIX_BYTES`] free before it and [`SUFFIX_BYTES`] after
//! it. [`LeafForm::frame`] then writes the frame around the data, and the block is one slice of the slab: the bytes of
//! a file are never copied after the read.

use std::ops::Range;

use merkury_core::cid::codec_code;
use merkury_core::codec::protobuf;

use crate::chunk::CHUNK_BYTES_MAX;
use crate::meta::Metadata;

/// Most bytes before the data: two tags with length (1 + 4, 1 + 4) and the type (2).
pub(crate) const PREFIX_BYTES: usize = 12;
/// Most bytes after the data: file size (1 + 4), mode (1 + 5) and mtime (2 + 1 + 10 + 1 + 4).
pub(crate) const SUFFIX_BYTES: usize = 32;

const _: () = assert!(CHUNK_BYTES_MAX < 1 << 28, "lengths take four bytes at most");

/// What a leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeafForm {
    /// Plain bytes.
    Raw,
    /// A UnixFS node of type File: balanced layout.
    File,
    /// A UnixFS node of type Raw: trickle layout.
    RawNode,
}

impl LeafForm {
    /// The codec of the block.
    pub(crate) fn codec(self) -> u64 {
        match self {
            Self::Raw => codec_code::RAW,
            Self::File | Self::RawNode => codec_code::DAG_PB,
        }
    }

    /// Writes the frame around `slab[data]` and says where the block lies. `meta` is for a leaf that is the whole
    /// file. The caller left [`PREFIX_BYTES`] and [`SUFFIX_BYTES`] around `data`.
    pub(crate) fn frame(self, slab: &mut [u8], data: Range<usize>, meta: &Metadata) -> Range<usize> {
        let kind = match self {
            Self::Raw => return data,
            Self::File => 2,
            Self::RawNode => 0,
        };
        let size = data.len();
        let mut suffix = Tail::default();
        suffix.put_varint_field(3, size as u64);
        suffix.put_metadata(meta);

        let data_field = if size == 0 { 0 } else { 1 + protobuf::varint_len(size as u64) + size };
        let message = 2 + data_field + suffix.len;
        let mut prefix = Tail::default();
        prefix.put_varint(0x0a);
        prefix.put_varint(message as u64);
        prefix.put_varint_field(1, kind);
        if size > 0 {
            prefix.put_varint(0x12);
            prefix.put_varint(size as u64);
        }
        let start = data.start - prefix.len;
        slab[start..data.start].copy_from_slice(&prefix.bytes[..prefix.len]);
        let end = data.end + suffix.len;
        slab[data.end..end].copy_from_slice(&suffix.bytes[..suffix.len]);
        start..end
    }
}

/// A few bytes on the stack.
#[derive(Default)]
struct Tail {
    bytes: [u8; SUFFIX_BYTES],
    len: usize,
}

impl Tail {
    fn put(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put((value as u8) | 0x80);
            value >>= 7;
        }
        self.put(value as u8);
    }

    fn put_varint_field(&mut self, field: u8, value: u64) {
        self.put(field << 3);
        self.put_varint(value);
    }

    fn put_metadata(&mut self, meta: &Metadata) {
        if let Some(mode) = meta.mode {
            self.put_varint_field(7, u64::from(mode));
        }
        if let Some(mtime) = meta.mtime {
            let seconds = mtime.seconds as u64;
            let nanos = if mtime.nanos > 0 { 5 } else { 0 };
            self.put(8 << 3 | 2);
            self.put_varint((1 + protobuf::varint_len(seconds) + nanos) as u64);
            self.put_varint_field(1, seconds);
            if mtime.nanos > 0 {
                self.put(2 << 3 | 5);
                mtime.nanos.to_le_bytes().into_iter().for_each(|byte| self.put(byte));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::Mtime;

    fn framed(form: LeafForm, data: &[u8], meta: &Metadata) -> Vec<u8> {
        let mut slab = vec![0xee; PREFIX_BYTES + data.len() + SUFFIX_BYTES];
        slab[PREFIX_BYTES..][..data.len()].copy_from_slice(data);
        let block = form.frame(&mut slab, PREFIX_BYTES..PREFIX_BYTES + data.len(), meta);
        slab[block].to_vec()
    }

    #[test]
    fn frames_are_those_of_kubo() {
        let none = Metadata::default();
        assert_eq!(framed(LeafForm::File, b"", &none), [0x0a, 4, 8, 2, 0x18, 0]);
        assert_eq!(framed(LeafForm::File, b"ab", &none), [0x0a, 8, 8, 2, 0x12, 2, b'a', b'b', 0x18, 2]);
        assert_eq!(framed(LeafForm::RawNode, b"a", &none), [0x0a, 7, 8, 0, 0x12, 1, b'a', 0x18, 1]);
        assert_eq!(framed(LeafForm::Raw, b"ab", &none), b"ab");
    }

    #[test]
    fn the_largest_frame_fits() {
        let meta = Metadata { mode: Some(u32::MAX), mtime: Some(Mtime { seconds: -1, nanos: 999_999_999 }) };
        let data = vec![7; CHUNK_BYTES_MAX];
        let block = framed(LeafForm::File, &data, &meta);
        assert!(block.len() > data.len() + 30);
        assert!(block.len() <= merkury_core::limits::BLOCK_BYTES_MAX);
    }
}
