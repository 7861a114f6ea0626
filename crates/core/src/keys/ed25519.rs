//! Ed25519 keys.

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};

use super::{KeyError, random};

const SEED: usize = 32;

#[derive(Clone)]
pub(super) struct Pair(SigningKey);

impl Pair {
    pub(super) fn generate() -> Result<Self, KeyError> {
        Ok(Self(SigningKey::from_bytes(&random::<SEED>()?)))
    }

    pub(super) fn from_seed(seed: &[u8]) -> Result<Self, KeyError> {
        let seed: [u8; SEED] =
            seed.try_into().map_err(|_| KeyError::Malformed("an Ed25519 seed has 32 bytes".into()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    pub(super) fn seed(&self) -> [u8; SEED] {
        self.0.to_bytes()
    }

    /// Seed and public key; old writers repeat the public key (96 bytes).
    pub(super) fn from_data(data: &[u8]) -> Result<Self, KeyError> {
        let malformed = |why: &str| KeyError::Malformed(why.into());
        let (seed, public) =
            data.split_at_checked(SEED).ok_or_else(|| malformed("an Ed25519 key is shorter than 64 bytes"))?;
        let Self(key) = Self::from_seed(seed)?;
        let own = key.verifying_key().to_bytes();
        let halves: Vec<&[u8]> = public.chunks(SEED).collect();
        if !matches!(halves.len(), 1 | 2) || halves.iter().any(|half| **half != own) {
            return Err(malformed("the public half of an Ed25519 key does not belong to the private one"));
        }
        Ok(Self(key))
    }

    pub(super) fn to_data(&self) -> Vec<u8> {
        self.0.to_keypair_bytes().to_vec()
    }

    pub(super) fn public_data(&self) -> Vec<u8> {
        self.0.verifying_key().to_bytes().to_vec()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).to_bytes().to_vec()
    }
}

pub(super) fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = key.try_into().map_err(|_| ()).and_then(|key| VerifyingKey::from_bytes(key).map_err(|_| ())) else {
        return false;
    };
    Signature::from_slice(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}
