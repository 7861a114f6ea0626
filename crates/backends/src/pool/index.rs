//! Which blocks are where in the pool.
//!
//! Beside each segment `ID.car` lies `ID.index`: `MKPOOL1\n`, the segment's length (8 bytes), then for each block the length of
//! its multihash (1), the multihash, first byte of its data in the segment (4) and length of the data (4). Numbers are
//! little-endian, entries in the order of the segment. `ID` is the SHA-256 of the index file in hexadecimal: an index that was
//! changed is found out, and the same segment of two nodes is one object.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use merkury_core::Multihash;
use merkury_store::SegmentEntry;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"MKPOOL1\n";
/// Most blocks kept track of: about 30 bytes of memory each.
pub(super) const BLOCKS_MAX: usize = 200_000_000;
/// Largest index file: a segment of a gigabyte with nothing but tiny blocks.
pub(super) const INDEX_BYTES_MAX: u64 = 1 << 30;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// Which segment, by its place in the list.
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// A segment of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) id: String,
    /// Length of the object in bytes.
    pub(super) bytes: u64,
}

/// All segments that are known.
#[derive(Default)]
pub(super) struct PoolIndex {
    segments: Vec<Segment>,
    numbers: HashMap<String, u32>,
    /// By the first eight bytes of the digest: what is read is hashed, so two that agree there cost a read, not the truth.
    spots: HashMap<u64, Spot>,
}

/// The name of an index file's content.
pub(super) fn id_of(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The index file of a segment.
pub(super) fn encode(segment_bytes: u64, entries: &[SegmentEntry]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&segment_bytes.to_le_bytes());
    for entry in entries {
        let hash = entry.cid.hash().to_bytes();
        // Multihashes have at most 128 bytes of digest and two short numbers.
        out.push(hash.len() as u8);
        out.extend_from_slice(&hash);
        out.extend_from_slice(&entry.offset.to_le_bytes());
        out.extend_from_slice(&entry.len.to_le_bytes());
    }
    out
}

type Entry = (Multihash, u32, u32);

/// Reads an index file: the segment's length and its entries.
pub(super) fn decode(bytes: &[u8]) -> Result<(u64, Vec<Entry>), &'static str> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is no index of a pool")?;
    let (segment_bytes, mut rest) = rest.split_first_chunk::<8>().ok_or("it ends early")?;
    let segment_bytes = u64::from_le_bytes(*segment_bytes);
    let mut entries = Vec::new();
    while let Some((length, after)) = rest.split_first() {
        let (hash, after) = after.split_at_checked(usize::from(*length)).ok_or("it ends early")?;
        let (offset, after) = after.split_first_chunk::<4>().ok_or("it ends early")?;
        let (len, after) = after.split_first_chunk::<4>().ok_or("it ends early")?;
        rest = after;
        let (offset, len) = (u32::from_le_bytes(*offset), u32::from_le_bytes(*len));
        if u64::from(offset) + u64::from(len) > segment_bytes {
            return Err("a block lies outside of its segment");
        }
        match Multihash::decode(hash) {
            Ok((hash, [])) => entries.push((hash, offset, len)),
            _ => return Err("a multihash is malformed"),
        }
    }
    Ok((segment_bytes, entries))
}

fn print_of(hash: &Multihash) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(hash.digest()).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(bytes) ^ hash.code()
}

impl PoolIndex {
    /// Whether a segment is known.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.numbers.contains_key(id)
    }

    /// Adds a segment; `false` when there is no room for its blocks.
    pub(super) fn add(&mut self, id: String, segment_bytes: u64, entries: Vec<Entry>) -> bool {
        if self.knows(&id) {
            return true;
        }
        if self.spots.len() + entries.len() > BLOCKS_MAX {
            return false;
        }
        let Ok(number) = u32::try_from(self.segments.len()) else { return false };
        self.segments.push(Segment { id: id.clone(), bytes: segment_bytes });
        self.numbers.insert(id, number);
        for (hash, offset, len) in entries {
            self.spots.entry(print_of(&hash)).or_insert(Spot { segment: number, offset, len });
        }
        true
    }

    /// Where a block is.
    pub(super) fn find(&self, hash: &Multihash) -> Option<(Segment, Spot)> {
        let spot = self.spots.get(&print_of(hash))?;
        Some((self.segments.get(spot.segment as usize)?.clone(), *spot))
    }

    /// The length of a block.
    pub(super) fn size_of(&self, hash: &Multihash) -> Option<u64> {
        Some(self.spots.get(&print_of(hash))?.len.into())
    }

    /// How many segments and blocks are known.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.segments.len(), self.spots.len())
    }
}

#[cfg(test)]
mod tests {
    use merkury_testkit::sample_block;

    use super::*;

    fn sample() -> Vec<u8> {
        let entries: Vec<SegmentEntry> = (0..5)
            .map(|n| SegmentEntry { cid: sample_block(n, 10).cid().clone(), offset: 100 * n as u32, len: 10 })
            .collect();
        encode(1000, &entries)
    }

    #[test]
    fn an_index_comes_back() {
        let (bytes, entries) = decode(&sample()).unwrap();
        assert_eq!((bytes, entries.len()), (1000, 5));
        let mut index = PoolIndex::default();
        assert!(index.add("a".into(), bytes, entries.clone()));
        assert!(index.add("a".into(), bytes, entries));
        assert_eq!(index.counts(), (1, 5));
        let (segment, spot) = index.find(sample_block(3, 10).cid().hash()).unwrap();
        assert_eq!((segment.id.as_str(), spot.offset, spot.len), ("a", 300, 10));
        assert!(index.find(sample_block(9, 10).cid().hash()).is_none());
    }

    #[test]
    fn every_cut_is_refused_or_shorter() {
        let bytes = sample();
        for cut in 0..bytes.len() {
            if let Ok((_, entries)) = decode(&bytes[..cut]) {
                assert!(entries.len() < 5);
            }
        }
        let mut far = bytes.clone();
        far[8..16].copy_from_slice(&50u64.to_le_bytes());
        assert!(decode(&far).is_err(), "blocks lie within the segment");
        assert_ne!(id_of(&bytes), id_of(&far));
    }
}
