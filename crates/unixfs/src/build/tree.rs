//! The directories of an import that are not finished yet.
//!
//! Entries come in the order of the walk. A directory is written when it is left; from sources that may come back to
//! it (multipart bodies name files in any order) it waits until the end, within a bound. Directory events are kept:
//! Kubo prints directories after all files.

use bytes::Bytes;

use super::options::ImportOptions;
use super::sink::NodeSink;
use super::{AddError, AddEvent, Added};
use crate::dir::{DirEntry, NodeLink, build_directory};
use crate::meta::Metadata;

/// Entries that may wait for a source to come back before all left directories are written.
const WAITING_ENTRIES_MAX: usize = 128 * 1024;

/// A directory that takes entries.
struct OpenDir {
    name: Bytes,
    meta: Metadata,
    entries: Vec<DirEntry>,
    /// Left, but perhaps not for good. Empty unless the tree is lazy.
    left: Vec<OpenDir>,
}

impl OpenDir {
    fn new(name: Bytes, meta: Metadata) -> Self {
        Self { name, meta, entries: Vec::new(), left: Vec::new() }
    }
}

/// The path from the import's top to the directory that takes entries now.
pub(super) struct Tree {
    options: ImportOptions,
    /// Keep left directories open: the source may come back.
    lazy: bool,
    path: Vec<OpenDir>,
    waiting_entries: usize,
    finished: Vec<(String, NodeLink)>,
}

impl Tree {
    /// The top holds one entry per item added; it is not written itself.
    pub(super) fn new(options: ImportOptions, lazy: bool) -> Self {
        let top = OpenDir::new(Bytes::new(), Metadata::default());
        Self { options, lazy, path: vec![top], waiting_entries: 0, finished: Vec::new() }
    }

    fn current(&mut self) -> &mut OpenDir {
        self.path.last_mut().expect("the top is never left")
    }

    /// Goes into a directory of the current one; back into it when it was left before.
    pub(super) fn enter(&mut self, name: Bytes, meta: Metadata) {
        let left = &mut self.current().left;
        let again = left.iter().rposition(|dir| dir.name == name).map(|at| left.swap_remove(at));
        self.path.push(again.unwrap_or_else(|| OpenDir::new(name, meta)));
    }

    /// Adds an entry to the current directory.
    pub(super) fn add(&mut self, entry: DirEntry, sink: &mut NodeSink) -> Result<(), AddError> {
        self.current().entries.push(entry);
        self.waiting_entries += usize::from(self.lazy);
        if self.waiting_entries > WAITING_ENTRIES_MAX {
            self.waiting_entries = 0;
            self.write_left(sink)?;
        }
        Ok(())
    }

    /// Goes back to the parent. When an item is done, tells about its directories.
    pub(super) fn leave(&mut self, sink: &mut NodeSink, events: &mut dyn FnMut(AddEvent<'_>)) -> Result<(), AddError> {
        let dir = self.path.pop().expect("left as often as entered");
        let is_item = self.path.len() == 1;
        if self.lazy && !is_item {
            self.current().left.push(dir);
            return Ok(());
        }
        let names: Vec<Bytes> = self.path.iter().skip(1).map(|dir| dir.name.clone()).collect();
        let entry = self.write(dir, names, sink)?;
        self.current().entries.extend(entry);
        if is_item {
            for (name, link) in self.finished.drain(..) {
                events(AddEvent::Added { name: &name, cid: &link.cid, size: link.tsize });
            }
        }
        Ok(())
    }

    /// Path of a name in the current directory, for people.
    pub(super) fn path_of(&self, name: &[u8]) -> String {
        let names = self.path.iter().skip(1).map(|dir| &dir.name[..]).chain([name]);
        join(names)
    }

    /// Writes everything that is left open below the path.
    fn write_left(&mut self, sink: &mut NodeSink) -> Result<(), AddError> {
        for at in 0..self.path.len() {
            let names: Vec<Bytes> = self.path[1..=at].iter().map(|dir| dir.name.clone()).collect();
            for dir in std::mem::take(&mut self.path[at].left) {
                let entry = self.write(dir, names.clone(), sink)?;
                self.path[at].entries.extend(entry);
            }
        }
        Ok(())
    }

    /// Writes one directory and all below it; `None` when it is empty and empty ones are not wanted. The depth is
    /// bounded by the source.
    fn write(
        &mut self,
        mut dir: OpenDir,
        above: Vec<Bytes>,
        sink: &mut NodeSink,
    ) -> Result<Option<DirEntry>, AddError> {
        let mut path = above;
        path.push(dir.name.clone());
        dir.left.sort_by(|a, b| a.name.cmp(&b.name));
        for below in std::mem::take(&mut dir.left) {
            let entry = self.write(below, path.clone(), sink)?;
            dir.entries.extend(entry);
        }
        let is_item = path.len() == 1;
        if dir.entries.is_empty() && !self.options.empty_directories && !is_item {
            return Ok(None);
        }
        let link = build_directory(dir.entries, &self.options.directory, &dir.meta, sink).map_err(|error| {
            AddError::Directory { name: join(path.iter().map(|name| &name[..])), error: Box::new(error) }
        })?;
        self.finished.push((join(path.iter().map(|name| &name[..])), link.clone()));
        Ok(Some(DirEntry { name: dir.name, cid: link.cid, tsize: link.tsize }))
    }

    /// The items in the order they came. Every directory was left.
    pub(super) fn finish(mut self) -> Vec<Added> {
        let top = self.path.pop().expect("the top is never left");
        top.entries.into_iter().map(Added::of_entry).collect()
    }
}

fn join<'a>(names: impl Iterator<Item = &'a [u8]>) -> String {
    let mut path = String::new();
    for name in names.filter(|name| !name.is_empty()) {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(&String::from_utf8_lossy(name));
    }
    path
}
