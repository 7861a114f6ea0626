//! A Kubo repository, opened in place and never changed.
//!
//! What Kubo keeps where: `config`, `keystore/`, `version`, `datastore_spec` (which datastores, and where), `blocks/` (see
//! [`FlatFs`]) and `datastore/` (LevelDB) with everything small: pins, the root of the mutable file system, IPNS records.
//! Repositories made with the pebble or badger profiles keep the same in databases that are not read here: those are asked
//! through a running Kubo (see [`Layout`]).

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE32_NOPAD;
use merkury_core::Cid;
use serde_json::Value;

use crate::KuboError;
use crate::files::read_bounded;
use crate::flatfs::FlatFs;
use crate::leveldb::Snapshot;

/// Largest `config` and `datastore_spec` that are read.
const CONFIG_BYTES_MAX: u64 = 16 << 20;
const MFS_ROOT: &[u8] = b"/local/filesroot";
const IPNS: &[u8] = b"/ipns/";

/// How a repository keeps its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As Kubo does by default: blocks as files in one directory, everything else in LevelDB in another.
    FlatFs {
        /// Directory of the blocks.
        blocks: PathBuf,
        /// Directory of the rest.
        datastore: PathBuf,
    },
    /// In a database that only a running Kubo can read: `pebbleds`, `badgerds`, …
    Other {
        /// Its name in the specification.
        kind: String,
    },
}

/// A repository directory. Making this value touches nothing; each method reads what it needs.
#[derive(Clone, Debug)]
pub struct KuboRepo {
    path: PathBuf,
}

impl KuboRepo {
    /// The repository at `path`, there or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there are Kubo's own datastores: a repository of ours has Kubo's `config`, and none of these.
    pub fn has_datastore(&self) -> Result<bool, KuboError> {
        match self.layout()? {
            Layout::FlatFs { blocks, datastore } => {
                Ok(blocks.join("SHARDING").is_file() && datastore.join("CURRENT").is_file())
            }
            Layout::Other { .. } => Ok(true),
        }
    }

    /// How it keeps its blocks, by its `datastore_spec`.
    pub fn layout(&self) -> Result<Layout, KuboError> {
        let path = self.path.join("datastore_spec");
        let text = read_bounded(&path, CONFIG_BYTES_MAX).map_err(|e| KuboError::io(&path, e))?;
        let spec: Value = serde_json::from_slice(&text)
            .map_err(|e| KuboError::Layout { path: path.clone(), why: format!("it is not JSON: {e}") })?;
        Ok(self.layout_of(&spec))
    }

    fn layout_of(&self, spec: &Value) -> Layout {
        let mounts = spec.get("mounts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let (mut blocks, mut datastore, mut other) = (None, None, None);
        for mount in mounts {
            let mount = inner(mount);
            let dir = mount.get("path").and_then(Value::as_str).map(|dir| self.path.join(dir));
            match (mount.get("type").and_then(Value::as_str).unwrap_or_default(), dir) {
                ("flatfs", Some(dir)) => blocks = Some(dir),
                ("levelds", Some(dir)) => datastore = Some(dir),
                (kind, _) => other = Some(kind.to_owned()),
            }
        }
        match (blocks, datastore) {
            (Some(blocks), Some(datastore)) => Layout::FlatFs { blocks, datastore },
            _ => {
                let single = inner(spec).get("type").and_then(Value::as_str).unwrap_or("an unknown database");
                Layout::Other { kind: other.unwrap_or_else(|| single.to_owned()) }
            }
        }
    }

    /// The directory of the blocks. An error names the database when it is one that is not read here.
    pub fn blocks(&self) -> Result<FlatFs, KuboError> {
        match self.layout()? {
            Layout::FlatFs { blocks, .. } => FlatFs::open(&blocks),
            Layout::Other { kind } => Err(KuboError::Unread { path: self.path.clone(), kind }),
        }
    }

    /// The small things, as they are now. Read again when Kubo was at work meanwhile.
    pub fn datastore(&self) -> Result<Snapshot, KuboError> {
        match self.layout()? {
            Layout::FlatFs { datastore, .. } => Ok(Snapshot::open(&datastore)?),
            Layout::Other { kind } => Err(KuboError::Unread { path: self.path.clone(), kind }),
        }
    }

    /// The configuration, secrets included.
    pub fn config(&self) -> Result<Value, KuboError> {
        let path = self.path.join("config");
        let text = read_bounded(&path, CONFIG_BYTES_MAX).map_err(|e| KuboError::io(&path, e))?;
        serde_json::from_slice(&text).map_err(|e| KuboError::Layout { path, why: format!("it is not JSON: {e}") })
    }

    /// The directory of its keys, whose files are as ours.
    pub fn keystore(&self) -> PathBuf {
        self.path.join("keystore")
    }

    /// Whether a process holds the repository's lock, as a running Kubo does. Takes no lock.
    pub fn is_in_use(&self) -> io::Result<bool> {
        let path = self.path.join("repo.lock");
        let inode = match std::fs::metadata(&path) {
            Ok(metadata) => std::os::unix::fs::MetadataExt::ino(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let locks = std::fs::read_to_string("/proc/locks")?;
        Ok(locks.lines().any(|line| {
            let place = line.split_whitespace().nth(5).and_then(|place| place.rsplit(':').next());
            place.and_then(|place| place.parse::<u64>().ok()) == Some(inode)
        }))
    }
}

/// The root of the mutable file system; `None` when it was never used.
pub fn mfs_root(snapshot: &Snapshot) -> Result<Option<Cid>, KuboError> {
    let Some(value) = snapshot.get(MFS_ROOT)? else { return Ok(None) };
    let cid = Cid::from_bytes(&value)
        .map_err(|error| KuboError::Value { key: "/local/filesroot".into(), why: error.to_string() })?;
    Ok(Some(cid))
}

/// The IPNS records of this node's keys, as they are: the bytes of the peer id, and the signed record.
pub fn ipns_records(snapshot: &Snapshot) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), KuboError>> + '_ {
    snapshot.scan_prefix(IPNS).map(|entry| {
        let (key, value) = entry?;
        let name = key.get(IPNS.len()..).unwrap_or_default();
        let peer = BASE32_NOPAD.decode(name).map_err(|error| KuboError::Value {
            key: String::from_utf8_lossy(&key).into_owned(),
            why: error.to_string(),
        })?;
        Ok((peer, value))
    })
}

/// The datastore inside of one that only measures.
fn inner(spec: &Value) -> &Value {
    let mut spec = spec;
    while spec.get("type").and_then(Value::as_str) == Some("measure") {
        match spec.get("child") {
            Some(child) => spec = child,
            None => break,
        }
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(spec: &str) -> Layout {
        KuboRepo::at("/r").layout_of(&serde_json::from_str(spec).unwrap())
    }

    #[test]
    fn layouts_of_kubos_profiles() {
        let flatfs = r#"{"mounts":[{"mountpoint":"/blocks","path":"blocks","shardFunc":"x","type":"flatfs"},
                         {"mountpoint":"/","path":"datastore","type":"levelds"}],"type":"mount"}"#;
        assert_eq!(layout(flatfs), Layout::FlatFs { blocks: "/r/blocks".into(), datastore: "/r/datastore".into() });
        let measured = r#"{"mounts":[{"mountpoint":"/blocks","type":"measure","child":{"path":"b","type":"flatfs"}},
                           {"mountpoint":"/","type":"measure","child":{"path":"d","type":"levelds"}}],"type":"mount"}"#;
        assert_eq!(layout(measured), Layout::FlatFs { blocks: "/r/b".into(), datastore: "/r/d".into() });
        assert_eq!(layout(r#"{"path":"pebbleds","type":"pebbleds"}"#), Layout::Other { kind: "pebbleds".into() });
        assert_eq!(layout(r#"{"path":"badgerds","type":"badgerds"}"#), Layout::Other { kind: "badgerds".into() });
        assert_eq!(layout("7"), Layout::Other { kind: "an unknown database".into() });
    }
}
