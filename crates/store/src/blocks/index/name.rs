//! What the index knows of a multihash: 96 bits of a keyed hash of it.

use merkury_core::Multihash;

/// The key of the hash. It is random per store and never shown, so that nobody can make two blocks whose names meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) [u64; 4]);

/// A multihash as the index sees it. `home` chooses the place in the table; `print` and `tag` tell names apart.
///
/// Two different names agree in `print` and `tag` with a chance of 2^-64 for each comparison. On a put that would mean
/// a block taken for stored that is not, which is why there are 64 bits of them beside `home`; a read compares CIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) home: u32,
    pub(crate) print: u32,
    pub(crate) tag: u32,
}

impl Seed {
    /// A seed from the system's randomness.
    pub(crate) fn random() -> Self {
        let mut bytes = [0u8; 32];
        // Without randomness the store still works; only somebody who crafts colliding names would profit.
        if getrandom::fill(&mut bytes).is_err() {
            tracing::warn!("the system gives no random numbers; the block index uses a fixed key");
        }
        let mut words = [0x9e37_79b9_7f4a_7c15u64, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word ^= le_u64(bytes);
        }
        Self(words)
    }

    /// The name of a multihash.
    pub(crate) fn name(&self, hash: &Multihash) -> Name {
        let [s0, s1, s2, s3] = self.0;
        let digest = hash.digest();
        let (mut a, mut b) = (s0 ^ hash.code(), s1 ^ digest.len() as u64);
        for chunk in digest.chunks(16) {
            let (low, high) = (le_u64(chunk), le_u64(chunk.get(8..).unwrap_or_default()));
            (a, b) = (fold(a ^ low, s2 ^ high), fold(b ^ high, s3 ^ low));
        }
        let (x, y) = (fold(a ^ s1, b ^ s2), fold(b ^ s0, a ^ s3));
        Name { home: x as u32, print: (x >> 32) as u32, tag: y as u32 }
    }
}

/// The low and the high half of a product, mixed: every input bit reaches every output bit.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Up to eight bytes as a number; missing ones are zero.
fn le_u64(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_spread_and_depend_on_the_seed() {
        let seed = Seed([0x9d43_a1b1_55f0_7e31, 0x1f83_d9ab_fb41_bd6b, 0x5be0_cd19_137e_2179, 0xcbbb_9d5d_c105_9ed8]);
        let mut homes = std::collections::HashSet::new();
        let mut tags = std::collections::HashSet::new();
        for i in 0u32..10_000 {
            let mut digest = [0u8; 32];
            digest[28..].copy_from_slice(&i.to_be_bytes());
            let name = seed.name(&Multihash::sha2_256(digest));
            homes.insert(name.home);
            tags.insert((name.print, name.tag));
        }
        assert!(homes.len() > 9_990, "{}", homes.len());
        assert_eq!(tags.len(), 10_000);
        let hash = Multihash::sha2_256([7; 32]);
        assert_ne!(seed.name(&hash), Seed([7, seed.0[1], seed.0[2], seed.0[3]]).name(&hash));
    }
}
