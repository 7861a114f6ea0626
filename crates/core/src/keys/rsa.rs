//! RSA keys: PKCS#1 v1.5 signatures over SHA-2 256. The private key is PKCS#1 DER, the public one PKIX DER.

use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::pkcs1v15::{Signature, SigningKey, VerifyingKey};
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey};
use rsa::rand_core::{CryptoRng, Error, RngCore};
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer, Verifier};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, RsaPublicKey};

use super::KeyError;

/// Smallest and largest modulus we use, in bits: shorter ones are unsafe, longer ones a way to burn our time.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

#[derive(Clone)]
pub(super) struct Pair {
    key: RsaPrivateKey,
    data: Vec<u8>,
    public: Vec<u8>,
}

impl Pair {
    pub(super) fn generate(bits: u32) -> Result<Self, KeyError> {
        let bits = bits as usize;
        if !BITS.contains(&bits) {
            return Err(KeyError::Failed(format!("RSA keys have {} to {} bits, not {bits}", BITS.start(), BITS.end())));
        }
        let key = RsaPrivateKey::new(&mut SystemRandom, bits).map_err(failed)?;
        Self::of_key(key)
    }

    pub(super) fn from_data(data: &[u8]) -> Result<Self, KeyError> {
        let key = RsaPrivateKey::from_pkcs1_der(data).map_err(|error| KeyError::Malformed(error.to_string()))?;
        Self::of_key(key)
    }

    fn of_key(key: RsaPrivateKey) -> Result<Self, KeyError> {
        let bits = key.size() * 8;
        if !BITS.contains(&bits) {
            return Err(KeyError::Malformed(format!("an RSA key of {bits} bits is not used")));
        }
        let data = key.to_pkcs1_der().map_err(failed)?.as_bytes().to_vec();
        let public = key.to_public_key().to_public_key_der().map_err(failed)?.into_vec();
        Ok(Self { key, data, public })
    }

    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(super) fn public_data(&self) -> Vec<u8> {
        self.public.clone()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signer = SigningKey::<Sha256>::new(self.key.clone());
        Ok(signer.try_sign(message).map_err(failed)?.to_vec())
    }
}

pub(super) fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = RsaPublicKey::from_public_key_der(key) else { return false };
    if !BITS.contains(&(key.size() * 8)) {
        return false;
    }
    let key = VerifyingKey::<Sha256>::new(key);
    Signature::try_from(signature).is_ok_and(|signature| key.verify(message, &signature).is_ok())
}

fn failed(error: impl std::fmt::Display) -> KeyError {
    KeyError::Failed(error.to_string())
}

/// The system's random bytes, in the form the `rsa` crate asks for.
struct SystemRandom;

impl CryptoRng for SystemRandom {}

impl RngCore for SystemRandom {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, into: &mut [u8]) {
        self.try_fill_bytes(into).expect("the system has random bytes: it gave some when this process started");
    }

    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Error> {
        getrandom::fill(into).map_err(|_| Error::from(std::num::NonZeroU32::MIN))
    }
}
