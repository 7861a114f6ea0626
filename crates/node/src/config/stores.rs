//! `Merkury.Store`: what is written to beside the repository's own store, and what is read below it.
//!
//! Kubo passes over sections that it does not know, so this one may stand in a configuration that both read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{ConfigError, View, document};

/// The keys, as they stand in the file.
const KUBO_IN_PLACE: &str = "Merkury.Store.KuboInPlace";
const READ_CACHE: &str = "Merkury.Store.ReadCache";
const MIRRORS: &str = "Merkury.Store.Mirrors";
const LAYERS: &str = "Merkury.Store.Layers";
const SEGMENT_SIZE: &str = "Merkury.Store.SegmentSize";
const SLOW_PATH: &str = "Merkury.Store.SlowPath";
const FAST_MAX: &str = "Merkury.Store.FastMax";
/// Segments are this long unless something is said.
const SEGMENT_BYTES: u64 = 256 << 20;
/// What stays on the fast disk when there is a slow one and nothing is said.
const FAST_BYTES_MAX: u64 = 10 << 30;
/// Shorter ones would be more files than blocks.
const SEGMENT_BYTES_MIN: u64 = 1 << 20;

/// What an item of `Layers` must be.
const WANTED: &str = r#"objects like {"Type": "kubo" or "merkury", "Path": "/a/repository"} or {"Type": "pool", "URL": "s3://bucket/prefix"}"#;
/// Bytes of a pool that are kept on this disk when nothing is said.
const POOL_CACHE_BYTES: u64 = 1 << 30;
/// Between two looks into a pool, when nothing is said.
const POOL_REFRESH_EVERY: Duration = Duration::from_secs(60);
/// Looking more often costs more requests than it is worth.
const POOL_REFRESH_MIN: Duration = Duration::from_secs(1);

/// A store that is only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Another Kubo repository; Kubo may run on it meanwhile.
    Kubo(PathBuf),
    /// Another repository of ours, which must not be in use.
    Merkury(PathBuf),
    /// Segments of many nodes in an object store.
    Pool(PoolSettings),
}

/// A pool in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolSettings {
    /// `s3://bucket/prefix` or `file:///directory`.
    pub(crate) url: String,
    /// An S3-compatible server other than Amazon's.
    pub(crate) endpoint: Option<String>,
    /// Its region.
    pub(crate) region: Option<String>,
    /// A file with keys, as the tools of AWS write it.
    pub(crate) credentials_file: Option<PathBuf>,
    /// Bytes of segments kept on this disk.
    pub(crate) cache_bytes: u64,
    /// How often to look for what others uploaded, and to upload.
    pub(crate) refresh_every: Duration,
    /// Upload sealed segments.
    pub(crate) upload: bool,
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
    /// A segment is left when it is this long.
    pub(crate) segment_bytes: u64,
    /// A directory on a slower disk, for the oldest segments.
    pub(crate) slow_dir: Option<PathBuf>,
    /// Bytes of sealed segments that stay on the disk of the repository.
    pub(crate) fast_bytes_max: u64,
}

impl StoreSettings {
    /// Reads the section; paths are relative to the repository.
    pub(crate) fn read(config: &Value, repo: &Path) -> Result<Self, ConfigError> {
        let view = View(config);
        let layers = match document::get(config, LAYERS) {
            Err(_) | Ok(Value::Null) => Vec::new(),
            Ok(Value::Array(layers)) => layers.iter().map(|layer| read_layer(layer, repo)).collect::<Result<_, _>>()?,
            Ok(other) => return Err(wrong(WANTED, other)),
        };
        Ok(Self {
            kubo_in_place: view.flag(KUBO_IN_PLACE, true)?,
            read_cache_bytes: usize::try_from(view.size(READ_CACHE, 0)?).unwrap_or(usize::MAX),
            mirrors: view.list(MIRRORS)?.into_iter().map(|path| repo.join(path)).collect(),
            layers,
            segment_bytes: view.size(SEGMENT_SIZE, SEGMENT_BYTES)?.max(SEGMENT_BYTES_MIN),
            slow_dir: Some(view.text(SLOW_PATH, "")?).filter(|path| !path.is_empty()).map(|path| repo.join(path)),
            fast_bytes_max: view.size(FAST_MAX, FAST_BYTES_MAX)?,
        })
    }
}

fn read_layer(layer: &Value, repo: &Path) -> Result<Layer, ConfigError> {
    let text = |key: &str| layer.get(key).and_then(Value::as_str);
    match (text("Type"), text("Path")) {
        (Some("kubo"), Some(path)) => Ok(Layer::Kubo(repo.join(path))),
        (Some("merkury"), Some(path)) => Ok(Layer::Merkury(repo.join(path))),
        (Some("pool"), None) => Ok(Layer::Pool(read_pool(layer, repo)?)),
        _ => Err(wrong(WANTED, layer)),
    }
}

fn read_pool(layer: &Value, repo: &Path) -> Result<PoolSettings, ConfigError> {
    let view = View(layer);
    let text = |key: &str| layer.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(PoolSettings {
        url: text("URL").filter(|url| !url.is_empty()).ok_or_else(|| wrong(WANTED, layer))?,
        endpoint: text("Endpoint"),
        region: text("Region"),
        credentials_file: text("CredentialsFile").map(|path| repo.join(path)),
        cache_bytes: view.size("Cache", POOL_CACHE_BYTES)?,
        refresh_every: view.duration("RefreshEvery", POOL_REFRESH_EVERY)?.max(POOL_REFRESH_MIN),
        upload: view.flag("Upload", false)?,
    })
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
        let expected = StoreSettings {
            kubo_in_place: true,
            segment_bytes: 256 << 20,
            fast_bytes_max: 10 << 30,
            ..StoreSettings::default()
        };
        assert_eq!(defaults, expected);
        let config = json!({"Merkury": {"Store": {
            "KuboInPlace": false,
            "ReadCache": "64MiB",
            "Mirrors": ["/disk2/copy", "copy"],
            "SlowPath": "/hdd/segments",
            "FastMax": "50GiB",
            "Layers": [{"Type": "kubo", "Path": "/home/me/.ipfs"}, {"Type": "merkury", "Path": "../old"}],
        }}});
        let read = StoreSettings::read(&config, Path::new("/r")).unwrap();
        assert!(!read.kubo_in_place);
        assert_eq!(read.read_cache_bytes, 64 << 20);
        assert_eq!((read.slow_dir, read.fast_bytes_max), (Some("/hdd/segments".into()), 50 << 30));
        assert_eq!(read.mirrors, [PathBuf::from("/disk2/copy"), PathBuf::from("/r/copy")]);
        assert_eq!(read.layers, [Layer::Kubo("/home/me/.ipfs".into()), Layer::Merkury("/r/../old".into())]);
        let config = json!({"Merkury": {"Store": {"Layers": [
            {"Type": "pool", "URL": "s3://b/p", "Endpoint": "http://h", "Upload": true, "CredentialsFile": "keys", "RefreshEvery": "5s"},
        ]}}});
        let read = StoreSettings::read(&config, Path::new("/r")).unwrap();
        let [Layer::Pool(pool)] = &read.layers[..] else { panic!("{read:?}") };
        assert_eq!((pool.url.as_str(), pool.upload), ("s3://b/p", true));
        assert_eq!(pool.credentials_file, Some("/r/keys".into()));
        assert_eq!(pool.refresh_every, Duration::from_secs(5));
        for wrong in [
            json!([{"Type": "pool"}]),
            json!([{"Type": "tape", "Path": "/x"}]),
            json!([{"Type": "kubo"}]),
            json!("kubo"),
        ] {
            let config = json!({"Merkury": {"Store": {"Layers": wrong}}});
            assert!(StoreSettings::read(&config, Path::new("/r")).is_err());
        }
    }
}
