//! Files as the store sees them: a small trait, so that crashes and failing disks can be simulated.
//!
//! Parts: [`Disk`] and [`DiskFile`], [`RealDisk`], [`sim::SimDisk`] (memory, crashes by seed, fails at a given
//! operation), and [`Counted`], which counts writes and flushes.
//!
//! What the store may assume of a disk, and nothing more: after [`DiskFile::sync`] returns, the file's bytes and
//! length survive; after [`Disk::sync_dir`], its names survive. Before that, any part of any write may be there or not.

mod counted;
mod real;
pub mod sim;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use counted::{Counted, Counters, Counts};
pub use real::RealDisk;

/// Offsets, lengths and addresses of bulk writes are multiples of this: what direct I/O asks for everywhere.
pub const ALIGN: usize = 4096;

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must exist; for reading only.
    Read,
    /// It must exist; for reading and writing.
    Write,
    /// It must not exist; for reading and writing.
    Create,
}

/// A file system, as much of it as the store needs.
pub trait Disk: Send + Sync {
    /// Opens or creates a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// Makes a directory and those above it.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, in no order. A missing directory is an error of kind `NotFound`.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Renames within one directory, replacing what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file. All methods may be called from several threads.
#[expect(clippy::len_without_is_empty, reason = "nobody asks a file that")]
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Reads at an offset until `buffer` is full or the file ends; returns how many bytes.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at an offset.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// As [`DiskFile::write_at`], past the page cache if the file system allows it. Address, length and offset are
    /// multiples of [`ALIGN`].
    fn write_bulk_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }

    /// Whether the byte at `offset` can be read without waiting for the disk; true where nobody knows.
    fn is_cached(&self, offset: u64) -> bool {
        let _ = offset;
        true
    }

    /// Reads past the page cache until `buffer` is full or the file ends; `None` if the file system does not allow it.
    /// Address, length and offset are multiples of [`ALIGN`].
    fn read_bulk_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let _ = (buffer, offset);
        Ok(None)
    }

    /// Cuts or extends the file.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable.
    fn sync(&self) -> io::Result<()>;

    /// Reads up to `len` bytes; less only at the end of the file.
    fn read_up_to(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; len];
        let got = self.read_at(&mut buffer, offset)?;
        buffer.truncate(got);
        Ok(buffer)
    }

    /// Reads exactly `len` bytes, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let buffer = self.read_up_to(len, offset)?;
        match buffer.len() {
            got if got == len => Ok(buffer),
            got => Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{got} of {len} bytes at {offset}"))),
        }
    }
}
