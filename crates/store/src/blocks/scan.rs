//! Reads a segment record by record, trusting nothing: for recovery, rebuilding, verifying and listing.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use merkury_core::Cid;

use super::record::{HEAD_BYTES_MAX, HeadError, SEGMENT_HEADER, decode_head};
use crate::disk::DiskFile;

/// Bytes read at a time.
const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// Bytes read at a time when only heads are wanted and the last record was large.
const HEAD_WINDOW_BYTES: usize = 512;

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
    /// Something that is no record; the scan goes on after it.
    Skipped {
        /// Where it starts.
        offset: u64,
    },
    /// Something that is no record, and nothing after it can be found.
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
    heads_only: bool,
    window: Bytes,
    window_at: u64,
    window_bytes: usize,
}

impl Scan {
    /// Scans from `from` (the header is skipped) to `end`.
    pub(crate) fn new(file: Arc<dyn DiskFile>, from: u64, end: u64) -> Self {
        let at = from.max(SEGMENT_HEADER.len() as u64);
        Self { file, end, at, heads_only: false, window: Bytes::new(), window_at: 0, window_bytes: WINDOW_BYTES }
    }

    /// Scans without reading the data of large blocks.
    pub(crate) fn heads(file: Arc<dyn DiskFile>, from: u64, end: u64) -> Self {
        Self { heads_only: true, ..Self::new(file, from, end) }
    }

    /// Goes on at a record elsewhere in the segment.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.at = offset;
    }

    /// The next record; `None` at the end. An `Err` is a failure of the disk.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let offset = self.at;
        let left = usize::try_from(self.end - offset).unwrap_or(usize::MAX);
        let head = match decode_head(&self.bytes(offset, left.min(HEAD_BYTES_MAX))?) {
            Ok(head) => head,
            Err(HeadError::Cid { record_len }) if record_len < left => {
                self.at += record_len as u64;
                return Ok(Some(Found::Skipped { offset }));
            }
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
        self.at = self.end;
        Found::Lost { offset }
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
