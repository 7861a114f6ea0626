//! SHA-256 of many messages side by side. Specification: FIPS 180-4.
//!
//! One message is a chain: each round waits for the one before, and a processor idles in between. IPFS hashes blocks
//! that have nothing to do with each other, so several can always advance together:
//!
//! - [`Backend::Avx512`]: sixteen messages, one per 32-bit lane of 512-bit registers (`avx512.rs`);
//! - [`Backend::ShaNi`]: four, two or one message, their SHA instructions interleaved (`shani.rs`);
//! - [`Backend::Plain`]: one after the other with the `sha2` crate (`plain.rs`).
//!
//! `lanes.rs` feeds the first two: lanes are refilled when a message ends, and what is left when too few lanes are busy
//! goes on with the next back end. The choice is made at run time from what the processor has. All agree with `sha2`
//! on every length around the padding's edges and every number of messages; tests hold them to it.

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod plain;
#[cfg(target_arch = "x86_64")]
mod shani;

/// A message in up to three pieces: what stands before the content of a leaf, the content, what stands after it. Parts
/// may be empty.
pub type Parts<'a> = [&'a [u8]; 3];

/// A way to hash many messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// Sixteen lanes of AVX-512; what is left with the SHA extensions.
    Avx512,
    /// Four interleaved streams of the SHA extensions.
    ShaNi,
    /// One stream.
    Plain,
}

impl Backend {
    /// All, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::ShaNi, Self::Plain];

    /// Whether this processor has what it takes.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available() && shani::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => shani::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::ShaNi => false,
            Self::Plain => true,
        }
    }

    /// The fastest that this processor has for so many messages: sixteen lanes pay off only when most are in use.
    pub fn best(messages: usize) -> Self {
        let wide_enough = |backend: &Self| *backend != Self::Avx512 || messages >= AVX512_LANES_MIN;
        Self::ALL.into_iter().filter(wide_enough).find(|backend| backend.is_available()).unwrap_or(Self::Plain)
    }

    /// Hashes messages with this back end, or with [`Backend::Plain`] where the processor does not have it.
    pub fn digest_many(self, messages: &[Parts<'_>]) -> Vec<[u8; 32]> {
        #[cfg(target_arch = "x86_64")]
        if self != Self::Plain && self.is_available() {
            let mut digests = vec![[0; 32]; messages.len()];
            match self {
                Self::Avx512 => avx512::many(messages, &mut digests),
                _ => shani::many(messages, &mut digests),
            }
            return digests;
        }
        plain::many(messages)
    }
}

/// Busy lanes from which sixteen lanes at once beat four interleaved streams: on a Zen 4 processor sixteen lanes do 3.4 GB
/// per second of processor time, four streams 3.1, one stream 1.8 (`examples/hash_speed.rs`).
const AVX512_LANES_MIN: usize = 14;

/// SHA-2 256 of many messages; the digests have the order of the input.
pub fn sha2_256_many(messages: &[&[u8]]) -> Vec<[u8; 32]> {
    let parts: Vec<Parts<'_>> = messages.iter().map(|&message| [message, &[], &[]]).collect();
    sha2_256_many_of_parts(&parts)
}

/// SHA-2 256 of many messages in pieces, which need not be put together first.
pub fn sha2_256_many_of_parts(messages: &[Parts<'_>]) -> Vec<[u8; 32]> {
    match messages {
        [] => Vec::new(),
        [_] => plain::many(messages),
        _ => Backend::best(messages.len()).digest_many(messages),
    }
}

/// The first 32 bits of the fractions of the square roots of the first eight primes.
#[cfg(target_arch = "x86_64")]
const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The first 32 bits of the fractions of the cube roots of the first 64 primes.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];
