//! ECDSA keys of the NIST curves: kept for their owner, never made and never used here. Kubo neither makes nor signs with
//! them, but keeps those that somebody insists on importing.

use super::KeyError;
use super::pkcs8::{EcKey, ec_public};

#[derive(Clone)]
pub(super) struct Pair {
    data: Vec<u8>,
    public: Vec<u8>,
}

impl Pair {
    /// Reads RFC 5915, which must name the curve and hold the public half.
    pub(super) fn from_data(data: &[u8]) -> Result<Self, KeyError> {
        let key = EcKey::decode(data)?;
        match (key.curve, key.public) {
            (Some(curve), Some(public)) => Ok(Self { data: key.encode(), public: ec_public(&curve, public) }),
            _ => Err(KeyError::Malformed("an ECDSA key must name its curve and hold its public half".into())),
        }
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(super) fn public_data(&self) -> Vec<u8> {
        self.public.clone()
    }
}
