//! Keys of this node; `self` is its identity.

use merkury_core::PeerId;

use crate::Answer;

/// The kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519, the default.
    Ed25519,
    /// RSA with so many bits (2048 or more).
    Rsa(u32),
    /// secp256k1.
    Secp256k1,
}

/// A key by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its name here.
    pub name: String,
    /// The peer id, which is also the IPNS name.
    pub id: PeerId,
}

/// The key store.
pub trait Keys: Send + Sync {
    /// Makes a key; durable when it answers.
    fn generate(&self, name: String, kind: KeyKind) -> Answer<'_, KeyInfo>;

    /// All keys, `self` first, then by name.
    fn list(&self) -> Answer<'_, Vec<KeyInfo>>;

    /// Removes a key.
    fn remove(&self, name: String) -> Answer<'_, KeyInfo>;

    /// Renames a key; returns it and whether another was replaced.
    fn rename(&self, old: String, new: String, force: bool) -> Answer<'_, (KeyInfo, bool)>;
}
