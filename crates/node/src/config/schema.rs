//! Which keys the configuration has and what may stand there, as Kubo 0.43.1 has it: `schema.json`.
//!
//! An object of the schema is a section (`$` is the name Kubo's messages give it), `*` in it stands for any name, and a
//! text is a type: Go's, or one of Kubo's own with a `!` before it. Keys below `Merkury` are ours and checked where they
//! are read. A key that the schema does not know cannot be set; in a file it is kept as it is.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::ConfigError;

const TEXT: &str = include_str!("schema.json");
/// The section that only this program has.
const OWN: &str = "Merkury";

fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| serde_json::from_str(TEXT).expect("schema.json is part of the program and is JSON"))
}

/// Whether a dotted key can be set.
pub(crate) fn check_key(key: &str) -> Result<(), ConfigError> {
    let names: Vec<&str> = key.split('.').collect();
    if names.first() == Some(&OWN) {
        return Ok(());
    }
    let mut at = schema();
    for (depth, name) in names.iter().enumerate() {
        let Value::Object(section) = at else {
            // Kubo does not look into its own types.
            return if at.as_str().is_some_and(|kind| kind.starts_with('!') || kind == "interface {}") {
                Ok(())
            } else {
                Err(ConfigError::NotAMap(names[..depth].join(".")))
            };
        };
        at = section
            .get(*name)
            .filter(|_| *name != "$" && *name != "*")
            .or_else(|| section.get("*"))
            .ok_or_else(|| ConfigError::NoKey(names[..=depth].join(".")))?;
    }
    Ok(())
}

/// Whether every value of the document has its type.
pub(crate) fn check_types(document: &Value) -> Result<(), ConfigError> {
    check_section(document, schema(), &mut Vec::new(), "")
}

fn check_section<'a>(
    value: &'a Value,
    schema: &Value,
    path: &mut Vec<&'a str>,
    section: &str,
) -> Result<(), ConfigError> {
    match schema {
        Value::Object(fields) => {
            let Value::Object(map) = value else {
                let kind =
                    fields.get("$").and_then(Value::as_str).map_or("map".to_owned(), |name| format!("config.{name}"));
                return if value.is_null() { Ok(()) } else { Err(wrong(value, path, section, &kind)) };
            };
            let own = fields.get("$").and_then(Value::as_str).unwrap_or(section);
            for (name, child) in map {
                let Some(kind) = find(fields, name) else { continue };
                path.push(name);
                check_section(child, kind, path, own)?;
                path.pop();
            }
            Ok(())
        }
        Value::String(kind) => check_value(value, kind, path, section),
        _ => Ok(()),
    }
}

/// Names are read in any case, as Go does it.
fn find<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let known = fields.get(name).filter(|_| name != "$");
    known
        .or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, kind)| kind))
        .or_else(|| fields.get("*"))
}

fn check_value(value: &Value, kind: &str, path: &[&str], section: &str) -> Result<(), ConfigError> {
    let fits = match (kind, value) {
        (_, Value::Null) | ("interface {}", _) => true,
        ("string", Value::String(_)) | ("bool", Value::Bool(_)) => true,
        ("int" | "int64", number) => number.is_i64() || number.is_u64(),
        ("uint" | "uint64", number) => number.is_u64(),
        ("float64", number) => number.is_number(),
        ("[]string", Value::Array(items)) => {
            return items
                .iter()
                .find(|item| !item.is_string() && !item.is_null())
                .map_or(Ok(()), |item| Err(wrong(item, path, section, "string")));
        }
        (list, Value::Array(_)) if list.starts_with("[]") => true,
        (own, _) if own.starts_with('!') => return check_own(value, own, path),
        ("string" | "bool", _) => false,
        (list, _) if list.starts_with("[]") => false,
        _ => true,
    };
    if fits { Ok(()) } else { Err(wrong(value, path, section, kind)) }
}

/// Kubo's own types: they take `null` and `"default"` besides what they are for.
fn check_own(value: &Value, kind: &str, path: &[&str]) -> Result<(), ConfigError> {
    let is_default = value.as_str() == Some("default");
    let fits = match kind {
        "!Flag" => value.is_boolean() || is_default,
        "!OptionalInteger" => value.is_i64() || value.is_u64() || is_default,
        "!OptionalString" => value.is_string(),
        "!Strings" => value.is_string() || value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        "!OptionalDuration" | "!Duration" => {
            is_default
                || value.is_number()
                || value.as_str().is_some_and(|text| {
                    matches!(text, "" | "0") || super::settings::parse_duration(text.trim_start_matches('-')).is_some()
                })
        }
        "!OptionalBytes" => value.is_string() || value.is_u64(),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(ConfigError::Unfit { value: value.to_string(), key: path.join("."), kind: name(kind) })
    }
}

fn name(kind: &str) -> &'static str {
    match kind {
        "!Flag" => "a flag: must be null/undefined, true, or false",
        "!OptionalInteger" => "a whole number",
        "!Strings" => "a text or a list of texts",
        "!OptionalDuration" | "!Duration" => "a duration such as 1h30m",
        _ => "a text",
    }
}

fn wrong(value: &Value, path: &[&str], section: &str, kind: &str) -> ConfigError {
    let has = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    ConfigError::GoType { has, field: format!("{section}.{}", path.join(".")), kind: kind.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_those_of_kubo() {
        for good in ["Addresses.API", "Gateway.PublicGateways.any.Paths", "Merkury.RPC.Hosts", "Import", "Routing.Type"]
        {
            assert_eq!(check_key(good), Ok(()), "{good}");
        }
        assert_eq!(check_key("Foo.Bar"), Err(ConfigError::NoKey("Foo".into())));
        assert_eq!(check_key("Addresses.Foo"), Err(ConfigError::NoKey("Addresses.Foo".into())));
        assert_eq!(check_key("Addresses.$"), Err(ConfigError::NoKey("Addresses.$".into())));
    }

    #[test]
    fn the_defaults_and_every_profile_have_the_right_types() {
        let document = super::super::default_document();
        assert_eq!(check_types(&document), Ok(()));
        for profile in super::super::profiles::names() {
            let mut document = super::super::default_document();
            super::super::profiles::apply(&mut document, &profile).expect("a known profile");
            assert_eq!(check_types(&document), Ok(()), "{profile}");
        }
    }

    #[test]
    fn wrong_types_are_told_in_the_words_scripts_know() {
        for (document, message) in [
            (
                json!({"Addresses": {"Swarm": "x"}}),
                "failure to decode config: json: cannot unmarshal string into Go struct field \
                 Addresses.Addresses.Swarm of type []string",
            ),
            (
                json!({"Datastore": {"StorageGCWatermark": "x"}}),
                "failure to decode config: json: cannot unmarshal string into Go struct field \
                 Datastore.Datastore.StorageGCWatermark of type int64",
            ),
            (
                json!({"AutoNAT": 5}),
                "failure to decode config: json: cannot unmarshal number into Go struct field Config.AutoNAT of type \
                 config.AutoNATConfig",
            ),
        ] {
            let error = check_types(&document).expect_err("wrong type");
            assert_eq!(error.to_string(), message);
        }
        assert!(check_types(&json!({"Provide": {"Enabled": "maybe"}})).is_err());
        assert_eq!(check_types(&json!({"Unknown": {"Key": 5}, "Provide": {"Enabled": "default"}})), Ok(()));
    }
}
