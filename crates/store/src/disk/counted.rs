//! Counts what goes to a disk, so that tests and users see bytes written and flushes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Disk, DiskFile, Open};

/// Running counts.
#[derive(Debug, Default)]
pub struct Counters {
    bytes_written: AtomicU64,
    bulk_bytes_written: AtomicU64,
    writes: AtomicU64,
    file_syncs: AtomicU64,
    dir_syncs: AtomicU64,
    bytes_read: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes handed to the system, whatever way.
    pub bytes_written: u64,
    /// Of these, bytes written past the page cache (where the file system allows it).
    pub bulk_bytes_written: u64,
    /// Calls that wrote.
    pub writes: u64,
    /// Flushes of a file.
    pub file_syncs: u64,
    /// Flushes of a directory.
    pub dir_syncs: u64,
    /// Bytes read.
    pub bytes_read: u64,
}

impl Counters {
    /// The counts now.
    pub fn now(&self) -> Counts {
        Counts {
            bytes_written: self.bytes_written.load(Relaxed),
            bulk_bytes_written: self.bulk_bytes_written.load(Relaxed),
            writes: self.writes.load(Relaxed),
            file_syncs: self.file_syncs.load(Relaxed),
            dir_syncs: self.dir_syncs.load(Relaxed),
            bytes_read: self.bytes_read.load(Relaxed),
        }
    }
}

/// A disk that counts what passes through it.
pub struct Counted {
    inner: Arc<dyn Disk>,
    counters: Arc<Counters>,
}

impl Counted {
    /// Counts for `inner`.
    pub fn new(inner: Arc<dyn Disk>, counters: Arc<Counters>) -> Self {
        Self { inner, counters }
    }
}

impl Disk for Counted {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.inner.open(path, how)?;
        Ok(Arc::new(CountedFile { inner, counters: self.counters.clone() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.counters.dir_syncs.fetch_add(1, Relaxed);
        self.inner.sync_dir(dir)
    }
}

struct CountedFile {
    inner: Arc<dyn DiskFile>,
    counters: Arc<Counters>,
}

impl DiskFile for CountedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let got = self.inner.read_at(buffer, offset)?;
        self.counters.bytes_read.fetch_add(got as u64, Relaxed);
        Ok(got)
    }

    fn read_up_to(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        let bytes = self.inner.read_up_to(len, offset)?;
        self.counters.bytes_read.fetch_add(bytes.len() as u64, Relaxed);
        Ok(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.counters.writes.fetch_add(1, Relaxed);
        self.counters.bytes_written.fetch_add(bytes.len() as u64, Relaxed);
        self.inner.write_at(bytes, offset)
    }

    fn write_bulk_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.counters.writes.fetch_add(1, Relaxed);
        self.counters.bytes_written.fetch_add(bytes.len() as u64, Relaxed);
        self.counters.bulk_bytes_written.fetch_add(bytes.len() as u64, Relaxed);
        self.inner.write_bulk_at(bytes, offset)
    }

    // What the trait answers by itself would hide what the disk can do.
    fn is_cached(&self, offset: u64) -> bool {
        self.inner.is_cached(offset)
    }

    fn read_bulk_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let got = self.inner.read_bulk_at(buffer, offset)?;
        self.counters.bytes_read.fetch_add(got.unwrap_or(0) as u64, Relaxed);
        Ok(got)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.counters.file_syncs.fetch_add(1, Relaxed);
        self.inner.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is not in the page cache and can be read past it.
    struct Cold;

    impl DiskFile for Cold {
        fn len(&self) -> io::Result<u64> {
            Ok(7)
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Err(io::Error::other("the usual way"))
        }

        fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Err(io::Error::other("for reading"))
        }

        fn is_cached(&self, _: u64) -> bool {
            false
        }

        fn read_bulk_at(&self, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
            Ok(Some(7))
        }

        fn set_len(&self, _: u64) -> io::Result<()> {
            Err(io::Error::other("for reading"))
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_counted_file_is_read_as_the_file_itself() {
        let counters = Arc::new(Counters::default());
        let file = CountedFile { inner: Arc::new(Cold), counters: counters.clone() };
        assert!(!file.is_cached(0));
        assert_eq!(file.read_bulk_at(&mut [0; 8], 0).expect("read"), Some(7));
        assert_eq!(counters.bytes_read.load(Relaxed), 7);
    }
}
