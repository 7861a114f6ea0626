//! Base 58 for CIDs of version 0, which always are 34 bytes and 46 letters.
//!
//! A directory of a hundred thousand files prints as many of them; digit by digit that is the slowest part of printing.
//! Five letters at a time fit a 32-bit limb, so 9 words and 10 limbs are multiplied instead of 34 bytes and 46 letters.

const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Five letters.
const LIMB: u64 = 58 * 58 * 58 * 58 * 58;
/// Words of 32 bits that hold the bytes, and limbs that hold the letters, both with room in front.
const WORDS: usize = 9;
const LIMBS: usize = 10;
const BYTES: usize = 34;
const TEXT: usize = 46;
const NO_LETTER: u8 = 0xff;

const VALUES: [u8; 256] = {
    let mut values = [NO_LETTER; 256];
    let mut at = 0;
    while at < LETTERS.len() {
        values[LETTERS[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// The letters. `bytes` begin with a byte from 0x12 on, which is what makes them exactly 46.
pub(crate) fn encode(bytes: &[u8; BYTES]) -> [u8; TEXT] {
    let mut padded = [0; WORDS * 4];
    padded[WORDS * 4 - BYTES..].copy_from_slice(bytes);
    let mut limbs = [0u32; LIMBS];
    for word in padded.chunks_exact(4) {
        let mut carry = word.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        for limb in &mut limbs {
            let sum = (u64::from(*limb) << 32) + carry;
            *limb = (sum % LIMB) as u32;
            carry = sum / LIMB;
        }
    }
    let mut letters = [0; LIMBS * 5];
    for (five, limb) in letters.rchunks_exact_mut(5).zip(limbs) {
        let mut rest = limb;
        for letter in five.iter_mut().rev() {
            *letter = LETTERS[(rest % 58) as usize];
            rest /= 58;
        }
    }
    let mut text = [0; TEXT];
    text.copy_from_slice(&letters[LIMBS * 5 - TEXT..]);
    text
}

/// The bytes, or `None` when a letter is none of the 58. Any 46 letters fit: they hold less than 270 bits.
pub(crate) fn decode(text: &[u8; TEXT]) -> Option<[u8; BYTES]> {
    let mut values = [0; LIMBS * 5];
    for (value, &letter) in values[LIMBS * 5 - TEXT..].iter_mut().zip(text) {
        *value = VALUES[usize::from(letter)];
        if *value == NO_LETTER {
            return None;
        }
    }
    let mut words = [0u32; WORDS];
    for five in values.chunks_exact(5) {
        let mut carry = five.iter().fold(0, |limb, &value| limb * 58 + u64::from(value));
        for word in words.iter_mut().rev() {
            let sum = u64::from(*word) * LIMB + carry;
            *word = sum as u32;
            carry = sum >> 32;
        }
    }
    let mut padded = [0; WORDS * 4];
    for (bytes, word) in padded.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    padded[WORDS * 4 - BYTES..].try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_crate() {
        for seed in 0..2_000u32 {
            let mut bytes = [0u8; BYTES];
            bytes[..2].copy_from_slice(&[0x12, 0x20]);
            let digest = crate::hash::sha2_256_many(&[&seed.to_le_bytes()])[0];
            bytes[2..].copy_from_slice(&digest);
            let text = encode(&bytes);
            assert_eq!(bs58::encode(bytes).into_vec(), text);
            assert_eq!(decode(&text), Some(bytes));
        }
        for digest in [[0; 32], [0xff; 32]] {
            let bytes: Vec<u8> = [&[0x12, 0x20][..], &digest].concat();
            let bytes: [u8; BYTES] = bytes.try_into().expect("34 bytes");
            assert_eq!(bs58::encode(bytes).into_vec(), encode(&bytes));
        }
    }

    #[test]
    fn other_letters_are_refused() {
        assert_eq!(decode(&[b'0'; TEXT]), None);
        assert_eq!(decode(&[0xff; TEXT]), None);
        let mut bytes = [0; BYTES];
        assert_eq!(bs58::decode([b'z'; TEXT]).onto(&mut bytes), Ok(BYTES));
        assert_eq!(decode(&[b'z'; TEXT]), Some(bytes), "the largest number");
    }
}
