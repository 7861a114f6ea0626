//! Entries on their way from the source to the tree: results come in any order, entries leave in the source's.

use std::collections::VecDeque;

use bytes::Bytes;

use super::AddError;
use super::file::{FileBuilder, FileLink};
use super::options::{ImportOptions, Layout};
use super::sink::NodeSink;
use crate::meta::Metadata;

/// An entry on its way, in the order of the source.
pub(super) enum Pending {
    Enter { name: Bytes, meta: Metadata },
    Leave,
    Symlink { name: Bytes, target: Vec<u8>, meta: Metadata },
    File(PendingFile),
}

/// A file whose leaves are coming.
pub(super) struct PendingFile {
    pub(super) name: Bytes,
    pub(super) meta: Metadata,
    /// Number of leaves, once known.
    pub(super) total: Option<u64>,
    /// Leaves that went to the builder.
    pub(super) joined: u64,
    pub(super) bytes: u64,
    pub(super) bytes_told: Option<u64>,
    /// Leaves from `joined` on that came early.
    early: VecDeque<Option<FileLink>>,
    first: Option<FileLink>,
    builder: Option<FileBuilder>,
}

impl PendingFile {
    pub(super) fn new(name: Bytes, meta: Metadata) -> Self {
        Self {
            name,
            meta,
            total: None,
            joined: 0,
            bytes: 0,
            bytes_told: None,
            early: VecDeque::new(),
            first: None,
            builder: None,
        }
    }

    /// Takes leaf `index`; joins what is in order.
    pub(super) fn leaf(
        &mut self,
        index: u64,
        link: FileLink,
        options: &ImportOptions,
        sink: &mut NodeSink,
    ) -> Result<(), AddError> {
        let ahead = index.saturating_sub(self.joined) as usize;
        if ahead == 0 && self.early.is_empty() {
            return self.join(link, options, sink);
        }
        if self.early.len() <= ahead {
            self.early.resize(ahead + 1, None);
        }
        self.early[ahead] = Some(link);
        while let Some(Some(_)) = self.early.front() {
            if let Some(Some(link)) = self.early.pop_front() {
                self.join(link, options, sink)?;
            }
        }
        Ok(())
    }

    fn join(&mut self, link: FileLink, options: &ImportOptions, sink: &mut NodeSink) -> Result<(), AddError> {
        self.joined += 1;
        self.bytes = self.bytes.saturating_add(link.file_bytes);
        if self.joined == 1 && options.layout == Layout::Balanced {
            self.first = Some(link);
            return Ok(());
        }
        let builder = self.builder.get_or_insert_with(|| FileBuilder::new(options.layout, options.file_links_max));
        if let Some(first) = self.first.take() {
            builder.push(first, sink)?;
        }
        Ok(builder.push(link, sink)?)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.total == Some(self.joined)
    }

    /// The file's root.
    pub(super) fn finish(&mut self, options: &ImportOptions, sink: &mut NodeSink) -> Result<FileLink, AddError> {
        if let Some(only) = self.first.take() {
            return Ok(only);
        }
        let builder = self.builder.take();
        let builder = builder.unwrap_or_else(|| FileBuilder::new(options.layout, options.file_links_max));
        Ok(builder.finish(&self.meta, sink)?)
    }
}
