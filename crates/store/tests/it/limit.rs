//! Last use, eviction and the limit.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use merkury_core::{Block, BlockHas, BlockPut, Cid, ErrorKind, PutError};
use merkury_store::disk::sim::SimDisk;
use merkury_store::{Clock, GcOptions, Options, Pace, PinKind, Store};

use crate::support::{DIR, assert_has, node, put, raw, small};

/// A store with a clock of its own.
struct Timed {
    disk: SimDisk,
    time: Arc<AtomicU32>,
    store: Arc<Store>,
}

impl Timed {
    fn new() -> Self {
        let (disk, time) = (SimDisk::new(), Arc::new(AtomicU32::new(1_000_000)));
        let store = Self::open(&disk, &time);
        Self { disk, time, store }
    }

    fn open(disk: &SimDisk, time: &Arc<AtomicU32>) -> Arc<Store> {
        let time = time.clone();
        let mut options: Options = small(disk);
        options.clock = Clock::from_fn(move || time.load(Ordering::Relaxed));
        Store::open(Path::new(DIR), options).unwrap()
    }

    fn reopen(self) -> Self {
        let Self { disk, time, store } = self;
        drop(store);
        let disk = disk.after_kill();
        let store = Self::open(&disk, &time);
        Self { disk, time, store }
    }

    fn wait(&self, seconds: u32) {
        self.time.fetch_add(seconds, Ordering::Relaxed);
    }

    fn used(&self) -> u64 {
        self.store.stat().disk_bytes
    }
}

fn blocks(seeds: std::ops::Range<u64>) -> Vec<Block> {
    seeds.map(|n| raw(n, 1000)).collect()
}

fn there(store: &Store, blocks: &[Block]) -> BTreeSet<Cid> {
    blocks.iter().map(|block| block.cid().clone()).filter(|cid| store.has(cid)).collect()
}

#[test]
fn what_was_used_last_stays_longest() {
    let mut timed = Timed::new();
    let all = blocks(0..300);
    for some in all.chunks(100) {
        timed.store.put_many(some.to_vec()).unwrap();
        timed.store.commit().unwrap();
        timed.wait(10);
    }
    // The oldest are used once more.
    all.iter().take(50).for_each(|block| assert_has(&timed.store, block));
    timed = timed.reopen();
    assert_eq!(there(&timed.store, &all).len(), 300);
    let stats = timed.store.evict_down_to(timed.used() - 100_000, &Pace::full()).unwrap();
    assert!(stats.removed_blocks >= 50, "{stats:?}");
    let left = there(&timed.store, &all);
    assert!(all.iter().take(50).all(|block| left.contains(block.cid())), "used last: {stats:?}");
    let gone = |range: std::ops::Range<usize>| all[range].iter().filter(|block| !left.contains(block.cid())).count();
    assert_eq!(gone(50..100), 50, "resting longest");
    assert!(gone(100..200) >= gone(200..300), "the newest last");
    left.iter().for_each(|cid| assert!(timed.store.get(cid).unwrap().is_some()));
    // Evicted is evicted after a restart too, once its space was given back.
    timed = timed.reopen();
    assert_eq!(there(&timed.store, &all), left);
}

#[test]
fn a_limit_holds_and_the_newest_are_there() {
    let timed = Timed::new();
    let limit = 600_000;
    timed.store.set_limit(Some(limit));
    let kept = blocks(10_000..10_100);
    let top = node(&kept.iter().map(|block| block.cid()).collect::<Vec<_>>());
    put(&timed.store, &kept.iter().chain([&top]).collect::<Vec<_>>());
    timed.store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    for round in 0..300u64 {
        let some = blocks(round * 10..round * 10 + 10);
        timed.store.put_many(some.clone()).unwrap();
        assert!(timed.used() <= limit, "round {round}: {}", timed.used());
        some.iter().for_each(|block| assert_has(&timed.store, block));
        timed.wait(1);
    }
    kept.iter().for_each(|block| assert_has(&timed.store, block));
    assert!(timed.used() > limit / 2, "it is a limit, not a wipe: {}", timed.used());
    let recent = blocks(2900..3000);
    assert_eq!(there(&timed.store, &recent).len(), 100);
}

#[test]
fn when_only_kept_data_is_left_writes_fail_and_the_rest_goes_on() {
    let timed = Timed::new();
    let store = &timed.store;
    store.set_limit(Some(300_000));
    let (kept, cached) = (blocks(0..200), blocks(1000..1040));
    let top = node(&kept.iter().map(|block| block.cid()).collect::<Vec<_>>());
    put(store, &kept.iter().chain([&top]).collect::<Vec<_>>());
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    store.put_many(cached.clone()).unwrap();
    // More than could be made room for: the cache is not sacrificed for nothing.
    let error = store.put_many(blocks(2000..2150)).unwrap_err();
    assert!(matches!(&error, PutError::NoSpace(text) if text.contains("Datastore.StorageMax")), "{error}");
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(there(store, &cached).len(), 40);
    // What fits takes the place of the cache.
    store.put_many(blocks(3000..3040)).unwrap();
    assert!(there(store, &cached).len() < 40);
    for round in 0..100 {
        let guard = store.temp_pin();
        let put = store.put_many(blocks(4000 + round * 100..4100 + round * 100));
        assert!(matches!(put, Err(PutError::NoSpace(_))), "round {round}: {put:?}");
        drop(guard);
    }
    // Reading goes on, and so does what is known already, unpinning and removing.
    kept.iter().for_each(|block| assert_has(store, block));
    store.put_many(kept.clone()).unwrap();
    let allowance = store.allow_over_limit();
    store.put_many(blocks(9000..9010)).unwrap();
    drop(allowance);
    assert!(store.put_many(blocks(9100..9300)).is_err());
    store.pins().remove(top.cid()).unwrap();
    store.put_many(blocks(5000..5150)).unwrap();
    assert!(timed.used() <= 300_000);
    store.set_limit(None);
    store.put_many(blocks(6000..7000)).unwrap();
}

#[test]
fn running_operations_keep_what_they_write_and_read() {
    let timed = Timed::new();
    let store = &timed.store;
    let (read, old) = (blocks(0..60), blocks(100..160));
    let top = node(&read.iter().map(|block| block.cid()).collect::<Vec<_>>());
    put(store, &read.iter().chain([&top]).chain(&old).collect::<Vec<_>>());
    let reader = store.reader_pin();
    reader.protect(top.cid());
    let writer = store.temp_pin();
    let written = blocks(200..260);
    store.put_many(written.clone()).unwrap();
    let fetched = blocks(300..360);
    store.put_cached(fetched.clone()).unwrap();
    store.evict_down_to(0, &Pace::full()).unwrap();
    assert_eq!(there(store, &old).len() + there(store, &fetched).len(), 0, "nothing keeps these");
    read.iter().chain(&written).chain([&top]).for_each(|block| assert_has(store, block));
    drop(reader);
    store.evict_down_to(0, &Pace::full()).unwrap();
    assert_eq!(there(store, &read).len(), 0);
    written.iter().for_each(|block| assert_has(store, block));
    drop(writer);
    store.evict_down_to(0, &Pace::full()).unwrap();
    assert_eq!(store.stat().blocks, 0);
}

#[test]
fn many_writers_together_stay_below_the_limit() {
    let timed = Timed::new();
    timed.store.set_limit(Some(500_000));
    std::thread::scope(|scope| {
        for writer in 0..4u64 {
            let timed = &timed;
            scope.spawn(move || {
                for round in 0..60u64 {
                    let first = writer * 100_000 + round * 10;
                    timed.store.put_many(blocks(first..first + 10)).unwrap();
                    assert!(timed.used() <= 500_000 + 64 * 1024 * 2, "but for what is being copied: {}", timed.used());
                }
            });
        }
    });
    assert!(timed.used() <= 500_000, "{}", timed.used());
    timed.store.commit().unwrap();
}

#[test]
fn evicting_and_collecting_read_no_block_back() {
    let timed = Timed::new();
    let store = &timed.store;
    let leaves = blocks(0..500);
    let tops: Vec<Block> =
        leaves.chunks(50).map(|some| node(&some.iter().map(|block| block.cid()).collect::<Vec<_>>())).collect();
    let root = node(&tops.iter().map(|block| block.cid()).collect::<Vec<_>>());
    store.put_many(leaves.clone()).unwrap();
    put(store, &tops.iter().chain([&root]).collect::<Vec<_>>());
    store.commit().unwrap();
    let timed = timed.reopen();
    let store = &timed.store;
    let read = || store.counters().bytes_read;
    let before = read();
    assert_eq!(store.stat().blocks, 511);
    assert!(leaves.iter().all(|leaf| store.is_leaf(leaf.cid())) && !store.is_leaf(root.cid()));
    store.pins().add(root.cid(), PinKind::Recursive, "").unwrap();
    let quiet = GcOptions { silent: true, ..GcOptions::default() };
    assert_eq!(store.gc(&quiet, &mut |_| panic!("silent")).unwrap().removed_blocks, 0);
    store.pins().remove(root.cid()).unwrap();
    assert_eq!(store.gc_preview(&quiet).unwrap().garbage.blocks, 511);
    store.evict_down_to(timed.used() - 200_000, &Pace::full()).unwrap();
    let left = store.stat().blocks;
    assert!(left < 400, "{left}");
    assert_eq!(store.gc(&quiet, &mut |_| panic!("silent")).unwrap().removed_blocks, left);
    // Only living blocks of a segment that was half evicted may have been copied.
    assert!(read() - before <= 2 * 64 * 1024, "{}", read() - before);
}
