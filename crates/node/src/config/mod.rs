//! Configuration: Kubo's JSON file, read into typed values, written back with unknown keys kept.
//!
//! Parts: [`document`] (dotted keys, secrets), [`datastore`] (what `Datastore.Spec` fixes), [`schema`] (known keys and their types), [`profiles`], [`settings`]
//! (typed getters), [`identity`], [`stores`] (`Merkury.Store`).
//! The file itself is read and replaced atomically by the store crate's repository; this module owns its meaning.

pub(crate) mod datastore;
pub(crate) mod document;
pub(crate) mod identity;
pub(crate) mod import;
pub mod profiles;
pub(crate) mod schema;
pub mod settings;
pub(crate) mod stores;

use serde_json::Value;

pub(crate) use settings::View;

/// The defaults of Kubo 0.43.1, without an identity.
const DEFAULT: &str = include_str!("default.json");

/// Why a configuration or a key is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not JSON, or not an object.
    #[error("failure to decode config: {0}")]
    Json(String),
    /// A dotted key that cannot be one.
    #[error("{0:?} is not a configuration key")]
    BadKey(String),
    /// There is no such key; as far as it was looked for.
    #[error("{0} not found")]
    NoKey(String),
    /// Something on the way is not an object.
    #[error("{0} key is not a map")]
    NotAMap(String),
    /// A value of another type than Kubo's, in the words of its decoder.
    #[error("failure to decode config: json: cannot unmarshal {has} into Go struct field {field} of type {kind}")]
    GoType {
        /// What stands there.
        has: &'static str,
        /// Name of the section, then the dotted key.
        field: String,
        /// What Kubo reads there.
        kind: String,
    },
    /// A value that one of Kubo's own types does not take.
    #[error("failure to decode config: failed to unmarshal {value:?} into {kind}")]
    Unfit {
        /// What stands there, as JSON.
        value: String,
        /// The dotted key.
        key: String,
        /// What is read there.
        kind: &'static str,
    },
    /// The value has another type.
    #[error("{key} must be {wants}, but is {has}")]
    WrongType {
        /// The dotted key.
        key: String,
        /// What is expected.
        wants: &'static str,
        /// What stands there.
        has: String,
    },
    /// `Datastore.Spec` was changed after the repository was made.
    #[error(
        "config Datastore.Spec {wanted} does not match the repo's datastore_spec file {there}; the layout is fixed when the \
         repo is created"
    )]
    OtherLayout {
        /// What the configuration says, as JSON.
        wanted: String,
        /// What lies on disk, as JSON.
        there: String,
    },
    /// No profile of that name.
    #[error("invalid configuration profile: {name}")]
    UnknownProfile {
        /// The name.
        name: String,
        /// Names that exist.
        known: String,
    },
    /// The private key is malformed or does not fit the peer id.
    #[error("identity in the configuration is not usable: {0}")]
    Identity(String),
}

/// The default document; `Identity` is empty.
pub fn default_document() -> Value {
    serde_json::from_str(DEFAULT).expect("default.json is part of the program and is JSON")
}

/// Reads a document; it must be a JSON object.
pub fn parse(text: &str) -> Result<Value, ConfigError> {
    let value: Value = serde_json::from_str(text).map_err(|error| ConfigError::Json(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(ConfigError::Json("not a JSON object".into())) }
}

/// The document without private key and credentials, keys in order as Kubo shows them.
pub fn without_secrets(document: &Value) -> Value {
    let mut shown = document::without_secrets(document);
    shown.sort_all_objects();
    shown
}

/// Writes a document as Kubo does: two spaces, no newline at the end.
pub fn render(document: &Value) -> String {
    serde_json::to_string_pretty(document).expect("a JSON value always renders")
}

/// Checks the values this node reads, so that a bad one is refused when it is set and not at the next start.
pub(crate) fn check(document: &Value) -> Result<(), ConfigError> {
    schema::check_types(document)?;
    let view = View(document);
    view.storage_max()?;
    view.number("Datastore.StorageGCWatermark", 90)?;
    crate::upkeep::pace(document)?;
    crate::scrub::rate(document)?;
    crate::scrub::delay(document)?;
    for key in
        ["Addresses.Swarm", "Addresses.Announce", "Addresses.AppendAnnounce", "Addresses.NoAnnounce", "Bootstrap"]
    {
        view.list(key)?;
    }
    for key in ["Addresses.API", "Addresses.Gateway"] {
        view.list(key)?;
    }
    for key in ["Discovery.MDNS.Enabled", "Gateway.NoFetch", "Provide.Enabled", "Swarm.DisableNatPortMap"] {
        view.flag(key, true)?;
    }
    for key in ["Swarm.ConnMgr.LowWater", "Swarm.ConnMgr.HighWater"] {
        view.number(key, 0)?;
    }
    view.duration("Swarm.ConnMgr.GracePeriod", std::time::Duration::ZERO)?;
    view.text("Routing.Type", "auto")?;
    import::mfs_options(document)?;
    stores::StoreSettings::read(document, std::path::Path::new(""))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever somebody writes into the file: it is refused with a sentence, or read and written back.
    #[test]
    fn broken_files_are_refused() {
        let fuzz = merkury_testkit::fuzz::Fuzz::new("config", env!("CARGO_MANIFEST_DIR"));
        fuzz.seed(DEFAULT)
            .tokens(&[b"\"auto\"", b"null", b"\"10GB\"", b"[]", b"{}", b"-1", b"1e400", b"\"", b"true", b"\"size-\""])
            .limits(1500, 16 << 10)
            .run(|bytes| {
                let text = String::from_utf8_lossy(bytes);
                let Ok(document) = parse(&text) else { return "not JSON".to_owned() };
                let rendered = render(&document);
                assert_eq!(parse(&rendered).as_ref(), Ok(&document), "what is written back is the same");
                check(&document).map_or_else(|error| error.to_string(), |()| "ok".to_owned())
            });
    }
}
