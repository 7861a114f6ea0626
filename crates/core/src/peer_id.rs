//! Peer ids: the multihash of a public key. Specification: libp2p `peer-ids`.

use std::fmt;
use std::str::FromStr;

use crate::cid::{Cid, codec_code};
use crate::multihash::{Multihash, code};

/// The name of a peer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(Multihash);

/// Why text or bytes are not a peer id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a peer id: {0}")]
pub struct PeerIdError(pub String);

impl PeerId {
    /// From a multihash: SHA-2 256, or identity of at most 42 bytes.
    pub fn from_multihash(hash: Multihash) -> Result<Self, PeerIdError> {
        let length = hash.digest().len();
        match hash.code() {
            code::SHA2_256 if length == 32 => Ok(Self(hash)),
            code::IDENTITY if length <= 42 => Ok(Self(hash)),
            other => Err(PeerIdError(format!("hash function 0x{other:x} with {length} bytes"))),
        }
    }

    /// From the bytes of a multihash.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PeerIdError> {
        match Multihash::decode(bytes) {
            Ok((hash, [])) => Self::from_multihash(hash),
            Ok(_) => Err(PeerIdError("bytes after the multihash".into())),
            Err(error) => Err(PeerIdError(error.to_string())),
        }
    }

    /// From base58 (`12D3…`, `Qm…`) or a CID of codec libp2p-key (`k51…`, `bafz…`).
    pub fn parse(text: &str) -> Result<Self, PeerIdError> {
        if text.len() > 128 {
            return Err(PeerIdError("too long".into()));
        }
        if text.starts_with("Qm") || text.starts_with('1') {
            let bytes = bs58::decode(text).into_vec().map_err(|error| PeerIdError(error.to_string()))?;
            return Self::from_bytes(&bytes);
        }
        let cid = Cid::parse(text).map_err(|error| PeerIdError(error.to_string()))?;
        if cid.codec() != codec_code::LIBP2P_KEY {
            return Err(PeerIdError(format!("cid of codec 0x{:x}", cid.codec())));
        }
        Self::from_multihash(cid.hash().clone())
    }

    /// The multihash.
    pub fn multihash(&self) -> &Multihash {
        &self.0
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// The CID form (codec libp2p-key).
    pub fn to_cid(&self) -> Cid {
        Cid::v1(codec_code::LIBP2P_KEY, self.0.clone())
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0.to_bytes()).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

impl FromStr for PeerId {
    type Err = PeerIdError;

    fn from_str(text: &str) -> Result<Self, PeerIdError> {
        Self::parse(text)
    }
}

impl serde::Serialize for PeerId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for PeerId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
