//! Finding the one bit that changed, from a CRC-32 alone.
//!
//! CRC-32 is linear: what a flipped bit adds to the checksum depends only on how far it stands from the end. So the
//! difference of the checksums ("syndrome") names the bit, uniquely for anything shorter than 512 MiB. A cell of flash or a
//! bit of memory that flips is the most usual damage at rest; with this it is mended instead of only found.
//!
//! Several changed bits can look like one (chance 2^-32 a position): a caller must check the mended bytes by other means
//! where a wrong guess would do harm.

/// CRC-32 (IEEE), bits reversed.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// Which bit of `bytes` bytes must be flipped to change their CRC-32 by `syndrome` (wanted XOR found): the byte's place and a
/// mask. Takes a nanosecond a bit.
pub(crate) fn find(bytes: usize, syndrome: u32) -> Option<(usize, u8)> {
    // What the last bit adds; each earlier bit adds that after one more step.
    let mut added = POLYNOMIAL;
    for byte in (0..bytes).rev() {
        for bit in (0..8).rev() {
            if added == syndrome {
                return Some((byte, 1 << bit));
            }
            added = (added >> 1) ^ if added & 1 == 1 { POLYNOMIAL } else { 0 };
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_flipped_bit_and_no_other() {
        let good: Vec<u8> = (0..300u32).map(|n| (n * n + 7) as u8).collect();
        let sum = crc32fast::hash(&good);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(find(bad.len(), crc32fast::hash(&bad) ^ sum), Some((at, 1 << bit)));
            }
        }
        let mut bad = good.clone();
        (bad[3], bad[200]) = (!bad[3], !bad[200]);
        assert_eq!(find(bad.len(), crc32fast::hash(&bad) ^ sum), None);
        assert_eq!(find(good.len(), 0), None);
        assert_eq!(find(0, 5), None);
    }
}
