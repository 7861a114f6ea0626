//! Small tables of names and values: pins, roots, cursors, IPNS records, known peers.
//!
//! All tables live in memory and in one log, `meta.log` ([`log`] has its format, [`read`] reads it, [`rewrite`] throws out
//! history). A change is one append and one `fdatasync`; opening reads the file and writes nothing. An embedded database
//! was measured first: redb 4.6 flushes five times to open and close and seven with one commit, where a small command shall
//! flush three times in all.
//!
//! Invariants:
//! - [`Tables::commit`] returns after its changes are durable; a batch of changes is there as a whole or not at all.
//! - After a failed flush nothing more is accepted.
//! - Damage never stops anything and is never passed over: one changed bit is mended; when batches are lost, the rest is
//!   read, [`Tables::doubt`] says so until somebody accepts it, and the damaged file is kept aside when the log is next written.
//!   Only an incomplete last batch, which nobody was told about, is cut off.
//! - What a change costs does not grow with the tables: history is thrown out a little with each change.
//!
//! A crash may lose the batch being written. A new log is written aside, flushed, renamed.

mod log;
mod migrate;
mod read;
mod rewrite;
mod short;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, RwLock};

use crate::StoreError;
use crate::disk::{Disk, DiskFile};
use rewrite::Rewrite;

pub(crate) use log::Change;

/// The log is rewritten when it is this much longer than twice what its tables need.
const HISTORY_BYTES_MIN: u64 = 1024 * 1024;
/// Bytes of the tables copied with each change while the log is rewritten, at least.
const STEP_BYTES_MIN: u64 = 64 * 1024;
/// And for each byte of the change, so that the rewriting ends before as much again is appended.
const STEP_FACTOR: u64 = 4;
/// Table with what the store itself remembers.
const STORE_TABLE: &str = "store";
/// Why pins and roots may be incomplete.
const DOUBT_KEY: &[u8] = b"pins-in-doubt";

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

type Table = BTreeMap<short::Key, short::Value>;
type AllTables = BTreeMap<String, Table>;

/// The tables of one store.
pub(crate) struct Tables {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    tables: RwLock<AllTables>,
    log: Mutex<LogState>,
    /// Length of the log, to be asked for while it is being flushed.
    bytes: AtomicU64,
    /// How often something was changed.
    changes: AtomicU64,
    damage: Vec<String>,
}

struct LogState {
    /// `None` until the first change: a repository that only reads makes no file.
    file: Option<Arc<dyn DiskFile>>,
    end: u64,
    next_number: u64,
    /// What a rewritten log would take.
    live_bytes: u64,
    anew: Anew,
    rewrite: Option<Rewrite>,
    /// After a rewriting failed: it begins again when the log is this long.
    rewrite_from: u64,
    failed: Option<String>,
    /// The file's name is durable.
    named: bool,
    /// What was read from the file is durable.
    flushed: bool,
}

/// Whether the log must be written anew before anything is appended to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Anew {
    No,
    /// It has an older format, or there is none.
    Yes,
    /// It is damaged: a copy is kept.
    KeepingTheOld,
}

impl LogState {
    fn check_usable(&self) -> Result<(), StoreError> {
        match &self.failed {
            Some(why) => Err(StoreError::Poisoned { why: why.clone() }),
            None => Ok(()),
        }
    }
}

impl Tables {
    /// Reads the log at `path`. `established` says that there must be one: without it pins are in doubt.
    pub(crate) fn open(disk: Arc<dyn Disk>, path: PathBuf, established: bool) -> Result<Self, StoreError> {
        let read::Found { state, tables, damage, .. } = read::read(&disk, &path, established)?;
        for what in &damage {
            tracing::error!(what, "the record of pins is damaged");
        }
        let bytes = AtomicU64::new(state.end);
        let (tables, changes) = (RwLock::new(tables), AtomicU64::new(0));
        Ok(Self { disk, path, tables, log: Mutex::new(state), bytes, changes, damage })
    }

    /// What opening found wrong, in words.
    pub(crate) fn damage(&self) -> &[String] {
        &self.damage
    }

    /// Why pins and roots may be incomplete, until [`Tables::accept`].
    pub(crate) fn doubt(&self) -> Option<String> {
        self.get(STORE_TABLE, DOUBT_KEY).map(|why| String::from_utf8_lossy(&why).into_owned())
    }

    /// Somebody has seen to it that the pins are complete.
    pub(crate) fn accept(&self) -> Result<(), StoreError> {
        self.commit_if(|tables| {
            let change = Change::Delete { table: STORE_TABLE, key: DOUBT_KEY.to_vec() };
            Ok(tables.doubt().map(|_| change).into_iter().collect())
        })
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
        self.bytes.load(Relaxed)
    }

    /// How often something was changed since the tables were opened.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
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
        let bytes = self.append(&mut state, &changes)?;
        {
            let mut tables = self.tables.write();
            for change in &changes {
                state.live_bytes = apply(&mut tables, &change.as_read(), state.live_bytes);
            }
        }
        self.throw_out_history(&mut state, &changes, bytes);
        self.bytes.store(state.end, Relaxed);
        self.changes.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Makes durable what the tables show: for who removes what they do not keep. What was read when the log was opened may be
    /// in the system's memory alone, left by a process that was killed before its flush.
    ///
    /// Fails once a flush has failed: the log may hold changes that the tables here do not show.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        let mut state = self.log.lock();
        state.check_usable()?;
        let Some(file) = state.file.clone().filter(|_| !state.flushed) else { return Ok(()) };
        self.sync_name(&mut state)?;
        self.flush(&mut state, &*file)
    }

    fn flush(&self, state: &mut LogState, file: &dyn DiskFile) -> Result<(), StoreError> {
        if let Err(error) = file.sync() {
            state.failed = Some(error.to_string());
            return Err(StoreError::io("flush", &self.path, error));
        }
        state.flushed = true;
        Ok(())
    }

    /// Appends and flushes; returns how many bytes.
    fn append(&self, state: &mut LogState, changes: &[Change]) -> Result<u64, StoreError> {
        state.check_usable()?;
        self.prepare(state)?;
        let batch = log::encode_batch(state.next_number, changes)?;
        let Some(file) = state.file.clone() else {
            return Err(StoreError::damaged(&self.path, 0, "the log could not be made"));
        };
        // A process may have ended between giving a new log its name and flushing the directory.
        self.sync_name(state)?;
        if let Err(error) = file.write_at(&batch, state.end) {
            // Nobody was told about this batch; without the cut its remains would look like damage later.
            if let Err(cut) = file.set_len(state.end) {
                state.failed = Some(cut.to_string());
            }
            return Err(StoreError::io("write to", &self.path, error));
        }
        self.flush(state, &*file)?;
        state.end += batch.len() as u64;
        state.next_number += 1;
        Ok(batch.len() as u64)
    }

    /// Sees to it that there is a log in our format that can be appended to.
    fn prepare(&self, state: &mut LogState) -> Result<(), StoreError> {
        if state.anew != Anew::No {
            if state.anew == Anew::KeepingTheOld {
                rewrite::keep_copy(&self.disk, &self.path)?;
            }
            self.rewrite_whole(state)?;
            state.anew = Anew::No;
        } else if state.end > HISTORY_BYTES_MIN + 4 * state.live_bytes && state.end >= state.rewrite_from {
            // Many short-lived processes, none of which came to the end of rewriting: reading all of it, as each of them
            // did, costs as much.
            if let Err(error) = self.rewrite_whole(state) {
                self.give_up_rewriting(state, &error);
            }
        }
        Ok(())
    }

    /// Writes a little of a new log beside the old one, when most of the old one is history; each change goes to both.
    fn throw_out_history(&self, state: &mut LogState, changes: &[Change], bytes: u64) {
        let wanted = state.end > HISTORY_BYTES_MIN + 2 * state.live_bytes && state.end >= state.rewrite_from;
        if state.rewrite.is_none() && !wanted {
            return;
        }
        if let Err(error) = self.rewrite_some(state, changes, STEP_BYTES_MIN.max(STEP_FACTOR * bytes)) {
            self.give_up_rewriting(state, &error);
        }
    }

    fn rewrite_some(&self, state: &mut LogState, changes: &[Change], bytes: u64) -> Result<(), StoreError> {
        let mut rewrite = match state.rewrite.take() {
            Some(mut rewrite) => {
                rewrite.append(changes)?;
                rewrite
            }
            None => Rewrite::begin(&self.disk, &self.path)?,
        };
        if rewrite.step(&self.tables, bytes)? {
            return self.replace_by(state, &mut rewrite);
        }
        state.rewrite = Some(rewrite);
        Ok(())
    }

    fn rewrite_whole(&self, state: &mut LogState) -> Result<(), StoreError> {
        state.rewrite = None;
        let mut rewrite = Rewrite::begin(&self.disk, &self.path)?;
        while !rewrite.step(&self.tables, STEP_BYTES_MIN)? {}
        self.replace_by(state, &mut rewrite)
    }

    /// The new log takes the place of the old one.
    fn replace_by(&self, state: &mut LogState, rewrite: &mut Rewrite) -> Result<(), StoreError> {
        rewrite.put_in_place()?;
        // From here on the new file is the log, whether or not its name is durable yet: a failure must stop us.
        (state.file, state.end, state.next_number) = rewrite.as_log();
        state.named = false;
        self.sync_name(state)
    }

    /// Makes the log's name durable, unless it is.
    fn sync_name(&self, state: &mut LogState) -> Result<(), StoreError> {
        if state.named {
            return Ok(());
        }
        let dir = self.path.parent().unwrap_or(std::path::Path::new("."));
        if let Err(error) = self.disk.sync_dir(dir) {
            state.failed = Some(error.to_string());
            return Err(StoreError::io("flush", dir, error));
        }
        state.named = true;
        Ok(())
    }

    /// Rewriting is a matter of space: that it fails (a full disk) is no failure of the change it came with.
    fn give_up_rewriting(&self, state: &mut LogState, error: &StoreError) {
        tracing::warn!(%error, "history of the metadata log could not be thrown out; trying again later");
        state.rewrite = None;
        state.rewrite_from = state.end + HISTORY_BYTES_MIN;
    }
}

/// What an entry takes in the log, about.
fn entry_bytes(table: &str, key: usize, value: usize) -> u64 {
    (table.len() + key + value + 8) as u64
}

/// Changes the tables; returns the new count of live bytes.
fn apply(tables: &mut AllTables, read: &log::Read<'_>, live_bytes: u64) -> u64 {
    let size = |value: usize| entry_bytes(read.table, read.key.len(), value);
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
