//! Archives of what is here or can be had.
//!
//! Blocks come depth first in link order, each once unless duplicates are asked for. A block that is missing ends the
//! stream with an error: what a client has got then is no whole archive, and the surface must cut the connection.

use std::collections::HashSet;
use std::sync::Arc;

use async_stream::try_stream;
use bytes::Bytes;
use futures::StreamExt;
use merkury_api::{ApiError, ByteStream, CarRange, CarScope, ExportRequest};
use merkury_core::car;
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind};
use merkury_core::{Block, BlockGet, Cid, ErrorKind, Multihash};
use merkury_unixfs::node::Node;
use merkury_unixfs::walk::{Preorder, Step, WalkError};

use crate::api::with_kind;

/// Starts an export. A missing root is an answer, not the end of a stream that has begun.
pub(super) async fn export(get: Arc<dyn BlockGet>, request: ExportRequest) -> Result<ByteStream, ApiError> {
    get.get(&request.root).await?;
    Ok(try_stream! {
        yield Bytes::from(car::header(&request.header_roots));
        let mut written: HashSet<Multihash> = HashSet::new();
        for cid in request.path_blocks.iter().filter(|cid| **cid != request.root) {
            let block = get.get(cid).await?;
            if written.insert(cid.hash().clone()) || request.duplicates {
                for part in section(&block, request.identities) {
                    yield part;
                }
            }
        }
        let mut blocks = Selection::new(get, &request).await?;
        while let Some(block) = blocks.next().await {
            let block = match block {
                Ok(block) => block,
                Err(WalkError::Get(error)) if request.local_only && error.kind() == ErrorKind::NotFound => continue,
                Err(error) => Err(with_kind(error.kind(), error))?,
            };
            if written.insert(block.cid().hash().clone()) || request.duplicates {
                for part in section(&block, request.identities) {
                    yield part;
                }
            }
        }
    }
    .boxed())
}

/// Frame and data of a block; the data is not copied. Identity blocks are in their CID already, and written when asked for.
fn section(block: &Block, identities: bool) -> Vec<Bytes> {
    if block.cid().hash().is_identity() && !identities {
        return Vec::new();
    }
    vec![Bytes::from(car::section_head(block.cid(), block.data().len())), block.data().clone()]
}

/// The blocks a request selects below its root.
struct Selection {
    walk: Preorder,
    scope: Scope,
    /// First bytes of the file nodes that were not visited yet, in the order of the walk, the next one last.
    starts: Vec<u64>,
}

enum Scope {
    All,
    /// The root alone.
    Root,
    /// Blocks of a sharded directory, without its entries.
    Shards,
    /// Blocks of a file that hold these bytes: first, and past the last.
    Bytes(u64, u64),
}

impl Selection {
    async fn new(get: Arc<dyn BlockGet>, request: &ExportRequest) -> Result<Self, ApiError> {
        let scope = match request.scope {
            CarScope::All => Scope::All,
            CarScope::Block => Scope::Root,
            CarScope::Entity => entity(&get.get(&request.root).await?, request.range),
        };
        // A file may hold one leaf twice, and both places count for a range.
        let once = !request.duplicates && !matches!(scope, Scope::Bytes(..));
        Ok(Self { walk: Preorder::new(get, request.root.clone(), once), scope, starts: vec![0] })
    }

    async fn next(&mut self) -> Option<Result<Block, WalkError>> {
        let start = self.starts.pop().unwrap_or_default();
        let step = match self.walk.next().await? {
            Ok(step) => step,
            Err(error) => return Some(Err(error)),
        };
        let below = match &self.scope {
            Scope::All => self.walk.descend(&step),
            Scope::Root => Ok(()),
            Scope::Shards => shards(&step).map_or(Ok(()), |links| self.walk.descend_to(&step, links)),
            Scope::Bytes(from, to) => {
                let (links, starts) = overlapping(&step, start, *from, *to);
                self.starts.extend(starts.into_iter().rev());
                self.walk.descend_to(&step, links)
            }
        };
        Some(below.map(|()| step.block))
    }
}

fn entity(root: &Block, range: Option<CarRange>) -> Scope {
    match Node::of_block(root) {
        Ok(Node::Pb(_, message)) if message.kind == Kind::HamtShard => Scope::Shards,
        Ok(Node::Pb(_, message)) if message.kind.is_file() => {
            let (from, to) = bytes_of(range, message.content_len());
            Scope::Bytes(from, to)
        }
        _ => Scope::Root,
    }
}

/// A range in absolute numbers: first byte, and past the last.
fn bytes_of(range: Option<CarRange>, size: u64) -> (u64, u64) {
    let Some(range) = range else { return (0, u64::MAX) };
    let absolute = |at: i64| if at < 0 { size.saturating_sub(at.unsigned_abs()) } else { at.unsigned_abs() };
    let to = match range.to {
        None => u64::MAX,
        Some(to) if to < 0 => size.saturating_add(1).saturating_sub(to.unsigned_abs()),
        Some(to) => to.unsigned_abs().saturating_add(1),
    };
    (absolute(range.from), to)
}

/// Links to inner shards; `None` when the node is no shard.
fn shards(step: &Step) -> Option<Vec<Cid>> {
    let Ok(Node::Pb(node, message)) = Node::of_block(&step.block) else { return None };
    let shard = HamtShard::new(&message, &node.links).ok()?;
    let inner = shard.entries().filter(|(entry, _)| matches!(entry, HamtEntry::Shard));
    Some(inner.map(|(_, link)| link.cid.clone()).collect())
}

/// Children of a file node that hold bytes of a range, and where each starts.
fn overlapping(step: &Step, start: u64, from: u64, to: u64) -> (Vec<Cid>, Vec<u64>) {
    let Ok(Node::Pb(node, message)) = Node::of_block(&step.block) else { return Default::default() };
    let mut at = start.saturating_add(message.data.as_ref().map_or(0, |data| data.len() as u64));
    let (mut links, mut starts) = (Vec::new(), Vec::new());
    for (link, size) in node.links.iter().zip(&message.block_sizes) {
        let end = at.saturating_add(*size);
        if at < to && end > from {
            links.push(link.cid.clone());
            starts.push(at);
        }
        at = end;
    }
    (links, starts)
}
