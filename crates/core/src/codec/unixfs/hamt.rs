//! Shards of large directories: the checked view for readers, prefixes and bitfields for builders.

use bytes::Bytes;

use super::{HASH_MURMUR3_X64_64, UnixFs, UnixFsError, check_entry_name, shorten};
use crate::codec::dag_pb::PbLink;
use crate::limits::HAMT_FANOUT_MAX;

/// A shard of a large directory whose links were checked: fan-out a power of two from 8 to 1024, murmur3, one link per
/// bit of the bitfield in order, each name beginning with its slot in upper-case hexadecimal.
#[derive(Clone, Debug)]
pub struct HamtShard<'a> {
    slots: HamtSlots<'a>,
    links: &'a [PbLink],
}

/// Which slots of a shard are used, for readers that look at one link only: [`HamtSlots::place`] says which one.
#[derive(Clone, Debug)]
pub struct HamtSlots<'a> {
    fanout: usize,
    prefix_len: usize,
    bitfield: &'a [u8],
}

/// What a link of a shard leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HamtEntry<'a> {
    /// The next level.
    Shard,
    /// An entry of the directory, and its name.
    Entry(&'a [u8]),
}

impl<'a> HamtSlots<'a> {
    /// Checks a message of kind [`HamtShard`](super::Kind::HamtShard) in a node of so many links.
    pub fn new(message: &'a UnixFs, link_count: usize) -> Result<Self, UnixFsError> {
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
        let bits = bitfield.iter().map(|byte| byte.count_ones() as usize).sum();
        if bits != link_count {
            return Err(UnixFsError::BitfieldCount { bits, links: link_count });
        }
        Ok(Self { fanout, prefix_len: prefix_len(fanout), bitfield })
    }

    /// Number of slots.
    pub fn fanout(&self) -> usize {
        self.fanout
    }

    /// Which of the node's links is in a slot.
    pub fn place(&self, slot: usize) -> Option<usize> {
        let (whole, rest) = (slot / 8, slot % 8);
        let below = self.bitfield.iter().rev().take(whole).map(|byte| byte.count_ones() as usize).sum::<usize>();
        self.has(slot).then(|| below + (self.byte(whole) & ((1 << rest) - 1)).count_ones() as usize)
    }

    /// What the link in a slot leads to, by its name, which is checked.
    pub fn entry<'n>(&self, slot: usize, name: &'n [u8]) -> Result<HamtEntry<'n>, UnixFsError> {
        if !begins_with_slot(name, slot, self.prefix_len) {
            return Err(UnixFsError::SlotPrefix { name: shorten(name), slot });
        }
        let entry = self.split(name);
        if let HamtEntry::Entry(name) = entry {
            check_entry_name(name)?;
        }
        Ok(entry)
    }

    fn split<'n>(&self, name: &'n [u8]) -> HamtEntry<'n> {
        match name.get(self.prefix_len..) {
            None | Some([]) => HamtEntry::Shard,
            Some(name) => HamtEntry::Entry(name),
        }
    }

    fn has(&self, slot: usize) -> bool {
        self.byte(slot / 8) >> (slot % 8) & 1 == 1
    }

    // The bitfield is one big-endian number, leading zero bytes left out: the last byte holds slots 0 to 7.
    fn byte(&self, from_end: usize) -> u8 {
        let at = self.bitfield.len().checked_sub(from_end + 1);
        at.and_then(|at| self.bitfield.get(at)).copied().unwrap_or(0)
    }
}

impl<'a> HamtShard<'a> {
    /// Checks a message of kind [`HamtShard`](super::Kind::HamtShard) against its links.
    pub fn new(message: &'a UnixFs, links: &'a [PbLink]) -> Result<Self, UnixFsError> {
        let slots = HamtSlots::new(message, links.len())?;
        let used = (0..slots.fanout).filter(|&slot| slots.has(slot));
        used.zip(links).try_for_each(|(slot, link)| slots.entry(slot, link.name_bytes()).map(drop))?;
        Ok(Self { slots, links })
    }

    /// Number of slots.
    pub fn fanout(&self) -> usize {
        self.slots.fanout
    }

    /// How many hexadecimal digits of a slot begin each name.
    pub fn prefix_len(&self) -> usize {
        self.slots.prefix_len
    }

    /// The link in a slot.
    pub fn link(&self, slot: usize) -> Option<(HamtEntry<'a>, &'a PbLink)> {
        let link = self.links.get(self.slots.place(slot)?)?;
        Some((self.slots.split(link.name_bytes()), link))
    }

    /// All links in order, with what they lead to.
    pub fn entries(&self) -> impl Iterator<Item = (HamtEntry<'a>, &'a PbLink)> + '_ {
        self.links.iter().map(|link| (self.slots.split(link.name_bytes()), link))
    }
}

/// Whether a name begins with the digits of [`slot_prefix`].
fn begins_with_slot(name: &[u8], slot: usize, prefix_len: usize) -> bool {
    let digit = |at: usize| b"0123456789ABCDEF"[slot >> (4 * (prefix_len - 1 - at)) & 0xf];
    name.len() >= prefix_len && name.iter().take(prefix_len).enumerate().all(|(at, &byte)| byte == digit(at))
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
