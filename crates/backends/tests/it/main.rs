//! The pool on object stores in memory and in a directory; a real S3 server is asked in `cargo xtask peers pool`.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;
use merkury_backends::{Pool, PoolOptions};
use merkury_core::{Block, BlockGet, BlockHas, BlockPut, GetError};
use merkury_store::wrap::{Layers, ReadCache};
use merkury_store::{Options, Store};
use merkury_testkit::{blocks_suite, read_only_suite, sample_block};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem};

fn store(dir: &Path) -> Arc<Store> {
    let mut options = Options::default();
    options.segment_bytes = 256 * 1024;
    options.slab_bytes = 64 * 1024;
    Store::open(dir, options).unwrap()
}

/// A store with some sealed segments, and the blocks in them.
fn filled(dir: &Path, seeds: std::ops::Range<u64>) -> (Arc<Store>, Vec<Block>) {
    let store = store(dir);
    let blocks: Vec<Block> = seeds.map(|seed| sample_block(seed, 20_000 + (seed as usize * 977) % 60_000)).collect();
    for block in &blocks {
        store.put_many(vec![block.clone()]).unwrap();
    }
    // So that the segment of the last one is left.
    store.put_many(vec![sample_block(u64::MAX, 300_000), sample_block(u64::MAX - 1, 10)]).unwrap();
    store.commit().unwrap();
    assert!(store.sealed_segments().unwrap().len() >= 3);
    (store, blocks)
}

fn options() -> PoolOptions {
    // Looked into only when asked.
    PoolOptions { refresh_every: Duration::from_secs(3600), ..PoolOptions::default() }
}

fn pool(objects: &Arc<dyn ObjectStore>, dir: &Path) -> Arc<Pool> {
    let pool = Pool::open_with(objects.clone(), &options(), dir).unwrap();
    pool.refresh().unwrap();
    pool
}

#[test]
fn a_store_over_a_pool_keeps_the_promises() {
    let dir = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    blocks_suite(|| {
        number.set(number.get() + 1);
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let below = pool(&objects, &dir.path().join(format!("pool{}", number.get())));
        Arc::new(Layers::new(store(&dir.path().join(format!("store{}", number.get()))), vec![below]))
    });
}

#[test]
fn two_nodes_share_a_pool() {
    let dir = tempfile::tempdir().unwrap();
    let backends: [Arc<dyn ObjectStore>; 2] = [
        Arc::new(InMemory::new()),
        Arc::new(LocalFileSystem::new_with_prefix(make(&dir.path().join("objects"))).unwrap()),
    ];
    for (round, objects) in backends.into_iter().enumerate() {
        let at = |name: &str| dir.path().join(format!("{round}-{name}"));
        let (store_a, blocks_a) = filled(&at("a"), 0..20);
        let (store_b, blocks_b) = filled(&at("b"), 10..30);
        let (pool_a, pool_b) = (pool(&objects, &at("pool-a")), pool(&objects, &at("pool-b")));
        let sealed = store_a.sealed_segments().unwrap().len() as u64;
        assert_eq!(pool_a.upload(&store_a).unwrap().segments, sealed);
        assert_eq!(pool_a.upload(&store_a).unwrap().segments, 0, "each segment once");
        pool_b.upload(&store_b).unwrap();
        // A third node that has nothing of its own.
        let third = pool(&objects, &at("pool-c"));
        let all: Vec<Block> = blocks_a.iter().chain(&blocks_b).cloned().collect();
        read_only_suite(&*third, &all);
        assert!(third.cached_bytes() > 0);
        let cached = ReadCache::new(third.clone(), 1 << 20);
        read_only_suite(&cached, &all);
        // What another uploaded meanwhile is known after the next look.
        let fresh = blocks_b.iter().find(|block| !pool_a.has(block.cid())).unwrap();
        assert!(matches!(block_on(pool_a.get(fresh.cid())), Err(GetError::NotHere { .. })));
        assert!(pool_a.refresh().unwrap() > 0);
        assert_eq!(&block_on(pool_a.get(fresh.cid())).unwrap(), fresh);
    }
}

fn make(dir: &Path) -> &Path {
    std::fs::create_dir_all(dir).unwrap();
    dir
}

#[test]
fn a_restart_knows_the_pool_without_asking_it() {
    let dir = tempfile::tempdir().unwrap();
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (store, blocks) = filled(&dir.path().join("a"), 0..20);
    let counts = {
        let pool = pool(&objects, &dir.path().join("pool"));
        pool.upload(&store).unwrap();
        assert_eq!(&block_on(pool.get(blocks[0].cid())).unwrap(), &blocks[0]);
        pool.counts()
    };
    // A copy of an index that a crash tore.
    std::fs::write(dir.path().join("pool/index").join(format!("{}.index", "0".repeat(64))), "half").unwrap();
    let gone: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let pool = Pool::open_with(gone, &options(), &dir.path().join("pool")).unwrap();
    assert_eq!(pool.counts(), counts);
    assert_eq!(&block_on(pool.get(blocks[0].cid())).unwrap(), &blocks[0], "from the part on this disk");
    let elsewhere = blocks.iter().rev().find(|block| block_on(pool.get(block.cid())).is_err()).unwrap();
    assert!(matches!(pool.get_local(elsewhere.cid()), Err(GetError::Failed { .. })), "told, not taken for absent");
}

#[test]
fn wrong_bytes_are_never_a_block() {
    let dir = tempfile::tempdir().unwrap();
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (store, blocks) = filled(&dir.path().join("a"), 0..20);
    let pool = pool(&objects, &dir.path().join("pool"));
    pool.upload(&store).unwrap();
    assert_eq!(&block_on(pool.get(blocks[0].cid())).unwrap(), &blocks[0]);
    // A rotten part on this disk is fetched again.
    for chunk in std::fs::read_dir(dir.path().join("pool/chunks")).unwrap() {
        let path = chunk.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(&block_on(pool.get(blocks[0].cid())).unwrap(), &blocks[0]);
    // Rotten in the pool itself: an error with its place, and nothing wrong is kept.
    block_on(async {
        let mut listed = objects.list(None);
        while let Some(object) = futures::StreamExt::next(&mut listed).await {
            let path = object.unwrap().location;
            if path.as_ref().ends_with(".car") {
                let size = objects.head(&path).await.unwrap().size as usize;
                objects.put(&path, vec![7u8; size].into()).await.unwrap();
            }
        }
    });
    std::fs::remove_dir_all(dir.path().join("pool/chunks")).unwrap();
    let pool = Pool::open_with(objects, &options(), &dir.path().join("pool")).unwrap();
    assert!(matches!(pool.get_local(blocks[1].cid()), Err(GetError::Corrupt { .. })));
    assert_eq!(pool.cached_bytes(), 0);
}

#[test]
fn an_index_that_is_not_what_its_name_says_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    block_on(async {
        let path = object_store::path::Path::from(format!("segments/{}.index", "a".repeat(64)));
        objects.put(&path, vec![1u8, 2, 3].into()).await.unwrap();
    });
    let pool = pool(&objects, &dir.path().join("pool"));
    assert_eq!(pool.counts(), (0, 0));
}
