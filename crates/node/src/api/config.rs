//! [`Config`]: the configuration file, with Kubo's words for what is refused.

use merkury_api::{Answer, ApiError, Config};
use merkury_core::ErrorKind;
use serde_json::Value;

use crate::config::{self, ConfigError, document};
use crate::inner::{Handle, blocking};

/// What Kubo answers to `ipfs config Identity.PrivKey`.
const PRIVATE_KEY_REFUSED: &str = "cannot show or change private key through API";

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        let kind = match error {
            ConfigError::NoKey { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Invalid,
        };
        let made = Self::new(kind, error.to_string());
        match error {
            ConfigError::UnknownProfile { known, .. } => made.hint(format!("profiles: {known}")),
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
            let config = self.inner.config.read();
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
                inner.change_config(|config| {
                    refuse_unknown(config, &key)?;
                    document::set(config, &key, value.clone()).map_err(ApiError::from)
                })?;
                Ok(value)
            })
            .await
            .map_err(|error| error.context("failed to set config value"))
        })
    }

    fn show(&self) -> Answer<'_, Value> {
        Box::pin(async move { Ok(document::without_secrets(&self.inner.config.read())) })
    }

    fn replace(&self, new: Value) -> Answer<'_, ()> {
        let inner = self.inner.clone();
        Box::pin(blocking(move || {
            if !new.is_object() {
                return Err(ApiError::invalid("failure to decode config: not a JSON object"));
            }
            inner.change_config(|config| {
                let identity = document::get(config, "Identity").cloned().unwrap_or_default();
                *config = new;
                document::set(config, "Identity", identity).map_err(ApiError::from)
            })
        }))
    }
}

/// Kubo refuses keys whose first name it does not know; `Merkury` is ours.
fn refuse_unknown(config: &Value, key: &str) -> Result<(), ApiError> {
    let first = key.split('.').next().unwrap_or_default();
    let known = document::get(config, first).is_ok()
        || document::get(&config::default_document(), first).is_ok()
        || first == "Merkury";
    if known {
        return Ok(());
    }
    Err(ApiError::not_found(format!("{key} not found (maybe use --json?)"))
        .hint("merkury config show prints every key that is set"))
}
