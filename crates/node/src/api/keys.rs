//! [`Keys`]: the identity, which stands in the configuration, and the named keys of the key store.

use merkury_api::{Answer, ApiError, KeyInfo, KeyKind, Keys};
use merkury_core::keys::{KeyType, Keypair};
use merkury_core::{ErrorKind, PeerId};
use merkury_store::KeyStoreError;

use crate::config::identity;
use crate::inner::{Handle, Inner, blocking};

/// The name under which the identity is listed; no other key may have it.
const SELF: &str = "self";
/// Smallest RSA key we make: shorter ones are not accepted by peers.
const RSA_BITS_MIN: u32 = 2048;
/// Largest RSA key we make; more takes minutes.
const RSA_BITS_MAX: u32 = 8192;

pub(crate) fn key_store_error(error: KeyStoreError) -> ApiError {
    ApiError::new(error.kind(), error.to_string())
}

/// Makes a key pair of a kind.
pub(crate) fn generate(kind: KeyKind) -> Result<Keypair, ApiError> {
    let wanted = match kind {
        KeyKind::Ed25519 => KeyType::Ed25519,
        KeyKind::Secp256k1 => KeyType::Secp256k1,
        KeyKind::Rsa(bits) if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) => {
            return Err(ApiError::invalid(format!("rsa keys must have {RSA_BITS_MIN} to {RSA_BITS_MAX} bits")));
        }
        KeyKind::Rsa(bits) => KeyType::Rsa(bits),
    };
    Keypair::generate(wanted).map_err(|error| ApiError::internal(format!("cannot make a key: {error}")))
}

impl Inner {
    fn key_id(&self, name: &str) -> Result<PeerId, ApiError> {
        let bytes = self.repo.keystore().get(name).map_err(key_store_error)?;
        let pair = Keypair::from_protobuf(&bytes)
            .map_err(|error| ApiError::new(ErrorKind::Corrupt, format!("key {name} is damaged: {error}")))?;
        Ok(pair.peer_id())
    }

    fn must_exist(&self, name: &str) -> Result<(), ApiError> {
        if self.repo.keystore().has(name).map_err(key_store_error)? {
            return Ok(());
        }
        Err(ApiError::not_found(format!("no key named {name} was found")).hint("merkury key ls prints the names"))
    }

    fn refuse_self(&self, verb: &str, name: &str) -> Result<(), ApiError> {
        if name == SELF {
            return Err(ApiError::invalid(format!("cannot {verb} key with name 'self'")));
        }
        Ok(())
    }
}

impl Keys for Handle {
    fn generate(&self, name: String, kind: KeyKind) -> Answer<'_, KeyInfo> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            inner.refuse_self("create", &name)?;
            let store = inner.repo.keystore();
            if store.has(&name).map_err(key_store_error)? {
                return Err(ApiError::new(ErrorKind::Conflict, format!("key with name '{name}' already exists")));
            }
            let pair = generate(kind)?;
            store.put(&name, &pair.to_protobuf()).map_err(key_store_error)?;
            Ok(KeyInfo { name, id: pair.peer_id() })
        }))
    }

    fn list(&self) -> Answer<'_, Vec<KeyInfo>> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            let mut keys = vec![KeyInfo { name: SELF.into(), id: identity::peer_id(&inner.config.read())? }];
            for name in inner.repo.keystore().list().map_err(key_store_error)? {
                let id = inner.key_id(&name)?;
                keys.push(KeyInfo { name, id });
            }
            Ok(keys)
        }))
    }

    fn remove(&self, name: String) -> Answer<'_, KeyInfo> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            inner.refuse_self("remove", &name)?;
            inner.must_exist(&name)?;
            let id = inner.key_id(&name)?;
            inner.repo.keystore().remove(&name).map_err(key_store_error)?;
            Ok(KeyInfo { name, id })
        }))
    }

    fn rename(&self, old: String, new: String, force: bool) -> Answer<'_, (KeyInfo, bool)> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            inner.refuse_self("rename", &old)?;
            if new == SELF {
                return Err(ApiError::invalid("cannot overwrite key with name 'self'"));
            }
            inner.must_exist(&old)?;
            let id = inner.key_id(&old)?;
            let replaced = inner.repo.keystore().rename(&old, &new, force).map_err(key_store_error)?;
            Ok((KeyInfo { name: new, id }, replaced))
        }))
    }
}
