//! The back end that runs everywhere: one message after the other with the `sha2` crate, which picks the processor's
//! own instructions where it has them.

use sha2::{Digest as _, Sha256};

use super::Parts;

/// Hashes each message by itself.
pub(super) fn many(messages: &[Parts<'_>]) -> Vec<[u8; 32]> {
    messages.iter().map(one).collect()
}

fn one(message: &Parts<'_>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    message.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}
