//! BLAKE2b and BLAKE2s of every length IPFS allows: 160 bits and more, in steps of a byte.
//!
//! The crate makes the length a type, so the choice at run time is a table.

use blake2::digest::consts as size;
use blake2::digest::typenum::Unsigned;
use blake2::{Blake2b, Blake2s, Digest as _};

use crate::multihash::code;

macro_rules! digest_of_len {
    ($hasher:ident, $len:expr, $data:expr, [$($size:ident)*]) => {
        match $len {
            $(len if len == size::$size::USIZE => Some($hasher::<size::$size>::digest($data).to_vec()),)*
            _ => None,
        }
    };
}

/// Hashes `data`, or `None` when the function is no BLAKE2 of an allowed length.
pub(super) fn digest(hash_code: u64, data: &[u8]) -> Option<Vec<u8>> {
    let len = super::digest_len(hash_code)?;
    match hash_code {
        code::BLAKE2B_160..=code::BLAKE2B_512 => digest_of_len!(Blake2b, len, data, [
            U20 U21 U22 U23 U24 U25 U26 U27 U28 U29 U30 U31 U32 U33 U34 U35 U36 U37 U38 U39 U40 U41 U42
            U43 U44 U45 U46 U47 U48 U49 U50 U51 U52 U53 U54 U55 U56 U57 U58 U59 U60 U61 U62 U63 U64
        ]),
        code::BLAKE2S_160..=code::BLAKE2S_256 => digest_of_len!(Blake2s, len, data, [
            U20 U21 U22 U23 U24 U25 U26 U27 U28 U29 U30 U31 U32
        ]),
        _ => None,
    }
}
