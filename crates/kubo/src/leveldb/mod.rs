//! Reads a LevelDB directory without changing it: no lock, no recovery, no log file of its own.
//!
//! Parts, from the file up: [`log`] (framing of journals and manifests), [`manifest`] (which tables and journals there are),
//! [`batch`] (what a journal adds), [`block`] and [`table`] (sorted tables), [`snapshot`] (all of it merged: get, scan).
//!
//! Kubo writes these files through goleveldb; the format is LevelDB's own (`doc/log_format.md`, `doc/table_format.md` of
//! that project). Every library that reads it opens the directory as an owner would: takes `LOCK`, replays the journal
//! into a new table, removes old files. This one must not, since the directory stays Kubo's.
//!
//! Invariants: every checksum is compared; nothing is allocated from a claimed length that is not within the file; memory
//! is bounded by the journals ([`limits::JOURNAL_BYTES_MAX`]) plus one block of each table that is being merged.

mod batch;
mod block;
pub(crate) mod limits;
mod log;
mod manifest;
mod snapshot;
mod table;

use std::io;
use std::path::{Path, PathBuf};

pub use snapshot::{Scan, Snapshot};

/// Why a LevelDB directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LevelDbError {
    /// The system refused.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file does not hold what it must.
    #[error("{path} is damaged at byte {offset}: {why}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, as far as is known.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// Its keys are ordered in a way that is not known here.
    #[error("{path} orders its keys by {comparator:?}, which is not known here", path = path.display())]
    Comparator {
        /// The manifest.
        path: PathBuf,
        /// The name of the order.
        comparator: String,
    },
}

impl LevelDbError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    fn damaged(path: &Path, offset: u64, why: &'static str) -> Self {
        Self::Damaged { path: path.to_owned(), offset, why }
    }

    /// Whether a file vanished: its owner is at work, and reading again from the start may help.
    pub fn is_vanished(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Versioned {
    key: Vec<u8>,
    sequence: u64,
    /// `None` when the key was deleted.
    value: Option<Vec<u8>>,
}

/// Takes a LEB128 number of at most 64 bits off the front.
fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Takes bytes with their length before them off the front.
fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// LevelDB stores checksums rotated and moved, so that a checksum of data with checksums in it is not degenerate.
fn unmask(masked: u32) -> u32 {
    masked.wrapping_sub(0xa282_ead8).rotate_left(15)
}

/// Splits an internal key into the user's key, the sequence number and whether it is a value (not a deletion).
fn split_internal(key: &[u8]) -> Option<(&[u8], u64, bool)> {
    let (user, trailer) = key.split_last_chunk::<8>()?;
    let trailer = u64::from_le_bytes(*trailer);
    match trailer & 0xff {
        0 => Some((user, trailer >> 8, false)),
        1 => Some((user, trailer >> 8, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_masks() {
        let mut bytes: &[u8] = &[0xac, 0x02, 0xff];
        assert_eq!(take_varint(&mut bytes), Some(300));
        assert_eq!(take_varint(&mut bytes), None);
        let mut long: &[u8] = &[0xff; 12];
        assert_eq!(take_varint(&mut long), None);
        let sum = crc32c::crc32c(b"foo");
        let masked = sum.rotate_right(15).wrapping_add(0xa282_ead8);
        assert_eq!(unmask(masked), sum);
        assert_ne!(masked, sum);
        let mut claims: &[u8] = &[0xff, 0xff, 0x03, 1, 2];
        assert_eq!(take_bytes(&mut claims), None);
    }
}
