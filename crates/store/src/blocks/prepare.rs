//! What is worked out about a block before it is appended, outside of all locks.

use merkury_core::limits::IDENTITY_DIGEST_BYTES_MAX;
use merkury_core::{Block, Cid, codec};

use super::index::{Codec, Links, Name, Seed};

/// Identity CIDs may hold CIDs of identity CIDs; each level takes at least four bytes of its parent's.
const IDENTITY_DEPTH_MAX: usize = IDENTITY_DIGEST_BYTES_MAX / 4;

/// A block with what the index records of it.
pub(super) struct Prepared {
    pub(super) block: Block,
    pub(super) name: Name,
    pub(super) codec: Codec,
    pub(super) checksum: u32,
    pub(super) links: Links,
}

impl Prepared {
    pub(super) fn new(seed: Seed, block: Block) -> Self {
        let name = seed.name(block.cid().hash());
        let codec = Codec::of(block.cid().codec());
        let links = links_of(seed, codec, block.data());
        let checksum = block.checksum();
        Self { block, name, codec, checksum, links }
    }
}

/// Where bytes lead when read with a codec. Links to identity CIDs are replaced by where those lead.
pub(crate) fn links_of(seed: Seed, codec: Codec, data: &[u8]) -> Links {
    if codec == Codec::Leaf {
        return Links::To(Vec::new());
    }
    match codec::links(codec.code(), data) {
        Ok(cids) => {
            let mut links = Vec::with_capacity(cids.len());
            cids.iter().for_each(|cid| push_link(seed, cid, 0, &mut links));
            if links.is_empty() && !cids.is_empty() { Links::ToIdentities } else { Links::To(links) }
        }
        Err(_) => Links::Undecodable,
    }
}

/// The names a root stands for: itself, or where it leads if it is an identity CID.
pub(crate) fn names_of_root(seed: Seed, cid: &Cid) -> Vec<(Name, Codec)> {
    let mut names = Vec::new();
    push_link(seed, cid, 0, &mut names);
    names
}

fn push_link(seed: Seed, cid: &Cid, depth: usize, links: &mut Vec<(Name, Codec)>) {
    if !cid.hash().is_identity() {
        links.push((seed.name(cid.hash()), Codec::of(cid.codec())));
        return;
    }
    let codec = Codec::of(cid.codec());
    if codec != Codec::Leaf && depth < IDENTITY_DEPTH_MAX {
        let inner = codec::links(codec.code(), cid.hash().digest()).unwrap_or_default();
        inner.iter().for_each(|cid| push_link(seed, cid, depth + 1, links));
    }
}
