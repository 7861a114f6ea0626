//! Blocks that depend on a number alone, and small stores on a simulated disk.

use std::path::Path;
use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, Cid};
use merkury_store::disk::Disk;
use merkury_store::disk::sim::Random;
use merkury_store::{Options, Store, StoreError};

use crate::Failure;

/// Where stores on a simulated disk are.
pub(crate) const DIR: &str = "/repo/merkury";

/// A raw block of `bytes` bytes.
pub(crate) fn raw(seed: u64, bytes: usize) -> Result<Block, Failure> {
    let mut random = Random(seed);
    let data: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| random.next_u64().to_le_bytes()).take(bytes).collect();
    Ok(Block::build(CidFormat::V1, code::RAW, SHA2_256, data.into())?)
}

/// A dag-pb node with these links.
pub(crate) fn node(links: &[&Cid]) -> Result<Block, Failure> {
    let links = links.iter().map(|cid| PbLink::new((*cid).clone(), "", 1)).collect();
    let node = PbNode { links, ..PbNode::default() };
    Ok(Block::build(CidFormat::V1, code::DAG_PB, SHA2_256, node.encode().into())?)
}

/// Small segments and slabs, so that little data passes through every path; `checkpoint_bytes` small or usual.
pub(crate) fn open(disk: Arc<dyn Disk>, checkpoint_bytes: u64) -> Result<Arc<Store>, StoreError> {
    let mut options = Options::default();
    options.disk = disk;
    options.segment_bytes = 12 << 10;
    options.slab_bytes = 4096;
    options.checkpoint_bytes = checkpoint_bytes;
    Store::open(Path::new(DIR), options)
}

/// All blocks of a run, in an order in which each comes after those it links to.
pub(crate) struct Universe {
    pub(crate) blocks: Vec<Block>,
    /// For each block the numbers of those it leads to, itself included.
    pub(crate) reach: Vec<Vec<usize>>,
}

impl Universe {
    /// Half leaves, half nodes over up to four earlier blocks.
    pub(crate) fn new(seed: u64, count: usize) -> Result<Self, Failure> {
        let mut random = Random(seed);
        let (mut blocks, mut reach): (Vec<Block>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        for n in 0..count {
            if n < count / 2 {
                blocks.push(raw(random.next_u64(), 1 + random.below(3000) as usize)?);
                reach.push(vec![n]);
                continue;
            }
            let to: Vec<usize> = (0..1 + random.below(4)).map(|_| random.below(n as u64) as usize).collect();
            let links: Vec<_> = to.iter().map(|&n| blocks[n].cid().clone()).collect();
            let top = node(&links.iter().collect::<Vec<_>>())?;
            // No block twice: a number stands for a block.
            blocks.push(if blocks.contains(&top) { raw(random.next_u64(), 8)? } else { top });
            let to = if blocks[n].cid().codec() == code::RAW { Vec::new() } else { to };
            let mut all: Vec<usize> = to.iter().flat_map(|&n| reach[n].clone()).chain([n]).collect();
            all.sort_unstable();
            all.dedup();
            reach.push(all);
        }
        Ok(Self { blocks, reach })
    }
}
