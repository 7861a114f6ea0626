//! The configuration as a JSON document: dotted keys, unknown keys kept, secrets hidden.

use serde_json::{Map, Value};

use super::ConfigError;

/// Deepest nesting of a dotted key; Kubo's configuration has six levels.
const KEY_DEPTH_MAX: usize = 32;
/// Keys that `config show` leaves out, as dotted patterns; `*` is any one name.
const SECRETS: &[&str] = &["Identity.PrivKey", "API.Authorizations.*", "Pinning.RemoteServices.*.API.Key"];

/// The value of a dotted key.
pub(crate) fn get<'a>(document: &'a Value, key: &str) -> Result<&'a Value, ConfigError> {
    let mut at = document;
    let names = parts(key)?;
    for (depth, name) in names.iter().enumerate() {
        let Value::Object(map) = at else { return Err(ConfigError::NotAMap(names[..depth].join("."))) };
        at = find(map, name).map(|found| &map[found]).ok_or_else(|| ConfigError::NoKey(names[..=depth].join(".")))?;
    }
    Ok(at)
}

/// The same, to be changed.
pub(crate) fn get_mut<'a>(document: &'a mut Value, key: &str) -> Result<&'a mut Value, ConfigError> {
    get(document, key)?;
    let mut at = document;
    for name in parts(key)? {
        let Value::Object(map) = at else { return Err(ConfigError::NotAMap(key.to_owned())) };
        let name = find(map, name).unwrap_or(name).to_owned();
        at = map.get_mut(&name).ok_or_else(|| ConfigError::NoKey(key.to_owned()))?;
    }
    Ok(at)
}

/// The name as it stands in the map: exact, or with another case, as Kubo's keys are case-insensitive.
fn find<'a>(map: &'a Map<String, Value>, name: &'a str) -> Option<&'a str> {
    if map.contains_key(name) {
        return Some(name);
    }
    map.keys().find(|key| key.eq_ignore_ascii_case(name)).map(String::as_str)
}

/// Sets a dotted key, making the objects on the way.
pub(crate) fn set(document: &mut Value, key: &str, value: Value) -> Result<(), ConfigError> {
    let parts = parts(key)?;
    let (last, way) = parts.split_last().ok_or_else(|| ConfigError::BadKey(key.to_owned()))?;
    let mut at = document;
    for (depth, name) in way.iter().enumerate() {
        let map = object(at, &way[..depth])?;
        let name = find(map, name).unwrap_or(name).to_owned();
        at = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
    }
    let map = object(at, way)?;
    let name = find(map, last).unwrap_or(last).to_owned();
    map.insert(name, value);
    Ok(())
}

/// The document without secrets.
pub(crate) fn without_secrets(document: &Value) -> Value {
    let mut shown = document.clone();
    for pattern in SECRETS {
        let names: Vec<&str> = pattern.split('.').collect();
        remove(&mut shown, &names);
    }
    shown
}

/// A part of the document, found under `key`, without the secrets inside it.
pub(crate) fn without_secrets_at(part: &Value, key: &str) -> Value {
    let mut whole = Value::Object(Map::new());
    match set(&mut whole, key, part.clone()) {
        Ok(()) => {
            let shown = without_secrets(&whole);
            get(&shown, key).cloned().unwrap_or_default()
        }
        Err(_) => Value::Null,
    }
}

/// Whether a dotted key names a secret or something that holds one.
pub(crate) fn is_secret(key: &str) -> bool {
    let asked: Vec<&str> = key.split('.').collect();
    SECRETS.iter().any(|pattern| {
        let names: Vec<&str> = pattern.split('.').collect();
        asked.len() >= names.len()
            && names.iter().zip(&asked).all(|(name, part)| *name == "*" || name.eq_ignore_ascii_case(part))
    })
}

fn remove(at: &mut Value, names: &[&str]) {
    let (Value::Object(map), Some((first, rest))) = (at, names.split_first()) else { return };
    let keys: Vec<String> =
        map.keys().filter(|key| *first == "*" || key.eq_ignore_ascii_case(first)).cloned().collect();
    for key in keys {
        if rest.is_empty() {
            map.shift_remove(&key);
        } else if let Some(child) = map.get_mut(&key) {
            remove(child, rest);
        }
    }
}

fn object<'a>(at: &'a mut Value, way: &[&str]) -> Result<&'a mut Map<String, Value>, ConfigError> {
    at.as_object_mut().ok_or_else(|| ConfigError::NotAMap(way.join(".")))
}

fn parts(key: &str) -> Result<Vec<&str>, ConfigError> {
    let parts: Vec<&str> = key.split('.').collect();
    if parts.iter().any(|part| part.is_empty()) || parts.len() > KEY_DEPTH_MAX {
        return Err(ConfigError::BadKey(key.to_owned()));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dotted_keys_are_read_and_made() {
        let mut document = json!({"A": {"B": 1}});
        set(&mut document, "A.C.D", json!("x")).expect("set");
        assert_eq!(get(&document, "A.C.D").expect("get"), &json!("x"));
        assert_eq!(get(&document, "a.b").expect("case"), &json!(1));
        assert!(get(&document, "A.Z").is_err());
        assert!(set(&mut document, "A.B.C", json!(1)).is_err());
        assert!(set(&mut document, "A..C", json!(1)).is_err());
    }

    #[test]
    fn secrets_do_not_show() {
        let document = json!({
            "Identity": {"PeerID": "p", "PrivKey": "secret"},
            "API": {"Authorizations": {"user": {"AuthSecret": "bearer:secret"}}},
            "Pinning": {"RemoteServices": {"s": {"API": {"Endpoint": "e", "Key": "secret"}}}},
        });
        let shown = without_secrets(&document).to_string();
        assert!(!shown.contains("secret"));
        assert!(shown.contains("Endpoint"));
        assert!(is_secret("identity.privkey") && is_secret("Pinning.RemoteServices.s.API.Key"));
        assert!(!is_secret("Identity.PeerID"));
    }
}
