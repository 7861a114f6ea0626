//! Small tables of names and values: pins, roots, cursors, IPNS records, known peers.
//!
//! All tables live in memory and in one log, `meta.log` ([`log`] has its format). A change is one append and one
//! `fdatasync`; opening reads the file and flushes nothing. An embedded database was measured first: redb 4.6 flushes
//! five times to open and close and seven with one commit, where a small command shall flush three times in all.
//!
//! Invariants:
//! - [`Tables::commit`] returns after its changes are durable; a batch of changes is there as a whole or not at all.
//! - After a failed flush nothing more is accepted.
//! - A damaged log is an error that names file and place, never an empty table. Only an incomplete last batch, which
//!   nobody was told about, is cut off.
//!
//! A crash may lose the batch being written. Rewriting (when most of the log is history) is write aside, flush, rename.

mod log;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::StoreError;
use crate::disk::{Disk, DiskFile, Open};

pub(crate) use log::Change;

/// The log is rewritten when it is this large and more than twice what its tables need.
const REWRITE_BYTES_MIN: u64 = 1024 * 1024;
/// Largest log we read: far over what fits the memory of any machine with so many pins.
const LOG_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

type Table = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// The tables of one store.
pub(crate) struct Tables {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    tables: RwLock<BTreeMap<String, Table>>,
    log: Mutex<LogState>,
}

struct LogState {
    /// `None` until the first change: a repository that only reads makes no file.
    file: Option<Arc<dyn DiskFile>>,
    end: u64,
    next_number: u64,
    /// What a rewritten log would take.
    live_bytes: u64,
    failed: Option<String>,
}

impl Tables {
    /// Reads the log at `path`, which need not exist. Cuts off an incomplete last batch.
    pub(crate) fn open(disk: Arc<dyn Disk>, path: PathBuf) -> Result<Self, StoreError> {
        let mut state =
            LogState { file: None, end: 0, next_number: 1, live_bytes: log::HEADER_BYTES as u64, failed: None };
        let mut tables = BTreeMap::new();
        match disk.open(&path, Open::Write) {
            Ok(file) => read_log(&path, file, &mut state, &mut tables)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("open", &path, error)),
        }
        Ok(Self { disk, path, tables: RwLock::new(tables), log: Mutex::new(state) })
    }

    /// The value of a key.
    pub(crate) fn get(&self, table: &str, key: &[u8]) -> Option<Vec<u8>> {
        Some(self.tables.read().get(table)?.get(key)?.to_vec())
    }

    /// Up to `count` entries of a table in the order of their keys, from the first one after `after`.
    pub(crate) fn page(&self, table: &str, after: Option<&[u8]>, count: usize) -> Vec<Entry> {
        use std::ops::Bound::{Excluded, Unbounded};
        let tables = self.tables.read();
        let Some(table) = tables.get(table) else { return Vec::new() };
        let from = after.map_or(Unbounded, Excluded);
        table.range::<[u8], _>((from, Unbounded)).take(count).map(|(k, v)| (k.to_vec(), v.to_vec())).collect()
    }

    /// How many entries a table has.
    pub(crate) fn count(&self, table: &str) -> usize {
        self.tables.read().get(table).map_or(0, Table::len)
    }

    /// Bytes of the log.
    pub(crate) fn bytes(&self) -> u64 {
        self.log.lock().end
    }

    /// Makes changes, all or none, and returns when they are durable.
    pub(crate) fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.commit_if(|_| Ok(changes.to_vec()))
    }

    /// Decides about changes while no other commit runs, then makes them as [`Tables::commit`] does.
    pub(crate) fn commit_if<E: From<StoreError>>(
        &self,
        decide: impl FnOnce(&Self) -> Result<Vec<Change>, E>,
    ) -> Result<(), E> {
        let mut state = self.log.lock();
        let changes = decide(self)?;
        if changes.is_empty() {
            return Ok(());
        }
        self.append(&mut state, &changes)?;
        let mut tables = self.tables.write();
        for change in changes {
            state.live_bytes = apply(&mut tables, change, state.live_bytes);
        }
        Ok(())
    }

    fn append(&self, state: &mut LogState, changes: &[Change]) -> Result<(), StoreError> {
        if let Some(why) = &state.failed {
            return Err(StoreError::Poisoned { why: why.clone() });
        }
        if state.end > REWRITE_BYTES_MIN && state.end > 2 * state.live_bytes {
            self.rewrite(state)?;
        }
        let batch = log::encode_batch(state.next_number, changes)?;
        let file = match &state.file {
            Some(file) => file.clone(),
            None => self.replace_file(state, &[])?,
        };
        if let Err(error) = file.write_at(&batch, state.end) {
            // Nobody was told about this batch; without the cut its remains would look like damage later.
            if let Err(cut) = file.set_len(state.end) {
                state.failed = Some(cut.to_string());
            }
            return Err(StoreError::io("write to", &self.path, error));
        }
        if let Err(error) = file.sync() {
            state.failed = Some(error.to_string());
            return Err(StoreError::io("flush", &self.path, error));
        }
        state.end += batch.len() as u64;
        state.next_number += 1;
        Ok(())
    }

    /// Writes the tables as one batch of a new log.
    fn rewrite(&self, state: &mut LogState) -> Result<(), StoreError> {
        let mut batch = log::empty_batch();
        for (name, table) in self.tables.read().iter() {
            for (key, value) in table {
                log::encode_change(&mut batch, name, key, Some(value))?;
            }
        }
        let batch = log::finish_batch(1, batch)?;
        self.replace_file(state, &batch)?;
        state.next_number = 2;
        Ok(())
    }

    /// Makes a log of a header and `batch`, in one step.
    fn replace_file(&self, state: &mut LogState, batch: &[u8]) -> Result<Arc<dyn DiskFile>, StoreError> {
        let dir = self.path.parent().unwrap_or(std::path::Path::new("."));
        let aside = self.path.with_extension("log.new");
        let io = |what| move |error| StoreError::io(what, &aside_path(&self.path), error);
        self.disk.create_dir_all(dir).map_err(|e| StoreError::io("create", dir, e))?;
        match self.disk.remove(&aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove")(error)),
            _ => {}
        }
        let file = self.disk.open(&aside, Open::Create).map_err(io("create"))?;
        let mut bytes = log::header().to_vec();
        bytes.extend_from_slice(batch);
        file.write_at(&bytes, 0).map_err(io("write to"))?;
        file.sync().map_err(io("flush"))?;
        self.disk.rename(&aside, &self.path).map_err(io("rename"))?;
        // From here on the new file is the log, whether or not its name is durable yet: a failure must stop us.
        if let Err(error) = self.disk.sync_dir(dir) {
            state.failed = Some(error.to_string());
            return Err(StoreError::io("flush", dir, error));
        }
        state.file = Some(file.clone());
        state.end = bytes.len() as u64;
        Ok(file)
    }
}

fn aside_path(path: &std::path::Path) -> PathBuf {
    path.with_extension("log.new")
}

fn read_log(
    path: &std::path::Path,
    file: Arc<dyn DiskFile>,
    state: &mut LogState,
    tables: &mut BTreeMap<String, Table>,
) -> Result<(), StoreError> {
    let len = file.len().map_err(|e| StoreError::io("read", path, e))?;
    if len > LOG_BYTES_MAX {
        return Err(StoreError::damaged(path, 0, format!("{len} bytes are more than a metadata log can have")));
    }
    let bytes = file.read_exact_at(len as usize, 0).map_err(|e| StoreError::io("read", path, e))?;
    log::check_header(path, &bytes)?;
    let mut at = log::HEADER_BYTES;
    while let Some((mut payload, size)) = log::decode_batch(bytes.get(at..).unwrap_or_default(), state.next_number) {
        let damaged = |why| StoreError::damaged(path, at as u64, why);
        while let Some(read) = log::next_change(&mut payload).map_err(damaged)? {
            state.live_bytes = apply_read(tables, &read, state.live_bytes);
        }
        at += size;
        state.next_number += 1;
    }
    if at < bytes.len() {
        if log::has_later_batch(&bytes, at, state.next_number) {
            return Err(StoreError::damaged(path, at as u64, "a batch of changes does not match its checksum"));
        }
        tracing::warn!(path = %path.display(), at, bytes = bytes.len() - at, "cut an unfinished batch off the metadata log");
        let cut = file.set_len(at as u64).and_then(|()| file.sync());
        cut.map_err(|e| StoreError::io("cut", path, e))?;
    }
    state.end = at as u64;
    state.file = Some(file);
    Ok(())
}

fn apply(tables: &mut BTreeMap<String, Table>, change: Change, live_bytes: u64) -> u64 {
    let read = match &change {
        Change::Set { table, key, value } => log::Read { table, key, value: Some(value) },
        Change::Delete { table, key } => log::Read { table, key, value: None },
    };
    apply_read(tables, &read, live_bytes)
}

/// Changes the tables; returns the new count of live bytes.
fn apply_read(tables: &mut BTreeMap<String, Table>, read: &log::Read<'_>, live_bytes: u64) -> u64 {
    let size = |value: usize| (read.table.len() + read.key.len() + value + 8) as u64;
    let (added, old) = match read.value {
        Some(value) => {
            let table = match tables.get_mut(read.table) {
                Some(table) => table,
                None => tables.entry(read.table.to_owned()).or_default(),
            };
            (size(value.len()), table.insert(read.key.into(), value.into()))
        }
        None => (0, tables.get_mut(read.table).and_then(|table| table.remove(read.key))),
    };
    (live_bytes + added).saturating_sub(old.map_or(0, |old| size(old.len())))
}
