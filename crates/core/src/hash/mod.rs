//! Hash functions: which ones IPFS allows, one digest, and many SHA-2 256 digests side by side.

use sha2::Digest as _;

use crate::multihash::{Multihash, code};

/// A hash function that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash function 0x{0:x}")]
pub struct HashError(pub u64);

/// Whether a function may name blocks.
pub fn is_allowed(hash_code: u64) -> bool {
    matches!(hash_code, code::SHA2_256 | code::SHA2_512 | code::SHA1 | code::BLAKE3 | code::IDENTITY)
}

/// Hashes `data`; the digest has the function's usual length.
pub fn digest(hash_code: u64, data: &[u8]) -> Result<Multihash, HashError> {
    let made = match hash_code {
        code::SHA2_256 => return Ok(Multihash::sha2_256(sha2::Sha256::digest(data).into())),
        code::IDENTITY => Multihash::new(hash_code, data),
        other => return Err(HashError(other)),
    };
    made.map_err(|_| HashError(hash_code))
}

/// Whether `data` hashes to `hash`; a digest shorter than usual is compared over its length.
pub fn matches(hash: &Multihash, data: &[u8]) -> Result<bool, HashError> {
    if hash.is_identity() {
        return Ok(hash.digest() == data);
    }
    let whole = digest(hash.code(), data)?;
    Ok(whole.digest().get(..hash.digest().len()) == Some(hash.digest()))
}

/// SHA-2 256 of many messages; the digests have the order of the input.
pub fn sha2_256_many(messages: &[&[u8]]) -> Vec<[u8; 32]> {
    messages.iter().map(|message| sha2::Sha256::digest(message).into()).collect()
}
