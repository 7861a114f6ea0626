//! secp256k1 keys: ECDSA over SHA-2 256, signatures in DER.

use k256::ecdsa::signature::{Signer, Verifier};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};

use super::{KeyError, random};

#[derive(Clone)]
pub(super) struct Pair(SigningKey);

impl Pair {
    /// Nearly every 32 bytes are a scalar; the tries are bounded because a broken source could repeat itself.
    pub(super) fn generate() -> Result<Self, KeyError> {
        for _ in 0..16 {
            if let Ok(key) = SigningKey::from_slice(&random::<32>()?) {
                return Ok(Self(key));
            }
        }
        Err(KeyError::Random("the random bytes are no scalar".into()))
    }

    pub(super) fn from_data(data: &[u8]) -> Result<Self, KeyError> {
        match SigningKey::from_slice(data) {
            Ok(key) if data.len() == 32 => Ok(Self(key)),
            _ => Err(KeyError::Malformed("a secp256k1 key is a scalar of 32 bytes".into())),
        }
    }

    /// The same with zeros at its start left out, as some writers do.
    pub(super) fn from_short_data(data: &[u8]) -> Result<Self, KeyError> {
        let zeros = 32usize.checked_sub(data.len());
        let zeros = zeros.ok_or_else(|| KeyError::Malformed("a secp256k1 key has at most 32 bytes".into()))?;
        Self::from_data(&[&vec![0; zeros], data].concat())
    }

    /// The public key as a point, not compressed.
    pub(super) fn public_point(&self) -> Vec<u8> {
        self.0.verifying_key().to_sec1_point(false).as_bytes().to_vec()
    }

    pub(super) fn to_data(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }

    pub(super) fn public_data(&self) -> Vec<u8> {
        self.0.verifying_key().to_sec1_point(true).as_bytes().to_vec()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature: Signature = self.0.try_sign(message).map_err(|error| KeyError::Failed(error.to_string()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

pub(super) fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = VerifyingKey::from_sec1_bytes(key) else { return false };
    Signature::from_der(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}
