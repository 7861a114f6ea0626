//! What every block store promises.

use std::sync::Arc;

use bytes::Bytes;
use futures::executor::block_on;
use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockStore, Cid, GetError, Multihash, PutError};

/// A raw block whose bytes follow from `seed`, so that runs repeat.
pub fn sample_block(seed: u64, bytes: usize) -> Block {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(bytes);
    Block::build(CidFormat::V1, codec_code::RAW, code::SHA2_256, Bytes::from(data)).unwrap()
}

/// Runs every promise against stores that `empty` makes.
pub fn blocks_suite(empty: impl Fn() -> Arc<dyn BlockStore>) {
    what_was_put_is_there(&*empty());
    what_was_not_put_is_not(&*empty());
    sizes_at_the_edges(&*empty());
    one_hash_many_names(&*empty());
    putting_twice_is_putting_once(&*empty());
    identity_needs_no_storage(&*empty());
    many_writers_and_readers(&empty());
}

fn what_was_put_is_there(store: &dyn BlockStore) {
    let blocks: Vec<Block> = (0..100).map(|seed| sample_block(seed, 1000)).collect();
    store.put_many(blocks.clone()).unwrap();
    for block in &blocks {
        assert_eq!(store.get_local(block.cid()).unwrap().as_ref(), Some(block), "readable before the commit");
    }
    store.commit().unwrap();
    for block in &blocks {
        assert!(store.has(block.cid()));
        assert_eq!(store.size_of(block.cid()), Some(1000));
        assert_eq!(&block_on(store.get(block.cid())).unwrap(), block);
    }
}

fn what_was_not_put_is_not(store: &dyn BlockStore) {
    store.put_many(vec![sample_block(1, 10)]).unwrap();
    let absent = sample_block(2, 10);
    assert!(!store.has(absent.cid()));
    assert_eq!(store.size_of(absent.cid()), None);
    assert!(store.get_local(absent.cid()).unwrap().is_none());
    assert!(matches!(block_on(store.get(absent.cid())), Err(GetError::NotHere { cid }) if cid == *absent.cid()));
}

fn sizes_at_the_edges(store: &dyn BlockStore) {
    for bytes in [0, 1, 4095, 4096, 4097, 256 * 1024, 2 * 1024 * 1024] {
        let block = sample_block(bytes as u64, bytes);
        store.put_many(vec![block.clone()]).unwrap();
        store.commit().unwrap();
        assert_eq!(store.get_local(block.cid()).unwrap(), Some(block), "{bytes} bytes");
    }
}

fn one_hash_many_names(store: &dyn BlockStore) {
    let block =
        Block::build(CidFormat::V0, codec_code::DAG_PB, code::SHA2_256, Bytes::from_static(&[10, 2, 8, 1])).unwrap();
    store.put_many(vec![block.clone()]).unwrap();
    store.commit().unwrap();
    for name in [block.cid().to_v1(), Cid::v1(codec_code::RAW, block.cid().hash().clone())] {
        let found = store.get_local(&name).unwrap().unwrap();
        assert_eq!(found.cid(), &name, "a block comes under the name it was asked by");
        assert_eq!(found.data(), block.data());
    }
}

fn putting_twice_is_putting_once(store: &dyn BlockStore) {
    let block = sample_block(7, 5000);
    for _ in 0..3 {
        store.put_many(vec![block.clone(), block.clone()]).unwrap();
        store.commit().unwrap();
    }
    assert_eq!(store.get_local(block.cid()).unwrap(), Some(block));
}

fn identity_needs_no_storage(store: &dyn BlockStore) {
    let cid = Cid::v1(codec_code::RAW, Multihash::new(code::IDENTITY, b"in the name").unwrap());
    assert!(store.has(&cid));
    assert_eq!(store.size_of(&cid), Some(11));
    assert_eq!(store.get_local(&cid).unwrap().unwrap().data(), &b"in the name"[..]);
}

fn many_writers_and_readers(store: &Arc<dyn BlockStore>) {
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            scope.spawn(move || {
                for round in 0..20 {
                    // Half of the blocks are the same in all writers.
                    let seeds =
                        (0..10).map(|i| if i % 2 == 0 { round * 10 + i } else { writer << 32 | (round * 10 + i) });
                    let blocks: Vec<Block> = seeds.map(|seed| sample_block(seed, 700)).collect();
                    store.put_many(blocks.clone()).unwrap();
                    for block in &blocks {
                        assert_eq!(store.get_local(block.cid()).unwrap().as_ref(), Some(block));
                    }
                    store.commit().unwrap();
                }
            });
        }
    });
}

/// Runs the promises of a store that cannot be written to against one that was filled with `blocks` before. The rest of the
/// suite is about puts; here each must be refused and change nothing.
pub fn read_only_suite(store: &dyn BlockStore, blocks: &[Block]) {
    for block in blocks {
        assert!(store.has(block.cid()));
        assert_eq!(store.size_of(block.cid()), Some(block.data().len() as u64));
        assert_eq!(store.get_local(block.cid()).unwrap().as_ref(), Some(block));
        assert_eq!(&block_on(store.get(block.cid())).unwrap(), block);
        let other = Cid::v1(codec_code::DAG_CBOR, block.cid().hash().clone());
        let found = store.get_local(&other).unwrap().unwrap();
        assert_eq!((found.cid(), found.data()), (&other, block.data()), "one hash, many names");
    }
    identity_needs_no_storage(store);
    let absent = sample_block(0x00c0_ffee, 77);
    assert!(matches!(store.put_many(vec![absent.clone()]), Err(PutError::Failed(_))));
    assert!(!store.has(absent.cid()));
    assert_eq!(store.size_of(absent.cid()), None);
    assert!(store.get_local(absent.cid()).unwrap().is_none());
    assert!(matches!(block_on(store.get(absent.cid())), Err(GetError::NotHere { cid }) if cid == *absent.cid()));
    store.commit().unwrap();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryBlocks;

    #[test]
    fn memory_blocks_keep_the_promises() {
        blocks_suite(|| Arc::new(MemoryBlocks::default()));
    }
}
