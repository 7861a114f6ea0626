//! The entries of a directory as a stream.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind, UnixFsError};
use merkury_core::{Block, BlockGet, Cid};

use super::{DirEntry, DirError};
use crate::node::{Node, NodeError};

/// Shards asked for at once.
const SHARDS_AHEAD: usize = 32;
/// Levels of a trie at most: 64 bits of hash, three bits per level at least.
pub(super) const SHARD_DEPTH_MAX: usize = 22;

/// What a shard link leads to, in order.
enum Item {
    Entry(DirEntry),
    Shard(Cid, usize),
}

/// Streams the entries of the directory `cid`: by name for a plain directory, in slot order for a HAMT. Shards are
/// fetched ahead and delivered in order.
pub fn list(get: Arc<dyn BlockGet>, cid: Cid) -> impl Stream<Item = Result<DirEntry, DirError>> + Send + 'static {
    stream::once(async move {
        let block = get.get(&cid).await?;
        Ok(list_block(get, &block))
    })
    .flat_map(|listed: Result<_, DirError>| match listed {
        Ok(entries) => entries.left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    })
}

/// As [`list`], for a root that is at hand.
pub fn list_block(
    get: Arc<dyn BlockGet>,
    block: &Block,
) -> impl Stream<Item = Result<DirEntry, DirError>> + Send + 'static + use<> {
    let mut queue = VecDeque::new();
    match items_of(block, 0) {
        Ok(items) => queue.extend(items.into_iter().map(Ok)),
        Err(error) => queue.push_back(Err(error)),
    }
    stream::unfold((get, queue), |(get, mut queue)| async move {
        loop {
            match queue.pop_front()? {
                Ok(Item::Entry(entry)) => return Some((Ok(entry), (get, queue))),
                Err(error) => {
                    queue.clear();
                    return Some((Err(error), (get, queue)));
                }
                Ok(Item::Shard(cid, depth)) => {
                    queue.push_front(Ok(Item::Shard(cid, depth)));
                    if let Err(error) = expand(&get, &mut queue).await {
                        queue.clear();
                        return Some((Err(error), (get, queue)));
                    }
                }
            }
        }
    })
}

/// Replaces the first shards of the queue by what they hold.
async fn expand(get: &Arc<dyn BlockGet>, queue: &mut VecDeque<Result<Item, DirError>>) -> Result<(), DirError> {
    let wanted: Vec<(Cid, usize)> = queue
        .iter()
        .filter_map(|item| match item {
            Ok(Item::Shard(cid, depth)) => Some((cid.clone(), *depth)),
            _ => None,
        })
        .take(SHARDS_AHEAD)
        .collect();
    let fetches = wanted.into_iter().map(|(cid, depth)| fetch_items(get.clone(), cid, depth));
    let fetched: Vec<Result<Vec<Item>, DirError>> = stream::iter(fetches).buffered(SHARDS_AHEAD).collect().await;
    let mut fetched = fetched.into_iter();
    let mut expanded = VecDeque::with_capacity(queue.len());
    for item in queue.drain(..) {
        let is_shard = matches!(item, Ok(Item::Shard(..)));
        match if is_shard { fetched.next() } else { None } {
            Some(items) => expanded.extend(items?.into_iter().map(Ok)),
            None => expanded.push_back(item),
        }
    }
    *queue = expanded;
    Ok(())
}

async fn fetch_items(get: Arc<dyn BlockGet>, cid: Cid, depth: usize) -> Result<Vec<Item>, DirError> {
    items_of(&get.get(&cid).await?, depth)
}

/// The entries and shards of one node. `depth` is 0 for the root, which may be a plain directory.
fn items_of(block: &Block, depth: usize) -> Result<Vec<Item>, DirError> {
    let cid = block.cid();
    let (node, message) = match Node::of_block(block) {
        Ok(Node::Pb(node, message)) => (node, message),
        Ok(Node::Raw(_)) => return Err(DirError::NotADirectory { cid: cid.clone() }),
        Err(error) => return Err(error.into()),
    };
    if depth > SHARD_DEPTH_MAX {
        return Err(DirError::TooDeep);
    }
    match message.kind {
        Kind::Directory if depth == 0 => {
            Ok(node.links.iter().map(|link| Item::Entry(DirEntry::of_link(link))).collect())
        }
        Kind::HamtShard => {
            let shard = HamtShard::new(&message, &node.links).map_err(|why| malformed(cid, why))?;
            Ok(shard
                .entries()
                .map(|(entry, link)| match entry {
                    HamtEntry::Shard => Item::Shard(link.cid.clone(), depth + 1),
                    HamtEntry::Entry(name) => Item::Entry(shard_entry(name, link)),
                })
                .collect())
        }
        _ => Err(DirError::NotADirectory { cid: cid.clone() }),
    }
}

/// An entry of a shard: the name without its slot.
pub(super) fn shard_entry(name: &[u8], link: &merkury_core::codec::dag_pb::PbLink) -> DirEntry {
    let name = link.name.as_ref().map(|whole| whole.slice(whole.len() - name.len()..)).unwrap_or_default();
    DirEntry { name, cid: link.cid.clone(), tsize: link.tsize.unwrap_or_default() }
}

pub(super) fn malformed(cid: &Cid, why: UnixFsError) -> DirError {
    DirError::Malformed { cid: cid.clone(), why: Box::new(why) }
}

impl From<NodeError> for DirError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Malformed { cid, why } => Self::Malformed { cid, why },
            NodeError::Codec { cid, codec } => Self::Codec { cid, codec },
        }
    }
}
