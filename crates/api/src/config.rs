//! The configuration file: Kubo's JSON, unknown keys kept.

use serde_json::Value;

use crate::Answer;

/// The configuration before and after a change, without secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigChange {
    /// As it was.
    pub old: Value,
    /// As it is, or would be.
    pub new: Value,
}

/// The configuration.
pub trait Config: Send + Sync {
    /// The value of a dotted key; `NotFound` in Kubo's words.
    fn get<'a>(&'a self, key: &'a str) -> Answer<'a, Value>;

    /// Sets a dotted key; the whole must stay a valid configuration. Durable when it answers.
    fn set<'a>(&'a self, key: &'a str, value: Value) -> Answer<'a, Value>;

    /// The whole file without secrets (private key, service keys).
    fn show(&self) -> Answer<'_, Value>;

    /// Replaces the file; the identity stays.
    fn replace(&self, config: Value) -> Answer<'_, ()>;

    /// Applies a profile by name. The file as it was is kept beside it; with `dry_run` nothing is written.
    fn apply_profile<'a>(&'a self, name: &'a str, dry_run: bool) -> Answer<'a, ConfigChange>;
}
