//! Bytes written into a file, in place or past its end.
//!
//! As Kubo does it: bytes are collected up to [`BUFFER_BYTES`]; those that fall on existing leaves change these, and
//! the rest is cut and appended in trickle layout. Leaves that are not touched stay as they are. Unlike Kubo a node
//! that has both content and links is counted right.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::BoxFuture;
use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::PbLink;
use merkury_core::codec::unixfs::{Kind, UnixFs};
use merkury_core::{BlockGet, BlockPut, Cid};

use super::trickle::{Leaves, append};
use super::{HOLE_BYTES_MAX, Mfs, MfsError, cid_options_of};
use crate::build::{CidOptions, FileLink, NodeSink};
use crate::chunk::Chunker;
use crate::dir::NodeLink;
use crate::meta::{Metadata, Mtime};
use crate::node::Node;
use crate::read::FILE_DEPTH_MAX;

/// Bytes collected before they are written: Kubo writes when 2 MiB are exceeded by one of its 32 KiB reads, and where
/// the cuts lie depends on it.
const BUFFER_BYTES: usize = (2 << 20) + (32 << 10);
/// Zeros between the end of a file and new bytes are cut to this size.
const HOLE_LEAF_BYTES: usize = 4096;

/// A file node that is being changed.
#[derive(Clone, Debug)]
pub(super) struct FileNode {
    pub(super) kind: Kind,
    /// Content in the node itself; `None` and empty are written differently.
    pub(super) inline: Option<Bytes>,
    pub(super) links: Vec<FileLink>,
    pub(super) meta: Metadata,
    /// How this very node was named, and will be.
    pub(super) cid: CidOptions,
}

impl FileNode {
    pub(super) fn new(cid: CidOptions) -> Self {
        Self { kind: Kind::File, inline: None, links: Vec::new(), meta: Metadata::default(), cid }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.links.iter().fold(self.inline_bytes(), |sum, link| sum.saturating_add(link.file_bytes))
    }

    fn inline_bytes(&self) -> u64 {
        self.inline.as_ref().map_or(0, |inline| inline.len() as u64)
    }

    /// Encodes and stores the node.
    pub(super) fn emit(&self, sink: &mut NodeSink<'_>) -> Result<FileLink, MfsError> {
        let mut message = UnixFs::new(self.kind);
        message.data = self.inline.clone();
        message.block_sizes = self.links.iter().map(|link| link.file_bytes).collect();
        // A symlink's target is no content.
        message.file_size = (self.kind != Kind::Symlink).then(|| self.bytes());
        self.meta.apply(&mut message);
        let links = self.links.iter().map(|link| PbLink::new(link.cid.clone(), Bytes::new(), link.tsize)).collect();
        let encoded = message.into_node(links).encode();
        let tsize = self.links.iter().fold(encoded.len() as u64, |sum, link| sum.saturating_add(link.tsize));
        sink.set_cid_options(self.cid);
        Ok(FileLink { cid: sink.node(encoded)?, tsize, file_bytes: self.bytes() })
    }
}

/// What a file is at the moment.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// One block of plain bytes.
    Raw(Bytes),
    /// A node.
    Node(FileNode),
}

impl Content {
    fn of_node(node: Node, cid: CidOptions) -> Self {
        match node {
            Node::Raw(bytes) => Self::Raw(bytes),
            Node::Pb(pb, message) => {
                let links = pb.links.into_iter().zip(&message.block_sizes);
                Self::Node(FileNode {
                    kind: message.kind,
                    links: links
                        .map(|(link, &file_bytes)| FileLink {
                            cid: link.cid,
                            tsize: link.tsize.unwrap_or_default(),
                            file_bytes,
                        })
                        .collect(),
                    meta: Metadata::of(&message),
                    inline: message.data,
                    cid,
                })
            }
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Raw(bytes) => bytes.len() as u64,
            Self::Node(node) => node.bytes(),
        }
    }
}

/// Reads and stores nodes of one file.
pub(super) struct Store {
    pub(super) get: Arc<dyn BlockGet>,
    pub(super) put: Arc<dyn BlockPut>,
}

impl Store {
    /// A child of a file node.
    pub(super) async fn load(&self, cid: &Cid, fallback: CidOptions) -> Result<Content, MfsError> {
        let block = self.get.get(cid).await?;
        Ok(Content::of_node(Node::of_block(&block)?, cid_options_of(cid, fallback)))
    }

    /// Stores what a file, or a part of one, has become.
    fn emit(&self, content: &Content, raw: CidOptions) -> Result<FileLink, MfsError> {
        let mut sink = NodeSink::new(&*self.put, raw);
        let link = match content {
            Content::Node(node) => node.emit(&mut sink)?,
            Content::Raw(bytes) => {
                let length = bytes.len() as u64;
                FileLink { cid: sink.add(codec_code::RAW, bytes.clone())?, tsize: length, file_bytes: length }
            }
        };
        sink.flush()?;
        Ok(link)
    }
}

/// A file that is written to.
pub(super) struct FileEdit {
    store: Store,
    chunker: Chunker,
    /// How new nodes are named.
    cid: CidOptions,
    raw_leaves: bool,
    content: Content,
}

impl FileEdit {
    /// An existing file; `cid` is how its root was named.
    pub(super) fn new(mfs: &Mfs, node: Node, cid: CidOptions, raw_leaves: Option<bool>) -> Self {
        let raw_leaves =
            raw_leaves.or(mfs.options.raw_leaves).unwrap_or(cid.format == merkury_core::block::CidFormat::V1);
        Self {
            store: Store { get: mfs.get.clone(), put: mfs.put.clone() },
            chunker: mfs.options.chunker,
            cid,
            raw_leaves,
            content: Content::of_node(node, cid),
        }
    }

    /// A new file.
    pub(super) fn empty(mfs: &Mfs, cid: CidOptions, raw_leaves: Option<bool>) -> Self {
        let mut edit = Self::new(mfs, Node::Raw(Bytes::new()), cid, raw_leaves);
        edit.content = Content::Node(FileNode::new(cid));
        edit
    }

    /// Writes what `data` gives, from `offset` on; bytes between the end and `offset` become zeros.
    pub(super) async fn write(
        &mut self,
        offset: u64,
        data: &mut (dyn std::io::Read + Send),
        count: Option<u64>,
    ) -> Result<(), MfsError> {
        if offset > self.content.bytes() {
            self.fill_hole(offset - self.content.bytes()).await?;
        }
        let mut at = offset;
        let mut left = count.unwrap_or(u64::MAX);
        let mut buffer = Vec::new();
        while left > 0 {
            use std::io::Read;
            buffer.clear();
            let wanted = left.min(BUFFER_BYTES as u64);
            let read = (&mut *data).take(wanted).read_to_end(&mut buffer).map_err(MfsError::Data)? as u64;
            if read == 0 {
                break;
            }
            self.write_part(at, &buffer).await?;
            self.touch();
            at = at.saturating_add(read);
            left -= read;
        }
        Ok(())
    }

    async fn write_part(&mut self, offset: u64, data: &[u8]) -> Result<(), MfsError> {
        let mut rest = data;
        let content = self.content.clone();
        self.content = self.overwrite(content, offset, &mut rest, 0).await?;
        if !rest.is_empty() {
            let leaves = Leaves::of_bytes(rest, self.chunker, self.cid, self.raw_leaves);
            self.append(leaves).await?;
        }
        Ok(())
    }

    async fn fill_hole(&mut self, bytes: u64) -> Result<(), MfsError> {
        if bytes > HOLE_BYTES_MAX {
            return Err(MfsError::Hole(bytes));
        }
        let leaves = Leaves::of_zeros(bytes, HOLE_LEAF_BYTES, self.cid, self.raw_leaves);
        self.append(leaves).await
    }

    async fn append(&mut self, mut leaves: Leaves<'_>) -> Result<(), MfsError> {
        let root = match &self.content {
            Content::Node(node) => node.clone(),
            // A file of plain bytes becomes the first leaf of a node; its further leaves are plain, too.
            Content::Raw(bytes) => {
                leaves.use_raw();
                let mut root = FileNode::new(self.cid);
                root.links.push(self.store.emit(&Content::Raw(bytes.clone()), self.cid)?);
                root
            }
        };
        self.content = Content::Node(append(&self.store, root, &mut leaves, self.cid).await?);
        Ok(())
    }

    /// Writes as much of `data` as falls on what exists, and takes that from `data`.
    fn overwrite<'a>(
        &'a self,
        content: Content,
        offset: u64,
        data: &'a mut &[u8],
        depth: usize,
    ) -> BoxFuture<'a, Result<Content, MfsError>> {
        Box::pin(async move {
            let mut node = match content {
                Content::Raw(bytes) => return Ok(Content::Raw(patch(&bytes, offset, data))),
                Content::Node(node) => node,
            };
            node.inline = node.inline.map(|inline| patch(&inline, offset, data));
            let mut start = node.inline_bytes();
            let mut at = offset.max(start);
            for link in &mut node.links {
                let end = start.saturating_add(link.file_bytes);
                if end > at && !data.is_empty() {
                    if depth >= FILE_DEPTH_MAX {
                        return Err(MfsError::TooDeep(link.cid.clone()));
                    }
                    let child_cid = cid_options_of(&link.cid, self.cid);
                    let child = self.store.load(&link.cid, self.cid).await?;
                    let child = self.overwrite(child, at - start, data, depth + 1).await?;
                    link.cid = self.store.emit(&child, child_cid)?.cid;
                    at = end;
                }
                start = end;
            }
            Ok(Content::Node(node))
        })
    }

    /// Cuts or extends the file to `bytes`.
    pub(super) async fn truncate(&mut self, bytes: u64) -> Result<(), MfsError> {
        let size = self.content.bytes();
        if bytes > size {
            return self.fill_hole(bytes - size).await;
        }
        if bytes < size {
            let content = self.content.clone();
            self.content = self.cut(content, bytes, 0).await?;
            self.touch();
        }
        Ok(())
    }

    /// A file that has a time of modification was modified now.
    fn touch(&mut self) {
        if let Content::Node(node) = &mut self.content
            && node.meta.mtime.is_some()
        {
            node.meta.mtime = Some(now());
        }
    }

    /// The first `bytes` of a part, which has more.
    fn cut(&self, content: Content, bytes: u64, depth: usize) -> BoxFuture<'_, Result<Content, MfsError>> {
        Box::pin(async move {
            let mut node = match content {
                Content::Raw(all) => return Ok(Content::Raw(all.slice(..all.len().min(bytes as usize)))),
                Content::Node(node) => node,
            };
            if bytes < node.inline_bytes() || node.links.is_empty() {
                let inline = node.inline.unwrap_or_default();
                node.inline = Some(inline.slice(..inline.len().min(bytes as usize)));
                node.links.clear();
                // Kubo names a leaf that was cut in the oldest way, whatever it was before.
                node.cid = CidOptions::default();
                return Ok(Content::Node(node));
            }
            let mut start = node.inline_bytes();
            for index in 0..node.links.len() {
                let link = node.links[index].clone();
                let end = start.saturating_add(link.file_bytes);
                if bytes < end {
                    if depth >= FILE_DEPTH_MAX {
                        return Err(MfsError::TooDeep(link.cid));
                    }
                    let child_cid = cid_options_of(&link.cid, self.cid);
                    let child = self.store.load(&link.cid, self.cid).await?;
                    let child = self.cut(child, bytes - start, depth + 1).await?;
                    node.links.truncate(index);
                    node.links.push(self.store.emit(&child, child_cid)?);
                    return Ok(Content::Node(node));
                }
                start = end;
            }
            Ok(Content::Node(node))
        })
    }

    /// Stores the file's root. One plain leaf alone is the file, when leaves are plain.
    pub(super) async fn finish(self) -> Result<NodeLink, MfsError> {
        if let Content::Node(node) = &self.content
            && let ([only], true) = (&node.links[..], self.raw_leaves)
            && node.meta.is_empty()
            && node.inline_bytes() == 0
            && only.cid.codec() == codec_code::RAW
        {
            return Ok(NodeLink { cid: only.cid.clone(), tsize: only.tsize });
        }
        let link = self.store.emit(&self.content, self.cid)?;
        Ok(NodeLink { cid: link.cid, tsize: link.tsize })
    }

    /// Stores the file's root with other metadata; plain bytes become a node.
    pub(super) fn with_metadata(self, meta: Metadata) -> Result<NodeLink, MfsError> {
        let mut node = match self.content {
            Content::Node(node) => node,
            // Kubo names such a node in the oldest way.
            Content::Raw(inline) => FileNode { inline: Some(inline), ..FileNode::new(CidOptions::default()) },
        };
        node.meta = Metadata { mode: meta.mode.or(node.meta.mode), mtime: meta.mtime.or(node.meta.mtime) };
        let link = self.store.emit(&Content::Node(node), self.cid)?;
        Ok(NodeLink { cid: link.cid, tsize: link.tsize })
    }
}

/// `old` with the front of `data` over it from `offset` on; what fell on it is taken from `data`.
fn patch(old: &Bytes, offset: u64, data: &mut &[u8]) -> Bytes {
    let from = usize::try_from(offset).unwrap_or(usize::MAX).min(old.len());
    let length = data.len().min(old.len() - from);
    if length == 0 {
        return old.clone();
    }
    let (front, rest) = data.split_at(length);
    let mut new = old.to_vec();
    new[from..from + length].copy_from_slice(front);
    *data = rest;
    new.into()
}

fn now() -> Mtime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Mtime { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() }
}
