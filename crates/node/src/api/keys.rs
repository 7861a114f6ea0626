//! [`Keys`]: the identity, which stands in the configuration, and the named keys of the key store.

use merkury_api::{Answer, ApiError, KeyInfo, KeyKind, Keys};
use merkury_core::keys::{KeyType, Keypair, key_of_peer_id};
use merkury_core::{ErrorKind, PeerId};
use merkury_store::{KeyStoreError, RepoError};

use crate::config::identity;
use crate::inner::{Handle, Inner, blocking, repo_error};

/// The name under which the identity is listed; no other key may have it.
const SELF: &str = "self";
/// Smallest RSA key we make: shorter ones are not accepted by peers.
const RSA_BITS_MIN: u32 = 2048;
/// Largest RSA key we make; more takes minutes.
const RSA_BITS_MAX: u32 = 8192;
/// What `key sign` puts before a message, so that no signature serves for anything else.
const SIGNED_PREFIX: &[u8] = b"libp2p-key signed message:";

pub(crate) fn key_store_error(error: KeyStoreError) -> ApiError {
    ApiError::new(error.kind(), error.to_string())
}

/// Makes a key pair of a kind.
pub(crate) fn generate(kind: KeyKind) -> Result<Keypair, ApiError> {
    let wanted = match kind {
        KeyKind::Ed25519 => KeyType::Ed25519,
        KeyKind::Secp256k1 => KeyType::Secp256k1,
        KeyKind::Rsa(bits) if !(RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits) => {
            let words = if bits < RSA_BITS_MIN { format!(">= {RSA_BITS_MIN}") } else { format!("<= {RSA_BITS_MAX}") };
            return Err(ApiError::invalid(format!("rsa keys must be {words} bits to be useful")));
        }
        KeyKind::Rsa(bits) => KeyType::Rsa(bits),
    };
    Keypair::generate(wanted).map_err(|error| ApiError::internal(format!("cannot make a key: {error}")))
}

impl Inner {
    fn key_pair(&self, name: &str) -> Result<Keypair, ApiError> {
        let bytes = self.repo.keystore().get(name).map_err(key_store_error)?;
        Keypair::from_protobuf(&bytes)
            .map_err(|error| ApiError::new(ErrorKind::Corrupt, format!("key {name} is damaged: {error}")))
    }

    fn key_id(&self, name: &str) -> Result<PeerId, ApiError> {
        Ok(self.key_pair(name)?.peer_id())
    }

    /// The pair of a name; no name is the identity.
    fn own_pair(&self, name: &str) -> Result<Keypair, ApiError> {
        if name.is_empty() || name == SELF {
            return Ok(identity::read(&self.config.read())?);
        }
        if self.repo.keystore().has(name).map_err(key_store_error)? {
            return self.key_pair(name);
        }
        Err(ApiError::not_found("no key by the given name was found").hint("merkury key ls prints the names"))
    }

    /// The pair of a name, a peer id or an IPNS name.
    pub(crate) fn pair_by_name_or_id(&self, text: &str) -> Result<Keypair, ApiError> {
        let by_name = self.own_pair(text);
        let Ok(id) = PeerId::parse(text.strip_prefix("/ipns/").unwrap_or(text)) else { return by_name };
        if by_name.is_ok() {
            return by_name;
        }
        let own = identity::read(&self.config.read())?;
        if own.peer_id() == id {
            return Ok(own);
        }
        for name in self.repo.keystore().list().map_err(key_store_error)? {
            match self.key_pair(&name) {
                Ok(pair) if pair.peer_id() == id => return Ok(pair),
                _ => {}
            }
        }
        Err(ApiError::not_found("no key by the given name or PeerID was found")
            .hint("merkury key ls -l prints names and ids"))
    }

    fn must_exist(&self, name: &str) -> Result<(), ApiError> {
        if self.repo.keystore().has(name).map_err(key_store_error)? {
            return Ok(());
        }
        Err(ApiError::not_found(format!("no key named {name} was found")).hint("merkury key ls prints the names"))
    }

    fn must_be_new(&self, name: &str) -> Result<(), ApiError> {
        if !self.repo.keystore().has(name).map_err(key_store_error)? {
            return Ok(());
        }
        Err(ApiError::new(ErrorKind::Conflict, format!("key with name '{name}' already exists"))
            .hint("give another name, or make room: merkury key rename OLD NEW"))
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
            inner.must_be_new(&name)?;
            let pair = generate(kind)?;
            inner.repo.keystore().put(&name, &pair.to_protobuf()).map_err(key_store_error)?;
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
            if new == old {
                return Ok((KeyInfo { name: new, id }, false));
            }
            let replaced = inner.repo.keystore().rename(&old, &new, force).map_err(key_store_error)?;
            Ok((KeyInfo { name: new, id }, replaced))
        }))
    }

    fn import(&self, name: String, pair: Keypair) -> Answer<'_, KeyInfo> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            inner.refuse_self("import", &name)?;
            inner.must_be_new(&name)?;
            inner.repo.keystore().put(&name, &pair.to_protobuf()).map_err(key_store_error)?;
            Ok(KeyInfo { name, id: pair.peer_id() })
        }))
    }

    fn export(&self, name: String) -> Answer<'_, Keypair> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            inner.refuse_self("export", &name)?;
            if !inner.repo.keystore().has(&name).map_err(key_store_error)? {
                return Err(ApiError::not_found(format!("key with name '{name}' doesn't exist"))
                    .hint("merkury key ls prints the names"));
            }
            inner.key_pair(&name)
        }))
    }

    fn sign(&self, name: String, message: Vec<u8>) -> Answer<'_, (KeyInfo, Vec<u8>)> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            let pair = inner.own_pair(&name)?;
            let signature = pair.sign(&[SIGNED_PREFIX, &message].concat());
            let signature = signature.map_err(|error| ApiError::internal(format!("cannot sign: {error}")))?;
            let name = if name.is_empty() { SELF.into() } else { name };
            Ok((KeyInfo { name, id: pair.peer_id() }, signature))
        }))
    }

    fn verify(&self, key: String, message: Vec<u8>, signature: Vec<u8>) -> Answer<'_, (KeyInfo, bool)> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            let (name, public) = match inner.own_pair(&key) {
                Ok(pair) => (if key.is_empty() { SELF.to_owned() } else { key }, pair.public()),
                Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
                Err(_) => {
                    let id = PeerId::parse(key.strip_prefix("/ipns/").unwrap_or(&key)).map_err(|_| {
                        ApiError::invalid(format!("'{key:?}' is not a known key, an IPNS Name, or a valid PeerID"))
                    })?;
                    let public = key_of_peer_id(&id)
                        .ok_or_else(|| ApiError::invalid("public key is not embedded in peer ID"))?;
                    (String::new(), public)
                }
            };
            let valid = public.verify(&[SIGNED_PREFIX, &message].concat(), &signature);
            Ok((KeyInfo { name, id: public.peer_id() }, valid))
        }))
    }

    fn rotate(&self, keep_as: String, kind: KeyKind) -> Answer<'_, KeyInfo> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            if keep_as == SELF {
                return Err(ApiError::invalid("keystore name for back up cannot be named 'self'"));
            }
            let _lock = inner.repo.lock().map_err(|error| match error {
                RepoError::Locked { .. } => {
                    ApiError::new(ErrorKind::Busy, "ipfs daemon is running. please stop it to run this command")
                        .hint("merkury shutdown stops it")
                }
                other => repo_error(other),
            })?;
            let pair = generate(kind)?;
            let old = identity::read(&inner.config.read())?;
            // The old key is safe before the configuration forgets it; a crash between leaves both.
            inner.repo.keystore().put(&keep_as, &old.to_protobuf()).map_err(|error| {
                let error = key_store_error(error);
                ApiError { message: format!("saving old key in keystore ({})", error.message), ..error }
            })?;
            inner.change_config(|config| Ok(identity::write(config, &pair)?))?;
            Ok(KeyInfo { name: SELF.into(), id: pair.peer_id() })
        }))
    }
}
