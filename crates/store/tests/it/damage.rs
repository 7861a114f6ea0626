//! Bytes that change at rest: found, never returned, and the rest goes on.

use std::path::{Path, PathBuf};

use merkury_core::{Block, BlockHas, BlockPut};
use merkury_store::disk::sim::{Random, SimDisk};
use merkury_store::{PinKind, StoreError, VerifyEvent};

use crate::support::{DIR, assert_has, open, put, raw};

fn filled() -> (SimDisk, Vec<Block>) {
    let disk = SimDisk::new();
    let store = open(&disk);
    let blocks: Vec<Block> = (0..60).map(|n| raw(n, 1000 + n as usize)).collect();
    for some in blocks.chunks(20) {
        put(&store, &some.iter().collect::<Vec<_>>());
        store.pins().add(some[0].cid(), PinKind::Direct, "").unwrap();
    }
    drop(store);
    (disk, blocks)
}

fn file(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

#[test]
fn a_flipped_bit_anywhere_never_gives_wrong_bytes() {
    let (disk, blocks) = filled();
    let files = disk.files();
    let mut random = Random(42);
    for round in 0..400 {
        let disk = disk.after_kill();
        let path = &files[random.below(files.len() as u64) as usize];
        let mut bytes = disk.contents(path).unwrap();
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
        disk.set_contents(path, bytes);
        let context = format!("round {round}: {} at {at}", path.display());
        let store = merkury_store::Store::open(Path::new(DIR), crate::support::small(&disk)).unwrap();
        let mut mended = 0;
        let verify = |each: &mut dyn FnMut(VerifyEvent)| store.verify(each).unwrap();
        // Half of the time reading finds it first.
        if round % 2 == 0 {
            verify(&mut |event| match event {
                VerifyEvent::Good { .. } => {}
                VerifyEvent::Mended { .. } | VerifyEvent::Repaired { .. } => mended += 1,
                other => panic!("{context}: {other:?}"),
            });
            let in_segment = path.extension().is_some_and(|ext| ext == "car");
            assert_eq!(mended, u32::from(in_segment), "{context}: found, and mended");
        }
        blocks.iter().for_each(|block| assert_has(&store, block));
        assert_eq!(store.quarantine().unwrap(), [], "{context}");
        verify(&mut |event| {
            let fine = matches!(event, VerifyEvent::Good { .. } | VerifyEvent::Repaired { .. });
            assert!(fine, "{context}: {event:?}");
        });
        // One wrong bit in the record of pins is mended.
        assert_eq!(store.pins().count().unwrap(), 3, "{context}");
        assert_eq!(store.pins_in_doubt().unwrap(), None, "{context}");
        assert!(path.ends_with("meta.log") || store.metadata_damage().unwrap().is_empty(), "{context}");
        drop(store);
        let store = open(&disk.after_crash(round));
        blocks.iter().for_each(|block| assert_has(&store, block));
    }
}

/// The place of a block's bytes in the first segment.
fn place_of(disk: &SimDisk, block: &Block) -> usize {
    let bytes = disk.contents(&file("segments/00000001.car")).unwrap();
    bytes.windows(64).position(|window| window == &block.data()[..64]).unwrap()
}

fn spoil(disk: &SimDisk, at: usize, with: &[u8]) {
    let path = file("segments/00000001.car");
    let mut bytes = disk.contents(&path).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    disk.set_contents(&path, bytes);
}

#[test]
fn what_cannot_be_mended_is_quarantined_until_it_is_here_again() {
    for found_by_reading in [true, false] {
        let (disk, blocks) = filled();
        let at = place_of(&disk, &blocks[7]);
        spoil(&disk, at + 9, b"rotten");
        let store = open(&disk);
        if found_by_reading {
            let error = store.get(blocks[7].cid()).unwrap_err();
            assert!(matches!(error, StoreError::CorruptBlock { .. }), "{error}");
        } else {
            let mut bad = Vec::new();
            store
                .verify(&mut |event| match event {
                    VerifyEvent::Bad { cid, why } => bad.push((cid, why)),
                    other => assert!(matches!(other, VerifyEvent::Good { .. }), "{other:?}"),
                })
                .unwrap();
            assert!(matches!(&bad[..], [(Some(cid), why)] if cid == blocks[7].cid() && why.contains("00000001.car")));
        }
        assert!(!store.has(blocks[7].cid()));
        assert_eq!(store.get(blocks[7].cid()).unwrap(), None, "told once, then missing");
        drop(store);
        let store = open(&disk.after_crash(1));
        assert!(!store.has(blocks[7].cid()), "the next process knows it too");
        let listed = store.quarantine().unwrap();
        assert_eq!(listed.iter().map(|entry| entry.cid.as_ref()).collect::<Vec<_>>(), [Some(blocks[7].cid())]);
        if found_by_reading {
            store.release(&listed).unwrap();
        } else {
            put(&store, &[&blocks[7]]);
            assert_has(&store, &blocks[7]);
        }
        assert_eq!(store.quarantine().unwrap(), []);
    }
}

#[test]
fn a_record_whose_name_is_gone_too_is_quarantined_by_its_place() {
    let (disk, blocks) = filled();
    let at = place_of(&disk, &blocks[3]);
    spoil(&disk, at - 20, &[0x5a; 40]);
    let store = open(&disk);
    let mut bad = 0;
    let mut good = 0;
    store
        .verify(&mut |event| match event {
            VerifyEvent::Bad { cid, .. } => bad += u32::from(cid.is_none()),
            _ => good += 1,
        })
        .unwrap();
    assert_eq!((bad, good), (1, 59), "its neighbours are fine");
    let listed = open(&disk.after_crash(2)).quarantine().unwrap();
    assert!(matches!(&listed[..], [entry] if entry.cid.is_none()));
}

#[test]
fn without_an_index_a_spoilt_length_hides_nothing_behind_it() {
    let (disk, blocks) = filled();
    let at = place_of(&disk, &blocks[5]);
    // Head: two bytes of length, 36 of CID. An impossible length, then a CID that is none, then a record of zeros.
    for (from, with) in [(38, &[0xff; 2][..]), (36, &[0xee; 20]), (38, &[0; 600])] {
        let disk = disk.after_kill();
        spoil(&disk, at - from, with);
        let mut options = crate::support::small(&disk);
        options.established = true;
        let store = merkury_store::Store::open_without_index(Path::new(DIR), options).unwrap();
        for (n, block) in blocks.iter().enumerate() {
            match n {
                5 => assert_eq!(store.get(block.cid()).unwrap(), None),
                _ => assert_has(&store, block),
            }
        }
        assert_eq!(store.stat().blocks, 59);
        assert_eq!(store.pins().count().unwrap(), 3);
    }
}

#[test]
fn verifying_goes_on_where_it_stopped_and_parts_make_a_whole() {
    use merkury_store::{VerifyOptions, VerifyPlace};
    let disk = SimDisk::new();
    let mut options = crate::support::small(&disk);
    options.segment_bytes = 1 << 20;
    let store = merkury_store::Store::open(Path::new(DIR), options).unwrap();
    // Larger than a window, so that there are several.
    let blocks: Vec<Block> = (0..40).map(|n| raw(n, 900_000)).collect();
    put(&store, &blocks.iter().collect::<Vec<_>>());
    store.commit().unwrap();
    let mut seen = Vec::new();
    let mut each = |event| match event {
        VerifyEvent::Good { cid } => seen.push(cid),
        other => panic!("{other:?}"),
    };
    let mut runs = 0;
    let mut from = Some(VerifyPlace::default());
    while let Some(place) = from {
        let options = VerifyOptions { from: place, for_at_most: Some(std::time::Duration::ZERO), ..Default::default() };
        let verified = store.verify_some(&options, &mut each).unwrap();
        from = verified.next;
        runs += 1;
    }
    assert!(runs > 5, "each run did a little: {runs}");
    seen.sort();
    let mut wanted: Vec<_> = blocks.iter().map(|block| block.cid().clone()).collect();
    wanted.sort();
    assert_eq!(seen, wanted, "each block once");

    let mut parts = Vec::new();
    for nth in 1..=3 {
        let options = VerifyOptions { part: Some((nth, 3)), ..Default::default() };
        let verified = store
            .verify_some(&options, &mut |event| match event {
                VerifyEvent::Good { cid } => parts.push(cid),
                other => panic!("{other:?}"),
            })
            .unwrap();
        assert!(verified.next.is_none() && verified.blocks > 0);
    }
    parts.sort();
    assert_eq!(parts, wanted);
}

#[test]
fn a_lost_or_spoilt_index_is_rebuilt() {
    let (disk, blocks) = filled();
    let whole = disk.contents(&file("index.delta")).unwrap();
    let mut variants = vec![Vec::new(), vec![7; 100], whole[..60].to_vec(), whole[..whole.len() - 1].to_vec()];
    variants.push([&whole[..], &[1, 2, 3]].concat());
    for bytes in variants {
        let disk = disk.after_kill();
        disk.set_contents(&file("index.delta"), bytes);
        let store = open(&disk);
        blocks.iter().for_each(|block| assert_has(&store, block));
        assert_eq!(store.stat().blocks, 60);
        put(&store, &[&raw(500, 10)]);
        store.commit().unwrap();
        drop(store);
        let store = open(&disk);
        assert_eq!(store.stat().blocks, 61);
        assert_has(&store, &raw(500, 10));
        assert!(store.damage().is_empty());
    }
}

#[test]
fn missing_and_short_segments_are_named_and_the_rest_is_kept() {
    let (disk, blocks) = filled();
    let segment = file("segments/00000001.car");
    for cut in [0, 10, 500, 40_000] {
        let disk = disk.after_kill();
        let bytes = disk.contents(&segment).unwrap();
        if cut == 0 {
            use merkury_store::disk::Disk;
            disk.remove(&segment).unwrap();
        } else {
            disk.set_contents(&segment, bytes[..cut].to_vec());
        }
        let store = open(&disk);
        assert_eq!(store.damage().len(), 1, "{:?}", store.damage());
        assert!(store.damage()[0].contains("00000001.car"));
        let here = blocks.iter().filter(|block| store.has(block.cid())).count();
        blocks.iter().filter(|block| store.has(block.cid())).for_each(|block| assert_has(&store, block));
        store.put_many(blocks.clone()).unwrap();
        store.commit().unwrap();
        drop(store);
        let store = open(&disk);
        assert!(store.damage().is_empty(), "told once: {:?}", store.damage());
        blocks.iter().for_each(|block| assert_has(&store, block));
        assert!(here < 60);
    }
}

#[test]
fn swapped_segments_give_no_wrong_bytes() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let blocks: Vec<Block> = (0..150).map(|n| raw(n, 1000)).collect();
    put(&store, &blocks.iter().collect::<Vec<_>>());
    store.commit().unwrap();
    drop(store);
    let (one, two) = (file("segments/00000001.car"), file("segments/00000002.car"));
    let (first, second) = (disk.contents(&one).unwrap(), disk.contents(&two).unwrap());
    disk.set_contents(&one, second);
    disk.set_contents(&two, first);
    let store = open(&disk);
    for block in &blocks {
        if let Ok(Some(found)) = store.get(block.cid()) {
            assert_eq!(&found, block);
        }
    }
}

/// The length of a record leads to the next; verifying once gave up all that came after a damaged one.
#[test]
fn a_damaged_length_costs_nothing() {
    let (disk, blocks) = filled();
    let segment = file("segments/00000001.car");
    let mut bytes = disk.contents(&segment).unwrap();
    // The second byte of the first record's length.
    bytes[19] ^= 0x40;
    disk.set_contents(&segment, bytes);
    let store = open(&disk);
    let (mut good, mut mended) = (0, 0);
    let mut count = |event: VerifyEvent| match event {
        VerifyEvent::Good { .. } => good += 1,
        VerifyEvent::Mended { .. } => mended += 1,
        other => panic!("{other:?}"),
    };
    store.verify(&mut count).unwrap();
    assert_eq!((good, mended), (59, 1));
    blocks.iter().for_each(|block| assert_has(&store, block));
}
