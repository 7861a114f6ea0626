//! Rabin fingerprint over a window of 16 bytes, with the polynomial and the start state that Kubo's chunker has.

/// Irreducible polynomial of degree 53 over GF(2); part of the format, other values give other cuts.
const POLYNOMIAL: u64 = 17_437_180_132_763_653;
const DEGREE: u32 = 53;
const WINDOW: usize = 16;

/// Tables and bounds. Every leaf starts from the same state, so there is none to keep between leaves.
pub(crate) struct Rabin {
    out: [u64; 256],
    reduce: [u64; 256],
    mask: u64,
    min: usize,
    max: usize,
}

impl Rabin {
    pub(crate) fn new(min: usize, avg: usize, max: usize) -> Self {
        let mut out = [0; 256];
        let mut reduce = [0; 256];
        for byte in 0..256_u64 {
            let slid = (1..WINDOW).fold(modulo(byte), |hash, _| modulo(hash << 8));
            out[byte as usize] = slid;
            reduce[byte as usize] = modulo(byte << DEGREE) | (byte << DEGREE);
        }
        Self { out, reduce, mask: (1 << avg.max(1).ilog2()) - 1, min, max }
    }

    /// Where the first leaf of `bytes` ends.
    pub(crate) fn next_cut(&self, bytes: &[u8]) -> usize {
        let limit = bytes.len().min(self.max);
        let mut window = [0_u8; WINDOW];
        window[0] = 1;
        let mut at = 1;
        let mut digest = 1_u64;
        // The window does not see the bytes before this: no cut can be there.
        let start = self.min.saturating_sub(WINDOW);
        for (index, &byte) in bytes.iter().enumerate().take(limit).skip(start) {
            digest ^= self.out[usize::from(window[at])];
            window[at] = byte;
            at = (at + 1) % WINDOW;
            let top = (digest >> (DEGREE - 8)) & 0xff;
            digest = ((digest << 8) | u64::from(byte)) ^ self.reduce[top as usize];
            if index + 1 >= self.min && digest & self.mask == 0 {
                return index + 1;
            }
        }
        limit
    }
}

/// `value` modulo the polynomial.
fn modulo(mut value: u64) -> u64 {
    while value >> DEGREE != 0 {
        let shift = value.ilog2() - DEGREE;
        value ^= POLYNOMIAL << shift;
    }
    value
}
