//! Stores around stores: each keeps the promises of a block store, and its own.

use std::sync::Arc;

use futures::executor::block_on;
use merkury_core::{Block, BlockGet, BlockHas, BlockPut, Cid, GetError};
use merkury_store::disk::sim::{Fault, SimDisk};
use merkury_store::wrap::{CopyDisk, Layers, Mirror, NoCopy, Origin, ReadCache, ReadOnly, RefState, Reference};
use merkury_store::{GcOptions, Options, PinKind, Store, StoreError};
use merkury_testkit::{MemoryBlocks, blocks_suite, read_only_suite, sample_block};

use crate::support::{node, open, put};

#[test]
fn every_wrapper_keeps_the_promises() {
    blocks_suite(|| Arc::new(ReadCache::new(open(&SimDisk::new()), 64 * 1024)));
    blocks_suite(|| Arc::new(ReadCache::new(Arc::new(MemoryBlocks::default()), 0)));
    blocks_suite(|| Arc::new(Layers::new(open(&SimDisk::new()), vec![open(&SimDisk::new())])));
    blocks_suite(|| Arc::new(Mirror::new(open(&SimDisk::new()), vec![open(&SimDisk::new()), open(&SimDisk::new())])));
    blocks_suite(|| NoCopy::open(open(&SimDisk::new()), "/nowhere".into(), None).unwrap());
    // Wrappers around wrappers.
    blocks_suite(|| {
        let mirror = Mirror::new(open(&SimDisk::new()), vec![open(&SimDisk::new())]);
        Arc::new(ReadCache::new(Arc::new(Layers::new(Arc::new(mirror), vec![open(&SimDisk::new())])), 1 << 20))
    });
    let blocks: Vec<Block> = (0..20).map(|seed| sample_block(seed, 900)).collect();
    let store = open(&SimDisk::new());
    store.put_many(blocks.clone()).unwrap();
    read_only_suite(&ReadOnly::new(store), &blocks);
}

#[test]
fn a_cache_answers_again_without_the_store_and_forgets_with_it() {
    let below = Arc::new(MemoryBlocks::default());
    let cache = ReadCache::new(below.clone(), 8 * 1000);
    let blocks: Vec<Block> = (0..20).map(|seed| sample_block(seed, 1000)).collect();
    cache.put_many(blocks.clone()).unwrap();
    assert_eq!(cache.bytes(), 0, "what was written is not kept");
    for block in &blocks {
        assert_eq!(cache.get_local(block.cid()).unwrap().as_ref(), Some(block));
        assert!(cache.bytes() <= 8000);
    }
    assert_eq!(cache.bytes(), 8000, "full, and not more");
    let last = blocks[19].cid();
    assert!(below.remove(last));
    assert!(!cache.has(last));
    assert_eq!(cache.get_local(last).unwrap(), None);
    assert_eq!(cache.bytes(), 7000);
}

#[test]
fn layers_read_from_all_and_write_to_the_top() {
    let (top, below) = (Arc::new(MemoryBlocks::default()), Arc::new(MemoryBlocks::default()));
    let (old, new) = (sample_block(1, 100), sample_block(2, 100));
    below.put_many(vec![old.clone()]).unwrap();
    let layers = Layers::new(top.clone(), vec![below.clone()]);
    layers.put_many(vec![new.clone(), old.clone()]).unwrap();
    assert_eq!((top.len(), below.len()), (2, 1), "what is put is put, even when a lower store has it");
    assert!(top.remove(old.cid()));
    assert_eq!(block_on(layers.get(old.cid())).unwrap(), old);
    assert_eq!(layers.size_of(old.cid()), Some(100));
}

/// Flips a byte in the middle of the only segment.
fn damage(disk: &SimDisk) {
    let path = std::path::Path::new(crate::support::DIR).join("segments/00000001.car");
    let mut bytes = disk.contents(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    disk.set_contents(&path, bytes);
}

#[test]
fn a_mirror_reads_round_damage_and_repairs_it() {
    let (first_disk, copy_disk) = (SimDisk::new(), SimDisk::new());
    let block = sample_block(1, 4000);
    {
        let mirror = Mirror::new(open(&first_disk), vec![open(&copy_disk)]);
        mirror.put_many(vec![block.clone()]).unwrap();
        mirror.commit().unwrap();
    }
    damage(&first_disk);
    let first = open(&first_disk);
    let mirror = Mirror::new(first.clone(), vec![open(&copy_disk)]);
    assert_eq!(mirror.get_local(block.cid()).unwrap().as_ref(), Some(&block));
    assert_eq!(first.get(block.cid()).unwrap().as_ref(), Some(&block), "written back");
    assert_eq!(mirror.behind(), 0);
}

#[test]
fn a_pin_means_durable_copies_too() {
    let (first_disk, copy_disk) = (SimDisk::new(), SimDisk::new());
    let first = open(&first_disk);
    let mirror = Mirror::new(first.clone(), vec![open(&copy_disk)]);
    let block = sample_block(1, 4000);
    mirror.put_many(vec![block.clone()]).unwrap();
    first.pins().add(block.cid(), PinKind::Recursive, "").unwrap();
    let copy = open(&copy_disk.after_crash(3));
    assert_eq!(copy.get(block.cid()).unwrap().as_ref(), Some(&block));
}

#[test]
fn a_copy_catches_up_after_its_disk_was_replaced_and_after_a_collection() {
    let first = open(&SimDisk::new());
    let blocks: Vec<Block> = (0..50).map(|seed| sample_block(seed, 2000)).collect();
    first.put_many(blocks.clone()).unwrap();
    first.commit().unwrap();
    let copy = open(&SimDisk::new());
    let mirror = Mirror::new(first.clone(), vec![copy.clone()]);
    assert_eq!(mirror.catch_up().written, 50);
    assert!(blocks.iter().all(|block| copy.get(block.cid()).unwrap().as_ref() == Some(block)));
    first.pins().add(blocks[7].cid(), PinKind::Direct, "").unwrap();
    first.gc(&GcOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(mirror.catch_up().removed, 49);
    assert_eq!(copy.stat().blocks, 1);
}

#[test]
fn a_full_disk_of_a_copy_stops_nothing_and_it_is_taken_back() {
    let (first, copy_disk) = (open(&SimDisk::new()), SimDisk::new());
    let mirror = {
        let copy_disk = copy_disk.clone();
        let open = move || Ok((open(&copy_disk), None));
        Mirror::over(first.clone(), vec![CopyDisk { name: "second".to_owned(), open: Box::new(open) }])
    };
    let blocks: Vec<Block> = (0..60).map(|seed| sample_block(seed, 3000)).collect();
    mirror.put_many(blocks[..20].to_vec()).unwrap();
    mirror.commit().unwrap();
    assert_eq!(mirror.behind(), 0);
    copy_disk.set_fault(Fault::FullAt(copy_disk.changes()));
    for block in &blocks[20..] {
        mirror.put_many(vec![block.clone()]).unwrap();
        mirror.commit().unwrap();
    }
    let [state] = &mirror.states()[..] else { panic!("one copy") };
    assert!(state.behind.as_ref().unwrap().contains("no space left"), "{state:?}");
    assert_eq!(mirror.tend().written, 0, "not tried again at once");
    // It is still full; then it is not.
    assert_eq!((mirror.catch_up().written, mirror.behind()), (0, 1));
    copy_disk.set_fault(Fault::None);
    // Some may have reached the disk before it was full.
    assert!(mirror.catch_up().written > 0);
    assert_eq!(mirror.behind(), 0);
    let copy = open(&copy_disk.after_crash(1));
    assert!(blocks.iter().all(|block| copy.get(block.cid()).unwrap().as_ref() == Some(block)));
}

#[test]
fn a_copy_that_is_not_there_is_taken_in_when_it_comes() {
    let first = open(&SimDisk::new());
    let place: Arc<std::sync::Mutex<Option<Arc<Store>>>> = Arc::default();
    let there = place.clone();
    let open_copy = move || match &*there.lock().unwrap() {
        Some(store) => Ok((store.clone(), None)),
        None => Err("the disk is not there".to_owned()),
    };
    let mirror = Mirror::over(first, vec![CopyDisk { name: "away".to_owned(), open: Box::new(open_copy) }]);
    let block = sample_block(3, 500);
    mirror.put_many(vec![block.clone()]).unwrap();
    assert_eq!(mirror.states()[0].behind.as_deref(), Some("the disk is not there"));
    let copy = open(&SimDisk::new());
    *place.lock().unwrap() = Some(copy.clone());
    assert_eq!((mirror.tend().written, mirror.behind()), (1, 0));
    assert_eq!(copy.get(block.cid()).unwrap(), Some(block));
    assert_eq!(mirror.tend(), merkury_store::wrap::CaughtUp::default(), "nothing is due");
}

/// A directory with a file of some blocks, a store beside it, and the blocks' references.
struct Files {
    dir: tempfile::TempDir,
    blocks: Vec<Block>,
    refs: Vec<(Cid, Reference)>,
}

impl Files {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let blocks: Vec<Block> = (0..10).map(|seed| sample_block(seed, 1000 + seed as usize)).collect();
        let all: Vec<u8> = blocks.iter().flat_map(|block| block.data().to_vec()).collect();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/movie"), &all).unwrap();
        let mut offset = 0;
        let mut refer = |block: &Block| {
            let len = block.data().len() as u64;
            offset += len;
            (block.cid().clone(), Reference { origin: Origin::File("sub/movie".into()), offset: offset - len, len })
        };
        let refs = blocks.iter().map(&mut refer).collect();
        Self { dir, blocks, refs }
    }

    fn open(&self) -> (Arc<Store>, Arc<NoCopy>) {
        let store = Store::open(&self.dir.path().join("repo/merkury"), Options::default()).unwrap();
        let no_copy = NoCopy::open(store.clone(), self.dir.path().to_owned(), None).unwrap();
        (store, no_copy)
    }
}

#[test]
fn references_are_read_pinned_and_outlive_a_restart() {
    let files = Files::new();
    let root = node(&files.blocks.iter().map(Block::cid).collect::<Vec<_>>());
    {
        let (store, no_copy) = files.open();
        assert_eq!(no_copy.origin_of(&files.dir.path().join("sub/movie")), Some(Origin::File("sub/movie".into())));
        assert_eq!(no_copy.origin_of(std::path::Path::new("/etc/passwd")), None);
        let incomplete = store.pins().add(files.blocks[0].cid(), PinKind::Recursive, "");
        assert!(matches!(incomplete, Err(StoreError::Incomplete { .. })));
        no_copy.put_refs(files.refs.clone()).unwrap();
        put(&store, &[&root]);
        store.pins().add(root.cid(), PinKind::Recursive, "film").unwrap();
        let stored = store.stat().block_bytes;
        assert_eq!(stored, root.data().len() as u64, "the bytes of the file are not stored");
    }
    let (store, no_copy) = files.open();
    for block in &files.blocks {
        assert_eq!(no_copy.get_local(block.cid()).unwrap().as_ref(), Some(block));
        assert_eq!(no_copy.size_of(block.cid()), Some(block.data().len() as u64));
    }
    store.gc(&GcOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(no_copy.list(None, 100).unwrap().len(), 10, "pinned references stay");
    store.pins().remove(root.cid()).unwrap();
    store.pins().add(files.blocks[3].cid(), PinKind::Direct, "").unwrap();
    let mut removed = Vec::new();
    store.gc(&GcOptions::default(), &mut |event| removed.push(format!("{event:?}"))).unwrap();
    assert_eq!(removed.len(), 10, "nine references and the root");
    let left = no_copy.list(None, 100).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].0.hash(), files.blocks[3].cid().hash());
    assert!(files.dir.path().join("sub/movie").exists(), "the user's file is not touched");
    assert!(matches!(store.remove(&[files.blocks[3].cid().clone()]).unwrap()[0], Err(StoreError::Pinned { .. })));
    store.pins().remove(files.blocks[3].cid()).unwrap();
    assert_eq!(*store.remove(&[files.blocks[3].cid().clone()]).unwrap()[0].as_ref().unwrap(), 1003);
    assert!(!no_copy.has(files.blocks[3].cid()));
}

#[test]
fn a_changed_file_is_a_typed_error_and_never_wrong_bytes() {
    let files = Files::new();
    let (_, no_copy) = files.open();
    no_copy.put_refs(files.refs.clone()).unwrap();
    let path = files.dir.path().join("sub/movie");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1500] ^= 1;
    bytes.truncate(5000);
    std::fs::write(&path, &bytes).unwrap();
    let states: Vec<RefState> = files.refs.iter().map(|(cid, reference)| no_copy.check(cid, reference)).collect();
    assert_eq!(states[0], RefState::Good);
    assert_eq!(states[1], RefState::Changed);
    assert_eq!(states[9], RefState::Changed);
    assert_eq!(no_copy.get_local(files.blocks[0].cid()).unwrap().as_ref(), Some(&files.blocks[0]));
    let error = no_copy.get_local(files.blocks[1].cid()).unwrap_err();
    assert!(matches!(&error, GetError::Moved { origin, .. } if origin == "sub/movie"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(no_copy.check(&files.refs[0].0, &files.refs[0].1), RefState::Gone);
    assert!(matches!(no_copy.get_local(files.blocks[0].cid()), Err(GetError::Moved { .. })));
}

#[test]
fn only_raw_leaves_below_the_root_can_be_references() {
    let files = Files::new();
    let (_, no_copy) = files.open();
    let reference = files.refs[0].1.clone();
    let parent = node(&[files.blocks[0].cid()]);
    assert!(no_copy.put_refs(vec![(parent.cid().clone(), reference.clone())]).is_err());
    let climbing = Reference { origin: Origin::File("../../etc/passwd".into()), ..reference };
    no_copy.put_refs(vec![(files.blocks[0].cid().clone(), climbing.clone())]).unwrap();
    assert!(matches!(no_copy.check(files.blocks[0].cid(), &climbing), RefState::Failed(_)));
}
