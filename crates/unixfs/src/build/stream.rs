//! A stream of entries as a source: what a multipart body brings.
//!
//! Entries carry paths. Directories need not be named before what is in them, and entries of one item may come in any
//! order; a path that leaves the tree is refused. A directory without a name (Kubo's Go client sends one around what it
//! adds) is the one root, and everything after it is inside.

use bytes::Bytes;
use merkury_core::codec::unixfs::check_file_name;

use super::AddError;
use super::local::DEPTH_MAX;
use super::steps::{Step, StepSink, Steps};
use crate::meta::Metadata;

/// One entry of a stream.
pub struct StreamEntry<'a> {
    /// Names from the top, separated by `/`; empty for an item without name. Already decoded.
    pub path: String,
    /// Mode and time, when the sender gave them.
    pub meta: Metadata,
    /// What it is.
    pub kind: StreamKind<'a>,
}

/// What an entry of a stream is.
pub enum StreamKind<'a> {
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points; not looked at.
        target: Vec<u8>,
    },
    /// A file.
    File {
        /// Its bytes, read to the end before the next entry is asked for.
        body: &'a mut dyn std::io::Read,
    },
}

/// A stream of entries, read on a blocking thread.
pub trait EntryStream {
    /// The next entry, or `None` at the end.
    fn next_entry(&mut self) -> std::io::Result<Option<StreamEntry<'_>>>;
}

/// The steps of a stream.
pub(super) struct StreamSteps<'a> {
    stream: &'a mut dyn EntryStream,
    wrap: bool,
    is_started: bool,
    /// Whether a directory without a name is entered.
    in_unnamed: bool,
    /// Names of the directories that are entered, without those that have no name.
    path: Vec<String>,
}

impl<'a> StreamSteps<'a> {
    pub(super) fn new(stream: &'a mut dyn EntryStream, wrap: bool) -> Self {
        Self { stream, wrap, is_started: false, in_unnamed: false, path: Vec::new() }
    }
}

impl Steps for StreamSteps<'_> {
    fn advance(&mut self, out: StepSink<'_>) -> Result<bool, AddError> {
        if self.wrap && !self.is_started {
            self.is_started = true;
            out(Step::Enter { name: Bytes::new(), meta: Metadata::default() })?;
            return Ok(true);
        }
        let entry = self.stream.next_entry().map_err(|error| AddError::Read { name: "the request".into(), error })?;
        let Some(entry) = entry else {
            for _ in 0..self.path.len() + usize::from(self.wrap || self.in_unnamed) {
                out(Step::Leave)?;
            }
            return Ok(false);
        };
        let mut names = split(&entry.path)?;
        if let StreamKind::Directory = entry.kind {
            if names.is_empty() && self.path.is_empty() && !self.wrap && !self.in_unnamed {
                self.in_unnamed = true;
                out(Step::Enter { name: Bytes::new(), meta: entry.meta })?;
                return Ok(true);
            }
            return go_to(&mut self.path, &names, entry.meta, out).map(|()| true);
        }
        let name: Bytes = names.pop().unwrap_or_default().to_owned().into();
        go_to(&mut self.path, &names, Metadata::default(), out)?;
        match entry.kind {
            StreamKind::Symlink { target } => out(Step::Symlink { name, target, meta: entry.meta })?,
            StreamKind::File { body } => out(Step::Body { name, reader: body, meta: entry.meta })?,
            StreamKind::Directory => {}
        }
        Ok(true)
    }
}

fn split(path: &str) -> Result<Vec<&str>, AddError> {
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| check_file_name(name.as_bytes()).is_err()) {
        return Err(AddError::Path(path.chars().take(200).collect()));
    }
    if names.len() > DEPTH_MAX {
        return Err(AddError::TooDeep(DEPTH_MAX));
    }
    Ok(names)
}

/// Leaves and enters directories until `wanted` is the path; `meta` is for the last one.
fn go_to(path: &mut Vec<String>, wanted: &[&str], meta: Metadata, out: StepSink<'_>) -> Result<(), AddError> {
    let shared = path.iter().zip(wanted).take_while(|(have, want)| have == *want).count();
    while path.len() > shared {
        path.pop();
        out(Step::Leave)?;
    }
    for (index, name) in wanted.iter().enumerate().skip(shared) {
        let own = if index + 1 == wanted.len() { meta } else { Metadata::default() };
        path.push((*name).to_owned());
        out(Step::Enter { name: Bytes::copy_from_slice(name.as_bytes()), meta: own })?;
    }
    Ok(())
}
