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
        let mut bad = 0;
        store.verify(&mut |event| bad += u32::from(matches!(event, VerifyEvent::Bad { .. }))).unwrap();
        let mut missing = 0;
        for block in &blocks {
            match store.get(block.cid()) {
                Ok(Some(found)) => assert_eq!(&found, block, "{context}"),
                Ok(None) => missing += 1,
                Err(error) => assert!(matches!(error, StoreError::CorruptBlock { .. }), "{context}: {error}"),
            }
        }
        let in_segment = path.extension().is_some_and(|ext| ext == "car");
        assert!(missing <= u32::from(in_segment), "{context}: {missing}");
        assert_eq!(missing, bad, "{context}");
        // One wrong bit in the record of pins is mended.
        assert_eq!(store.pins().count().unwrap(), 3, "{context}");
        assert_eq!(store.pins_in_doubt().unwrap(), None, "{context}");
        assert!(path.ends_with("meta.log") || store.metadata_damage().unwrap().is_empty(), "{context}");
        // What was lost can be put again.
        store.put_many(blocks.clone()).unwrap();
        store.commit().unwrap();
        blocks.iter().for_each(|block| assert_has(&store, block));
    }
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
fn a_damaged_length_costs_one_block() {
    let (disk, blocks) = filled();
    let segment = file("segments/00000001.car");
    let mut bytes = disk.contents(&segment).unwrap();
    // The second byte of the first record's length.
    bytes[19] ^= 0x40;
    disk.set_contents(&segment, bytes);
    let store = open(&disk);
    let (mut good, mut bad) = (0, 0);
    let mut count = |event: VerifyEvent| match event {
        VerifyEvent::Good { .. } => good += 1,
        _ => bad += 1,
    };
    store.verify(&mut count).unwrap();
    assert_eq!((good, bad), (59, 1));
    blocks[1..].iter().for_each(|block| assert_has(&store, block));
}
