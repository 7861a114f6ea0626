//! Where a name lies in the trie: its hash is read from the most significant bit, some bits per level.

use super::DirError;
use crate::murmur3;

/// The hash of a name, as a sequence of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NameHash(u64);

impl NameHash {
    pub(crate) fn of(name: &[u8]) -> Self {
        Self(u64::from_be_bytes(murmur3::hash(name)))
    }

    /// The slot at `level` in nodes of `1 << bits` slots; an error when the hash has no bits left.
    pub(crate) fn slot(self, level: u32, bits: u32) -> Result<usize, DirError> {
        let consumed = level.saturating_mul(bits);
        if consumed.saturating_add(bits) > u64::BITS {
            return Err(DirError::TooDeep);
        }
        Ok(((self.0 << consumed) >> (u64::BITS - bits)) as usize)
    }
}

/// Bits of the hash per level.
pub(crate) fn fanout_bits(fanout: usize) -> Result<u32, DirError> {
    if (8..=merkury_core::limits::HAMT_FANOUT_MAX).contains(&fanout) && fanout.is_power_of_two() {
        Ok(fanout.ilog2())
    } else {
        Err(DirError::Fanout(fanout))
    }
}
