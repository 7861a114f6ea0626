//! The format of `meta.log`: a header, then batches, each whole or not there.
//!
//! Header: `MKMETA\r\n`, version (u32 LE), CRC-32 of both (u32 LE). Batch: payload length (u32 LE), CRC-32 of everything else in the
//! batch (u32 LE), its number counting from 1 (u64 LE), payload. Payload: changes, each a kind byte (1 set, 2 delete),
//! the table, the key and, for 1, the value, each with a varint length before it. A log that was written anew ends with an
//! empty batch until something is appended to it: so a process that finds it there flushes the directory first.
//!
//! Version 2 knows pins that expire, and writes the tables in many small batches where version 1 wrote one. A log of
//! version 1 is read as it is and written anew with the first change: [`migrate_from_1`](super::migrate::migrate_from_1).

use std::path::Path;

use merkury_core::varint;

use crate::{StoreError, one_bit};

pub(super) const HEADER_BYTES: usize = 16;
const MAGIC: &[u8; 8] = b"MKMETA\r\n";
/// The version we write.
pub(super) const VERSION: u32 = 2;
const BATCH_HEADER_BYTES: usize = 16;
/// Longest table name.
const TABLE_BYTES_MAX: usize = 64;
/// Longest key.
const KEY_BYTES_MAX: usize = 4 * 1024;
/// Longest value: an IPNS record has 10 KiB.
const VALUE_BYTES_MAX: usize = 1024 * 1024;
/// Largest batch; longer lists of changes are refused, not split, since a batch is all or nothing.
const BATCH_BYTES_MAX: usize = 256 * 1024 * 1024;

/// One change to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Gives a key a value.
    Set {
        /// The table.
        table: &'static str,
        /// The key.
        key: Vec<u8>,
        /// Its new value.
        value: Vec<u8>,
    },
    /// Forgets a key.
    Delete {
        /// The table.
        table: &'static str,
        /// The key.
        key: Vec<u8>,
    },
}

impl Change {
    /// As it will be read back.
    pub(super) fn as_read(&self) -> Read<'_> {
        match self {
            Self::Set { table, key, value } => Read { table, key, value: Some(value) },
            Self::Delete { table, key } => Read { table, key, value: None },
        }
    }
}

/// A change as read back.
pub(super) struct Read<'a> {
    pub(super) table: &'a str,
    pub(super) key: &'a [u8],
    /// `None` deletes.
    pub(super) value: Option<&'a [u8]>,
}

pub(super) fn header() -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let sum = crc32fast::hash(&header[..12]);
    header[12..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// The version in the header; an error only when it is whole and of a later version than ours.
pub(super) fn read_header(path: &Path, bytes: &[u8]) -> Result<Result<u32, &'static str>, StoreError> {
    if bytes.get(..8) != Some(MAGIC) {
        return Ok(Err("this is not the start of a metadata log"));
    }
    if u32_at(bytes, 12) != bytes.get(..12).map(crc32fast::hash) {
        return Ok(Err("the header does not match its checksum"));
    }
    match u32_at(bytes, 8) {
        Some(found @ 1..=VERSION) => Ok(Ok(found)),
        Some(found) => Err(StoreError::TooNew { path: path.to_owned(), found, known: VERSION }),
        None => Ok(Err("the header ends early")),
    }
}

pub(super) fn encode_batch(number: u64, changes: &[Change]) -> Result<Vec<u8>, StoreError> {
    let mut batch = vec![0; BATCH_HEADER_BYTES];
    for change in changes {
        match change {
            Change::Set { table, key, value } => {
                check("a value", value.len(), VALUE_BYTES_MAX)?;
                encode_change(&mut batch, table, key, Some(value))?;
            }
            Change::Delete { table, key } => encode_change(&mut batch, table, key, None)?,
        }
    }
    finish_batch(number, batch)
}

pub(super) fn encode_change(
    batch: &mut Vec<u8>,
    table: &str,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), StoreError> {
    check("a table name", table.len(), TABLE_BYTES_MAX)?;
    check("a key", key.len(), KEY_BYTES_MAX)?;
    batch.push(if value.is_some() { 1 } else { 2 });
    for part in [Some(table.as_bytes()), Some(key), value].into_iter().flatten() {
        varint::encode(part.len() as u64, batch);
        batch.extend_from_slice(part);
    }
    Ok(())
}

pub(super) fn empty_batch() -> Vec<u8> {
    vec![0; BATCH_HEADER_BYTES]
}

pub(super) fn finish_batch(number: u64, mut batch: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let payload = batch.len() - BATCH_HEADER_BYTES;
    check("a batch of changes", payload, BATCH_BYTES_MAX)?;
    batch[..4].copy_from_slice(&(payload as u32).to_le_bytes());
    batch[8..16].copy_from_slice(&number.to_le_bytes());
    let sum = batch_sum(&batch[..4], &batch[8..]);
    batch[4..8].copy_from_slice(&sum.to_le_bytes());
    Ok(batch)
}

/// The payload of the batch at the start of `bytes` if it is whole and has this number, and its length in the file.
pub(super) fn decode_batch(bytes: &[u8], number: u64) -> Option<(&[u8], usize)> {
    let payload = u32_at(bytes, 0)? as usize;
    let end = BATCH_HEADER_BYTES.checked_add(payload)?;
    let batch = bytes.get(..end)?;
    let found = u64::from_le_bytes(batch.get(8..16)?.try_into().ok()?);
    let sum = batch_sum(batch.get(..4)?, batch.get(8..)?);
    (found == number && u32_at(batch, 4) == Some(sum)).then(|| (&batch[BATCH_HEADER_BYTES..], end))
}

/// Where the first whole batch with a number of at least `number` starts, at or after `from`, and that number.
pub(super) fn find_later_batch(bytes: &[u8], from: usize, number: u64) -> Option<(usize, u64)> {
    let starts = from..bytes.len().saturating_sub(BATCH_HEADER_BYTES - 1);
    starts.into_iter().find_map(|start| {
        let rest = bytes.get(start..).unwrap_or_default();
        let found = u64::from_le_bytes(rest.get(8..16)?.try_into().ok()?);
        // A number far ahead cannot be one of ours; this spares the checksum at nearly every place.
        let plausible = found >= number && found - number <= bytes.len() as u64;
        (plausible && decode_batch(rest, found).is_some()).then_some((start, found))
    })
}

/// The batch at the start of `bytes` with the one bit put right that changed in it, if that is all that is wrong with it.
pub(super) fn mend_batch(bytes: &[u8], number: u64) -> Option<Vec<u8>> {
    let payload = u32_at(bytes, 0)?;
    // A bit of the length: the other length must make it whole.
    for bit in 0..32 {
        let length = payload ^ (1 << bit);
        let Some(batch) = batch_of(bytes, length) else { continue };
        let mut mended = batch.to_vec();
        mended.get_mut(..4)?.copy_from_slice(&length.to_le_bytes());
        if decode_batch(&mended, number).is_some() {
            return Some(mended);
        }
    }
    let mut batch = batch_of(bytes, payload)?.to_vec();
    let syndrome = u32_at(&batch, 4)? ^ batch_sum(batch.get(..4)?, batch.get(8..)?);
    let (at, mask) = if syndrome.count_ones() == 1 {
        // The checksum itself changed.
        let bit = syndrome.trailing_zeros();
        (4 + bit as usize / 8, 1 << (bit % 8))
    } else {
        let (at, mask) = one_bit::find(batch.len() - 4, syndrome)?;
        (if at < 4 { at } else { at + 4 }, mask)
    };
    *batch.get_mut(at)? ^= mask;
    decode_batch(&batch, number)?;
    Some(batch)
}

fn batch_of(bytes: &[u8], payload: u32) -> Option<&[u8]> {
    bytes.get(..BATCH_HEADER_BYTES.checked_add(payload as usize)?)
}

/// Takes the next change off a payload; `None` at its end.
pub(super) fn next_change<'a>(payload: &mut &'a [u8]) -> Result<Option<Read<'a>>, &'static str> {
    let Some((&kind, rest)) = payload.split_first() else { return Ok(None) };
    *payload = rest;
    let table = std::str::from_utf8(part(payload)?).map_err(|_| "a table name is not text")?;
    let key = part(payload)?;
    let value = match kind {
        1 => Some(part(payload)?),
        2 => None,
        _ => return Err("a change of unknown kind"),
    };
    Ok(Some(Read { table, key, value }))
}

fn part<'a>(payload: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let (len, rest) = varint::decode(payload).map_err(|_| "a length is malformed")?;
    let len = usize::try_from(len).map_err(|_| "a length is too large")?;
    let (part, rest) = rest.split_at_checked(len).ok_or("a change ends early")?;
    *payload = rest;
    Ok(part)
}

fn batch_sum(length: &[u8], rest: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(length);
    sum.update(rest);
    sum.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn check(what: &'static str, bytes: usize, limit: usize) -> Result<(), StoreError> {
    if bytes > limit { Err(StoreError::TooLarge { what, bytes, limit }) } else { Ok(()) }
}
