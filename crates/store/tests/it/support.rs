//! Blocks, DAGs and stores for tests.

use std::path::Path;
use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, BlockPut, Cid};
use merkury_store::disk::sim::{Random, SimDisk};
use merkury_store::{Options, Store};

/// Where stores on a simulated disk are.
pub(crate) const DIR: &str = "/repo/merkury";

/// Small segments and slabs, so that little data passes through every path.
pub(crate) fn small(disk: &SimDisk) -> Options {
    let mut options = Options::default();
    options.disk = Arc::new(disk.clone());
    options.segment_bytes = 64 * 1024;
    options.slab_bytes = 8 * 1024;
    options
}

pub(crate) fn open(disk: &SimDisk) -> Arc<Store> {
    Store::open(Path::new(DIR), small(disk)).unwrap()
}

/// A raw block of `bytes` bytes that depend on `seed`.
pub(crate) fn raw(seed: u64, bytes: usize) -> Block {
    let mut random = Random(seed);
    let data: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| random.next_u64().to_le_bytes()).take(bytes).collect();
    Block::build(CidFormat::V1, code::RAW, SHA2_256, data.into()).unwrap()
}

/// A dag-pb node with these links.
pub(crate) fn node(links: &[&Cid]) -> Block {
    let links = links.iter().map(|cid| PbLink::new((*cid).clone(), "", 1)).collect();
    let node = PbNode { links, ..PbNode::default() };
    Block::build(CidFormat::V1, code::DAG_PB, SHA2_256, node.encode().into()).unwrap()
}

pub(crate) fn put(store: &Store, blocks: &[&Block]) {
    store.put_many(blocks.iter().map(|block| (*block).clone()).collect()).unwrap();
}

/// Fails unless the store gives back exactly this block.
pub(crate) fn assert_has(store: &Store, block: &Block) {
    let found = store.get(block.cid()).unwrap();
    assert_eq!(found.as_ref(), Some(block), "{}", block.cid());
}
