//! Keys of this node; `self` is its identity.

use merkury_core::PeerId;
use merkury_core::keys::Keypair;

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

    /// Keeps a key that was made elsewhere; durable when it answers. Never replaces one.
    fn import(&self, name: String, pair: Keypair) -> Answer<'_, KeyInfo>;

    /// A private key. For callers on this machine alone: no surface may send it anywhere.
    fn export(&self, name: String) -> Answer<'_, Keypair>;

    /// Signs a message with a named key, under the prefix that keeps such signatures apart from all others.
    fn sign(&self, name: String, message: Vec<u8>) -> Answer<'_, (KeyInfo, Vec<u8>)>;

    /// Whether [`Keys::sign`] made this signature; `key` is a name here, an IPNS name or a peer id.
    fn verify(&self, key: String, message: Vec<u8>, signature: Vec<u8>) -> Answer<'_, (KeyInfo, bool)>;

    /// Gives the node a new identity and keeps the old one as a key named `keep_as`. The repository must be free.
    fn rotate(&self, keep_as: String, kind: KeyKind) -> Answer<'_, KeyInfo>;
}
