//! Hash functions: which ones IPFS allows, one digest, and many SHA-2 256 digests side by side.
//!
//! Parts: [`digest`] and [`matches()`] for one message of any function; [`sha2_256_many`] for many messages, the path
//! that every block added or received takes ([`sha256`] says how); [`name`] for the names of options.
//!
//! The list of allowed functions is Kubo's (boxo `verifcid`): what is not on it names nothing, because a peer could
//! find two blocks of one name.

use sha2::Digest as _;

use crate::multihash::{Multihash, code};

mod blake2;
pub mod name;
pub mod sha256;

pub use sha256::{sha2_256_many, sha2_256_many_of_parts};

/// A hash function that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash function 0x{0:x}")]
pub struct HashError(pub u64);

/// Whether a function may name blocks.
pub fn is_allowed(hash_code: u64) -> bool {
    hash_code == code::IDENTITY || digest_len(hash_code).is_some()
}

/// Length of a function's usual digest in bytes; `None` for identity and for functions that are not known here.
pub fn digest_len(hash_code: u64) -> Option<usize> {
    Some(match hash_code {
        code::SHA1 => 20,
        code::SHA3_224 | code::KECCAK_224 => 28,
        code::SHA2_256 | code::DBL_SHA2_256 | code::SHA3_256 | code::KECCAK_256 | code::BLAKE3 => 32,
        code::SHA3_384 | code::KECCAK_384 => 48,
        code::SHA2_512 | code::SHA3_512 | code::KECCAK_512 | code::SHAKE_256 => 64,
        code::BLAKE2B_160..=code::BLAKE2B_512 => (hash_code - code::BLAKE2B_160) as usize + 20,
        code::BLAKE2S_160..=code::BLAKE2S_256 => (hash_code - code::BLAKE2S_160) as usize + 20,
        _ => return None,
    })
}

/// Longest digest a function has: the usual one, but BLAKE3 goes on as long as wanted.
pub fn digest_len_max(hash_code: u64) -> Option<usize> {
    match hash_code {
        code::BLAKE3 => Some(crate::limits::DIGEST_BYTES_MAX),
        other => digest_len(other),
    }
}

/// Hashes `data`; the digest has the function's usual length.
pub fn digest(hash_code: u64, data: &[u8]) -> Result<Multihash, HashError> {
    let made = match hash_code {
        code::IDENTITY => Multihash::new(hash_code, data),
        code::SHA2_256 => return Ok(Multihash::sha2_256(sha2::Sha256::digest(data).into())),
        code::SHA1 => Multihash::new(hash_code, &sha1::Sha1::digest(data)),
        code::SHA2_512 => Multihash::new(hash_code, &sha2::Sha512::digest(data)),
        code::DBL_SHA2_256 => Multihash::new(hash_code, &sha2::Sha256::digest(sha2::Sha256::digest(data))),
        code::SHA3_224 => Multihash::new(hash_code, &sha3::Sha3_224::digest(data)),
        code::SHA3_256 => Multihash::new(hash_code, &sha3::Sha3_256::digest(data)),
        code::SHA3_384 => Multihash::new(hash_code, &sha3::Sha3_384::digest(data)),
        code::SHA3_512 => Multihash::new(hash_code, &sha3::Sha3_512::digest(data)),
        code::KECCAK_224 => Multihash::new(hash_code, &sha3::Keccak224::digest(data)),
        code::KECCAK_256 => Multihash::new(hash_code, &sha3::Keccak256::digest(data)),
        code::KECCAK_384 => Multihash::new(hash_code, &sha3::Keccak384::digest(data)),
        code::KECCAK_512 => Multihash::new(hash_code, &sha3::Keccak512::digest(data)),
        code::SHAKE_256 => Multihash::new(hash_code, &shake256(data)),
        code::BLAKE3 => Multihash::new(hash_code, blake3::hash(data).as_bytes()),
        _ => Multihash::new(hash_code, &blake2::digest(hash_code, data).ok_or(HashError(hash_code))?),
    };
    made.map_err(|_| HashError(hash_code))
}

/// Hashes `data` with BLAKE3 into as many bytes as wanted, at most what a CID may carry.
pub fn blake3_of_len(data: &[u8], bytes: usize) -> Option<Multihash> {
    let mut long = vec![0; Some(bytes).filter(|bytes| *bytes <= crate::limits::DIGEST_BYTES_MAX)?];
    blake3::Hasher::new().update(data).finalize_xof().fill(&mut long);
    Multihash::new(code::BLAKE3, &long).ok()
}

/// Whether `data` hashes to `hash`; a digest shorter than usual is compared over its length.
///
/// Whether so short a digest may name a block is for [`Multihash::check_secure`] to say.
pub fn matches(hash: &Multihash, data: &[u8]) -> Result<bool, HashError> {
    if hash.is_identity() {
        return Ok(hash.digest() == data);
    }
    if hash.code() == code::BLAKE3 && hash.digest().len() > 32 {
        return Ok(blake3_of_len(data, hash.digest().len()).as_ref() == Some(hash));
    }
    let whole = digest(hash.code(), data)?;
    Ok(whole.digest().get(..hash.digest().len()) == Some(hash.digest()))
}

fn shake256(data: &[u8]) -> [u8; 64] {
    use sha3::digest::{ExtendableOutput, Update, XofReader};
    let mut hasher = sha3::Shake256::default();
    hasher.update(data);
    let mut out = [0; 64];
    hasher.finalize_xof().read(&mut out);
    out
}
