//! Throwing history out of the log without stopping: the tables are copied into a new file, a little with each change.
//!
//! While it is written, each change goes to both logs. An entry copied before it changed is followed by its change; one that
//! changed first is copied as it is then. So the new file always ends as the tables are, and takes the old one's name when the
//! copy has reached the last entry. A crash leaves the old log, and beside it a file that the next rewriting replaces.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

use super::{AllTables, Change, log};
use crate::StoreError;
use crate::disk::{Disk, DiskFile, Open};

/// Written before a flush: so much at once is what the last flush may have to wait for.
const UNSYNCED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Entries are copied in batches of about this size: what one damaged place can cost.
const BATCH_BYTES: usize = 16 * 1024;
/// Most copies of damaged logs kept.
const COPIES_MAX: u32 = 100;
/// Bytes copied at a time.
const COPY_BYTES: usize = 64 * 1024;

/// A log being written beside the one in use.
pub(super) struct Rewrite {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    end: u64,
    unsynced: u64,
    next_number: u64,
    /// The last entry copied: its table and key.
    last: Option<(String, Vec<u8>)>,
}

impl Rewrite {
    /// Begins a new log for the one at `path`.
    pub(super) fn begin(disk: &Arc<dyn Disk>, path: &Path) -> Result<Self, StoreError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let aside = aside(path);
        disk.create_dir_all(dir).map_err(|e| StoreError::io("create", dir, e))?;
        match disk.remove(&aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &aside, error));
            }
            _ => {}
        }
        let file = disk.open(&aside, Open::Create).map_err(|e| StoreError::io("create", &aside, e))?;
        let (disk, path) = (disk.clone(), path.to_owned());
        let mut rewrite = Self { disk, path, file, end: 0, unsynced: 0, next_number: 1, last: None };
        rewrite.write(&log::header())?;
        Ok(rewrite)
    }

    /// Follows a change of the tables.
    pub(super) fn append(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let batch = log::encode_batch(self.next_number, changes)?;
        self.next_number += 1;
        self.write(&batch)
    }

    /// Copies about `bytes` bytes more; true when everything is copied.
    pub(super) fn step(&mut self, tables: &RwLock<AllTables>, bytes: u64) -> Result<bool, StoreError> {
        let until = self.end + bytes;
        while self.end < until {
            let mut batch = log::empty_batch();
            let before = batch.len();
            let last = encode_entries(&tables.read(), self.last.as_ref(), &mut batch)?;
            if batch.len() == before {
                return Ok(true);
            }
            self.last = last;
            let batch = log::finish_batch(self.next_number, batch)?;
            self.next_number += 1;
            self.write(&batch)?;
        }
        Ok(false)
    }

    /// Flushes the new log and gives it the old one's name. That the name is durable is for the caller to see to; an empty
    /// batch at the end, or nothing but the header, says that nobody has yet.
    pub(super) fn put_in_place(&mut self) -> Result<(), StoreError> {
        if self.next_number > 1 {
            self.append(&[])?;
        }
        let aside = aside(&self.path);
        self.file.sync().map_err(|e| StoreError::io("flush", &aside, e))?;
        self.disk.rename(&aside, &self.path).map_err(|e| StoreError::io("rename", &aside, e))
    }

    /// The file, its length and the number of the next batch.
    pub(super) fn as_log(&self) -> (Option<Arc<dyn DiskFile>>, u64, u64) {
        (Some(self.file.clone()), self.end, self.next_number)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_at(bytes, self.end).map_err(|e| StoreError::io("write to", &aside(&self.path), e))?;
        self.end += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            self.file.sync().map_err(|e| StoreError::io("flush", &aside(&self.path), e))?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

/// Adds entries after `last` to a batch until it is long enough; returns the last one added.
fn encode_entries(
    tables: &AllTables,
    last: Option<&(String, Vec<u8>)>,
    batch: &mut Vec<u8>,
) -> Result<Option<(String, Vec<u8>)>, StoreError> {
    let from = last.map_or("", |(table, _)| table.as_str());
    for (name, table) in tables.range::<str, _>((std::ops::Bound::Included(from), Unbounded)) {
        let after = last.filter(|(of, _)| of == name).map_or(Unbounded, |(_, key)| Excluded(key.as_slice()));
        for (key, value) in BTreeMap::range::<[u8], _>(table, (after, Unbounded)) {
            log::encode_change(batch, name, key, Some(value))?;
            if batch.len() >= BATCH_BYTES {
                return Ok(Some((name.clone(), key.to_vec())));
            }
        }
    }
    // All copied. What is asked for next comes after everything there is now.
    Ok(tables.iter().rev().find_map(|(name, table)| Some((name.clone(), table.last_key_value()?.0.to_vec()))))
}

/// Copies a damaged log to a name of its own before it is replaced; what cannot be read becomes zeros.
pub(super) fn keep_copy(disk: &Arc<dyn Disk>, path: &Path) -> Result<(), StoreError> {
    let old = match disk.open(path, Open::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|e| StoreError::io("open", path, e))?,
    };
    let names = (1..=COPIES_MAX).map(|n| path.with_extension(format!("log.damaged-{n}")));
    for copy in names {
        let fail = |what| {
            let copy = copy.clone();
            move |error| StoreError::io(what, &copy, error)
        };
        let file = match disk.open(&copy, Open::Create) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            other => other.map_err(fail("create"))?,
        };
        let len = old.len().map_err(|e| StoreError::io("read", path, e))?;
        for at in (0..len).step_by(COPY_BYTES) {
            let bytes = read_or_zeros(&*old, at, COPY_BYTES.min((len - at) as usize));
            file.write_at(&bytes, at).map_err(fail("write to"))?;
        }
        file.sync().map_err(fail("flush"))?;
        tracing::error!(copy = %copy.display(), "the damaged metadata log is kept aside");
        return Ok(());
    }
    tracing::error!("there are {COPIES_MAX} damaged metadata logs already: this one is not kept");
    Ok(())
}

/// A piece of a file; zeros for what the disk does not give back.
pub(super) fn read_or_zeros(file: &dyn DiskFile, at: u64, len: usize) -> Vec<u8> {
    file.read_exact_at(len, at).unwrap_or_else(|_| vec![0; len])
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("log.new")
}
