//! [`Config`]: the configuration file, with Kubo's words for what is refused.

use merkury_api::{Answer, ApiError, Config, ConfigChange};
use merkury_core::{ErrorKind, PeerId};
use serde_json::Value;

use crate::config::{self, ConfigError, datastore, document, identity, profiles, schema};
use crate::inner::{Handle, blocking, repo_error};

/// What Kubo answers to `ipfs config Identity.PrivKey`.
const PRIVATE_KEY_REFUSED: &str = "cannot show or change private key through API";
/// Where the services of remote pinning stand.
const SERVICES: &str = "Pinning.RemoteServices";

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        let kind = match error {
            ConfigError::NoKey(_) => ErrorKind::NotFound,
            _ => ErrorKind::Invalid,
        };
        let made = Self::new(kind, error.to_string());
        match error {
            ConfigError::UnknownProfile { known, .. } => made.hint(format!("profiles: {known}")),
            ConfigError::Unfit { key, .. } => made.hint(format!("look at {key}")),
            _ => made,
        }
    }
}

impl Config for Handle {
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Value> {
        Box::pin(async move {
            if document::is_secret(key) {
                return Err(ApiError::new(ErrorKind::Denied, PRIVATE_KEY_REFUSED));
            }
            let config = self.file().await?;
            match document::get(&config, key) {
                Ok(value) => Ok(document::without_secrets_at(value, key)),
                Err(error) => Err(ApiError::not_found(format!("failed to get config value: \"{error}\""))),
            }
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: Value) -> Answer<'a, Value> {
        let key = key.to_owned();
        Box::pin(async move {
            if document::is_secret(&key) {
                return Err(ApiError::new(ErrorKind::Denied, PRIVATE_KEY_REFUSED));
            }
            let inner = self.inner.clone();
            blocking(move || {
                let mut set = value;
                inner.change_config(|config| {
                    schema::check_key(&key)?;
                    if key.eq_ignore_ascii_case("identity.peerid") {
                        set = Value::String(own_peer_id(config, &set)?.to_string());
                    }
                    document::set(config, &key, set.clone()).map_err(ApiError::from)
                })?;
                Ok(set)
            })
            .await
        })
    }

    fn show(&self) -> Answer<'_, Value> {
        Box::pin(async move { Ok(document::without_secrets(&self.file().await?)) })
    }

    fn replace(&self, new: Value) -> Answer<'_, ()> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            if !new.is_object() || schema::check_types(&new).is_err() {
                return Err(ApiError::invalid("failed to decode file as config"));
            }
            inner.change_config(|config| {
                let mut new = new;
                keep_identity(config, &mut new)?;
                keep_services(config, &mut new)?;
                *config = new;
                Ok(())
            })
        }))
    }

    fn apply_profile<'a>(&'a self, name: &'a str, dry_run: bool) -> Answer<'a, ConfigChange> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        Box::pin(blocking(move || {
            let old = inner.config_file()?;
            let mut new = old.clone();
            profiles::apply(&mut new, &name).map_err(|error| match error {
                ConfigError::UnknownProfile { known, .. } => {
                    ApiError::invalid(format!("{name} is not a profile")).hint(format!("profiles: {known}"))
                }
                other => other.into(),
            })?;
            if datastore::on_disk(&old) != datastore::on_disk(&new) {
                return Err(layout_is_fixed(&name));
            }
            config::check(&new)?;
            let change = ConfigChange { old: document::without_secrets(&old), new: document::without_secrets(&new) };
            if !dry_run {
                inner.repo.back_up_config(&format!("pre-{name}-")).map_err(repo_error)?;
                inner.change_config(|config| {
                    *config = new;
                    Ok(())
                })?;
            }
            Ok(change)
        }))
    }
}

impl Handle {
    async fn file(&self) -> Result<Value, ApiError> {
        let inner = self.inner.clone();
        blocking(move || inner.config_file()).await
    }
}

fn layout_is_fixed(profile: &str) -> ApiError {
    ApiError::invalid(format!(
        "profile {profile:?} changes the datastore layout, which is fixed when the repo is created; 'ipfs init \
         --profile={profile}' makes one that has it"
    ))
    .hint("move the data with dag export and dag import")
}

/// The peer id belongs to the key: it can only be written in another form, and stands in the usual one.
fn own_peer_id(config: &Value, value: &Value) -> Result<PeerId, ApiError> {
    let own = identity::peer_id(config)?;
    match value.as_str().and_then(|text| PeerId::parse(text).ok()) {
        Some(given) if given == own => Ok(own),
        _ => Err(ApiError::invalid(
            "cannot set Identity.PeerID to a value that does not match the node's private key; use 'ipfs key rotate' to \
             change the node identity",
        )),
    }
}

/// The key stays, whatever the new file says of the identity; a file that brings a key is refused.
fn keep_identity(old: &Value, new: &mut Value) -> Result<(), ApiError> {
    let brings_key =
        document::get(new, "Identity.PrivKey").is_ok_and(|key| key.as_str().is_none_or(|key| !key.is_empty()));
    if brings_key {
        return Err(ApiError::invalid("setting private key with API is not supported"));
    }
    for key in ["Identity.PeerID", "Identity.PrivKey"] {
        let value = document::get(old, key).map_err(|_| ApiError::invalid("failed to get PrivKey"))?;
        document::set(new, key, value.clone())?;
    }
    Ok(())
}

/// Services of remote pinning keep their credentials; none comes or goes this way.
fn keep_services(old: &Value, new: &mut Value) -> Result<(), ApiError> {
    let names = |config: &Value| match document::get(config, SERVICES) {
        Ok(Value::Object(services)) => services.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let (mut had, mut has): (Vec<String>, Vec<String>) = (names(old), names(new));
    had.sort();
    has.sort();
    if had != has {
        return Err(ApiError::invalid("cannot add or remove remote pinning services with 'config replace'"));
    }
    for name in had {
        // A name may hold dots, so the way there is walked by hand.
        let api = |config: &Value, key: &str| {
            let service = document::get(config, SERVICES).ok()?.get(&name)?;
            service.get("API")?.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let moved = api(new, "Endpoint").is_some_and(|endpoint| Some(endpoint) != api(old, "Endpoint"));
        if moved || api(new, "Key").is_some() {
            return Err(ApiError::invalid("cannot change remote pinning services api info with `config replace`"));
        }
        let kept = document::get(old, SERVICES)?.get(&name).and_then(|service| service.get("API")).cloned();
        let service = document::get_mut(new, SERVICES)?.get_mut(&name).and_then(Value::as_object_mut);
        if let (Some(service), Some(kept)) = (service, kept) {
            service.insert("API".into(), kept);
        }
    }
    Ok(())
}
