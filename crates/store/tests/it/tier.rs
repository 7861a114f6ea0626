//! Two disks: old segments move to the slow one, and nothing else notices.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use merkury_core::{Block, BlockPut};
use merkury_store::disk::sim::{Fault, SimDisk};
use merkury_store::{GcOptions, PinKind, Store, StoreError};

use crate::support::{DIR, assert_has, node, raw, small};

const SLOW: &str = "/slow/segments";

fn open(disk: &SimDisk) -> Result<Arc<Store>, StoreError> {
    let mut options = small(disk);
    options.slow_dir = Some(PathBuf::from(SLOW));
    Store::open(Path::new(DIR), options)
}

fn blocks(seeds: std::ops::Range<u64>) -> Vec<Block> {
    seeds.map(|seed| raw(seed, 4000)).collect()
}

/// A store of about ten sealed segments.
fn filled(disk: &SimDisk) -> (Arc<Store>, Vec<Block>) {
    let store = open(disk).unwrap();
    let blocks = blocks(0..150);
    for group in blocks.chunks(5) {
        store.put_many(group.to_vec()).unwrap();
    }
    store.commit().unwrap();
    assert!(store.sealed_segments().unwrap().len() >= 8);
    (store, blocks)
}

fn files_in(disk: &SimDisk, dir: &str) -> usize {
    disk.files().iter().filter(|path| path.starts_with(dir) && path.extension().is_some_and(|e| e == "car")).count()
}

#[test]
fn a_store_on_two_disks_keeps_the_promises() {
    merkury_testkit::blocks_suite(|| {
        let disk = SimDisk::new();
        let store = open(&disk).unwrap();
        store.put_many(blocks(9000..9050)).unwrap();
        store.settle(0).unwrap();
        store
    });
}

#[test]
fn old_segments_move_and_everything_goes_on() {
    let disk = SimDisk::new();
    let (store, blocks) = filled(&disk);
    let before = store.stat();
    let moved = store.settle(3 * 64 * 1024).unwrap();
    assert!(moved.segments >= 4, "{moved:?}");
    assert_eq!(files_in(&disk, SLOW) as u64, moved.segments);
    assert_eq!(store.settle(3 * 64 * 1024).unwrap().segments, 0, "once is enough");
    assert_eq!(store.stat().blocks, before.blocks);
    blocks.iter().for_each(|block| assert_has(&store, block));
    drop(store);
    let store = open(&disk.after_kill()).unwrap();
    assert!(store.damage().is_empty());
    blocks.iter().for_each(|block| assert_has(&store, block));
    let root = node(&blocks.iter().step_by(30).map(Block::cid).collect::<Vec<_>>());
    store.put_many(vec![root.clone()]).unwrap();
    store.pins().add(root.cid(), PinKind::Recursive, "").unwrap();
    store.gc(&GcOptions::default(), &mut |_| ()).unwrap();
    blocks.iter().step_by(30).for_each(|block| assert_has(&store, block));
    assert_eq!(store.stat().blocks, 6);
}

#[test]
fn a_crash_at_any_step_of_a_move_loses_nothing() {
    let steps = {
        let disk = SimDisk::new();
        let (store, _) = filled(&disk);
        let before = disk.changes();
        store.settle(0).unwrap();
        disk.changes() - before
    };
    for step in 1..=steps {
        let disk = SimDisk::new();
        let (store, blocks) = filled(&disk);
        disk.set_fault(Fault::ErrorAt(step));
        assert!(store.settle(0).is_err(), "{step}");
        blocks.iter().for_each(|block| assert_has(&store, block));
        drop(store);
        disk.set_fault(Fault::None);
        for after in [disk.after_crash(step), disk.after_kill()] {
            let store = open(&after).unwrap();
            assert!(store.damage().is_empty(), "{step}: {:?}", store.damage());
            blocks.iter().for_each(|block| assert_has(&store, block));
            store.settle(0).unwrap();
            blocks.iter().for_each(|block| assert_has(&store, block));
        }
    }
}

#[test]
fn a_slow_disk_that_is_not_there_is_no_loss() {
    let disk = SimDisk::new();
    let (store, _) = filled(&disk);
    store.settle(0).unwrap();
    drop(store);
    let without = Store::open(Path::new(DIR), small(&disk));
    assert!(matches!(without, Err(StoreError::SlowDiskMissing { path }) if path == Path::new(SLOW)));
    let mut elsewhere = small(&disk);
    elsewhere.slow_dir = Some("/mnt/empty".into());
    assert!(matches!(Store::open(Path::new(DIR), elsewhere), Err(StoreError::SlowDiskMissing { .. })));
    assert!(open(&disk).unwrap().damage().is_empty());
}
