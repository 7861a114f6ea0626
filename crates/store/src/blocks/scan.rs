//! Reads a segment record by record, trusting nothing: for recovery, rebuilding, verifying and listing.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use merkury_core::Cid;
use merkury_core::varint::VARINT_BYTES_MAX;

use super::record::{HEAD_BYTES_MAX, SEGMENT_HEADER, decode_head};
use crate::disk::DiskFile;

/// Bytes read at a time.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// Bytes read at a time when only heads are wanted and the last record was large.
const HEAD_WINDOW_BYTES: usize = 512;

/// Bytes searched at a time for a record after an unreadable one.
const SEARCH_BYTES: usize = 1024 * 1024;

/// What a scan meets.
#[derive(Debug)]
pub(crate) enum Found {
    /// A record; its hash is not checked here.
    Record {
        /// Where it starts.
        offset: u64,
        /// Its CID.
        cid: Cid,
        /// Its data; empty when only heads are read.
        data: Bytes,
        /// Length of its data.
        data_len: usize,
        /// Bytes from its start to the next record.
        record_len: u64,
    },
    /// Something that is no record; the scan goes on where records seem to begin again.
    Lost {
        /// Where it starts.
        offset: u64,
    },
}

/// A scan of one segment.
pub(crate) struct Scan {
    file: Arc<dyn DiskFile>,
    end: u64,
    at: u64,
    /// The record before was unreadable, with its length: `at` is a place to search from.
    is_lost: bool,
    heads_only: bool,
    window: Bytes,
    window_at: u64,
    window_bytes: usize,
}

impl Scan {
    /// Scans from `from` (the header is skipped) to `end`.
    pub(crate) fn new(file: Arc<dyn DiskFile>, from: u64, end: u64) -> Self {
        let at = from.max(SEGMENT_HEADER.len() as u64);
        Self {
            file,
            end,
            at,
            is_lost: false,
            heads_only: false,
            window: Bytes::new(),
            window_at: 0,
            window_bytes: WINDOW_BYTES,
        }
    }

    /// Scans from the first place at or after `from` where records seem to begin.
    pub(crate) fn searching(file: Arc<dyn DiskFile>, from: u64, end: u64) -> Self {
        Self { is_lost: true, ..Self::new(file, from, end) }
    }

    /// Scans without reading the data of large blocks.
    pub(crate) fn heads(file: Arc<dyn DiskFile>, from: u64, end: u64) -> Self {
        Self { heads_only: true, ..Self::new(file, from, end) }
    }

    /// Goes on at a record elsewhere in the segment.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.at = offset;
        self.is_lost = false;
    }

    /// The next record; `None` at the end. An `Err` is a failure of the disk.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        if self.is_lost {
            self.is_lost = false;
            self.at = self.find_record()?;
        }
        if self.at >= self.end {
            return Ok(None);
        }
        let offset = self.at;
        let left = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        let head = match decode_head(&self.bytes(offset, left.min(HEAD_BYTES_MAX))?) {
            Ok(head) => head,
            Err(_) => return Ok(Some(self.lose(offset))),
        };
        let Some(record_len) = head.head_len.checked_add(head.data_len).filter(|len| *len <= left) else {
            return Ok(Some(self.lose(offset)));
        };
        let data = if self.heads_only {
            self.window_bytes = if record_len > HEAD_WINDOW_BYTES * 16 { HEAD_WINDOW_BYTES } else { WINDOW_BYTES / 16 };
            Bytes::new()
        } else {
            self.bytes(offset + head.head_len as u64, head.data_len)?
        };
        self.at += record_len as u64;
        let (cid, data_len, record_len) = (head.cid, head.data_len, record_len as u64);
        Ok(Some(Found::Record { offset, cid, data, data_len, record_len }))
    }

    fn lose(&mut self, offset: u64) -> Found {
        self.at = offset + 1;
        self.is_lost = true;
        Found::Lost { offset }
    }

    /// The next place where two records follow each other, or one and the end of the segment; else the end. Chance makes such
    /// a place once in a lifetime, and then its hash is wrong; a CAR file within the data of a block makes one that
    /// is a record indeed.
    fn find_record(&mut self) -> io::Result<u64> {
        let mut from = self.at;
        while from < self.end {
            let left = usize::try_from(self.end - from).unwrap_or(usize::MAX);
            let chunk = self.bytes(from, left.min(SEARCH_BYTES))?;
            // A head that begins in the last bytes of the chunk is looked at with the next one.
            let starts =
                if chunk.len() < left { chunk.len().saturating_sub(HEAD_BYTES_MAX).max(1) } else { chunk.len() };
            for start in (0..starts).filter(|start| may_begin(chunk.get(*start..).unwrap_or_default())) {
                let Some(next) = self.record_end(&chunk, start, from) else { continue };
                let rest = usize::try_from(self.end - next).unwrap_or(usize::MAX);
                if rest == 0 || decode_head(&self.bytes(next, rest.min(HEAD_BYTES_MAX))?).is_ok() {
                    return Ok(from + start as u64);
                }
            }
            from += starts as u64;
        }
        Ok(self.end)
    }

    /// Where the record at `start` of a chunk ends, if it is one.
    fn record_end(&self, chunk: &[u8], start: usize, chunk_at: u64) -> Option<u64> {
        let head = decode_head(chunk.get(start..)?).ok()?;
        head.cid.hash().check_secure().ok()?;
        let len = head.head_len.checked_add(head.data_len)? as u64;
        (chunk_at + start as u64).checked_add(len).filter(|next| *next <= self.end)
    }

    /// Bytes of the file, from the window if they are in it.
    fn bytes(&mut self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = offset.checked_sub(self.window_at).and_then(|start| usize::try_from(start).ok());
        if let Some(start) = start
            && let Some(end) = start.checked_add(len).filter(|end| *end <= self.window.len())
        {
            return Ok(self.window.slice(start..end));
        }
        let left = usize::try_from(self.end.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.window = Bytes::from(self.file.read_exact_at(self.window_bytes.max(len).min(left), offset)?);
        self.window_at = offset;
        Ok(self.window.slice(..len.min(self.window.len())))
    }
}

/// Whether these bytes look like a length and the start of a CID; cheap, to spare most places the decoding.
fn may_begin(bytes: &[u8]) -> bool {
    let Some(length) = bytes.iter().take(VARINT_BYTES_MAX).position(|byte| *byte < 0x80) else { return false };
    match bytes.get(length + 1..) {
        Some([0x12, 0x20, ..]) => true,
        Some([0x01, ..]) => length > 0 || bytes.first().is_some_and(|byte| *byte > 4),
        _ => false,
    }
}
