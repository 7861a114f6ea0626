//! Items written to a disk, below one place and nowhere else.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use merkury_core::codec::unixfs::check_file_name;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use super::bulk::Bulk;
use super::{DEPTH_MAX, Entry, EntryKind, Item, TarError, path_text};
use crate::meta::{Metadata, Mtime};

/// Links that are remembered, so that nothing is written over a link of the same archive.
const LINKS_MAX: usize = 1 << 18;

/// A directory that is being filled.
struct OpenDir {
    name: Bytes,
    dir: OwnedFd,
    /// Set when it is left: a directory may be made read-only only when it is complete.
    meta: Metadata,
}

/// A file that is being written.
struct OpenFile {
    file: File,
    meta: Metadata,
    path: Vec<Bytes>,
    /// Bytes that were there or were written.
    len: u64,
    /// It was there: what is the same is kept.
    is_resumed: bool,
    /// For a large new file.
    bulk: Option<Bulk>,
}

/// Writes items to `target` as Kubo's `get` does: a directory becomes `target` itself; a file or link becomes
/// `target`, or an entry of it where it is a directory already. Existing files and links are replaced, never written
/// through; of a file that is resumed ([`DiskWriter::resuming`]) what is the same stays. Blocking.
pub struct DiskWriter {
    target: PathBuf,
    root_name: Bytes,
    open: Vec<OpenDir>,
    file: Option<OpenFile>,
    links: HashSet<Vec<Bytes>>,
    resumes: bool,
    kept_bytes: u64,
    here: Vec<u8>,
}

impl DiskWriter {
    /// A writer to `target`.
    pub fn new(target: impl Into<PathBuf>) -> Self {
        Self {
            target: target.into(),
            root_name: Bytes::new(),
            open: Vec::new(),
            file: None,
            links: HashSet::new(),
            resumes: false,
            kept_bytes: 0,
            here: Vec::new(),
        }
    }

    /// A writer that goes on with a tree that is there in part: each byte of a file that exists is compared with what
    /// comes, and only what differs is written. Files with other names on the disk (hard links) are replaced.
    pub fn resuming(target: impl Into<PathBuf>) -> Self {
        Self { resumes: true, ..Self::new(target) }
    }

    /// Bytes that were there already and right.
    pub fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// The name of the root, for a root that is no directory and a target that is one.
    pub fn set_root_name(&mut self, name: Bytes) {
        self.root_name = name;
    }

    /// Writes the next item.
    pub fn take(&mut self, item: Item) -> Result<(), TarError> {
        match item {
            Item::Data(part) => self.take_data(&part),
            Item::Entry(entry) => {
                self.end_file()?;
                self.entry(entry)
            }
        }
    }

    /// Writes the next bytes of the file that was begun last.
    pub(super) fn take_data(&mut self, part: &[u8]) -> Result<(), TarError> {
        let Some(file) = &mut self.file else { return Err(TarError::Format("data without a file")) };
        let kept = file.take(part, &mut self.here);
        let kept = kept.map_err(|error| TarError::Disk { path: path_text(&file.path), error })?;
        self.kept_bytes += kept;
        Ok(())
    }

    /// Writes what came of a file that broke off, so that [`DiskWriter::resuming`] finds it.
    pub(super) fn break_off(&mut self) {
        if let Some(OpenFile { file, bulk: Some(bulk), .. }) = self.file.take() {
            // The reason why it broke off is told, and matters more.
            let _ = bulk.finish(&file);
        }
    }

    /// Completes the last file and sets modes and times of directories.
    pub fn finish(&mut self) -> Result<(), TarError> {
        self.end_file()?;
        self.leave_to(0)
    }

    fn entry(&mut self, entry: Entry) -> Result<(), TarError> {
        if entry.path.len() > DEPTH_MAX {
            return Err(TarError::TooDeep);
        }
        if let Some(bad) = entry.path.iter().find(|name| check_file_name(name).is_err()) {
            return Err(TarError::Path(String::from_utf8_lossy(bad).into_owned()));
        }
        if self.links.contains(&entry.path) {
            return Err(TarError::Path(path_text(&entry.path)));
        }
        match entry.path.split_last() {
            None => self.root(entry),
            Some((name, above)) => {
                self.go_to(above)?;
                let name = name.clone();
                self.place(&name, entry)
            }
        }
    }

    /// The first item: decides what the target is.
    fn root(&mut self, entry: Entry) -> Result<(), TarError> {
        let target = self.target.clone();
        if entry.kind == EntryKind::Directory {
            let dir = make_dir(CWD, target.as_os_str()).map_err(|error| disk(&entry.path, error))?;
            self.open.push(OpenDir { name: Bytes::new(), dir, meta: entry.meta });
            return Ok(());
        }
        let into_directory = rustix::fs::statat(CWD, &target, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Directory);
        let (parent, name) = if into_directory {
            check_file_name(&self.root_name)
                .map_err(|_| TarError::Path(path_text(std::slice::from_ref(&self.root_name))))?;
            (target, self.root_name.clone())
        } else {
            let name = target.file_name().ok_or_else(|| TarError::Path(target.to_string_lossy().into_owned()))?;
            let name = Bytes::copy_from_slice(name.as_bytes());
            let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            (parent.to_owned(), name)
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(CWD, &parent, flags, Mode::empty()).map_err(|error| disk(&entry.path, error))?;
        // The user named this directory: its own mode and time stay.
        self.open.push(OpenDir { name: Bytes::new(), dir, meta: Metadata::default() });
        self.place(&name, entry)
    }

    /// Writes an entry into the current directory.
    fn place(&mut self, name: &Bytes, entry: Entry) -> Result<(), TarError> {
        let Entry { path, kind, meta } = entry;
        let dir = &self.open.last().ok_or(TarError::Format("the first entry is not the root"))?.dir;
        let os_name = OsStr::from_bytes(name);
        match kind {
            EntryKind::Directory => {
                let inner = make_dir(dir, os_name).map_err(|error| disk(&path, error))?;
                self.open.push(OpenDir { name: name.clone(), dir: inner, meta });
            }
            EntryKind::File { bytes } => {
                if let Some(file) = self.resumes.then(|| open_again(dir, os_name)).flatten() {
                    self.file = Some(OpenFile { file, meta, path, len: 0, is_resumed: true, bulk: None });
                    return Ok(());
                }
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mode = Mode::from_raw_mode(0o644);
                let made = replacing(dir, os_name, || rustix::fs::openat(dir, os_name, flags, mode));
                let file = File::from(made.map_err(|error| disk(&path, error))?);
                let bulk = Bulk::begin(&file, bytes);
                self.file = Some(OpenFile { file, meta, path, len: 0, is_resumed: false, bulk });
            }
            EntryKind::Symlink { target } => {
                let target = OsStr::from_bytes(&target);
                replacing(dir, os_name, || rustix::fs::symlinkat(target, dir, os_name))
                    .map_err(|error| disk(&path, error))?;
                if let Some(mtime) = meta.mtime {
                    let times = times(mtime);
                    rustix::fs::utimensat(dir, os_name, &times, AtFlags::SYMLINK_NOFOLLOW)
                        .map_err(|error| disk(&path, error))?;
                }
                if self.links.len() >= LINKS_MAX {
                    return Err(TarError::Format("too many symbolic links"));
                }
                self.links.insert(path);
            }
        }
        Ok(())
    }

    /// Leaves and enters directories until `path` is the current one.
    fn go_to(&mut self, path: &[Bytes]) -> Result<(), TarError> {
        let shared = self.open.iter().skip(1).zip(path).take_while(|(have, want)| have.name == **want).count();
        self.leave_to(shared + 1)?;
        for (depth, name) in path.iter().enumerate().skip(shared) {
            // A directory that was not announced: it must be one, and no link.
            let parent = &self.open.last().ok_or(TarError::Format("the first entry is not the root"))?.dir;
            let dir = make_dir(parent, OsStr::from_bytes(name)).map_err(|error| disk(&path[..=depth], error))?;
            self.open.push(OpenDir { name: name.clone(), dir, meta: Metadata::default() });
        }
        Ok(())
    }

    fn leave_to(&mut self, depth: usize) -> Result<(), TarError> {
        while self.open.len() > depth {
            if let Some(left) = self.open.pop() {
                set_metadata(&left.dir, &left.meta).map_err(|error| disk(&[left.name], error))?;
            }
        }
        Ok(())
    }

    fn end_file(&mut self) -> Result<(), TarError> {
        match self.file.take() {
            None => Ok(()),
            Some(OpenFile { file, meta, path, len, is_resumed, bulk }) => {
                let fail = |error| TarError::Disk { path: path_text(&path), error };
                if is_resumed {
                    file.set_len(len).map_err(fail)?;
                }
                if let Some(bulk) = bulk {
                    bulk.finish(&file).map_err(fail)?;
                }
                set_metadata(&file, &meta).map_err(|error| disk(&path, error))
            }
        }
    }
}

impl OpenFile {
    /// Takes the next bytes; returns how many of them were there already.
    fn take(&mut self, part: &[u8], here: &mut Vec<u8>) -> std::io::Result<u64> {
        let at = self.len;
        self.len += part.len() as u64;
        if let Some(bulk) = &mut self.bulk {
            return bulk.write(&self.file, part).map(|()| 0);
        }
        if !self.is_resumed {
            return self.file.write_all(part).map(|()| 0);
        }
        here.resize(part.len(), 0);
        let is_same = self.file.read_exact_at(here, at).is_ok() && here == part;
        if is_same { Ok(part.len() as u64) } else { self.file.write_all_at(part, at).map(|()| 0) }
    }
}

/// A regular file that is there under this name alone, to be gone on with.
fn open_again(dir: &OwnedFd, name: &OsStr) -> Option<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::openat(dir, name, flags, Mode::empty()).ok()?);
    let stat = file.metadata().ok()?;
    (stat.is_file() && stat.nlink() == 1).then_some(file)
}

/// Makes a directory, or opens the one that is there; a link in its place is an error.
fn make_dir(at: impl std::os::fd::AsFd + Copy, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Makes something new where a file or link may be in the way: that is unlinked, once. A directory is not.
fn replacing<T>(dir: &OwnedFd, name: &OsStr, make: impl Fn() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
            make()
        }
        made => made,
    }
}

/// Sets permissions (never set-user-id and the like) and the time.
fn set_metadata(fd: impl std::os::fd::AsFd, meta: &Metadata) -> rustix::io::Result<()> {
    if let Some(mode) = meta.mode {
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode & 0o777))?;
    }
    if let Some(mtime) = meta.mtime {
        rustix::fs::futimens(&fd, &times(mtime))?;
    }
    Ok(())
}

fn times(mtime: Mtime) -> Timestamps {
    let time = Timespec { tv_sec: mtime.seconds, tv_nsec: i64::from(mtime.nanos) };
    let now = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    Timestamps { last_access: now, last_modification: time }
}

fn disk(path: &[Bytes], error: Errno) -> TarError {
    TarError::Disk { path: path_text(path), error: error.into() }
}
