//! The disk of this machine.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::{ALIGN, Disk, DiskFile, Open};

/// The file system of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::Read).create_new(how == Open::Create).mode(0o600);
        let file = options.open(path)?;
        Ok(Arc::new(RealFile { file, how, path: path.to_owned(), direct: OnceLock::new() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

struct RealFile {
    file: File,
    how: Open,
    path: PathBuf,
    /// A second handle for large reads and writes; `None` where the file system refuses direct I/O (tmpfs, some overlays).
    direct: OnceLock<Option<File>>,
}

impl RealFile {
    fn direct(&self) -> Option<&File> {
        let open = || {
            let flag = rustix::fs::OFlags::DIRECT.bits() as i32;
            OpenOptions::new().read(true).write(self.how != Open::Read).custom_flags(flag).open(&self.path).ok()
        };
        self.direct.get_or_init(open).as_ref()
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(got) => done += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn read_up_to(&self, len: usize, offset: u64) -> io::Result<Vec<u8>> {
        // Into memory that was not zeroed first: the larger part of the time of a warm read would go there.
        let mut buffer = Vec::with_capacity(len);
        while buffer.len() < len {
            // The vector may have got more room than asked for; what comes too much is cut off below.
            let at = offset + buffer.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut buffer), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        buffer.truncate(len);
        Ok(buffer)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn write_bulk_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        debug_assert!(bytes.len().is_multiple_of(ALIGN) && offset.is_multiple_of(ALIGN as u64));
        let Some(direct) = self.direct() else { return self.write_at(bytes, offset) };
        match direct.write_all_at(bytes, offset) {
            // The flag was accepted, the write was not: some file systems say so only here.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.write_at(bytes, offset),
            other => other,
        }
    }

    fn is_cached(&self, offset: u64) -> bool {
        let mut byte = [0];
        let read = preadv2(&self.file, &mut [io::IoSliceMut::new(&mut byte)], offset, ReadWriteFlags::NOWAIT);
        // Any other error is for the read that follows.
        read != Err(Errno::AGAIN)
    }

    fn read_bulk_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        debug_assert!(buffer.len().is_multiple_of(ALIGN) && offset.is_multiple_of(ALIGN as u64));
        let Some(direct) = self.direct() else { return Ok(None) };
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match direct.read_at(rest, offset + done as u64) {
                Ok(got) => done += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The flag was accepted, the read was not.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(None),
                Err(error) => return Err(error),
            }
            // A read that ends inside a page has reached the end of the file.
            if done == 0 || !done.is_multiple_of(ALIGN) {
                break;
            }
        }
        Ok(Some(done))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
