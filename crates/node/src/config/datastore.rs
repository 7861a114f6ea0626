//! `Datastore.Spec`: which part of it says what lies on disk. Our store has one layout; the section is kept as a Kubo on
//! the same repository would need it, and that part of it must not change after `init`.

use serde_json::{Map, Value};

use super::{ConfigError, document};

/// Deepest nesting: Kubo writes three levels.
const DEPTH_MAX: usize = 16;
/// What of a store decides where and how it keeps its data.
const FIXED: &[&str] = &["type", "path", "shardFunc", "mountpoint"];

/// The part that is fixed when a repository is made.
pub(crate) fn on_disk(document: &Value) -> Value {
    document::get(document, "Datastore.Spec").map_or(Value::Null, |spec| fixed(spec, DEPTH_MAX))
}

/// The directories it names inside the repository.
pub(crate) fn places(document: &Value) -> Vec<String> {
    let spec = on_disk(document);
    let mounts = spec.get("mounts").and_then(Value::as_array).map_or(std::slice::from_ref(&spec), Vec::as_slice);
    let names = mounts.iter().filter_map(|mount| mount.get("path").and_then(Value::as_str));
    names
        .filter(|name| !name.is_empty() && !name.contains(['/', '\\']) && *name != "." && *name != "..")
        .map(str::to_owned)
        .collect()
}

/// Refuses a configuration whose `Datastore.Spec` is another than `datastore_spec` says: a Kubo would not start on it,
/// and where its blocks are read in place they would be looked for in the wrong place.
pub(crate) fn check(document: &Value, on_disk_text: &str) -> Result<(), ConfigError> {
    let Ok(there) = serde_json::from_str::<Value>(on_disk_text) else { return Ok(()) };
    let (wanted, there) = (on_disk(document), fixed(&there, DEPTH_MAX));
    if wanted.is_null() || wanted == there {
        return Ok(());
    }
    Err(ConfigError::OtherLayout { wanted: wanted.to_string(), there: there.to_string() })
}

fn fixed(spec: &Value, depth: usize) -> Value {
    let Value::Object(map) = spec else { return spec.clone() };
    if depth == 0 {
        return spec.clone();
    }
    // Counting changes nothing on disk.
    let wraps = matches!(map.get("type").and_then(Value::as_str), Some("measure" | "log"));
    if let Some(child) = map.get("child").filter(|_| wraps) {
        let mut inner = fixed(child, depth - 1);
        if let (Value::Object(inner), Some(place)) = (&mut inner, map.get("mountpoint")) {
            inner.insert("mountpoint".into(), place.clone());
        }
        return inner;
    }
    let mut kept: Map<String, Value> = map
        .iter()
        .filter(|(key, _)| FIXED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if let Some(Value::Array(mounts)) = map.get("mounts") {
        let mut mounts: Vec<Value> = mounts.iter().map(|mount| fixed(mount, depth - 1)).collect();
        // As Kubo writes them: the longest place first, whatever the order in the configuration.
        let place = |mount: &Value| mount.get("mountpoint").and_then(Value::as_str).unwrap_or_default().to_owned();
        mounts.sort_by_key(|mount| std::cmp::Reverse(place(mount)));
        kept.insert("mounts".into(), Value::Array(mounts));
    }
    let mut kept = Value::Object(kept);
    kept.sort_all_objects();
    kept
}

#[cfg(test)]
mod tests {
    use super::super::{default_document, profiles};
    use super::{check, on_disk, places};

    #[test]
    fn the_default_is_what_kubo_writes() {
        let document = default_document();
        assert_eq!(places(&document), ["blocks", "datastore"]);
        assert_eq!(
            on_disk(&document).to_string(),
            r#"{"mounts":[{"mountpoint":"/blocks","path":"blocks","shardFunc":"/repo/flatfs/shard/v1/next-to-last/2","type":"flatfs"},{"mountpoint":"/","path":"datastore","type":"levelds"}],"type":"mount"}"#
        );
    }

    #[test]
    fn another_layout_than_that_on_disk_is_refused() {
        let text = on_disk(&default_document()).to_string();
        let mut document = default_document();
        assert_eq!(check(&document, &text), Ok(()));
        assert_eq!(check(&document, ""), Ok(()));
        profiles::apply(&mut document, "flatfs-measure").expect("a known profile");
        assert_eq!(check(&document, &text), Ok(()));
        profiles::apply(&mut document, "pebbleds").expect("a known profile");
        assert!(check(&document, &text).is_err());
    }

    #[test]
    fn counting_is_no_change_and_another_store_is_one() {
        let before = default_document();
        for (profile, same) in
            [("flatfs-levelds-measure", true), ("flatfs", true), ("pebbleds", false), ("server", true)]
        {
            let mut after = default_document();
            profiles::apply(&mut after, profile).expect("a known profile");
            assert_eq!(on_disk(&before) == on_disk(&after), same, "{profile}");
        }
    }
}
