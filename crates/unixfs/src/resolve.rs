//! Content paths over UnixFS, dag-pb and documents (dag-cbor, dag-json and the like): from a root and names to a node.

use merkury_core::cid::codec_code;
use merkury_core::codec::select::{Miss, Selected, select};
use merkury_core::{BlockGet, Cid, ErrorKind, GetError};

use crate::dir::{DirError, find_in_block};

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The last node on the way.
    pub cid: Cid,
    /// Names that remain inside it: they lead to a value that is no link, or its codec is not walked here.
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
    /// A document has no such value.
    #[error(transparent)]
    Miss(#[from] Miss),
    /// A node on the way is malformed.
    #[error(transparent)]
    Directory(#[from] DirError),
    /// A document on the way is malformed.
    #[error("cannot read document {cid}: {why}")]
    Document {
        /// The document.
        cid: Cid,
        /// What is wrong with it.
        why: String,
    },
}

impl ResolveError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Get(error) => error.kind(),
            Self::NoLink { .. } | Self::Miss(_) => ErrorKind::NotFound,
            Self::Directory(error) => error.kind(),
            Self::Document { .. } => ErrorKind::Corrupt,
        }
    }
}

/// How a path is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// `/ipfs/…`: names in directories, values in documents.
    Files,
    /// `/ipld/…`: values of the data model in every node, `Links/0/Hash`.
    Values,
}

/// Walks `names` from `root`. The target itself is not read.
pub async fn resolve(get: &dyn BlockGet, root: &Cid, names: &[String], view: View) -> Result<Resolution, ResolveError> {
    let mut at = root.clone();
    let mut steps = vec![at.clone()];
    let mut index = 0;
    while let Some(name) = names.get(index) {
        if at.codec() != codec_code::DAG_PB || view == View::Values {
            let rest = names.get(index..).unwrap_or_default();
            match inside(get, &at, rest).await? {
                Selected::Link { cid, used } => {
                    at = cid;
                    steps.push(at.clone());
                    index += used;
                    continue;
                }
                Selected::Inside => return Ok(Resolution { cid: at, rest: rest.to_vec(), steps }),
                // Of a node with fixed fields Kubo speaks as of a directory.
                Selected::Missing { at: 0, why: Miss::Key(name) } if at.codec() == codec_code::DAG_PB => {
                    return Err(ResolveError::NoLink { name, under: at });
                }
                // Only of the last name Kubo tells why it is not there.
                Selected::Missing { at: missing, .. } if missing + 1 < rest.len() => {
                    let name = rest.get(missing).unwrap_or(name).clone();
                    return Err(ResolveError::NoLink { name, under: at });
                }
                Selected::Missing { why, .. } => return Err(why.into()),
            }
        }
        let block = get.get(&at).await?;
        let found = find_in_block(get, &block, name.as_bytes(), &mut steps).await?;
        at = found.ok_or_else(|| ResolveError::NoLink { name: name.clone(), under: at.clone() })?.cid;
        steps.push(at.clone());
        index += 1;
    }
    Ok(Resolution { cid: at, rest: Vec::new(), steps })
}

/// Follows names inside a document up to its first link.
async fn inside(get: &dyn BlockGet, cid: &Cid, names: &[String]) -> Result<Selected, ResolveError> {
    let block = get.get(cid).await?;
    select(cid.codec(), block.data(), names)
        .map_err(|error| ResolveError::Document { cid: cid.clone(), why: error.to_string() })
}
