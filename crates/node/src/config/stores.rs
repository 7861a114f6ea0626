//! `Merkury.Store`: what is written to beside the repository's own store, and what is read below it.
//!
//! Kubo passes over sections that it does not know, so this one may stand in a configuration that both read.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ConfigError, View, document};

/// The keys, as they stand in the file.
const KUBO_IN_PLACE: &str = "Merkury.Store.KuboInPlace";
const READ_CACHE: &str = "Merkury.Store.ReadCache";
const MIRRORS: &str = "Merkury.Store.Mirrors";
const LAYERS: &str = "Merkury.Store.Layers";

/// A store that is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Another Kubo repository; Kubo may run on it meanwhile.
    Kubo(PathBuf),
    /// Another repository of ours, which must not be in use.
    Merkury(PathBuf),
}

/// The section, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoreSettings {
    /// Read Kubo's own blocks, pins and MFS root when they are in the repository.
    pub(crate) kubo_in_place: bool,
    /// Bytes of memory for blocks read from layers.
    pub(crate) read_cache_bytes: usize,
    /// Directories with copies of the store.
    pub(crate) mirrors: Vec<PathBuf>,
    /// Stores that are only read, the first is asked first.
    pub(crate) layers: Vec<Layer>,
}

impl StoreSettings {
    /// Reads the section; paths are relative to the repository.
    pub(crate) fn read(config: &Value, repo: &Path) -> Result<Self, ConfigError> {
        let view = View(config);
        let layers = match document::get(config, LAYERS) {
            Err(_) | Ok(Value::Null) => Vec::new(),
            Ok(Value::Array(layers)) => layers.iter().map(|layer| read_layer(layer, repo)).collect::<Result<_, _>>()?,
            Ok(other) => return Err(wrong("a list of objects with Type and Path", other)),
        };
        Ok(Self {
            kubo_in_place: view.flag(KUBO_IN_PLACE, true)?,
            read_cache_bytes: usize::try_from(view.size(READ_CACHE, 0)?).unwrap_or(usize::MAX),
            mirrors: view.list(MIRRORS)?.into_iter().map(|path| repo.join(path)).collect(),
            layers,
        })
    }
}

fn read_layer(layer: &Value, repo: &Path) -> Result<Layer, ConfigError> {
    let text = |key: &str| layer.get(key).and_then(Value::as_str);
    match (text("Type"), text("Path")) {
        (Some("kubo"), Some(path)) => Ok(Layer::Kubo(repo.join(path))),
        (Some("merkury"), Some(path)) => Ok(Layer::Merkury(repo.join(path))),
        _ => Err(wrong(r#"objects like {"Type": "kubo" or "merkury", "Path": "/a/repository"}"#, layer)),
    }
}

fn wrong(wants: &'static str, has: &Value) -> ConfigError {
    ConfigError::WrongType { key: LAYERS.to_owned(), wants, has: has.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_section_is_read_and_checked() {
        let defaults = StoreSettings::read(&json!({}), Path::new("/r")).unwrap();
        assert_eq!(defaults, StoreSettings { kubo_in_place: true, ..StoreSettings::default() });
        let config = json!({"Merkury": {"Store": {
            "KuboInPlace": false,
            "ReadCache": "64MiB",
            "Mirrors": ["/disk2/copy", "copy"],
            "Layers": [{"Type": "kubo", "Path": "/home/me/.ipfs"}, {"Type": "merkury", "Path": "../old"}],
        }}});
        let read = StoreSettings::read(&config, Path::new("/r")).unwrap();
        assert!(!read.kubo_in_place);
        assert_eq!(read.read_cache_bytes, 64 << 20);
        assert_eq!(read.mirrors, [PathBuf::from("/disk2/copy"), PathBuf::from("/r/copy")]);
        assert_eq!(read.layers, [Layer::Kubo("/home/me/.ipfs".into()), Layer::Merkury("/r/../old".into())]);
        for wrong in [json!([{"Type": "tape", "Path": "/x"}]), json!([{"Type": "kubo"}]), json!("kubo")] {
            let config = json!({"Merkury": {"Store": {"Layers": wrong}}});
            assert!(StoreSettings::read(&config, Path::new("/r")).is_err());
        }
    }
}
