//! A large file on its way to the disk, past the page cache.
//!
//! Through the page cache each page is taken from the system's free memory, filled, and written from there later; on a
//! virtual machine whose free memory must first be got from its host that is 2 CPU-seconds per GiB, against 0.05 for
//! direct writes of [`BUFFER_BYTES`]. And what is larger than [`FILE_BYTES_MIN`] would push out what is in use.
//!
//! What is in the buffer is not in the file: [`Bulk::finish`] writes it, also when the content breaks off.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Files from this size on are written directly.
const FILE_BYTES_MIN: u64 = 64 << 20;
/// Bytes of one write, a multiple of [`ALIGN`].
const BUFFER_BYTES: usize = 4 << 20;
/// Address, length and offset of direct writes are multiples of this everywhere.
const ALIGN: usize = 4096;

/// The buffer of a file that is written directly.
pub(super) struct Bulk {
    /// Longer than [`BUFFER_BYTES`], so that an aligned start is in it.
    memory: Vec<u8>,
    start: usize,
    len: usize,
}

impl Bulk {
    /// For a new file that will have `bytes`, if it is large and the file system allows direct writes.
    pub(super) fn begin(file: &File, bytes: u64) -> Option<Self> {
        if bytes < FILE_BYTES_MIN || set_direct(file, true).is_err() {
            return None;
        }
        let memory = vec![0; BUFFER_BYTES + ALIGN];
        let start = memory.as_ptr().align_offset(ALIGN).min(ALIGN);
        Some(Self { memory, start, len: 0 })
    }

    /// Appends bytes to the file.
    pub(super) fn write(&mut self, file: &File, mut part: &[u8]) -> io::Result<()> {
        while !part.is_empty() {
            let count = part.len().min(BUFFER_BYTES - self.len);
            let (now, later) = part.split_at(count);
            let at = self.start + self.len;
            self.memory[at..at + count].copy_from_slice(now);
            self.len += count;
            part = later;
            if self.len == BUFFER_BYTES {
                self.hand_over(file)?;
            }
        }
        Ok(())
    }

    /// Writes what is left; later writes go through the page cache.
    pub(super) fn finish(mut self, file: &File) -> io::Result<()> {
        set_direct(file, false)?;
        self.hand_over(file)
    }

    fn hand_over(&mut self, mut file: &File) -> io::Result<()> {
        let mut rest = &self.memory[self.start..self.start + self.len];
        self.len = 0;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The flag was accepted, the write was not: some file systems say so only here, and a disk that is
                // nearly full may have taken a part that is no multiple.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput && is_direct(file) => {
                    set_direct(file, false)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn set_direct(file: &File, on: bool) -> io::Result<()> {
    let mut flags = fcntl_getfl(file)?;
    flags.set(OFlags::DIRECT, on);
    Ok(fcntl_setfl(file, flags)?)
}

fn is_direct(file: &File) -> bool {
    fcntl_getfl(file).is_ok_and(|flags| flags.contains(OFlags::DIRECT))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn all_bytes_arrive_in_order_and_the_flag_is_gone_at_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let file = File::create_new(&path).expect("create");
        assert!(Bulk::begin(&file, FILE_BYTES_MIN - 1).is_none());
        let Some(mut bulk) = Bulk::begin(&file, FILE_BYTES_MIN) else {
            // This file system refuses: the usual way is taken.
            return;
        };
        let content: Vec<u8> = (0..2 * BUFFER_BYTES + 12_345).map(|i| (i / 3 + i / ALIGN) as u8).collect();
        for part in content.chunks(100_003) {
            bulk.write(&file, part).expect("write");
        }
        bulk.finish(&file).expect("finish");
        assert!(!is_direct(&file));
        let mut read = Vec::new();
        File::open(&path).and_then(|mut file| file.read_to_end(&mut read)).expect("read");
        assert!(read == content);
    }
}
