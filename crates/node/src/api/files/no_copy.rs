//! `add --nocopy`: leaves stay in the user's files, the store keeps where. `add --fscache`: what is there already is not
//! stored again.
//!
//! The builder works as always; its leaves are dropped on the way to the store. When all is built, each file's nodes are
//! walked once: they say how long the leaves are, and so where each begins. References are durable before anything is pinned.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use merkury_api::ApiError;
use merkury_core::cid::codec_code;
use merkury_core::{Block, BlockGet, BlockPut, Cid, PutError};
use merkury_store::wrap::{NoCopy, Origin, Reference};
use merkury_unixfs::node::Node;

use crate::inner::{Inner, store_error};

/// References made durable at a time.
const GROUP: usize = 4096;

/// The references of a node, for new ones: they must be switched on, not only left from before.
pub(super) fn switched_on(inner: &Inner) -> Result<Arc<NoCopy>, ApiError> {
    let config = inner.config.read();
    let on = |name: &str| {
        config.pointer(&format!("/Experimental/{name}")).and_then(serde_json::Value::as_bool) == Some(true)
    };
    let (files, urls) = (on("FilestoreEnabled"), on("UrlstoreEnabled"));
    drop(config);
    if urls && !files {
        return Err(ApiError::invalid("filestore is not enabled, see https://git.io/vNItf")
            .hint("merkury config --json Experimental.FilestoreEnabled true"));
    }
    if !files {
        return Err(ApiError::invalid(
            "either the filestore or the urlstore must be enabled to use nocopy, see: \
             https://github.com/ipfs/kubo/blob/master/docs/experimental-features.md#ipfs-filestore",
        )
        .hint("merkury config --json Experimental.FilestoreEnabled true"));
    }
    inner.no_copy()
}

/// Takes blocks but those that are left elsewhere.
pub(super) struct LeavesOut<F> {
    pub(super) put: Arc<dyn BlockPut>,
    pub(super) is_elsewhere: F,
}

impl<F: Fn(&Cid) -> bool + Send + Sync> BlockPut for LeavesOut<F> {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        let kept: Vec<Block> = blocks.into_iter().filter(|block| !(self.is_elsewhere)(block.cid())).collect();
        if kept.is_empty() { Ok(()) } else { self.put.put_many(kept) }
    }

    fn commit(&self) -> Result<(), PutError> {
        self.put.commit()
    }
}

/// Whether a block is a leaf of a file: directories and inner nodes are dag-pb, and inlined leaves are in their CIDs.
pub(super) fn is_leaf(cid: &Cid) -> bool {
    cid.codec() == codec_code::RAW && !cid.hash().is_identity()
}

/// Bytes that come from nowhere cannot be referred to.
pub(super) fn has_no_place() -> ApiError {
    ApiError::invalid("missing file path or URL, can't create filestore reference")
        .hint("only files have places that can be referred to")
}

/// Where the files of an add are, and what they became.
#[derive(Clone, Default)]
pub(super) struct Places {
    /// Paths of this machine by the names of roots, or by the whole names where a client tells each.
    paths: Arc<Mutex<HashMap<String, PathBuf>>>,
    files: Arc<Mutex<Vec<(String, Cid, u64)>>>,
}

impl Places {
    /// Tells where a root or a file is.
    pub(super) fn tell(&self, name: String, path: PathBuf) {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).insert(name, path);
    }

    /// Notes a file that was built, with the size of its DAG.
    pub(super) fn built(&self, name: &str, cid: &Cid, size: u64) {
        // Bytes without a name are called by their CID, and told without one.
        let name = if name == cid.to_string() { "" } else { name };
        self.files.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), cid.clone(), size));
    }

    fn path_of(&self, name: &str) -> Option<PathBuf> {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = paths.get(name) {
            return Some(path.clone());
        }
        let (root, below) = name.split_once('/')?;
        Some(paths.get(root)?.join(below))
    }

    /// Refers to the leaves of every file, but those that are here already (as Kubo does).
    pub(super) fn refer(
        &self,
        no_copy: &NoCopy,
        get: &dyn BlockGet,
        is_here: &dyn Fn(&Cid) -> bool,
    ) -> Result<(), ApiError> {
        let mut group = Vec::new();
        let files = std::mem::take(&mut *self.files.lock().unwrap_or_else(PoisonError::into_inner));
        for (name, root, size) in files {
            let mut origin: Option<Origin> = None;
            // The size of a file of one leaf is the leaf's.
            let mut leaves = Leaves { get, open: vec![(root, size)], offset: 0 };
            while let Some((cid, offset, len)) = leaves.next()? {
                if is_here(&cid) {
                    continue;
                }
                let origin = match &origin {
                    Some(origin) => origin.clone(),
                    None => origin.insert(self.origin(no_copy, &name)?).clone(),
                };
                group.push((cid, Reference { origin, offset, len }));
                if group.len() >= GROUP {
                    no_copy.put_refs(std::mem::take(&mut group)).map_err(store_error)?;
                }
            }
        }
        no_copy.put_refs(group).map_err(store_error)
    }

    fn origin(&self, no_copy: &NoCopy, name: &str) -> Result<Origin, ApiError> {
        let path = self.path_of(name).filter(|path| path.is_absolute() || Path::new(path).exists());
        let path = path.ok_or_else(has_no_place)?;
        no_copy.origin_of(&path).ok_or_else(|| {
            let root = no_copy.root().display();
            ApiError::invalid(format!("cannot add filestore references outside ipfs root ({root})"))
        })
    }
}

/// The leaves of one file in the order of its bytes, by its nodes alone.
struct Leaves<'a> {
    get: &'a dyn BlockGet,
    /// Nodes still to be visited, the next one last, with the bytes that their parents say they have.
    open: Vec<(Cid, u64)>,
    offset: u64,
}

impl Leaves<'_> {
    fn next(&mut self) -> Result<Option<(Cid, u64, u64)>, ApiError> {
        while let Some((cid, len)) = self.open.pop() {
            if cid.hash().is_identity() && cid.codec() == codec_code::RAW {
                self.offset += cid.hash().digest().len() as u64;
                continue;
            }
            if is_leaf(&cid) {
                let at = self.offset;
                self.offset += len;
                return Ok(Some((cid, at, len)));
            }
            let block = self.get.get_local(&cid)?.ok_or_else(|| ApiError::not_found(format!("node {cid} is gone")))?;
            let Ok(Node::Pb(node, message)) = Node::of_block(&block) else { continue };
            self.offset += message.data.as_ref().map_or(0, |data| data.len() as u64);
            let sizes = message.block_sizes.iter().copied();
            let below: Vec<_> = node.links.into_iter().map(|link| link.cid).zip(sizes).collect();
            self.open.extend(below.into_iter().rev());
        }
        Ok(None)
    }
}
