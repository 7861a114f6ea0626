//! The directories of an import that are not finished yet.
//!
//! Entries come in the order of the walk. A directory is written when it is left; from sources that may come back to
//! it (multipart bodies name files in any order) it waits until the item ends, within a bound. Events of directories
//! are kept until then: Kubo tells them after all files, children first, in the order in which the parent holds them.

use std::collections::HashMap;

use bytes::Bytes;

use super::options::ImportOptions;
use super::sink::NodeSink;
use super::{AddError, AddEvent, Added};
use crate::dir::{DirEntry, NodeLink, build_directory, order_of_names};
use crate::meta::Metadata;

/// Entries that may wait for a source to come back before all left directories are written.
const WAITING_ENTRIES_MAX: usize = 128 * 1024;

/// A directory that was written: its path and root.
type Told = (String, NodeLink);

/// A directory that takes entries.
struct OpenDir {
    name: Bytes,
    meta: Metadata,
    entries: Vec<DirEntry>,
    /// Whether the source has something in it, even if nothing of that is kept: then it is not empty.
    has_entries: bool,
    /// Directories in it that were left, but perhaps not for good. Empty unless the tree is lazy.
    left: HashMap<Bytes, OpenDir>,
    /// Directories in it that were written: what is to be told of each and of all below it.
    written: Vec<(Bytes, Vec<Told>)>,
}

impl OpenDir {
    fn new(name: Bytes, meta: Metadata) -> Self {
        Self { name, meta, entries: Vec::new(), has_entries: false, left: HashMap::new(), written: Vec::new() }
    }

    /// Takes a directory in it that was written; `None`: it was empty and not wanted.
    fn take(&mut self, written: Option<(DirEntry, Vec<Told>)>) {
        if let Some((entry, told)) = written {
            self.written.push((entry.name.clone(), told));
            self.entries.push(entry);
        }
    }
}

/// The path from the import's top to the directory that takes entries now.
pub(super) struct Tree {
    options: ImportOptions,
    /// Keep left directories open: the source may come back.
    lazy: bool,
    path: Vec<OpenDir>,
    waiting_entries: usize,
}

impl Tree {
    /// The top holds one entry per item added; it is not written itself.
    pub(super) fn new(options: ImportOptions, lazy: bool) -> Self {
        let top = OpenDir::new(Bytes::new(), Metadata::default());
        Self { options, lazy, path: vec![top], waiting_entries: 0 }
    }

    fn current(&mut self) -> &mut OpenDir {
        self.path.last_mut().expect("the top is never left")
    }

    /// Goes into a directory of the current one; back into it when it was left before.
    pub(super) fn enter(&mut self, name: Bytes, meta: Metadata) {
        self.current().has_entries = true;
        let again = self.current().left.remove(&name);
        self.path.push(again.unwrap_or_else(|| OpenDir::new(name, meta)));
    }

    /// Adds an entry to the current directory.
    pub(super) fn add(&mut self, entry: DirEntry, sink: &mut NodeSink) -> Result<(), AddError> {
        self.current().has_entries = true;
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
            self.current().left.insert(dir.name.clone(), dir);
            return Ok(());
        }
        let above = self.names(self.path.len());
        let written = self.write(dir, &above, sink)?;
        self.current().take(written);
        if is_item {
            for (_, told) in self.current().written.drain(..) {
                for (name, link) in told {
                    events(AddEvent::Added { name: &name, cid: &link.cid, size: link.tsize, is_directory: true });
                }
            }
        }
        Ok(())
    }

    /// Names of the first directories of the path, without the top.
    fn names(&self, count: usize) -> Vec<Bytes> {
        self.path[1..count].iter().map(|dir| dir.name.clone()).collect()
    }

    /// Path of a name in the current directory, for people.
    pub(super) fn path_of(&self, name: &[u8]) -> String {
        join(self.path.iter().skip(1).map(|dir| &dir.name[..]).chain([name]))
    }

    /// Writes everything that was left below the path.
    fn write_left(&mut self, sink: &mut NodeSink) -> Result<(), AddError> {
        for at in 1..self.path.len() {
            let above = self.names(at + 1);
            for (_, dir) in std::mem::take(&mut self.path[at].left) {
                let written = self.write(dir, &above, sink)?;
                self.path[at].take(written);
            }
        }
        Ok(())
    }

    /// Writes one directory and all below it; `None` when it is empty and empty ones are not wanted. The depth is
    /// bounded by the source.
    fn write(
        &self,
        mut dir: OpenDir,
        above: &[Bytes],
        sink: &mut NodeSink,
    ) -> Result<Option<(DirEntry, Vec<Told>)>, AddError> {
        let path = [above, std::slice::from_ref(&dir.name)].concat();
        for (_, below) in std::mem::take(&mut dir.left) {
            let written = self.write(below, &path, sink)?;
            dir.take(written);
        }
        let is_item = path.len() == 1;
        if !dir.has_entries && !self.options.empty_directories && !is_item {
            return Ok(None);
        }
        order_of_names(&dir.entries, &mut dir.written, &self.options.directory, &dir.meta);
        let name = join(path.iter().map(|name| &name[..]));
        let link = build_directory(dir.entries, &self.options.directory, &dir.meta, sink)
            .map_err(|error| AddError::Directory { name: name.clone(), error: Box::new(error) })?;
        let below = dir.written.iter().map(|(_, told)| told.len()).sum::<usize>();
        let mut told: Vec<Told> = Vec::with_capacity(below + 1);
        told.extend(dir.written.into_iter().flat_map(|(_, told)| told));
        told.push((name, link.clone()));
        Ok(Some((DirEntry { name: dir.name, cid: link.cid, tsize: link.tsize }, told)))
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
