//! File nodes above the leaves, in the two layouts.
//!
//! Leaves come in order, one [`FileLink`] each; nodes are emitted as soon as they are full. Memory: one unfinished node
//! per level.

use bytes::Bytes;
use merkury_core::Cid;
use merkury_core::codec::dag_pb::PbLink;
use merkury_core::codec::unixfs::{Kind, UnixFs};

use super::options::Layout;
use super::sink::{NodeSink, SinkError};
use crate::meta::Metadata;

/// A child of a file node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLink {
    /// The child.
    pub cid: Cid,
    /// Encoded size of everything below, the child included.
    pub tsize: u64,
    /// Bytes of the file below.
    pub file_bytes: u64,
}

/// Trickle layout: subtrees of one depth under a node.
pub(crate) const DEPTH_REPEAT: usize = 4;

/// Joins leaves to a file.
pub(crate) enum FileBuilder {
    Balanced(Balanced),
    Trickle(Trickle),
}

impl FileBuilder {
    pub(crate) fn new(layout: Layout, links_max: usize) -> Self {
        match layout {
            Layout::Balanced => Self::Balanced(Balanced::new(links_max)),
            Layout::Trickle => Self::Trickle(Trickle::new(links_max)),
        }
    }

    /// Adds the next leaf.
    pub(crate) fn push(&mut self, leaf: FileLink, sink: &mut NodeSink) -> Result<(), SinkError> {
        match self {
            Self::Balanced(builder) => builder.push(leaf, sink),
            Self::Trickle(builder) => builder.push(leaf, sink),
        }
    }

    /// Emits the rest. There was at least one leaf.
    pub(crate) fn finish(self, meta: &Metadata, sink: &mut NodeSink) -> Result<FileLink, SinkError> {
        match self {
            Self::Balanced(builder) => builder.finish(meta, sink),
            Self::Trickle(builder) => builder.finish(meta, sink),
        }
    }
}

/// Encodes and emits one file node.
pub(crate) fn emit_node(links: &[FileLink], meta: &Metadata, sink: &mut NodeSink) -> Result<FileLink, SinkError> {
    let encoded = encode_node(links, meta);
    let tsize = links.iter().fold(encoded.len() as u64, |sum, link| sum.saturating_add(link.tsize));
    let file_bytes = links.iter().fold(0, |sum: u64, link| sum.saturating_add(link.file_bytes));
    Ok(FileLink { cid: sink.node(encoded)?, tsize, file_bytes })
}

/// The bytes of a file node: links, then type, size and the size below each link.
pub(crate) fn encode_node(links: &[FileLink], meta: &Metadata) -> Vec<u8> {
    let mut message = UnixFs::new(Kind::File);
    message.block_sizes = links.iter().map(|link| link.file_bytes).collect();
    message.file_size = Some(message.content_len());
    meta.apply(&mut message);
    let links = links.iter().map(|link| PbLink::new(link.cid.clone(), Bytes::new(), link.tsize)).collect();
    message.into_node(links).encode()
}

/// All leaves at one depth; a node is emitted when it has `links_max` links.
pub(crate) struct Balanced {
    links_max: usize,
    levels: Vec<Vec<FileLink>>,
}

impl Balanced {
    fn new(links_max: usize) -> Self {
        Self { links_max: links_max.max(2), levels: vec![Vec::new()] }
    }

    fn push(&mut self, leaf: FileLink, sink: &mut NodeSink) -> Result<(), SinkError> {
        self.push_at(0, leaf, sink)
    }

    /// A full node is emitted when its next sibling comes: until then it may be the root, which has metadata.
    fn push_at(&mut self, from: usize, mut link: FileLink, sink: &mut NodeSink) -> Result<(), SinkError> {
        for level in from.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let links = &mut self.levels[level];
            if links.len() < self.links_max {
                links.push(link);
                break;
            }
            let full = emit_node(links, &Metadata::default(), sink)?;
            links.clear();
            links.push(std::mem::replace(&mut link, full));
        }
        Ok(())
    }

    fn finish(mut self, meta: &Metadata, sink: &mut NodeSink) -> Result<FileLink, SinkError> {
        for level in 0.. {
            let mut links = std::mem::take(&mut self.levels[level]);
            if level + 1 == self.levels.len() {
                // Only the lowest level can end with one link: a single leaf is the file, and has the metadata.
                return if links.len() == 1 { Ok(links.remove(0)) } else { emit_node(&links, meta, sink) };
            }
            let node = emit_node(&links, &Metadata::default(), sink)?;
            self.push_at(level + 1, node, sink)?;
        }
        unreachable!("the top level returns")
    }
}

/// The first leaves stand under the root; then come [`DEPTH_REPEAT`] subtrees of depth 1, of depth 2, and so on.
pub(crate) struct Trickle {
    links_max: usize,
    /// From the root to the node that takes the next leaf.
    open: Vec<TrickleNode>,
}

/// An unfinished node of the trickle layout.
pub(crate) struct TrickleNode {
    /// Its subtrees have less than this depth; `None` for the root.
    depth_max: Option<usize>,
    links: Vec<FileLink>,
}

impl Trickle {
    fn new(links_max: usize) -> Self {
        Self { links_max: links_max.max(2), open: vec![TrickleNode { depth_max: None, links: Vec::new() }] }
    }

    fn push(&mut self, leaf: FileLink, sink: &mut NodeSink) -> Result<(), SinkError> {
        loop {
            let Some(node) = self.open.last_mut() else { unreachable!("the root is never closed before the end") };
            let Some(subtrees) = node.links.len().checked_sub(self.links_max) else {
                node.links.push(leaf);
                return Ok(());
            };
            let depth = subtrees / DEPTH_REPEAT + 1;
            if node.depth_max.is_none_or(|max| depth < max) {
                self.open.push(TrickleNode { depth_max: Some(depth), links: Vec::new() });
            } else {
                self.close_last(sink)?;
            }
        }
    }

    fn close_last(&mut self, sink: &mut NodeSink) -> Result<(), SinkError> {
        if let (Some(node), Some(parent)) = (self.open.pop(), self.open.last_mut()) {
            parent.links.push(emit_node(&node.links, &Metadata::default(), sink)?);
        }
        Ok(())
    }

    fn finish(mut self, meta: &Metadata, sink: &mut NodeSink) -> Result<FileLink, SinkError> {
        while self.open.len() > 1 {
            self.close_last(sink)?;
        }
        let links = self.open.pop().map(|root| root.links).unwrap_or_default();
        emit_node(&links, meta, sink)
    }
}
