//! Shards of large directories: the checked view for readers, prefixes and bitfields for builders.

use bytes::Bytes;

use super::{HASH_MURMUR3_X64_64, UnixFs, UnixFsError, check_entry_name, shorten};
use crate::codec::dag_pb::PbLink;
use crate::limits::HAMT_FANOUT_MAX;

/// A shard of a large directory whose links were checked: fan-out a power of two from 8 to 1024, murmur3, one link per
/// bit of the bitfield in order, each name beginning with its slot in upper-case hexadecimal.
#[derive(Clone, Debug)]
pub struct HamtShard<'a> {
    fanout: usize,
    prefix_len: usize,
    bitfield: &'a [u8],
    links: &'a [PbLink],
}

/// What a link of a shard leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HamtEntry<'a> {
    /// The next level.
    Shard,
    /// An entry of the directory, and its name.
    Entry(&'a [u8]),
}

impl<'a> HamtShard<'a> {
    /// Checks a message of kind [`HamtShard`](super::Kind::HamtShard) against its links.
    pub fn new(message: &'a UnixFs, links: &'a [PbLink]) -> Result<Self, UnixFsError> {
        let fanout = message.fanout.unwrap_or(0);
        if !(8..=HAMT_FANOUT_MAX as u64).contains(&fanout) || !fanout.is_power_of_two() {
            return Err(UnixFsError::Fanout(fanout));
        }
        let hash_type = message.hash_type.unwrap_or(0);
        if hash_type != HASH_MURMUR3_X64_64 {
            return Err(UnixFsError::HashType(hash_type));
        }
        let fanout = fanout as usize;
        let bitfield = message.data.as_deref().unwrap_or_default();
        if bitfield.len() > fanout / 8 {
            return Err(UnixFsError::BitfieldLength { bytes: bitfield.len(), fanout });
        }
        let shard = Self { fanout, prefix_len: prefix_len(fanout), bitfield, links };
        let bits = bitfield.iter().map(|byte| byte.count_ones() as usize).sum();
        if bits != links.len() {
            return Err(UnixFsError::BitfieldCount { bits, links: links.len() });
        }
        shard.check_names()?;
        Ok(shard)
    }

    /// Number of slots.
    pub fn fanout(&self) -> usize {
        self.fanout
    }

    /// How many hexadecimal digits of a slot begin each name.
    pub fn prefix_len(&self) -> usize {
        self.prefix_len
    }

    /// The link in a slot.
    pub fn link(&self, slot: usize) -> Option<(HamtEntry<'a>, &'a PbLink)> {
        if !self.has(slot) {
            return None;
        }
        let below = (0..slot).filter(|&other| self.has(other)).count();
        self.links.get(below).map(|link| (self.entry(link), link))
    }

    /// All links in order, with what they lead to.
    pub fn entries(&self) -> impl Iterator<Item = (HamtEntry<'a>, &'a PbLink)> + '_ {
        self.links.iter().map(|link| (self.entry(link), link))
    }

    // The bitfield is one big-endian number, leading zero bytes left out: the last byte holds slots 0 to 7.
    fn has(&self, slot: usize) -> bool {
        let from_end = slot / 8 + 1;
        let byte = self.bitfield.len().checked_sub(from_end).and_then(|at| self.bitfield.get(at));
        byte.is_some_and(|byte| byte >> (slot % 8) & 1 == 1)
    }

    fn entry(&self, link: &'a PbLink) -> HamtEntry<'a> {
        match link.name_bytes().get(self.prefix_len..) {
            None | Some([]) => HamtEntry::Shard,
            Some(name) => HamtEntry::Entry(name),
        }
    }

    fn check_names(&self) -> Result<(), UnixFsError> {
        let slots = (0..self.fanout).filter(|&slot| self.has(slot));
        for (slot, link) in slots.zip(self.links) {
            let name = link.name_bytes();
            if !name.starts_with(slot_prefix(slot, self.fanout).as_bytes()) {
                return Err(UnixFsError::SlotPrefix { name: shorten(name), slot });
            }
            if let HamtEntry::Entry(name) = self.entry(link) {
                check_entry_name(name)?;
            }
        }
        Ok(())
    }
}

fn prefix_len(fanout: usize) -> usize {
    // Hexadecimal digits of the last slot.
    fanout.saturating_sub(1).checked_ilog2().map_or(1, |bits| bits as usize / 4 + 1)
}

/// The hexadecimal digits that begin the name of a link in `slot`.
pub fn slot_prefix(slot: usize, fanout: usize) -> String {
    format!("{slot:0width$X}", width = prefix_len(fanout))
}

/// A shard's bitfield as Kubo writes it: `None` when no slot is used.
pub fn bitfield(slots: impl IntoIterator<Item = usize>, fanout: usize) -> Option<Bytes> {
    let mut bits = vec![0u8; fanout / 8];
    let last = bits.len().checked_sub(1)?;
    for slot in slots.into_iter().filter(|&slot| slot < fanout) {
        bits[last - slot / 8] |= 1 << (slot % 8);
    }
    let first = bits.iter().position(|&byte| byte != 0)?;
    Some(Bytes::from(bits).slice(first..))
}
