//! Configuration profiles: named sets of values, as data in `profiles.json`.

use serde_json::Value;

use super::{ConfigError, document};

/// Profile name → dotted key → value, as Kubo 0.43.1 sets them.
const TABLE: &str = include_str!("profiles.json");
/// The one profile whose values are drawn: a free swarm port.
const RANDOM_PORTS: &str = "randomports";
/// Range of the drawn port, above the registered and below the ephemeral ones.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Names of all profiles.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = table().into_iter().map(|(name, _)| name).collect();
    names.push(RANDOM_PORTS.to_owned());
    names.sort();
    names
}

/// Applies a profile to a document.
pub(crate) fn apply(document: &mut Value, name: &str) -> Result<(), ConfigError> {
    if name == RANDOM_PORTS {
        return random_ports(document);
    }
    let (_, values) = table()
        .into_iter()
        .find(|(profile, _)| profile == name)
        .ok_or_else(|| ConfigError::UnknownProfile { name: name.to_owned(), known: names().join(", ") })?;
    let Value::Object(values) = values else { return Ok(()) };
    values.into_iter().try_for_each(|(key, value)| document::set(document, &key, value))
}

fn table() -> serde_json::Map<String, Value> {
    match serde_json::from_str(TABLE) {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    }
}

fn random_ports(document: &mut Value) -> Result<(), ConfigError> {
    let seed = std::collections::hash_map::RandomState::new();
    let draw = std::hash::BuildHasher::hash_one(&seed, std::process::id());
    let port = PORTS.start + (draw % u64::from(PORTS.end - PORTS.start)) as u16;
    let addresses = serde_json::json!([format!("/ip4/0.0.0.0/tcp/{port}"), format!("/ip6/::/tcp/{port}")]);
    document::set(document, "Addresses.Swarm", addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_applies_to_the_defaults() {
        assert!(names().len() >= 20, "{:?}", names());
        for name in names() {
            let mut document = super::super::default_document();
            apply(&mut document, &name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        let mut document = super::super::default_document();
        assert!(matches!(apply(&mut document, "zzz"), Err(ConfigError::UnknownProfile { .. })));
    }

    #[test]
    fn test_profile_stays_on_loopback() {
        let mut document = super::super::default_document();
        apply(&mut document, "test").expect("test profile");
        assert_eq!(
            document::get(&document, "Addresses.Swarm").expect("key"),
            &serde_json::json!(["/ip4/127.0.0.1/tcp/0"])
        );
        assert_eq!(document::get(&document, "Bootstrap").expect("key"), &serde_json::json!([]));
    }
}
