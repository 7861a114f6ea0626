//! Put, get, commit, reopen, counters.

use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::limits::BIG_BLOCK_BYTES_MAX;
use merkury_core::multihash::code::{IDENTITY, SHA2_256, SHA2_512};
use merkury_core::{Block, BlockGet, BlockHas, BlockPut, Cid, PutError};
use merkury_store::disk::sim::{Fault, SimDisk};
use merkury_store::{Options, ReadCheck, Store};

use crate::support::{assert_has, node, open, put, raw, small};

#[test]
fn what_is_put_is_there_at_once_and_after_opening_again() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let blocks: Vec<Block> = (0..300).map(|n| raw(n, (n * 37 % 3000) as usize)).collect();
    for block in &blocks {
        put(&store, &[block]);
        assert_has(&store, block);
    }
    assert!(!store.has(raw(1000, 10).cid()));
    store.commit().unwrap();
    let stat = store.stat();
    assert_eq!(stat.blocks, 300);
    drop(store);
    let store = open(&disk);
    assert_eq!((store.stat().blocks, store.stat().block_bytes), (stat.blocks, stat.block_bytes));
    blocks.iter().for_each(|block| assert_has(&store, block));
    assert!(store.damage().is_empty());
    let cids: std::collections::HashSet<Cid> = store.cids().unwrap().map(|found| found.unwrap().0).collect();
    assert_eq!(cids.len(), 300);
    assert!(blocks.iter().all(|block| cids.contains(block.cid())));
}

#[test]
fn one_multihash_is_one_block_under_every_cid() {
    let store = open(&SimDisk::new());
    let v0 = Block::build(CidFormat::V0, code::DAG_PB, SHA2_256, node(&[]).data().clone()).unwrap();
    put(&store, &[&v0]);
    let v1 = v0.with_cid(v0.cid().to_v1()).unwrap();
    assert_has(&store, &v1);
    put(&store, &[&v1]);
    assert_eq!(store.stat().blocks, 1);
    assert_eq!(store.size_of(v1.cid()), Some(v1.data().len() as u64));
}

#[test]
fn identity_cids_need_no_store() {
    let store = open(&SimDisk::new());
    let block = Block::build(CidFormat::V1, code::RAW, IDENTITY, "in the name".into()).unwrap();
    assert!(store.has(block.cid()));
    assert_has(&store, &block);
    put(&store, &[&block]);
    store.commit().unwrap();
    assert_eq!((store.stat().blocks, store.counters().bytes_written), (0, 0));
}

#[test]
fn long_cids_and_large_blocks() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let long = Block::build(CidFormat::V1, code::RAW, SHA2_512, "a digest of 64 bytes".into()).unwrap();
    let large = raw(1, 300 * 1024);
    put(&store, &[&long, &large, &raw(2, 10)]);
    assert_has(&store, &long);
    assert_has(&store, &large);
    store.commit().unwrap();
    drop(store);
    let store = open(&disk);
    assert_has(&store, &long);
    assert_has(&store, &large);
    const { assert!(BIG_BLOCK_BYTES_MAX < u32::MAX as usize) };
}

#[test]
fn opening_and_reading_write_nothing() {
    let disk = SimDisk::new();
    disk.set_fault(Fault::None);
    let store = open(&disk);
    assert!(!store.has(raw(1, 1).cid()));
    assert_eq!(store.pins().count().unwrap(), 0);
    store.commit().unwrap();
    assert_eq!(disk.changes(), 0);
    put(&store, &[&raw(1, 1)]);
    store.commit().unwrap();
    drop(store);
    disk.set_fault(Fault::None);
    let store = open(&disk);
    assert_has(&store, &raw(1, 1));
    store.commit().unwrap();
    assert_eq!(disk.changes(), 0);
}

#[test]
fn small_commands_flush_twice_and_large_ones_write_each_byte_once() {
    let disk = SimDisk::new();
    let store = open(&disk);
    put(&store, &[&raw(1, 100)]);
    store.pins().add(raw(1, 100).cid(), merkury_store::PinKind::Recursive, "").unwrap();
    drop(store);

    let store = open(&disk);
    put(&store, &[&raw(2, 100)]);
    store.pins().add(raw(2, 100).cid(), merkury_store::PinKind::Recursive, "").unwrap();
    let counts = store.counters();
    assert_eq!((counts.file_syncs, counts.dir_syncs), (2, 0), "one for the block, one for the pin");
    store.commit().unwrap();
    assert_eq!(store.counters().file_syncs, 2, "nothing was new");

    let mut options = small(&disk);
    options.slab_bytes = 4 << 20;
    options.segment_bytes = 256 << 20;
    drop(store);
    let store = Store::open(std::path::Path::new(crate::support::DIR), options).unwrap();
    let mut total = 0;
    for n in 0..64 {
        let blocks: Vec<Block> = (0..4).map(|i| raw(100 + n * 4 + i, 256 * 1024)).collect();
        total += blocks.iter().map(|block| block.data().len() as u64).sum::<u64>();
        store.put_many(blocks).unwrap();
    }
    store.commit().unwrap();
    let counts = store.counters();
    assert!(counts.bytes_written * 100 <= total * 102, "{} for {total}", counts.bytes_written);
    assert!(counts.file_syncs <= 3, "{counts:?}");
    assert!(counts.bulk_bytes_written * 10 >= total * 9, "{counts:?}");
    // The same again writes nothing.
    let before = store.counters();
    store.put_many((0..256).map(|n| raw(100 + n, 256 * 1024)).collect()).unwrap();
    store.commit().unwrap();
    assert_eq!(store.counters(), before);
}

#[test]
fn many_threads_put_and_commit() {
    let disk = SimDisk::new();
    let store = open(&disk);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let store = store.clone();
            scope.spawn(move || {
                for n in 0..100 {
                    // Every second block is put by two threads.
                    let seed = if n % 2 == 0 { n } else { thread * 1000 + n };
                    put(&store, &[&raw(seed, 500)]);
                    if n % 10 == 0 {
                        store.commit().unwrap();
                    }
                    assert_has(&store, &raw(seed, 500));
                }
                store.commit().unwrap();
            });
        }
    });
    assert_eq!(store.stat().blocks, 50 + 4 * 50);
    let after = disk.after_crash(1);
    let store = open(&after);
    assert_eq!(store.stat().blocks, 250);
}

#[test]
fn a_full_disk_is_told_and_recovered_from() {
    let disk = SimDisk::new();
    let store = open(&disk);
    put(&store, &[&raw(0, 100)]);
    store.commit().unwrap();
    disk.set_fault(Fault::FullAt(1));
    let mut refused = None;
    for n in 1..200 {
        if let Err(error) = store.put_many(vec![raw(n, 1000)]) {
            refused = Some((n, error));
            break;
        }
        assert_has(&store, &raw(n, 1000));
    }
    let (refused, error) = refused.expect("memory for blocks that cannot be written is bounded");
    assert!(matches!(error, PutError::NoSpace(_)), "{error}");
    assert!(matches!(store.commit(), Err(PutError::NoSpace(_))));
    (0..refused).for_each(|n| assert_has(&store, &raw(n, if n == 0 { 100 } else { 1000 })));
    disk.set_fault(Fault::None);
    put(&store, &[&raw(refused, 1000)]);
    store.commit().unwrap();
    drop(store);
    let store = open(&disk.after_crash(7));
    (1..=refused).for_each(|n| assert_has(&store, &raw(n, 1000)));
}

#[test]
fn after_a_failed_flush_nothing_is_acknowledged_until_opened_again() {
    let disk = SimDisk::new();
    let store = open(&disk);
    put(&store, &[&raw(0, 100)]);
    store.commit().unwrap();
    put(&store, &[&raw(1, 100)]);
    // The write of the tail is the first change, the flush the second.
    disk.set_fault(Fault::ErrorAt(2));
    assert!(store.commit().is_err());
    assert!(store.commit().is_err());
    assert!(store.put_many(vec![raw(2, 100)]).is_err());
    assert!(store.pins().add(raw(0, 100).cid(), merkury_store::PinKind::Direct, "").is_err());
    assert_has(&store, &raw(0, 100));
    drop(store);
    let store = open(&disk);
    put(&store, &[&raw(2, 100)]);
    store.commit().unwrap();
}

#[test]
fn the_real_disk_with_both_checks() {
    let dir = tempfile::tempdir().unwrap();
    for (round, check) in [ReadCheck::Checksum, ReadCheck::Hash].into_iter().enumerate() {
        let mut options = Options::default();
        options.segment_bytes = 6 << 20;
        options.slab_bytes = 1 << 20;
        options.read_check = check;
        let store = Store::open(&dir.path().join("merkury"), options).unwrap();
        let seeds = round as u64 * 1000..round as u64 * 1000 + 60;
        let blocks: Vec<Block> = seeds.map(|n| raw(n, 200_000 + n as usize)).collect();
        for block in &blocks {
            put(&store, &[block]);
            assert_has(&store, block);
        }
        store.commit().unwrap();
        blocks.iter().for_each(|block| assert_has(&store, block));
        assert!((0..60).all(|n| store.has(raw(n, 200_000 + n as usize).cid())));
        let answers = store.get_many(&blocks.iter().map(|block| block.cid().clone()).collect::<Vec<_>>());
        assert!(answers.into_iter().zip(&blocks).all(|(answer, block)| answer.unwrap().as_ref() == Some(block)));
    }
}

#[test]
fn the_suite_of_all_block_stores() {
    merkury_testkit::blocks_suite(|| open(&SimDisk::new()));
}

#[test]
fn core_traits_answer_as_the_store() {
    let store: Arc<Store> = open(&SimDisk::new());
    let block = raw(3, 30);
    put(&store, &[&block]);
    let get: &dyn BlockGet = &*store;
    assert_eq!(get.get_local(block.cid()).unwrap(), Some(block));
    assert!(get.get_local(raw(4, 1).cid()).unwrap().is_none());
}
