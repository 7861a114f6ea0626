//! Content paths over UnixFS and dag-pb: from a root and names to a node.

use merkury_core::cid::codec_code;
use merkury_core::{BlockGet, Cid, ErrorKind, GetError};

use crate::dir::{DirError, find_in_block};

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
}

impl ResolveError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            Self::NoLink { .. } => ErrorKind::NotFound,
            Self::Directory(error) => error.kind(),
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
        let found = find_in_block(get, &block, name.as_bytes(), &mut steps).await?;
        at = found.ok_or_else(|| ResolveError::NoLink { name: name.clone(), under: at.clone() })?.cid;
        steps.push(at.clone());
    }
    Ok(Resolution { cid: at, rest: Vec::new(), steps })
}
