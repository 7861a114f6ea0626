//! Parts of segments on the local disk: aligned chunks, the least recently used go first.
//!
//! A chunk file that is torn or rotten is found by the hash of the block that is read from it, and removed. Nothing is
//! flushed: a cache that is lost is fetched again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::PoolError;

/// Length of a chunk: a request for it costs little more than one for a block, and neighbours are often read next.
pub(super) const CHUNK_BYTES: u64 = 1 << 20;

/// A chunk: the segment and which of its chunks.
pub(super) type Key = (String, u64);

/// The chunks on disk.
pub(super) struct Chunks {
    dir: PathBuf,
    bytes_max: u64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    chunks: HashMap<Key, (u64, u64)>,
    /// From the last use to the chunk, the oldest first.
    order: BTreeMap<u64, Key>,
    bytes: u64,
    clock: u64,
}

impl Chunks {
    /// The chunks in `dir`, which is made.
    pub(super) fn open(dir: &Path, bytes_max: u64) -> Result<Self, PoolError> {
        std::fs::create_dir_all(dir).map_err(|e| PoolError::io("create", dir, e))?;
        let mut known = Known::default();
        for entry in std::fs::read_dir(dir).map_err(|e| PoolError::io("list", dir, e))? {
            let entry = entry.map_err(|e| PoolError::io("list", dir, e))?;
            let key = entry.file_name().to_str().and_then(parse_name);
            match (key, entry.metadata()) {
                (Some(key), Ok(metadata)) => known.insert(key, metadata.len()),
                // Left over from a process that was killed while it wrote.
                _ => drop(std::fs::remove_file(entry.path())),
            }
        }
        let made = Self { dir: dir.to_owned(), bytes_max, known: Mutex::new(known) };
        made.shrink();
        Ok(made)
    }

    /// The bytes of a chunk, if they are here.
    pub(super) fn get(&self, key: &Key) -> Option<Bytes> {
        self.known.lock().touch(key)?;
        std::fs::read(self.path(key)).ok().map(Bytes::from)
    }

    /// Keeps a chunk. A full disk only means that it is fetched again.
    pub(super) fn put(&self, key: &Key, bytes: &Bytes) {
        let path = self.path(key);
        let aside = path.with_extension(format!("{:x}.new", std::process::id()));
        if std::fs::write(&aside, bytes).and_then(|()| std::fs::rename(&aside, &path)).is_err() {
            let _ = std::fs::remove_file(&aside);
            return;
        }
        self.known.lock().insert(key.clone(), bytes.len() as u64);
        self.shrink();
    }

    /// Forgets a chunk that holds wrong bytes.
    pub(super) fn remove(&self, key: &Key) {
        self.known.lock().remove(key);
        let _ = std::fs::remove_file(self.path(key));
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.known.lock().bytes
    }

    fn shrink(&self) {
        loop {
            let oldest = {
                let mut known = self.known.lock();
                if known.bytes <= self.bytes_max {
                    return;
                }
                let Some(oldest) = known.order.first_key_value().map(|(_, key)| key.clone()) else { return };
                known.remove(&oldest);
                oldest
            };
            let _ = std::fs::remove_file(self.path(&oldest));
        }
    }

    fn path(&self, (id, number): &Key) -> PathBuf {
        self.dir.join(format!("{id}-{number}"))
    }
}

fn parse_name(name: &str) -> Option<Key> {
    let (id, number) = name.split_once('-')?;
    (id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(())?;
    Some((id.to_owned(), number.parse().ok()?))
}

impl Known {
    fn touch(&mut self, key: &Key) -> Option<()> {
        self.clock += 1;
        let (_, used) = self.chunks.get_mut(key)?;
        if let Some(key) = self.order.remove(used) {
            self.order.insert(self.clock, key);
        }
        *used = self.clock;
        Some(())
    }

    fn insert(&mut self, key: Key, bytes: u64) {
        self.remove(&key);
        self.clock += 1;
        self.bytes += bytes;
        self.order.insert(self.clock, key.clone());
        self.chunks.insert(key, (bytes, self.clock));
    }

    fn remove(&mut self, key: &Key) {
        if let Some((bytes, used)) = self.chunks.remove(key) {
            self.order.remove(&used);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_a_restart_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let key = |n| ("a".repeat(64), n);
        let chunks = Chunks::open(dir.path(), 300).unwrap();
        for n in 0..3 {
            chunks.put(&key(n), &Bytes::from(vec![n as u8; 100]));
        }
        assert!(chunks.get(&key(0)).is_some());
        chunks.put(&key(3), &Bytes::from(vec![3; 100]));
        assert!(chunks.get(&key(1)).is_none(), "the least recently used one went");
        assert_eq!(chunks.bytes(), 300);
        std::fs::write(dir.path().join("rest.new"), "half").unwrap();
        let chunks = Chunks::open(dir.path(), 200).unwrap();
        assert_eq!(chunks.bytes(), 200);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        let left: Vec<u64> = (0..4).filter(|n| chunks.get(&key(*n)).is_some()).collect();
        assert_eq!(left.len(), 2);
        chunks.remove(&key(left[0]));
        assert!(chunks.get(&key(left[0])).is_none());
    }
}
