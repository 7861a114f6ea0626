//! The local file system as a source: directories are read one at a time, sorted by name, and walked in that order.
//!
//! Nothing is opened by path but the items themselves and directories that were closed meanwhile: everything else is
//! opened below its directory, and symbolic links are not followed unless that was asked for.

use std::ffi::{CString, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

use super::steps::{OpenFile, Step, StepSink, Steps};
use super::worker::metadata_of;
use super::{AddError, Item};
use crate::meta::Metadata;

/// Deepest nesting of directories: a loop made of links ends here.
pub(super) const DEPTH_MAX: usize = 1024;
/// So many directories of the path stay open; others are opened again when the walk comes back.
const OPEN_DIRS_MAX: usize = 32;

/// What happens to symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// They are added as links.
    #[default]
    Keep,
    /// The item itself is followed, links below are kept (`--dereference-args`).
    FollowItem,
    /// All are followed (`--dereference-symlinks`).
    Follow,
}

/// Says whether a path (relative to the item; second argument: is it a directory) is left out.
pub type Exclude = Arc<dyn Fn(&Path, bool) -> bool + Send + Sync>;

/// What of a local path is taken.
#[derive(Clone, Default)]
pub struct WalkOptions {
    /// Names beginning with a dot, too. The item itself is always taken.
    pub hidden: bool,
    /// Symbolic links.
    pub symlinks: Symlinks,
    /// More to leave out.
    pub exclude: Option<Exclude>,
}

/// A name in a directory that was read.
struct Name {
    name: CString,
    kind: FileType,
}

/// A directory of the path.
struct Frame {
    /// Absolute or relative to the working directory.
    path: PathBuf,
    /// Path below the item, for the exclude rule.
    relative: PathBuf,
    dir: Option<Arc<OwnedFd>>,
    names: std::vec::IntoIter<Name>,
}

/// The steps of a list of items.
pub(super) struct LocalSteps<'a> {
    items: std::vec::IntoIter<Item<'a>>,
    wrap: bool,
    is_started: bool,
    walk: WalkOptions,
    path: Vec<Frame>,
}

impl<'a> LocalSteps<'a> {
    pub(super) fn new(items: Vec<Item<'a>>, wrap: bool) -> Self {
        Self { items: items.into_iter(), wrap, is_started: false, walk: WalkOptions::default(), path: Vec::new() }
    }

    /// The next item; false after the last.
    fn next_item(&mut self, out: StepSink<'_>) -> Result<bool, AddError> {
        match self.items.next() {
            None => {
                if self.wrap {
                    out(Step::Leave)?;
                }
                return Ok(false);
            }
            Some(Item::Reader { name, reader }) => {
                out(Step::Body { name: name.into_bytes().into(), reader, meta: Metadata::default() })?;
            }
            Some(Item::Path { name, path, walk }) => {
                self.walk = walk;
                out(self.path_item(name, path)?)?;
            }
        }
        Ok(true)
    }

    fn path_item(&mut self, name: String, path: PathBuf) -> Result<Step<'static>, AddError> {
        let follow = self.walk.symlinks != Symlinks::Keep;
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let stat = rustix::fs::statat(CWD, &path, flags).map_err(|error| read_error(&path, error))?;
        let name: Bytes = name.into_bytes().into();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let dir = open_dir(CWD, path.as_os_str(), follow).map_err(|error| read_error(&path, error))?;
                self.enter(name, path, PathBuf::new(), dir)
            }
            FileType::RegularFile => {
                let dir = open_dir(CWD, OsStr::new("."), true).map_err(|error| read_error(&path, error))?;
                let c_path = CString::new(path.as_os_str().as_bytes())
                    .map_err(|_| AddError::Path(path.to_string_lossy().into_owned()))?;
                Ok(Step::File { name, open: OpenFile { dir: Arc::new(dir), name: c_path, follow } })
            }
            FileType::Symlink => {
                let target =
                    rustix::fs::readlinkat(CWD, &path, Vec::new()).map_err(|error| read_error(&path, error))?;
                Ok(Step::Symlink { name, target: target.into_bytes(), meta: metadata_of(&stat) })
            }
            _ => Err(not_a_file(&path, stat.st_mode)),
        }
    }

    /// Reads a directory and goes into it.
    fn enter(
        &mut self,
        name: Bytes,
        path: PathBuf,
        relative: PathBuf,
        dir: OwnedFd,
    ) -> Result<Step<'static>, AddError> {
        if self.path.len() >= DEPTH_MAX {
            return Err(AddError::TooDeep(DEPTH_MAX));
        }
        let fail = |error| read_error(&path, error);
        let stat = rustix::fs::fstat(&dir).map_err(fail)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let bytes = entry.file_name().to_bytes();
            let is_taken = !matches!(bytes, b"." | b"..") && (self.walk.hidden || bytes.first() != Some(&b'.'));
            if is_taken {
                names.push(Name { name: entry.file_name().to_owned(), kind: entry.file_type() });
            }
        }
        names.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        if let Some(above) = self.path.len().checked_sub(OPEN_DIRS_MAX) {
            self.path[above].dir = None;
        }
        self.path.push(Frame { path, relative, dir: Some(Arc::new(dir)), names: names.into_iter() });
        Ok(Step::Enter { name, meta: metadata_of(&stat) })
    }

    /// The next name of the current directory; `None` when it was excluded.
    fn next_name(&mut self, name: Name) -> Result<Option<Step<'static>>, AddError> {
        let follow = self.walk.symlinks == Symlinks::Follow;
        let exclude = self.walk.exclude.clone();
        let frame = self.path.last_mut().expect("a directory is open");
        let path = frame.path.join(OsStr::from_bytes(name.name.as_bytes()));
        let fail = |error| read_error(&path, error);
        let dir = match &frame.dir {
            Some(dir) => dir.clone(),
            None => {
                let again = open_dir(CWD, frame.path.as_os_str(), true).map_err(fail)?;
                frame.dir.insert(Arc::new(again)).clone()
            }
        };
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let is_known = !matches!(name.kind, FileType::Unknown | FileType::Symlink);
        let stat = if is_known { None } else { Some(rustix::fs::statat(&*dir, &name.name, flags).map_err(fail)?) };
        let kind = stat.as_ref().map_or(name.kind, |stat| FileType::from_raw_mode(stat.st_mode));
        let relative = frame.relative.join(OsStr::from_bytes(name.name.as_bytes()));
        if exclude.is_some_and(|exclude| exclude(&relative, kind == FileType::Directory)) {
            return Ok(None);
        }
        let label = Bytes::copy_from_slice(name.name.as_bytes());
        match kind {
            FileType::Directory => {
                let inner = open_dir(&*dir, OsStr::from_bytes(name.name.as_bytes()), follow).map_err(fail)?;
                self.enter(label, path, relative, inner).map(Some)
            }
            FileType::RegularFile => {
                Ok(Some(Step::File { name: label, open: OpenFile { dir, name: name.name, follow } }))
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&*dir, &name.name, Vec::new()).map_err(fail)?;
                let meta = stat.as_ref().map(metadata_of).unwrap_or_default();
                Ok(Some(Step::Symlink { name: label, target: target.into_bytes(), meta }))
            }
            _ => {
                let mode = rustix::fs::statat(&*dir, &name.name, flags).map_err(fail)?.st_mode;
                Err(not_a_file(&path, mode))
            }
        }
    }
}

impl Steps for LocalSteps<'_> {
    fn advance(&mut self, out: StepSink<'_>) -> Result<bool, AddError> {
        if let Some(frame) = self.path.last_mut() {
            let step = match frame.names.next() {
                Some(name) => self.next_name(name)?,
                None => {
                    self.path.pop();
                    Some(Step::Leave)
                }
            };
            if let Some(step) = step {
                out(step)?;
            }
            return Ok(true);
        }
        if self.wrap && !self.is_started {
            self.is_started = true;
            out(Step::Enter { name: Bytes::new(), meta: Metadata::default() })?;
            return Ok(true);
        }
        self.next_item(out)
    }
}

pub(super) fn not_a_file(path: &Path, st_mode: u32) -> AddError {
    AddError::NotAFile {
        name: path.to_string_lossy().into_owned(),
        mode: merkury_core::mode::letters_of_special(st_mode),
    }
}

fn open_dir(at: impl std::os::fd::AsFd, name: &OsStr, follow: bool) -> rustix::io::Result<OwnedFd> {
    let nofollow = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
    rustix::fs::openat(at, name, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | nofollow, Mode::empty())
}

fn read_error(path: &Path, error: rustix::io::Errno) -> AddError {
    AddError::Read { name: path.to_string_lossy().into_owned(), error: error.into() }
}
