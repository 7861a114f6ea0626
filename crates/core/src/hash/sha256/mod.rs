//! SHA-256 of many messages (one after the other until the lanes stand here).

use sha2::Digest as _;

/// SHA-2 256 of many messages; the digests have the order of the input.
pub fn sha2_256_many(messages: &[&[u8]]) -> Vec<[u8; 32]> {
    messages.iter().map(|message| sha2::Sha256::digest(message).into()).collect()
}

/// As [`sha2_256_many`], for messages in parts.
pub fn sha2_256_many_of_parts(messages: &[&[&[u8]]]) -> Vec<[u8; 32]> {
    messages
        .iter()
        .map(|parts| {
            let mut hash = sha2::Sha256::new();
            parts.iter().for_each(|part| hash.update(part));
            hash.finalize().into()
        })
        .collect()
}
