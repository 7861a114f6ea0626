//! One entry of a directory, by name: reads only the shards on the way.

use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind, UnixFs, UnixFsError};
use merkury_core::{Block, BlockGet, Cid};

use super::hamt::{NameHash, fanout_bits};
use super::list::{malformed, shard_entry};
use super::{DirEntry, DirError};

/// The entry of a directory, or the named link of any other dag-pb node. Blocks of other codecs have none.
pub async fn find(get: &dyn BlockGet, directory: &Cid, name: &[u8]) -> Result<Option<DirEntry>, DirError> {
    if directory.codec() != codec_code::DAG_PB {
        return Ok(None);
    }
    let block = get.get(directory).await?;
    find_in_block(get, &block, name, &mut Vec::new()).await
}

/// As [`find`], for a dag-pb block at hand. Shards that were read on the way are added to `steps`.
pub(crate) async fn find_in_block(
    get: &dyn BlockGet,
    block: &Block,
    name: &[u8],
    steps: &mut Vec<Cid>,
) -> Result<Option<DirEntry>, DirError> {
    let node = decode(block)?;
    match UnixFs::of_node(&node) {
        Ok(message) if message.kind == Kind::HamtShard => find_in_shards(get, block, name, steps).await,
        // Plain dag-pb has named links too; of a name that stands twice the first counts.
        _ => Ok(node.links.iter().find(|link| link.name_bytes() == name).map(DirEntry::of_link)),
    }
}

async fn find_in_shards(
    get: &dyn BlockGet,
    root: &Block,
    name: &[u8],
    steps: &mut Vec<Cid>,
) -> Result<Option<DirEntry>, DirError> {
    let hash = NameHash::of(name);
    let mut block = root.clone();
    for level in 0.. {
        let node = decode(&block)?;
        let message = UnixFs::of_node(&node).map_err(|why| malformed(block.cid(), why))?;
        let shard = HamtShard::new(&message, &node.links).map_err(|why| malformed(block.cid(), why))?;
        let slot = hash.slot(level, fanout_bits(shard.fanout())?)?;
        let below = match shard.link(slot) {
            Some((HamtEntry::Shard, link)) => link.cid.clone(),
            Some((HamtEntry::Entry(found), link)) if found == name => return Ok(Some(shard_entry(found, link))),
            _ => return Ok(None),
        };
        steps.push(below.clone());
        block = get.get(&below).await?;
    }
    Ok(None)
}

fn decode(block: &Block) -> Result<PbNode, DirError> {
    PbNode::decode(block.data()).map_err(|why| malformed(block.cid(), UnixFsError::Node(why)))
}
