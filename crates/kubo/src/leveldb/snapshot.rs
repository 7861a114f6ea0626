//! The database as one sorted map: tables and journals merged, the newest version of each key.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::path::{Path, PathBuf};

use super::manifest::{self, TableFile};
use super::table::{Cursor, Table};
use super::{LevelDbError, Versioned, batch, limits, log};
use crate::files::read_bounded;

/// What was in the directory when it was opened. Tables are opened when they are needed: while their owner runs, one may
/// have vanished by then ([`LevelDbError::is_vanished`]).
pub struct Snapshot {
    dir: PathBuf,
    /// By their smallest keys.
    tables: Vec<TableFile>,
    memory: BTreeMap<Vec<u8>, (u64, Option<Vec<u8>>)>,
    torn: Vec<String>,
}

impl Snapshot {
    /// Reads the manifest and the journals of the database in `dir`. Changes nothing there.
    pub fn open(dir: &Path) -> Result<Self, LevelDbError> {
        let manifest = manifest::read(dir)?;
        let mut tables: Vec<TableFile> = manifest.tables.into_values().collect();
        tables.sort_by(|a, b| a.smallest.cmp(&b.smallest));
        let mut made = Self { dir: dir.to_owned(), tables, memory: BTreeMap::new(), torn: Vec::new() };
        let is_needed = |number: &u64| *number >= manifest.journal || *number == manifest.journal_before;
        for number in journals(dir)?.into_iter().filter(is_needed) {
            made.read_journal(&dir.join(format!("{number:06}.log")))?;
        }
        Ok(made)
    }

    /// Ends of journals that could not be read: usual after a kill, and worth telling otherwise.
    pub fn torn(&self) -> &[String] {
        &self.torn
    }

    fn read_journal(&mut self, path: &Path) -> Result<(), LevelDbError> {
        let bytes = read_bounded(path, limits::JOURNAL_BYTES_MAX).map_err(|e| LevelDbError::io(path, e))?;
        let read = log::read(&bytes);
        for record in &read.records {
            let memory = &mut self.memory;
            let applied = batch::read(record, &mut |Versioned { key, sequence, value }| {
                let known = memory.get(&key).map(|(known, _)| *known);
                if known.is_none_or(|known| known <= sequence) {
                    memory.insert(key, (sequence, value));
                }
            });
            applied.ok_or_else(|| LevelDbError::damaged(path, 0, "a record of the journal is malformed"))?;
        }
        if let Some((offset, why)) = read.torn {
            self.torn.push(format!("{}: {why} at byte {offset}", path.display()));
        }
        Ok(())
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LevelDbError> {
        let mut end = key.to_vec();
        end.push(0);
        self.range(key, Some(end)).next().transpose().map(|found| found.map(|(_, value)| value))
    }

    /// All keys that begin with `prefix`, in order, with their values.
    pub fn scan_prefix(&self, prefix: &[u8]) -> Scan<'_> {
        self.range(prefix, after_prefix(prefix))
    }

    fn range(&self, from: &[u8], end: Option<Vec<u8>>) -> Scan<'_> {
        let within = |table: &&TableFile| {
            table.largest.as_slice() >= from && end.as_ref().is_none_or(|end| table.smallest < *end)
        };
        let tables: Vec<&TableFile> = self.tables.iter().filter(within).collect();
        Scan {
            snapshot: self,
            from: from.to_vec(),
            end,
            tables: tables.into_iter(),
            unopened: None,
            open: BinaryHeap::new(),
            memory_after: None,
            memory_ended: false,
            last: None,
            failed: false,
        }
    }
}

/// The first key behind all that begin with `prefix`; `None` when there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

fn journals(dir: &Path) -> Result<Vec<u64>, LevelDbError> {
    let fail = |error| LevelDbError::io(dir, error);
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
        numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A key and its value.
type Entry = (Vec<u8>, Vec<u8>);

/// Entries in the order of their keys.
pub struct Scan<'a> {
    snapshot: &'a Snapshot,
    from: Vec<u8>,
    end: Option<Vec<u8>>,
    /// Tables not opened yet, by their smallest keys.
    tables: std::vec::IntoIter<&'a TableFile>,
    unopened: Option<&'a TableFile>,
    open: BinaryHeap<Reverse<Head>>,
    memory_after: Option<Vec<u8>>,
    memory_ended: bool,
    /// The key that was answered last, or found deleted.
    last: Option<Vec<u8>>,
    failed: bool,
}

/// The next entry of one source.
struct Head {
    entry: Versioned,
    /// `None` for the journals.
    cursor: Option<Cursor>,
}

impl Head {
    /// Smaller keys first, and of one key the newest version first.
    fn order(&self) -> (&[u8], Reverse<u64>) {
        (&self.entry.key, Reverse(self.entry.sequence))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Head {}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl Scan<'_> {
    fn advance(&mut self) -> Result<Option<Entry>, LevelDbError> {
        loop {
            self.open_tables()?;
            self.open_memory();
            let Some(Reverse(head)) = self.open.pop() else { return Ok(None) };
            let Head { entry, cursor } = head;
            if self.end.as_ref().is_some_and(|end| entry.key >= *end) {
                // Every other source has only larger keys.
                return Ok(None);
            }
            match cursor {
                Some(mut cursor) => {
                    if let Some(entry) = cursor.next()? {
                        self.open.push(Reverse(Head { entry, cursor: Some(cursor) }));
                    }
                }
                None => self.memory_after = Some(entry.key.clone()),
            }
            let is_older = self.last.as_ref() == Some(&entry.key);
            if !is_older {
                self.last = Some(entry.key.clone());
                if let Some(value) = entry.value {
                    return Ok(Some((entry.key, value)));
                }
            }
        }
    }

    /// Opens the tables that may hold the next key.
    fn open_tables(&mut self) -> Result<(), LevelDbError> {
        loop {
            let Some(table) = self.unopened.take().or_else(|| self.tables.next()) else { return Ok(()) };
            let is_next = self.open.peek().is_none_or(|Reverse(head)| table.smallest <= head.entry.key);
            if !is_next {
                self.unopened = Some(table);
                return Ok(());
            }
            if self.open.len() >= limits::TABLES_OPEN_MAX {
                let why = "more tables overlap than any database has";
                return Err(LevelDbError::damaged(&self.snapshot.dir, 0, why));
            }
            let mut cursor = Cursor::new(Table::open(&self.snapshot.dir, table.number)?, &self.from);
            if let Some(entry) = cursor.next()? {
                self.open.push(Reverse(Head { entry, cursor: Some(cursor) }));
            }
        }
    }

    /// Puts the next entry of the journals among the others, unless it is there.
    fn open_memory(&mut self) {
        if self.memory_ended || self.open.iter().any(|Reverse(head)| head.cursor.is_none()) {
            return;
        }
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let from = match &self.memory_after {
            Some(key) => Excluded(key.as_slice()),
            None => Included(self.from.as_slice()),
        };
        match self.snapshot.memory.range::<[u8], _>((from, Unbounded)).next() {
            Some((key, (sequence, value))) => {
                let entry = Versioned { key: key.clone(), sequence: *sequence, value: value.clone() };
                self.open.push(Reverse(Head { entry, cursor: None }));
            }
            None => self.memory_ended = true,
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), LevelDbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.advance();
        self.failed = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_behind_a_prefix() {
        assert_eq!(after_prefix(b"/pins/"), Some(b"/pins0".to_vec()));
        assert_eq!(after_prefix(&[1, 0xff, 0xff]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xff]), None);
    }
}
