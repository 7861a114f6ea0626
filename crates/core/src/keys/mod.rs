//! Key pairs and their libp2p encodings. Specification: libp2p `peer-ids`.
//!
//! Parts: [`Keypair`] (make, read, write, sign), [`PublicKey`] (verify, peer id), one file a kind of key.
//!
//! A private key travels as a protobuf message of kind and bytes: Ed25519 as seed and public key (64 bytes), RSA as
//! PKCS#1 DER, secp256k1 as the 32 bytes of the scalar. This is what Kubo's `Identity.PrivKey` and key store hold. Other
//! programs want [`pkcs8`].

mod ecdsa;
mod ed25519;
pub mod pkcs8;
mod rsa;
mod secp256k1;
mod wire;

use crate::cid::{Cid, codec_code};
use crate::multihash::{Multihash, code};
use crate::peer_id::PeerId;

/// Largest key message we read: an RSA key of 8192 bits has 5 KiB.
const KEY_BYTES_MAX: usize = 64 * 1024;
/// Public keys up to this length are their own peer id (Ed25519 and secp256k1); longer ones are hashed.
const INLINE_KEY_BYTES_MAX: usize = 42;

/// The kind of a new key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// Ed25519.
    Ed25519,
    /// RSA of so many bits.
    Rsa(u32),
    /// secp256k1.
    Secp256k1,
}

/// Why a key could not be made, read or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no key message.
    #[error("malformed key: {0}")]
    Malformed(String),
    /// The kind of key is not known here.
    #[error("key type {0} is not supported")]
    UnknownType(u64),
    /// The system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
    /// The key could not be made or used.
    #[error("{0}")]
    Failed(String),
}

/// A private key with its public one.
#[derive(Clone)]
pub struct Keypair(Inner);

#[derive(Clone)]
enum Inner {
    Ed25519(ed25519::Pair),
    Rsa(Box<rsa::Pair>),
    Secp256k1(secp256k1::Pair),
    Ecdsa(Box<ecdsa::Pair>),
}

/// A public key: its kind and bytes as they stand in the protobuf message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: wire::Kind,
    data: Vec<u8>,
}

impl Keypair {
    /// Makes a key from the system's random bytes.
    pub fn generate(kind: KeyType) -> Result<Self, KeyError> {
        Ok(Self(match kind {
            KeyType::Ed25519 => Inner::Ed25519(ed25519::Pair::generate()?),
            KeyType::Rsa(bits) => Inner::Rsa(Box::new(rsa::Pair::generate(bits)?)),
            KeyType::Secp256k1 => Inner::Secp256k1(secp256k1::Pair::generate()?),
        }))
    }

    /// Reads the protobuf form of a private key.
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, KeyError> {
        let (kind, data) = wire::decode(bytes, KEY_BYTES_MAX)?;
        Ok(Self(match kind {
            wire::Kind::Ed25519 => Inner::Ed25519(ed25519::Pair::from_data(data)?),
            wire::Kind::Rsa => Inner::Rsa(Box::new(rsa::Pair::from_data(data)?)),
            wire::Kind::Secp256k1 => Inner::Secp256k1(secp256k1::Pair::from_data(data)?),
            wire::Kind::Ecdsa => Inner::Ecdsa(Box::new(ecdsa::Pair::from_data(data)?)),
        }))
    }

    /// The protobuf form of the private key.
    pub fn to_protobuf(&self) -> Vec<u8> {
        match &self.0 {
            Inner::Ed25519(pair) => wire::encode(wire::Kind::Ed25519, &pair.to_data()),
            Inner::Rsa(pair) => wire::encode(wire::Kind::Rsa, pair.data()),
            Inner::Secp256k1(pair) => wire::encode(wire::Kind::Secp256k1, &pair.to_data()),
            Inner::Ecdsa(pair) => wire::encode(wire::Kind::Ecdsa, pair.data()),
        }
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        let (kind, data) = match &self.0 {
            Inner::Ed25519(pair) => (wire::Kind::Ed25519, pair.public_data()),
            Inner::Rsa(pair) => (wire::Kind::Rsa, pair.public_data()),
            Inner::Secp256k1(pair) => (wire::Kind::Secp256k1, pair.public_data()),
            Inner::Ecdsa(pair) => (wire::Kind::Ecdsa, pair.public_data()),
        };
        PublicKey { kind, data }
    }

    /// The peer id of the public key.
    pub fn peer_id(&self) -> PeerId {
        self.public().peer_id()
    }

    /// Whether it is of a kind that this program makes and uses.
    pub fn is_usable(&self) -> bool {
        !matches!(self.0, Inner::Ecdsa(_))
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Inner::Ed25519(pair) => Ok(pair.sign(message)),
            Inner::Rsa(pair) => pair.sign(message),
            Inner::Secp256k1(pair) => pair.sign(message),
            Inner::Ecdsa(_) => Err(KeyError::Failed("ECDSA keys are kept but not used".into())),
        }
    }
}

impl std::fmt::Debug for Keypair {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keypair({})", self.peer_id())
    }
}

impl PublicKey {
    /// Reads the protobuf form of a public key. Whether the bytes are a point of the curve shows when it is used.
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, KeyError> {
        let (kind, data) = wire::decode(bytes, KEY_BYTES_MAX)?;
        Ok(Self { kind, data: data.to_vec() })
    }

    /// The protobuf form.
    pub fn to_protobuf(&self) -> Vec<u8> {
        wire::encode(self.kind, &self.data)
    }

    /// The peer id: the key itself when it is short, else its SHA-2 256.
    pub fn peer_id(&self) -> PeerId {
        let bytes = self.to_protobuf();
        let hash = if bytes.len() <= INLINE_KEY_BYTES_MAX {
            Multihash::new(code::IDENTITY, &bytes).expect("42 bytes are under the limit of a digest")
        } else {
            Multihash::sha2_256(crate::hash::sha2_256_many(&[&bytes])[0])
        };
        PeerId::from_multihash(hash).expect("both forms are peer ids")
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            wire::Kind::Ed25519 => ed25519::verify(&self.data, message, signature),
            wire::Kind::Rsa => rsa::verify(&self.data, message, signature),
            wire::Kind::Secp256k1 => secp256k1::verify(&self.data, message, signature),
            wire::Kind::Ecdsa => false,
        }
    }
}

/// The public key inside a peer id, when the id is short enough to hold it.
pub fn key_of_peer_id(id: &PeerId) -> Option<PublicKey> {
    let hash = id.multihash();
    if !hash.is_identity() {
        return None;
    }
    PublicKey::from_protobuf(hash.digest()).ok()
}

/// How peer ids are printed as IPNS names and key ids (`--ipns-base`): base36 CIDs, `k51…`, unless told otherwise.
pub fn ipns_name(id: &PeerId, base: multibase::Base) -> String {
    Cid::v1(codec_code::LIBP2P_KEY, id.multihash().clone()).to_string_of_base(base)
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_round_trips_and_signs() {
        for kind in [KeyType::Ed25519, KeyType::Secp256k1, KeyType::Rsa(2048)] {
            let pair = Keypair::generate(kind).unwrap();
            let again = Keypair::from_protobuf(&pair.to_protobuf()).unwrap();
            assert_eq!(again.peer_id(), pair.peer_id(), "{kind:?}");
            let signature = again.sign(b"message").unwrap();
            let public = PublicKey::from_protobuf(&pair.public().to_protobuf()).unwrap();
            assert!(public.verify(b"message", &signature), "{kind:?}");
            assert!(!public.verify(b"another", &signature), "{kind:?}");
            assert!(!public.verify(b"message", &signature[1..]), "{kind:?}");
        }
    }

    /// An identity that Kubo 0.43.1 made.
    #[test]
    fn reads_what_kubo_wrote() {
        let text = "CAESQG1E7rFVXv7Fbs8h11X/NmcNJ2vzE9PhqwUdvBhBQZvL0YwuNcCreQJeGOOAsSWniTEL254aAZKS8eBzhHQocVA=";
        let bytes = data_encoding::BASE64.decode(text.as_bytes()).unwrap();
        let pair = Keypair::from_protobuf(&bytes).unwrap();
        assert_eq!(pair.peer_id().to_string(), "12D3KooWPvMMV69kWjkZe7AtZb3okdsnWheBj6aySco1VJLFazEs");
        assert_eq!(pair.to_protobuf(), bytes);
        assert_eq!(key_of_peer_id(&pair.peer_id()), Some(pair.public()));
        assert!(ipns_name(&pair.peer_id(), multibase::Base::Base36Lower).starts_with("k51qzi5uqu5d"));
    }

    #[test]
    fn foreign_bytes_are_refused() {
        for bytes in
            [&[][..], &[0x08], &[0x08, 0x01], &[0x08, 0x01, 0x12, 0x05, 1, 2], &[0xff; 12], &[0x08, 0x09, 0x12, 0]]
        {
            assert!(Keypair::from_protobuf(bytes).is_err(), "{bytes:?}");
        }
        let short = wire::encode(wire::Kind::Ed25519, &[7; 31]);
        assert!(Keypair::from_protobuf(&short).is_err());
        let mut mixed = Keypair::generate(KeyType::Ed25519).unwrap().to_protobuf();
        *mixed.last_mut().unwrap() ^= 1;
        assert!(Keypair::from_protobuf(&mixed).is_err(), "the public half must belong to the private one");
    }
}
