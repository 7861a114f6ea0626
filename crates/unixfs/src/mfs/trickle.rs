//! Appending leaves to a file in trickle layout.
//!
//! A node has first `LINKS_MAX` leaves, then groups of [`DEPTH_REPEAT`] subtrees, each group one level deeper. The
//! numbers of levels and groups below follow Kubo exactly, CIDs depend on them.

use bytes::Bytes;
use futures::future::BoxFuture;
use merkury_core::cid::codec_code;

use super::edit::{Content, FileNode, Store};
use super::{LINKS_MAX, MfsError};
use crate::build::{CidOptions, DEPTH_REPEAT, FileLink, NodeSink};
use crate::chunk::{Chunker, Cutter};
use crate::read::FILE_DEPTH_MAX;

/// Levels of subtrees. Signed: the rules below count under zero for nodes whose first group is not full.
type Depth = isize;

/// Leaves that are still to be appended.
pub(super) struct Leaves<'a> {
    source: Source<'a>,
    cid: CidOptions,
    raw: bool,
}

enum Source<'a> {
    Bytes { left: &'a [u8], cutter: Cutter },
    Zeros { left: u64, leaf_bytes: usize },
}

impl<'a> Leaves<'a> {
    pub(super) fn of_bytes(left: &'a [u8], chunker: Chunker, cid: CidOptions, raw: bool) -> Self {
        Self { source: Source::Bytes { left, cutter: chunker.cutter() }, cid, raw }
    }

    pub(super) fn of_zeros(left: u64, leaf_bytes: usize, cid: CidOptions, raw: bool) -> Self {
        Self { source: Source::Zeros { left, leaf_bytes }, cid, raw }
    }

    /// From now on leaves are plain bytes.
    pub(super) fn use_raw(&mut self) {
        self.raw = true;
    }

    fn is_done(&self) -> bool {
        match &self.source {
            Source::Bytes { left, .. } => left.is_empty(),
            Source::Zeros { left, .. } => *left == 0,
        }
    }

    /// Stores the next leaf.
    fn next(&mut self, sink: &mut NodeSink<'_>) -> Result<FileLink, MfsError> {
        let content = match &mut self.source {
            Source::Bytes { left, cutter } => {
                let (front, rest) = left.split_at(cutter.next_cut(left));
                *left = rest;
                Bytes::copy_from_slice(front)
            }
            Source::Zeros { left, leaf_bytes } => {
                let length = (*leaf_bytes as u64).min(*left);
                *left -= length;
                Bytes::from(vec![0; length as usize])
            }
        };
        let length = content.len() as u64;
        if self.raw {
            sink.set_cid_options(self.cid);
            return Ok(FileLink { cid: sink.add(codec_code::RAW, content)?, tsize: length, file_bytes: length });
        }
        let leaf =
            FileNode { kind: merkury_core::codec::unixfs::Kind::Raw, inline: Some(content), ..FileNode::new(self.cid) };
        leaf.emit(sink)
    }
}

/// Where a node of `links` links goes on: the depth of its last group of subtrees and how many of it there are. Depth
/// 0: leaves are still missing.
fn position(links: usize) -> (Depth, usize) {
    match links.checked_sub(LINKS_MAX) {
        None => (0, 0),
        Some(subtrees) => ((subtrees / DEPTH_REPEAT) as Depth + 1, subtrees % DEPTH_REPEAT),
    }
}

/// `root` with the leaves behind it.
pub(super) async fn append(
    store: &Store,
    mut root: FileNode,
    leaves: &mut Leaves<'_>,
    cid: CidOptions,
) -> Result<FileNode, MfsError> {
    let mut sink = NodeSink::new(&*store.put, cid);
    let mut appender = Appender { store, leaves, cid, sink: &mut sink };
    let (mut depth, repeat) = position(root.links.len());
    if depth == 0 {
        appender.fill_leaves(&mut root)?;
        depth = 1;
    }
    if !appender.leaves.is_done() {
        appender.fill_last(&mut root, depth - 1, repeat, 0).await?;
        if !appender.leaves.is_done() {
            depth += 1;
        }
        appender.add_groups(&mut root, depth, Depth::MAX)?;
    }
    sink.flush()?;
    Ok(root)
}

struct Appender<'s, 'l, 'd, 'p> {
    store: &'s Store,
    leaves: &'l mut Leaves<'d>,
    cid: CidOptions,
    sink: &'l mut NodeSink<'p>,
}

impl Appender<'_, '_, '_, '_> {
    fn fill_leaves(&mut self, node: &mut FileNode) -> Result<(), MfsError> {
        while node.links.len() < LINKS_MAX && !self.leaves.is_done() {
            let leaf = self.leaves.next(self.sink)?;
            node.links.push(leaf);
        }
        Ok(())
    }

    /// A new subtree, as full as the leaves make it. `depth` shrinks with each level.
    fn subtree(&mut self, depth: Depth) -> Result<FileLink, MfsError> {
        let mut node = FileNode::new(self.cid);
        self.fill_leaves(&mut node)?;
        self.add_groups(&mut node, 1, depth)?;
        node.emit(self.sink)
    }

    /// Groups of subtrees of depth `from` up to, not including, `to`.
    fn add_groups(&mut self, node: &mut FileNode, from: Depth, to: Depth) -> Result<(), MfsError> {
        let mut depth = from;
        while depth < to && !self.leaves.is_done() {
            self.add_subtrees(node, depth, DEPTH_REPEAT)?;
            depth += 1;
        }
        Ok(())
    }

    fn add_subtrees(&mut self, node: &mut FileNode, depth: Depth, count: usize) -> Result<(), MfsError> {
        for _ in 0..count {
            if self.leaves.is_done() {
                break;
            }
            let subtree = self.subtree(depth)?;
            node.links.push(subtree);
        }
        Ok(())
    }

    /// Fills up the last subtree of a node and the group it is in.
    fn fill_last<'a>(
        &'a mut self,
        node: &'a mut FileNode,
        depth: Depth,
        repeat: usize,
        level: usize,
    ) -> BoxFuture<'a, Result<(), MfsError>> {
        Box::pin(async move {
            if node.links.len() <= LINKS_MAX {
                return Ok(());
            }
            let Some(last) = node.links.pop() else { return Ok(()) };
            if level >= FILE_DEPTH_MAX {
                return Err(MfsError::TooDeep(last.cid));
            }
            // The subtree may be one that was stored a moment ago.
            self.sink.flush()?;
            let Content::Node(mut subtree) = self.store.load(&last.cid, self.cid).await? else {
                return Err(MfsError::Path("expected protobuf dag node"));
            };
            self.fill_subtree(&mut subtree, depth - 1, level + 1).await?;
            let filled = subtree.emit(self.sink)?;
            node.links.push(filled);
            if repeat != 0 {
                self.add_subtrees(node, depth, DEPTH_REPEAT - repeat)?;
            }
            Ok(())
        })
    }

    /// Fills up a subtree whose own subtrees have less than `depth_max` levels.
    async fn fill_subtree(&mut self, node: &mut FileNode, depth_max: Depth, level: usize) -> Result<(), MfsError> {
        if depth_max == 0 || self.leaves.is_done() {
            return Ok(());
        }
        let (mut depth, repeat) = position(node.links.len());
        if depth == 0 {
            self.fill_leaves(node)?;
            depth = 1;
        }
        if depth == depth_max {
            return Ok(());
        }
        self.fill_last(node, depth, repeat, level).await?;
        if !self.leaves.is_done() {
            depth += 1;
        }
        self.add_groups(node, depth, depth_max)
    }
}
