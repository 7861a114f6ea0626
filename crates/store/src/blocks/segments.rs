//! The segment files by number, on one disk or two, opened when first read and kept open, up to a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::record::{segment_file_name, segment_of_file_name};
use super::tier::Slow;
use crate::StoreError;
use crate::disk::{Disk, DiskFile, Open};

/// Segments kept open at once: a quarter of the 1024 handles a process usually may have.
const OPEN_MAX: usize = 256;

/// The directory of segments.
pub(crate) struct Segments {
    pub(super) disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// A second directory, on a slower disk.
    pub(super) slow: Option<Slow>,
    open: Mutex<BTreeMap<u32, Arc<dyn DiskFile>>>,
}

impl Segments {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: PathBuf, slow: Option<Slow>) -> Self {
        Self { disk, dir, slow, open: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path(&self, segment: u32) -> PathBuf {
        let slow = self.slow.as_ref().and_then(|slow| slow.path(segment));
        slow.unwrap_or_else(|| self.dir.join(segment_file_name(segment)))
    }

    /// The segments there are, with their lengths. Other files in the directory are passed over.
    pub(crate) fn list(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        let names = match self.disk.list(&self.dir) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|e| StoreError::io("list", &self.dir, e))?,
        };
        let mut numbers: BTreeSet<u32> = names.iter().filter_map(|name| segment_of_file_name(name)).collect();
        if let Some(slow) = &self.slow {
            numbers.extend(slow.list(&*self.disk, &numbers)?);
        }
        let mut found = BTreeMap::new();
        for segment in numbers {
            let len = self.file(segment)?.len().map_err(|e| StoreError::io("read", &self.path(segment), e))?;
            found.insert(segment, len);
        }
        Ok(found)
    }

    /// An open segment, for reading.
    pub(crate) fn file(&self, segment: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        if let Some(file) = self.open.lock().get(&segment) {
            return Ok(file.clone());
        }
        let mut path = self.path(segment);
        let file = match self.disk.open(&path, Open::Read) {
            // Moved to the slow disk just now.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.path(segment) != path => {
                path = self.path(segment);
                self.disk.open(&path, Open::Read)
            }
            other => other,
        };
        let file = file.map_err(|e| StoreError::io("open", &path, e))?;
        let mut open = self.open.lock();
        while open.len() >= OPEN_MAX && open.pop_first().is_some() {}
        open.insert(segment, file.clone());
        Ok(file)
    }

    /// Opens a segment for appending.
    pub(crate) fn open_for_append(&self, segment: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        let path = self.path(segment);
        self.disk.open(&path, Open::Write).map_err(|e| StoreError::io("open", &path, e))
    }

    /// Makes a new, empty segment. Its name is durable only after the directory was flushed.
    pub(crate) fn create(&self, segment: u32) -> Result<Arc<dyn DiskFile>, StoreError> {
        let path = self.path(segment);
        self.disk.create_dir_all(&self.dir).map_err(|e| StoreError::io("create", &self.dir, e))?;
        self.disk.open(&path, Open::Create).map_err(|e| StoreError::io("create", &path, e))
    }

    /// Cuts a segment; durable when it returns.
    pub(crate) fn cut(&self, segment: u32, len: u64) -> Result<(), StoreError> {
        let path = self.path(segment);
        let file = self.open_for_append(segment)?;
        file.set_len(len).and_then(|()| file.sync()).map_err(|e| StoreError::io("cut", &path, e))
    }

    /// Removes a segment, if it is there: opening removes those in which nothing is. Readers that have it open go on.
    pub(crate) fn remove(&self, segment: u32) -> Result<(), StoreError> {
        self.forget_open(segment);
        let path = self.path(segment);
        if let Some(slow) = &self.slow {
            // After a crash in the middle of a move it is on both disks.
            slow.remove(&*self.disk, segment)?;
        }
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// The next reader opens the file anew.
    pub(super) fn forget_open(&self, segment: u32) {
        self.open.lock().remove(&segment);
    }

    /// Makes the names of new segments durable, and the directory's own name.
    pub(crate) fn sync_dirs(&self) -> Result<(), StoreError> {
        for dir in self.dir.ancestors().take(3) {
            self.disk.sync_dir(dir).map_err(|e| StoreError::io("flush", dir, e))?;
        }
        Ok(())
    }

    /// Makes the names of new segments durable.
    pub(crate) fn sync_dir(&self) -> Result<(), StoreError> {
        self.disk.sync_dir(&self.dir).map_err(|e| StoreError::io("flush", &self.dir, e))
    }
}
