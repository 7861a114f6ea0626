//! A sorted table: blocks of entries, a block that says where they are, a footer that says where that is.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::block::Entries;
use super::{LevelDbError, Versioned, limits, split_internal, take_varint, unmask};

const FOOTER_BYTES: u64 = 48;
const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Behind each block: how it is packed, and its checksum.
const TRAILER_BYTES: u64 = 5;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Handle {
    offset: u64,
    size: u64,
}

impl Handle {
    fn take(bytes: &mut &[u8]) -> Option<Self> {
        Some(Self { offset: take_varint(bytes)?, size: take_varint(bytes)? })
    }
}

/// An open table.
pub(super) struct Table {
    path: PathBuf,
    file: File,
    len: u64,
    /// Last key of each block (as the user knows it) and where the block is.
    index: Vec<(Vec<u8>, Handle)>,
}

impl Table {
    /// Opens the table with this number; both endings that were ever in use are tried.
    pub(super) fn open(dir: &Path, number: u64) -> Result<Self, LevelDbError> {
        let path = dir.join(format!("{number:06}.ldb"));
        let (path, file) = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let older = dir.join(format!("{number:06}.sst"));
                let file = File::open(&older).map_err(|_| LevelDbError::io(&path, error))?;
                (older, file)
            }
            other => (path.clone(), other.map_err(|e| LevelDbError::io(&path, e))?),
        };
        let len = file.metadata().map_err(|e| LevelDbError::io(&path, e))?.len();
        let mut table = Self { path, file, len, index: Vec::new() };
        table.index = table.read_index()?;
        Ok(table)
    }

    fn damaged(&self, offset: u64, why: &'static str) -> LevelDbError {
        LevelDbError::damaged(&self.path, offset, why)
    }

    fn read_index(&self) -> Result<Vec<(Vec<u8>, Handle)>, LevelDbError> {
        let at = self.len.checked_sub(FOOTER_BYTES).ok_or_else(|| self.damaged(0, "it is too short for a table"))?;
        let footer = self.read(at, FOOTER_BYTES)?;
        let (handles, magic) = footer.split_last_chunk::<8>().ok_or_else(|| self.damaged(at, "it has no footer"))?;
        if u64::from_le_bytes(*magic) != MAGIC {
            return Err(self.damaged(at, "it does not end as a table does"));
        }
        let mut handles = handles;
        let index = Handle::take(&mut handles).and_then(|_meta| Handle::take(&mut handles));
        let index = index.ok_or_else(|| self.damaged(at, "its footer is malformed"))?;
        let mut entries = self.block(index)?;
        let mut found = Vec::new();
        while let Some((key, mut value)) = entries.next() {
            let entry = split_internal(key).zip(Handle::take(&mut value));
            let ((key, ..), handle) = entry.ok_or_else(|| self.damaged(index.offset, "its index is malformed"))?;
            found.push((key.to_vec(), handle));
        }
        if entries.failed { Err(self.damaged(index.offset, "its index is malformed")) } else { Ok(found) }
    }

    fn read(&self, offset: u64, size: u64) -> Result<Vec<u8>, LevelDbError> {
        if offset.checked_add(size).is_none_or(|end| end > self.len) {
            return Err(self.damaged(offset, "a block lies outside of the file"));
        }
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(|e| LevelDbError::io(&self.path, e))?;
        Ok(bytes)
    }

    /// Reads, checks and unpacks a block.
    fn block(&self, handle: Handle) -> Result<Entries, LevelDbError> {
        let Handle { offset, size } = handle;
        if size > limits::BLOCK_BYTES_MAX {
            return Err(self.damaged(offset, "a block is larger than any block"));
        }
        let mut bytes = self.read(offset, size + TRAILER_BYTES)?;
        let trailer = bytes.split_off(size as usize);
        let [packing, c0, c1, c2, c3] = trailer[..] else { return Err(self.damaged(offset, "a block has no end")) };
        let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes), &[packing]);
        if sum != unmask(u32::from_le_bytes([c0, c1, c2, c3])) {
            return Err(self.damaged(offset, "a block does not match its checksum"));
        }
        let bytes = match packing {
            0 => bytes,
            1 => self.unpack(offset, &bytes)?,
            _ => return Err(self.damaged(offset, "a block is packed in a way that is not known here")),
        };
        Entries::new(bytes).ok_or_else(|| self.damaged(offset, "a block is malformed"))
    }

    fn unpack(&self, offset: u64, packed: &[u8]) -> Result<Vec<u8>, LevelDbError> {
        let malformed = |_| self.damaged(offset, "a packed block is malformed");
        let size = snap::raw::decompress_len(packed).map_err(malformed)?;
        if size as u64 > limits::BLOCK_BYTES_MAX {
            return Err(self.damaged(offset, "a packed block is larger than any block"));
        }
        snap::raw::Decoder::new().decompress_vec(packed).map_err(malformed)
    }
}

/// The entries of a table from a key on, one block in memory at a time.
pub(super) struct Cursor {
    table: Table,
    next_block: usize,
    entries: Option<Entries>,
    from: Vec<u8>,
}

impl Cursor {
    pub(super) fn new(table: Table, from: &[u8]) -> Self {
        let next_block = table.index.partition_point(|(last, _)| last.as_slice() < from);
        Self { table, next_block, entries: None, from: from.to_vec() }
    }

    /// The next version of a key; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Versioned>, LevelDbError> {
        loop {
            let Some(entries) = &mut self.entries else {
                let Some((_, handle)) = self.table.index.get(self.next_block) else { return Ok(None) };
                self.entries = Some(self.table.block(*handle)?);
                self.next_block += 1;
                continue;
            };
            let Some((key, value)) = entries.next() else {
                if entries.failed {
                    return Err(self.table.damaged(0, "a block holds a malformed entry"));
                }
                self.entries = None;
                continue;
            };
            let Some((key, sequence, is_value)) = split_internal(key) else {
                return Err(self.table.damaged(0, "an entry has a malformed key"));
            };
            if key >= self.from.as_slice() {
                return Ok(Some(Versioned { key: key.to_vec(), sequence, value: is_value.then(|| value.to_vec()) }));
            }
        }
    }
}
