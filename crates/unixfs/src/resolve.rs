//! Content paths over UnixFS and dag-pb: from a root and names to a node.

use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind, UnixFs};
use merkury_core::{Block, BlockGet, Cid, ErrorKind, GetError};

use crate::dir::hamt::{NameHash, fanout_bits};
use crate::dir::{DirEntry, DirError};
use crate::node::NodeError;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The last node on the way.
    pub cid: Cid,
    /// Names that remain inside it: it has a codec whose inside we do not walk here.
    pub rest: Vec<String>,
    /// The nodes from the root to `cid`, both included; inner shards of directories too.
    pub steps: Vec<Cid>,
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// A block on the way is missing.
    #[error(transparent)]
    Get(#[from] GetError),
    /// There is no such name. Kubo's words.
    #[error("no link named {name:?} under {under}")]
    NoLink {
        /// The name.
        name: String,
        /// The node that lacks it.
        under: Cid,
    },
    /// A node on the way is malformed.
    #[error(transparent)]
    Directory(#[from] DirError),
    /// A dag-pb node on the way is malformed.
    #[error("malformed node {cid}: {why}")]
    Malformed {
        /// The node.
        cid: Cid,
        /// What is wrong.
        why: String,
    },
}

impl ResolveError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            Self::NoLink { .. } => ErrorKind::NotFound,
            Self::Directory(error) => error.kind(),
            Self::Malformed { .. } => ErrorKind::Invalid,
        }
    }
}

/// Walks `names` from `root`. The target itself is not read.
pub async fn resolve(get: &dyn BlockGet, root: &Cid, names: &[String]) -> Result<Resolution, ResolveError> {
    let mut at = root.clone();
    let mut steps = vec![at.clone()];
    for (index, name) in names.iter().enumerate() {
        match at.codec() {
            codec_code::DAG_PB => {}
            codec_code::RAW => return Err(ResolveError::NoLink { name: name.clone(), under: at }),
            _ => return Ok(Resolution { cid: at, rest: names[index..].to_vec(), steps }),
        }
        let block = get.get(&at).await?;
        let found = look_up_block(get, &block, name.as_bytes(), &mut steps).await?;
        at = found.ok_or_else(|| ResolveError::NoLink { name: name.clone(), under: at.clone() })?.cid;
        steps.push(at.clone());
    }
    Ok(Resolution { cid: at, rest: Vec::new(), steps })
}

/// One entry of a directory, or one named link of any dag-pb node. Reads only the shards on the way to the name.
pub async fn look_up(get: &dyn BlockGet, directory: &Cid, name: &[u8]) -> Result<Option<DirEntry>, ResolveError> {
    let block = get.get(directory).await?;
    if directory.codec() != codec_code::DAG_PB {
        return Ok(None);
    }
    look_up_block(get, &block, name, &mut Vec::new()).await
}

async fn look_up_block(
    get: &dyn BlockGet,
    block: &Block,
    name: &[u8],
    steps: &mut Vec<Cid>,
) -> Result<Option<DirEntry>, ResolveError> {
    let node = decode(block)?;
    match UnixFs::of_node(&node) {
        Ok(message) if message.kind == Kind::HamtShard => look_up_shard(get, block, name, steps).await,
        // Plain dag-pb has named links too; of a name that stands twice the first counts.
        _ => Ok(node.links.iter().find(|link| link.name_bytes() == name).map(DirEntry::of_link)),
    }
}

async fn look_up_shard(
    get: &dyn BlockGet,
    root: &Block,
    name: &[u8],
    steps: &mut Vec<Cid>,
) -> Result<Option<DirEntry>, ResolveError> {
    let hash = NameHash::of(name);
    let mut block = root.clone();
    for level in 0.. {
        let node = decode(&block)?;
        let malformed = |why| DirError::Malformed { cid: block.cid().clone(), why };
        let message = UnixFs::of_node(&node).map_err(malformed)?;
        let shard = HamtShard::new(&message, &node.links).map_err(malformed)?;
        let slot = hash.slot(level, fanout_bits(shard.fanout())?)?;
        let below = match shard.link(slot) {
            Some((HamtEntry::Shard, link)) => link.cid.clone(),
            Some((HamtEntry::Entry(found), link)) if found == name => {
                return Ok(Some(DirEntry {
                    name: bytes::Bytes::copy_from_slice(name),
                    cid: link.cid.clone(),
                    tsize: link.tsize.unwrap_or_default(),
                }));
            }
            _ => return Ok(None),
        };
        steps.push(below.clone());
        block = get.get(&below).await?;
    }
    Ok(None)
}

fn decode(block: &Block) -> Result<PbNode, ResolveError> {
    PbNode::decode(block.data())
        .map_err(|error| ResolveError::Malformed { cid: block.cid().clone(), why: error.to_string() })
}

impl From<NodeError> for ResolveError {
    fn from(error: NodeError) -> Self {
        Self::Directory(error.into())
    }
}
