//! Which tables and journals make up the database, from the file that `CURRENT` names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{LevelDbError, limits, log, split_internal, take_bytes, take_varint};
use crate::files::read_bounded;

const COMPARATOR: &[u8] = b"leveldb.BytewiseComparator";

/// A table, as the manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableFile {
    pub(super) number: u64,
    /// First and last key in it, as the user knows them.
    pub(super) smallest: Vec<u8>,
    pub(super) largest: Vec<u8>,
}

/// The database as of the last edit.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub(super) tables: BTreeMap<u64, TableFile>,
    /// Journals from this number on hold what the tables do not.
    pub(super) journal: u64,
    /// One older journal, or 0.
    pub(super) journal_before: u64,
}

/// Reads `CURRENT` and the manifest it names.
pub(super) fn read(dir: &Path) -> Result<Manifest, LevelDbError> {
    let current = dir.join("CURRENT");
    let name = read_bounded(&current, 4096).map_err(|e| LevelDbError::io(&current, e))?;
    let path =
        manifest_path(dir, &name).ok_or_else(|| LevelDbError::damaged(&current, 0, "it does not name a manifest"))?;
    let bytes = read_bounded(&path, limits::MANIFEST_BYTES_MAX).map_err(|e| LevelDbError::io(&path, e))?;
    let read = log::read(&bytes);
    let mut manifest = Manifest::default();
    for record in &read.records {
        apply(&mut manifest, record, &path)?;
    }
    match read.torn {
        // An edit that was never finished never counted.
        Some((offset, why)) if read.records.is_empty() => Err(LevelDbError::damaged(&path, offset, why)),
        _ => Ok(manifest),
    }
}

fn manifest_path(dir: &Path, name: &[u8]) -> Option<PathBuf> {
    let name = std::str::from_utf8(name).ok()?.strip_suffix('\n')?;
    let number = name.strip_prefix("MANIFEST-")?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| dir.join(name))
}

fn apply(manifest: &mut Manifest, mut edit: &[u8], path: &Path) -> Result<(), LevelDbError> {
    let malformed = || LevelDbError::damaged(path, 0, "an edit is malformed");
    while !edit.is_empty() {
        let tag = take_varint(&mut edit).ok_or_else(malformed)?;
        if tag == 1 {
            let name = take_bytes(&mut edit).ok_or_else(malformed)?;
            if name != COMPARATOR {
                let comparator = String::from_utf8_lossy(name).into_owned();
                return Err(LevelDbError::Comparator { path: path.to_owned(), comparator });
            }
            continue;
        }
        apply_field(manifest, tag, &mut edit).ok_or_else(malformed)?;
    }
    Ok(())
}

fn apply_field(manifest: &mut Manifest, tag: u64, edit: &mut &[u8]) -> Option<()> {
    match tag {
        2 => manifest.journal = take_varint(edit)?,
        // The next file number, the last sequence number.
        3 | 4 => drop(take_varint(edit)?),
        // Where a level was compacted last.
        5 => {
            take_varint(edit)?;
            take_bytes(edit)?;
        }
        6 => {
            take_varint(edit)?;
            manifest.tables.remove(&take_varint(edit)?);
        }
        7 => {
            let (_level, number, _size) = (take_varint(edit)?, take_varint(edit)?, take_varint(edit)?);
            let (smallest, ..) = split_internal(take_bytes(edit)?)?;
            let (largest, ..) = split_internal(take_bytes(edit)?)?;
            let table = TableFile { number, smallest: smallest.to_vec(), largest: largest.to_vec() };
            manifest.tables.insert(number, table);
        }
        9 => manifest.journal_before = take_varint(edit)?,
        _ => return None,
    }
    Some(())
}
