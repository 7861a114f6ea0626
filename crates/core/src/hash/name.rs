//! Names of hash functions, as `--hash` and `cid hashes` use them.

use std::borrow::Cow;

use crate::multihash::code;

const NAMED: &[(u64, &str)] = &[
    (code::IDENTITY, "identity"),
    (code::SHA1, "sha1"),
    (code::SHA2_256, "sha2-256"),
    (code::SHA2_512, "sha2-512"),
    (code::SHA3_512, "sha3-512"),
    (code::SHA3_384, "sha3-384"),
    (code::SHA3_256, "sha3-256"),
    (code::SHA3_224, "sha3-224"),
    (code::SHAKE_256, "shake-256"),
    (code::KECCAK_224, "keccak-224"),
    (code::KECCAK_256, "keccak-256"),
    (code::KECCAK_384, "keccak-384"),
    (code::KECCAK_512, "keccak-512"),
    (code::BLAKE3, "blake3"),
    (code::DBL_SHA2_256, "dbl-sha2-256"),
];

/// All allowed functions with their names, by number: what `cid hashes` lists.
pub fn hashes() -> impl Iterator<Item = (u64, Cow<'static, str>)> {
    let named = NAMED.iter().map(|&(number, name)| (number, Cow::Borrowed(name)));
    let blake2 = (code::BLAKE2B_160..=code::BLAKE2B_512).chain(code::BLAKE2S_160..=code::BLAKE2S_256);
    named.chain(blake2.filter_map(|number| Some((number, name_of(number)?))))
}

/// Functions that have names but may not name blocks.
const REFUSED: &[(u64, &str)] = &[
    (0x18, "shake-128"),
    (0x22, "murmur3-x64-64"),
    (0xd5, "md5"),
    (0x1012, "sha2-256-trunc254-padded"),
    (0x1100, "x11"),
    (0xb401, "poseidon-bls12_381-a2-fc1"),
];

/// Whether Kubo can compute the function. It knows names of others, and says so of them in other words.
pub fn is_made_by_kubo(hash_code: u64) -> bool {
    const NAMES_ALONE: &[u64] = &[code::KECCAK_224, 0x1012, 0x1100, 0xb401];
    !NAMES_ALONE.contains(&hash_code) && !(0xb241..code::BLAKE2S_256).contains(&hash_code)
}

/// The name of a function, allowed or not, as `cid inspect` prints it.
pub fn any_name_of(hash_code: u64) -> Option<Cow<'static, str>> {
    if let Some(&(_, name)) = REFUSED.iter().find(|(number, _)| *number == hash_code) {
        return Some(Cow::Borrowed(name));
    }
    match hash_code {
        0xb201..code::BLAKE2B_160 => Some(Cow::Owned(format!("blake2b-{}", (hash_code - 0xb200) * 8))),
        0xb241..code::BLAKE2S_160 => Some(Cow::Owned(format!("blake2s-{}", (hash_code - 0xb240) * 8))),
        _ => name_of(hash_code),
    }
}

/// The number of a name that Kubo knows, allowed or not.
pub fn any_code_of(name: &str) -> Option<u64> {
    let refused = REFUSED.iter().find(|(_, listed)| *listed == name).map(|&(number, _)| number);
    let short = || (0xb201..=0xb260).find(|number| any_name_of(*number).as_deref() == Some(name));
    let other_name = (name == "sha3").then_some(code::SHA3_512);
    refused
        .or(other_name)
        .or_else(|| hashes().find(|(_, listed)| listed == name).map(|(number, _)| number))
        .or_else(short)
}

/// The name of a function that is allowed here.
pub fn name_of(hash_code: u64) -> Option<Cow<'static, str>> {
    if let Some(&(_, name)) = NAMED.iter().find(|(number, _)| *number == hash_code) {
        return Some(Cow::Borrowed(name));
    }
    let bits = super::digest_len(hash_code)? * 8;
    let family = if hash_code <= code::BLAKE2B_512 { "blake2b" } else { "blake2s" };
    Some(Cow::Owned(format!("{family}-{bits}")))
}

/// The function of a name, or of a number written in decimal or as `0x…`; only allowed ones.
pub fn code_of(name: &str) -> Option<u64> {
    let number = match name.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => name.parse().ok(),
    };
    match number {
        Some(number) => super::is_allowed(number).then_some(number),
        None => hashes().find(|(_, listed)| listed == name).map(|(number, _)| number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_allowed_function_has_one_name() {
        let all: Vec<_> = hashes().collect();
        assert_eq!(all.len(), 15 + 45 + 13);
        assert!(all.is_sorted_by(|a, b| a.0 < b.0));
        for (number, name) in all {
            assert_eq!(code_of(&name), Some(number), "{name}");
        }
        assert_eq!((code_of("blake2b-256"), code_of("18"), code_of("0x12")), (Some(0xb220), Some(0x12), Some(0x12)));
        assert_eq!((code_of("murmur3-x64-64"), code_of("34"), name_of(0xb205)), (None, None, None));
    }
}
