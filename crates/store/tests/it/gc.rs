//! Garbage collection: what it keeps, what it removes, beside writers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, BlockHas, BlockPut, Cid};
use merkury_store::disk::Disk;
use merkury_store::disk::sim::SimDisk;
use merkury_store::{GcEvent, GcOptions, GcStats, Pace, PinKind, Store, StoreError};

use crate::support::{assert_has, node, open, put, raw};

fn collect(store: &Store) -> (BTreeSet<Cid>, GcStats) {
    let mut removed = BTreeSet::new();
    let stats = store
        .gc(&GcOptions::default(), &mut |event| {
            if let GcEvent::Removed { cid, .. } = event {
                assert!(removed.insert(cid));
            }
        })
        .unwrap();
    assert_eq!(stats.removed_blocks, removed.len() as u64);
    (removed, stats)
}

#[test]
fn keeps_what_pins_and_roots_reach_and_removes_the_rest() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let leaves: Vec<Block> = (0..8).map(|n| raw(n, 1000)).collect();
    let cid = |n: usize| leaves[n].cid();
    let (a, b, c) = (node(&[cid(0), cid(1)]), node(&[cid(1), cid(2)]), node(&[cid(3), cid(4), raw(99, 1).cid()]));
    let top = node(&[a.cid(), b.cid()]);
    put(&store, &leaves.iter().chain([&a, &b, &c, &top]).collect::<Vec<_>>());
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    // Direct: the block alone. It lies below the recursive pin, which must still reach below it.
    store.pins().add(a.cid(), PinKind::Direct, "").unwrap();
    store.pins().add(cid(5), PinKind::Direct, "").unwrap();
    // A root with a hole.
    store.roots().set("files", c.cid()).unwrap();
    let guard = store.temp_pin();
    guard.protect(cid(6));
    let (removed, stats) = collect(&store);
    assert_eq!(removed, BTreeSet::from([cid(7).clone()]));
    assert_eq!((stats.removed_bytes, stats.kept_blocks), (1000, 11));
    drop(guard);
    assert_eq!(collect(&store).0, BTreeSet::from([cid(6).clone()]));
    store.roots().remove("files").unwrap();
    store.pins().remove(a.cid()).unwrap();
    assert_eq!(collect(&store).0.len(), 3, "c and its two leaves");
    drop(store);
    let store = open(&disk.after_crash(1));
    assert_eq!(store.stat().blocks, 7);
    (0..3).for_each(|n| assert_has(&store, &leaves[n]));
    assert!(!store.has(cid(3)));
}

#[test]
fn a_hole_under_a_pin_stops_it_before_anything_is_removed() {
    let store = open(&SimDisk::new());
    let (leaf, garbage) = (raw(1, 10), raw(2, 10));
    let top = node(&[leaf.cid()]);
    put(&store, &[&leaf, &garbage, &top]);
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    // Only damage can take a pinned block away; here its bytes are spoilt behind the store's back.
    let disk = SimDisk::new();
    let store2 = open(&disk);
    put(&store2, &[&top, &garbage, &leaf]);
    store2.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    let segment = std::path::Path::new(crate::support::DIR).join("segments/00000001.car");
    let mut bytes = disk.contents(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 3;
    drop(store2);
    disk.set_contents(&segment, bytes);
    let store2 = open(&disk);
    assert!(matches!(store2.get(leaf.cid()), Err(StoreError::CorruptBlock { .. })));
    match store2.gc(&GcOptions::default(), &mut |_| panic!("nothing may be removed")) {
        Err(StoreError::Incomplete { missing, .. }) => assert_eq!(&missing, leaf.cid()),
        other => panic!("{other:?}"),
    }
    assert_has(&store2, &garbage);
    put(&store2, &[&leaf]);
    assert_eq!(collect(&store2).0, BTreeSet::from([garbage.cid().clone()]));
}

#[test]
fn gives_the_space_back() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let kept: Vec<Block> = (0..20).map(|n| raw(n, 3000)).collect();
    for (n, block) in (0u64..).zip(&kept) {
        put(&store, &[block]);
        (0..10).for_each(|i| put(&store, &[&raw(1000 + n * 10 + i, 3000)]));
        store.pins().add(block.cid(), PinKind::Recursive, "").unwrap();
    }
    let before = store.stat();
    let (removed, stats) = collect(&store);
    let after = store.stat();
    assert_eq!((removed.len(), after.blocks), (200, 20));
    assert!(after.disk_bytes < before.disk_bytes / 4, "{before:?} {after:?}");
    assert!(stats.segments_compacted > 0 && stats.reclaimed_bytes > 500_000, "{stats:?}");
    let on_disk =
        |disk: &SimDisk| -> usize { disk.files().iter().map(|file| disk.contents(file).unwrap().len()).sum() };
    assert!(on_disk(&disk) < 200_000, "{}", on_disk(&disk));
    kept.iter().for_each(|block| assert_has(&store, block));
    let store = open(&disk.after_crash(5));
    kept.iter().for_each(|block| assert_has(&store, block));
    assert!(store.damage().is_empty(), "{:?}", store.damage());
    assert_eq!(store.stat().blocks, 20);
    assert_eq!(collect(&store).0.len(), 0);
    // With nothing pinned everything goes, the files too.
    for block in &kept {
        store.pins().remove(block.cid()).unwrap();
    }
    assert_eq!(collect(&store).0.len(), 20);
    assert_eq!(store.stat().blocks, 0);
}

#[test]
fn a_block_linked_under_another_codec_leads_on() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let leaf = raw(1, 100);
    let below = node(&[leaf.cid()]);
    // Put as raw bytes, linked to and pinned as what it is.
    let as_raw = below.with_cid(Cid::v1(code::RAW, below.cid().hash().clone())).unwrap();
    let top = node(&[below.cid()]);
    put(&store, &[&leaf, &as_raw, &top]);
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    assert_eq!(collect(&store).0.len(), 0);
    assert_has(&store, &leaf);
    drop(store);
    let store = open(&disk);
    assert_eq!(collect(&store).0.len(), 0);
    store.pins().remove(top.cid()).unwrap();
    store.pins().add(below.cid(), PinKind::Recursive, "").unwrap();
    assert_eq!(collect(&store).0, BTreeSet::from([top.cid().clone()]));
    assert_has(&store, &leaf);
    store.pins().remove(below.cid()).unwrap();
    store.pins().add(as_raw.cid(), PinKind::Recursive, "").unwrap();
    // Read as raw it leads nowhere, but it was linked to as a node: kept on the safe side.
    assert!(collect(&store).0.len() <= 1);
}

#[test]
fn identity_links_are_looked_through() {
    let store = open(&SimDisk::new());
    let leaf = raw(1, 50);
    let inner = node(&[leaf.cid()]);
    let identity =
        Block::build(CidFormat::V1, code::DAG_PB, merkury_core::multihash::code::IDENTITY, inner.data().clone())
            .unwrap();
    let top = node(&[identity.cid()]);
    put(&store, &[&leaf, &top]);
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    store.pins().add(identity.cid(), PinKind::Recursive, "").unwrap();
    assert_eq!(collect(&store).0.len(), 0);
    store.pins().remove(top.cid()).unwrap();
    assert_eq!(collect(&store).0.len(), 1);
    assert_has(&store, &leaf);
}

#[test]
fn undecodable_blocks_can_be_kept_but_not_pinned_with_what_they_lead_to() {
    let store = open(&SimDisk::new());
    let bad = Block::build(CidFormat::V1, code::DAG_PB, SHA2_256, "not a node at all".into()).unwrap();
    put(&store, &[&bad]);
    assert!(matches!(store.pins().add(bad.cid(), PinKind::Recursive, ""), Err(StoreError::Undecodable { .. })));
    store.pins().add(bad.cid(), PinKind::Direct, "").unwrap();
    assert_eq!(collect(&store).0.len(), 0);
}

#[test]
fn removing_blocks_refuses_pinned_ones() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let (leaf, free) = (raw(1, 10), raw(2, 10));
    let top = node(&[leaf.cid()]);
    put(&store, &[&leaf, &free, &top]);
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    let wanted = [leaf.cid().clone(), free.cid().clone(), free.cid().clone(), top.cid().clone()];
    let answers = store.remove(&wanted).unwrap();
    let text = |n: usize| answers[n].as_ref().unwrap_err().to_string();
    assert!(text(0).ends_with(&format!("pinned via {}", top.cid())), "{}", text(0));
    assert_eq!(*answers[1].as_ref().unwrap(), 10);
    assert!(matches!(answers[2], Err(StoreError::NotHere { .. })));
    assert!(text(3).ends_with("pinned: recursive"));
    assert!(!store.has(free.cid()));
    drop(store);
    assert!(!open(&disk).has(free.cid()), "it stays removed");
}

#[test]
fn what_was_removed_stays_removed_without_the_index() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let all: Vec<Block> = (0..40).map(|n| raw(n, 500)).collect();
    put(&store, &all.iter().collect::<Vec<_>>());
    let gone: Vec<Cid> = all.iter().step_by(4).map(|block| block.cid().clone()).collect();
    assert!(store.remove(&gone).unwrap().iter().all(Result::is_ok));
    // One of them comes again, at another place.
    put(&store, &[&all[8]]);
    store.commit().unwrap();
    drop(store);
    for lost in [&["index.delta"][..], &["index", "index.delta"]] {
        let disk = disk.after_crash(9);
        for name in lost {
            // Not all of them are there.
            let _ = disk.remove(&std::path::Path::new(crate::support::DIR).join(name));
        }
        for round in 0..2 {
            let store = open(&disk);
            let there = |n: usize| !n.is_multiple_of(4) || n == 8;
            for (n, block) in all.iter().enumerate() {
                assert_eq!(store.has(block.cid()), there(n), "{lost:?}, {n}, opening {round}");
            }
            assert_has(&store, &all[8]);
            assert_eq!(store.stat().blocks, 31);
        }
    }
}

#[test]
fn segment_numbers_of_removed_records_are_not_given_again() {
    let disk = SimDisk::new();
    let store = open(&disk);
    put(&store, &[&raw(1, 500), &raw(2, 500)]);
    store.remove(&[raw(1, 500).cid().clone()]).unwrap();
    drop(store);
    // The segment and the index are lost, the list of removals is not.
    let dir = std::path::Path::new(crate::support::DIR);
    for name in ["index.delta", "segments/00000001.car"] {
        disk.remove(&dir.join(name)).unwrap();
    }
    disk.set_contents(&dir.join("segments/00000002.car"), b"\x11\xa2eroots\x80gversion\x01".to_vec());
    disk.set_contents(&dir.join("index"), b"nothing".to_vec());
    let store = open(&disk);
    put(&store, &[&raw(3, 500)]);
    store.commit().unwrap();
    drop(store);
    disk.remove(&dir.join("index")).unwrap();
    assert_has(&open(&disk), &raw(3, 500));
}

#[test]
fn a_preview_says_what_would_go_and_changes_nothing() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let leaves: Vec<Block> = (0..30).map(|n| raw(n, 1000)).collect();
    let top = node(&leaves.iter().take(10).map(|leaf| leaf.cid()).collect::<Vec<_>>());
    put(&store, &leaves.iter().chain([&top]).collect::<Vec<_>>());
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    store.roots().set("mfs", leaves[10].cid()).unwrap();
    let guard = store.temp_pin();
    put(&store, &[&raw(100, 1000), &raw(101, 1000)]);
    // What only undo steps keep goes with a collection that somebody asks for.
    let undo = format!("{}1", merkury_store::SPARE_PREFIX);
    store.roots().set(&undo, leaves[11].cid()).unwrap();
    let preview = store.gc_preview(&GcOptions::default()).unwrap();
    assert_eq!((preview.garbage.blocks, preview.garbage.bytes), (19, 19_000));
    assert_eq!(preview.pinned.blocks, 11);
    assert_eq!((preview.rooted.blocks, preview.in_use.blocks), (1, 2));
    assert!(preview.garbage_used.is_some_and(|(oldest, newest)| oldest > 0 && newest >= oldest));
    assert_eq!((preview.segments_dropped, preview.segments_compacted), (0, 1));
    let before = store.stat();
    assert_eq!(before.blocks, 33);
    store.roots().remove(&undo).unwrap();
    drop(guard);
    let guard = store.temp_pin();
    guard.protect(raw(100, 1000).cid());
    guard.protect(raw(101, 1000).cid());
    let (removed, stats) = collect(&store);
    assert_eq!(removed.len(), 19);
    assert!(stats.reclaimed_bytes.abs_diff(preview.reclaimed_bytes) < 500, "{stats:?} {preview:?}");
    assert!(store.stat().disk_bytes < before.disk_bytes - 18_000, "{before:?} {:?}", store.stat());
}

#[test]
fn the_size_shrinks_at_once_even_in_the_segment_that_is_being_filled() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let all: Vec<Block> = (0..40).map(|n| raw(n, 1500)).collect();
    put(&store, &all.iter().collect::<Vec<_>>());
    for block in all.iter().skip(4) {
        store.pins().add(block.cid(), PinKind::Direct, "").unwrap();
    }
    let before = store.stat().disk_bytes;
    assert_eq!(collect(&store).1.segments_compacted, 1);
    assert!(store.stat().disk_bytes + 4000 < before, "{before} {}", store.stat().disk_bytes);
    // There is nothing more to gain.
    assert_eq!(collect(&store).1, GcStats { kept_blocks: 36, ..GcStats::default() });
    let files: u64 = disk.files().iter().map(|file| disk.contents(file).unwrap().len() as u64).sum();
    assert_eq!(store.stat().disk_bytes, files, "the size is that of the files");
}

#[test]
fn segments_are_given_back_a_little_at_a_time_without_a_collection() {
    let disk = SimDisk::new();
    let mut options = crate::support::small(&disk);
    options.segment_bytes = 4 << 20;
    let store = Store::open(std::path::Path::new(crate::support::DIR), options).unwrap();
    let all: Vec<Block> = (0..200).map(|n| raw(n, 50_000)).collect();
    put(&store, &all.iter().collect::<Vec<_>>());
    store.commit().unwrap();
    let gone: Vec<Cid> = all.iter().filter(|b| b.cid().hash().digest()[3] > 60).map(|b| b.cid().clone()).collect();
    assert!(store.remove(&gone).unwrap().iter().all(Result::is_ok));
    let paced = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = paced.clone();
    let pace = Pace::new(move |bytes| {
        count.fetch_add(bytes, Ordering::Relaxed);
    });
    let before = store.stat().disk_bytes;
    let stats = store.compact(&pace).unwrap();
    assert!(stats.segments_compacted >= 2 && store.stat().disk_bytes < before / 2, "{stats:?}");
    assert!(paced.load(Ordering::Relaxed) > 1 << 20);
    assert_eq!(store.compact(&pace).unwrap(), GcStats::default());
    all.iter().filter(|b| !gone.contains(b.cid())).for_each(|block| assert_has(&store, block));
    drop(store);
    assert_eq!(open(&disk.after_crash(4)).stat().blocks, 200 - gone.len() as u64);
}

#[test]
fn collecting_beside_writers_takes_nothing_they_need() {
    let store = open(&SimDisk::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..3u64)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    let mut tops = Vec::new();
                    for round in 0..60u64 {
                        let guard = store.temp_pin();
                        // Leaves are shared between writers and rounds: put anew, found, or found again after removal.
                        let leaves: Vec<Block> = (0..6).map(|n| raw((round / 4 + n + writer) % 40, 600)).collect();
                        let top = node(&leaves.iter().map(|leaf| leaf.cid()).collect::<Vec<_>>());
                        store.put_many(leaves.clone()).unwrap();
                        store.put_many(vec![top.clone()]).unwrap();
                        store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
                        // Afterwards another writer may remove the same pin.
                        leaves.iter().for_each(|leaf| assert_has(store, leaf));
                        drop(guard);
                        if round % 3 == 0 {
                            // Another writer may have pinned and removed the same one.
                            let _ = store.pins().remove(top.cid());
                        } else {
                            tops.push(top);
                        }
                    }
                    tops
                })
            })
            .collect();
        let collector = scope.spawn(|| {
            let mut collections = 0;
            while !done.load(Ordering::Acquire) {
                let quiet = GcOptions { silent: collections % 2 == 0, ..GcOptions::default() };
                store.gc(&quiet, &mut |_| {}).unwrap();
                store.evict_down_to(store.stat().disk_bytes / 2, &Pace::full()).unwrap();
                store.compact(&Pace::full()).unwrap();
                collections += 1;
            }
            collections
        });
        // The collector ends too when a writer has failed.
        let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        let tops: Vec<_> =
            ended.into_iter().map(|writer| writer.map_err(|_| done.store(true, Ordering::Release))).collect();
        for top in tops.into_iter().flat_map(|tops| tops.expect("a writer has failed")) {
            if store.pins().get(top.cid()).unwrap().is_some() {
                assert_has(&store, &top);
            }
        }
        done.store(true, Ordering::Release);
        assert!(collector.join().unwrap() > 0);
    });
    for pin in store.pins().list().unwrap() {
        store.pins().add(&pin.unwrap().cid, PinKind::Recursive, "").unwrap();
    }
    store.verify(&mut |event| assert!(matches!(event, merkury_store::VerifyEvent::Good { .. }), "{event:?}")).unwrap();
}

#[test]
fn a_dag_named_while_its_top_is_missing_is_kept_once_it_comes() {
    let store = open(&SimDisk::new());
    let leaf = raw(1, 10);
    let top = node(&[leaf.cid()]);
    put(&store, &[&leaf]);
    let guard = store.temp_pin();
    guard.protect(top.cid());
    put(&store, &[&top]);
    assert_eq!(collect(&store).0.len(), 0);
    drop(guard);
    assert_eq!(collect(&store).0.len(), 2);
}

#[test]
fn a_store_does_not_grow_with_what_was_removed() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let kept: Vec<Block> = (0..50).map(|n| raw(n, 20)).collect();
    let top = node(&kept.iter().map(|block| block.cid()).collect::<Vec<_>>());
    put(&store, &kept.iter().chain([&top]).collect::<Vec<_>>());
    store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    // More than the index keeps ids of for later.
    for round in 1..=4u64 {
        let garbage: Vec<Block> = (0..20_000).map(|n| raw(round << 32 | n, 8)).collect();
        store.put_many(garbage).unwrap();
        store.commit().unwrap();
        assert_eq!(collect(&store).0.len(), 20_000);
    }
    let bytes = store.stat().disk_bytes;
    assert!(bytes < 100_000, "{bytes}");
    put(&store, &[&raw(1 << 50, 100)]);
    store.commit().unwrap();
    drop(store);
    let store = open(&disk.after_crash(1));
    assert_eq!(store.stat().blocks, 52);
    kept.iter().for_each(|block| assert_has(&store, block));
    assert_eq!(collect(&store).0.len(), 1);
}
