//! One entry of a directory, by name: reads only the shards on the way, and of each only the link that is asked for.
//! Faults of the links that are passed over are not found here.

use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::{PbError, Scan};
use merkury_core::codec::unixfs::{HamtEntry, HamtSlots, Kind, UnixFs, UnixFsError};
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
    let hash = NameHash::of(name);
    let mut block = block.clone();
    for level in 0.. {
        let fault = |why| malformed(block.cid(), why);
        let node = scan(&block)?;
        let message = match message_of(&block, &node) {
            Some(message) if message.kind == Kind::HamtShard => message,
            // Plain dag-pb has named links too; of a name that stands twice the first counts.
            _ if level == 0 => {
                let link = node.link_named(name).map_err(|why| not_a_node(&block, why))?;
                return Ok(link.map(|link| DirEntry::of_link(&link.owned(block.data()))));
            }
            _ => return Err(DirError::NotADirectory { cid: block.cid().clone() }),
        };
        let slots = HamtSlots::new(&message, node.link_count()).map_err(fault)?;
        let slot = hash.slot(level, fanout_bits(slots.fanout())?)?;
        let Some(place) = slots.place(slot) else { return Ok(None) };
        let link = node.link(place).map_err(|why| not_a_node(&block, why))?;
        let Some(link) = link.map(|link| link.owned(block.data())) else { return Ok(None) };
        let below = match slots.entry(slot, link.name_bytes()).map_err(fault)? {
            HamtEntry::Shard => link.cid,
            HamtEntry::Entry(found) => return Ok((found == name).then(|| shard_entry(found, &link))),
        };
        steps.push(below.clone());
        block = get.get(&below).await?;
    }
    Ok(None)
}

fn scan(block: &Block) -> Result<Scan<'_>, DirError> {
    Scan::new(block.data()).map_err(|why| not_a_node(block, why))
}

/// The UnixFS message of a node, if it has one.
fn message_of(block: &Block, node: &Scan<'_>) -> Option<UnixFs> {
    UnixFs::decode(&block.data().slice_ref(node.data()?)).ok()
}

fn not_a_node(block: &Block, why: PbError) -> DirError {
    malformed(block.cid(), UnixFsError::Node(why))
}
