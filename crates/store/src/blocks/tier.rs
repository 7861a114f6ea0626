//! Two disks: segments are written to the fast one, and the oldest go to the slow one when the fast one has its share.
//!
//! A sealed segment is a file that does not change, so moving it is: copy, flush, rename, and only then remove the original. The
//! index does not notice: a segment has the same number on either disk. Pins, collection and everything else work as on one.
//!
//! Two markers keep a slow disk that is not mounted from being taken for a loss: `slow-disk` beside the segments' directory
//! holds the path of the slow one, and `merkury-segments` stands in that.
//!
//! A crash leaves a segment on one disk or on both, never on none; on both, the fast copy counts until it is moved again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use parking_lot::RwLock;

use super::Blocks;
use super::record::{segment_file_name, segment_of_file_name};
use super::segments::Segments;
use crate::StoreError;
use crate::disk::{Disk, Open};

/// Name of the marker on the fast disk.
const FAST_MARKER: &str = "slow-disk";
/// Name of the marker on the slow disk.
const SLOW_MARKER: &str = "merkury-segments";
/// Bytes copied at a time.
const COPY_BYTES: usize = 4 << 20;
/// Longest path in a marker.
const PATH_BYTES_MAX: usize = 64 * 1024;

/// What [`Store::settle`](crate::Store::settle) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Segments moved to the slow disk.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The slow disk.
pub(super) struct Slow {
    dir: PathBuf,
    /// The segments that are there and not on the fast one.
    here: RwLock<BTreeSet<u32>>,
}

impl Slow {
    /// Finds the slow disk in `dir`, or makes it one when the store has none yet.
    pub(super) fn open(disk: &dyn Disk, store_dir: &Path, dir: Option<&Path>) -> Result<Option<Self>, StoreError> {
        let fast_marker = store_dir.join(FAST_MARKER);
        let used = read_marker(disk, &fast_marker)?;
        let Some(dir) = dir else {
            return match used {
                None => Ok(None),
                Some(path) => Err(StoreError::SlowDiskMissing { path: PathBuf::from(path) }),
            };
        };
        let slow_marker = dir.join(SLOW_MARKER);
        if read_marker(disk, &slow_marker)?.is_none() {
            if used.is_some() {
                return Err(StoreError::SlowDiskMissing { path: dir.to_owned() });
            }
            write_marker(disk, &slow_marker, "Segments of a Merkury store.\n")?;
        }
        if used.is_none() {
            write_marker(disk, &fast_marker, &dir.to_string_lossy())?;
        }
        Ok(Some(Self { dir: dir.to_owned(), here: RwLock::default() }))
    }

    /// Where a segment is, if it is here.
    pub(super) fn path(&self, segment: u32) -> Option<PathBuf> {
        self.here.read().contains(&segment).then(|| self.dir.join(segment_file_name(segment)))
    }

    /// The segments here that are not on the fast disk.
    pub(super) fn list(&self, disk: &dyn Disk, fast: &BTreeSet<u32>) -> Result<BTreeSet<u32>, StoreError> {
        let names = disk.list(&self.dir).map_err(|e| StoreError::io("list", &self.dir, e))?;
        let here: BTreeSet<u32> = names
            .iter()
            .filter_map(|name| segment_of_file_name(name))
            .filter(|segment| !fast.contains(segment))
            .collect();
        self.here.write().clone_from(&here);
        Ok(here)
    }

    /// Removes a segment, if it is here.
    pub(super) fn remove(&self, disk: &dyn Disk, segment: u32) -> Result<(), StoreError> {
        let path = self.dir.join(segment_file_name(segment));
        self.here.write().remove(&segment);
        match disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// Copies a segment here, durably, and from then on it is read from here.
    fn take(&self, disk: &dyn Disk, segments: &Segments, segment: u32) -> Result<u64, StoreError> {
        let (from, to) = (segments.path(segment), self.dir.join(segment_file_name(segment)));
        let aside = to.with_extension("new");
        let file = segments.file(segment)?;
        let len = file.len().map_err(|e| StoreError::io("read", &from, e))?;
        match disk.remove(&aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &aside, error));
            }
            _ => {}
        }
        let copy = disk.open(&aside, Open::Create).map_err(|e| StoreError::io("create", &aside, e))?;
        let mut at = 0;
        while at < len {
            let bytes = file.read_up_to(COPY_BYTES, at).map_err(|e| StoreError::io("read", &from, e))?;
            if bytes.is_empty() {
                return Err(StoreError::damaged(&from, at, "it is shorter than it was"));
            }
            copy.write_at(&bytes, at).map_err(|e| StoreError::io("write to", &aside, e))?;
            at += bytes.len() as u64;
        }
        copy.sync().map_err(|e| StoreError::io("flush", &aside, e))?;
        disk.rename(&aside, &to).map_err(|e| StoreError::io("rename", &aside, e))?;
        disk.sync_dir(&self.dir).map_err(|e| StoreError::io("flush", &self.dir, e))?;
        self.here.write().insert(segment);
        Ok(len)
    }
}

fn read_marker(disk: &dyn Disk, path: &Path) -> Result<Option<String>, StoreError> {
    match disk.open(path, Open::Read) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("open", path, error)),
        Ok(file) => {
            let bytes = file.read_up_to(PATH_BYTES_MAX, 0).map_err(|e| StoreError::io("read", path, e))?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
    }
}

fn write_marker(disk: &dyn Disk, path: &Path, text: &str) -> Result<(), StoreError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let fail = |what| move |error| StoreError::io(what, path, error);
    disk.create_dir_all(dir).map_err(fail("create"))?;
    let file = disk.open(path, Open::Create).map_err(fail("create"))?;
    file.write_at(text.as_bytes(), 0).map_err(fail("write to"))?;
    file.sync().map_err(fail("flush"))?;
    disk.sync_dir(dir).map_err(fail("flush"))
}

impl Segments {
    /// Moves a sealed segment to the slow disk. Readers that have it open go on.
    fn settle(&self, segment: u32) -> Result<u64, StoreError> {
        let Some(slow) = &self.slow else { return Ok(0) };
        let fast = self.path(segment);
        let bytes = slow.take(&*self.disk, self, segment)?;
        self.forget_open(segment);
        self.disk.remove(&fast).map_err(|e| StoreError::io("remove", &fast, e))?;
        Ok(bytes)
    }

    fn is_slow(&self, segment: u32) -> bool {
        self.slow.as_ref().is_some_and(|slow| slow.path(segment).is_some())
    }
}

impl Blocks {
    /// Moves the oldest sealed segments until the fast disk holds at most `fast_bytes_max` of them. Nobody may collect meanwhile.
    pub(crate) fn settle(&self, fast_bytes_max: u64) -> Result<Settled, StoreError> {
        let mut done = Settled::default();
        if self.segments.slow.is_none() {
            return Ok(done);
        }
        let sealed = self.sealed_segments()?;
        let mut fast: Vec<_> = sealed.into_iter().filter(|segment| !self.segments.is_slow(segment.number)).collect();
        fast.sort_by_key(|segment| segment.number);
        let mut bytes: u64 = fast.iter().map(|segment| segment.bytes).sum();
        for segment in fast {
            if bytes <= fast_bytes_max {
                break;
            }
            done.bytes += self.segments.settle(segment.number)?;
            done.segments += 1;
            bytes = bytes.saturating_sub(segment.bytes);
        }
        Ok(done)
    }
}
