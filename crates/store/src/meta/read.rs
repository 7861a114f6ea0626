//! Reading the log: whole, after a crash, and as much as can be had after damage.
//!
//! - A batch in which one bit changed is mended.
//! - A batch that cannot be read, with whole ones behind it, is lost: the rest is read, and pins are in doubt.
//! - Bytes at the end that are no whole batch are the remains of a write that nobody was told about.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::short::{Key, Value};
use super::{AllTables, Anew, DOUBT_KEY, LogState, STORE_TABLE, Table, entry_bytes, log, migrate, rewrite};
use crate::StoreError;
use crate::disk::{Disk, DiskFile, Open};

/// Largest log we read: far over what fits the memory of any machine with so many pins.
const LOG_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// When the disk does not give the file back in one piece: bytes read at a time.
const PIECE_BYTES: usize = 4096;

/// What was read.
pub(super) struct Found {
    pub(super) state: LogState,
    pub(super) tables: AllTables,
    /// What is wrong, in words.
    pub(super) damage: Vec<String>,
    /// The changes of each table, in the order of the log.
    changes: BTreeMap<String, Vec<(Key, Option<Value>)>>,
}

/// Reads the log at `path`. Writes nothing but the cut of an unfinished end.
pub(super) fn read(disk: &Arc<dyn Disk>, path: &Path, established: bool) -> Result<Found, StoreError> {
    let state = LogState {
        file: None,
        end: 0,
        next_number: 1,
        live_bytes: log::HEADER_BYTES as u64,
        anew: Anew::Yes,
        rewrite: None,
        rewrite_from: 0,
        failed: None,
        named: true,
        flushed: false,
    };
    let (tables, changes) = (AllTables::new(), BTreeMap::new());
    let mut found = Found { state, tables, damage: Vec::new(), changes };
    match disk.open(path, Open::Write) {
        Ok(file) => found.read_log(path, file)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if established {
                found.lose(format!("{} is missing, and all pins with it", path.display()));
            }
        }
        Err(error) => return Err(StoreError::io("open", path, error)),
    }
    found.apply();
    Ok(found)
}

impl Found {
    fn read_log(&mut self, path: &Path, file: Arc<dyn DiskFile>) -> Result<(), StoreError> {
        let len = file.len().map_err(|e| StoreError::io("read", path, e))?;
        if len > LOG_BYTES_MAX {
            return Err(StoreError::damaged(path, 0, format!("{len} bytes are more than a metadata log can have")));
        }
        let bytes = read_all(path, &*file, len as usize);
        let version = match log::read_header(path, &bytes)? {
            Ok(version) => version,
            Err(why) => {
                // Batches have numbers and checksums of their own: the header alone is no loss.
                self.damage.push(format!("{}: {why}; its changes are read all the same", path.display()));
                self.state.anew = Anew::KeepingTheOld;
                log::VERSION
            }
        };
        let end = self.read_batches(path, &bytes);
        match (version, self.damage.is_empty()) {
            (_, false) => self.state.anew = Anew::KeepingTheOld,
            (log::VERSION, true) => self.state.anew = Anew::No,
            (_, true) => {
                self.apply();
                self.tables = migrate::migrate_from_1(std::mem::take(&mut self.tables));
                self.state.anew = Anew::Yes;
            }
        }
        if end < bytes.len() && self.damage.is_empty() {
            tracing::warn!(path = %path.display(), end, bytes = bytes.len() - end, "cut an unfinished batch off the metadata log");
            let cut = file.set_len(end as u64).and_then(|()| file.sync());
            cut.map_err(|e| StoreError::io("cut", path, e))?;
        }
        self.state.end = end as u64;
        self.state.file = Some(file);
        Ok(())
    }

    /// Applies all batches that can be had; returns where the last one ends.
    fn read_batches(&mut self, path: &Path, bytes: &[u8]) -> usize {
        let mut at = log::HEADER_BYTES.min(bytes.len());
        self.state.named = false;
        // A log of one batch or more whose header is gone as well may have lost its first batches without a trace.
        let header_lost = !self.damage.is_empty();
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let number = self.state.next_number;
            if let Some((payload, size)) = log::decode_batch(rest, number) {
                self.apply_batch(path, at, payload);
                at += size;
            } else if let Some(batch) = log::mend_batch(rest, number) {
                self.damage
                    .push(format!("{} had one wrong bit in the batch at byte {at}; it is mended", path.display()));
                if let Some((payload, size)) = log::decode_batch(&batch, number) {
                    self.apply_batch(path, at, payload);
                    at += size;
                }
            } else if let Some((next, found)) = log::find_later_batch(bytes, at, number) {
                let lost = found - number;
                self.lose(format!("{} is damaged from byte {at} to {next}: {lost} changes are lost", path.display()));
                (at, self.state.next_number) = (next, found);
                continue;
            } else {
                break;
            }
            self.state.next_number = number + 1;
        }
        if header_lost && (at < bytes.len() || self.state.next_number == 1) {
            self.lose(format!("{} cannot be read from byte {at} on", path.display()));
        }
        at
    }

    fn apply_batch(&mut self, path: &Path, at: usize, mut payload: &[u8]) {
        // An empty batch is the end of a rewriting; a log to which something was appended has a durable name.
        self.state.named = !payload.is_empty();
        loop {
            match log::next_change(&mut payload) {
                Ok(Some(read)) => self.change(&read),
                Ok(None) => return,
                // The checksum is right and the content is not: no accident of the disk.
                Err(why) => return self.lose(format!("{} at byte {at}: {why}", path.display())),
            }
        }
    }

    /// Something is lost: from here on pins are in doubt, over restarts, until they are accepted.
    fn lose(&mut self, why: String) {
        let text = why.clone().into_bytes();
        let read = log::Read { table: STORE_TABLE, key: DOUBT_KEY, value: Some(&text) };
        self.change(&read);
        self.damage.push(why);
    }

    fn change(&mut self, read: &log::Read<'_>) {
        let change = (read.key.into(), read.value.map(Value::from));
        match self.changes.get_mut(read.table) {
            Some(changes) => changes.push(change),
            None => drop(self.changes.insert(read.table.to_owned(), vec![change])),
        }
    }

    /// Makes the tables of the changes read so far, unless they are made: sorted and built at once, which is many times faster for a million pins than one after another.
    fn apply(&mut self) {
        for (name, mut changes) in std::mem::take(&mut self.changes) {
            // Stable: of the changes of a key the last one counts.
            changes.sort_by(|(a, _), (b, _)| a.cmp(b));
            changes.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                if is_same {
                    std::mem::swap(later, kept);
                }
                is_same
            });
            let table: Table = changes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            let bytes: u64 = table.iter().map(|(key, value)| entry_bytes(&name, key.len(), value.len())).sum();
            self.state.live_bytes += bytes;
            self.tables.insert(name, table);
        }
    }
}

fn read_all(path: &Path, file: &dyn DiskFile, len: usize) -> Vec<u8> {
    match file.read_exact_at(len, 0) {
        Ok(bytes) => bytes,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "the disk does not give the metadata log back whole");
            let piece = |at: usize| rewrite::read_or_zeros(file, at as u64, PIECE_BYTES.min(len - at));
            (0..len).step_by(PIECE_BYTES).flat_map(piece).collect()
        }
    }
}
