//! What putting costs in memory and on the disk: counted on the thread that puts, so that other tests do not disturb it.

use merkury_core::{Block, BlockPut};
use merkury_store::disk::RealDisk;
use merkury_store::{Options, PinKind, Store};
use merkury_testkit::allocation::{Counting, measure};

use crate::support::{node, raw};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn on_disk(dir: &std::path::Path) -> std::sync::Arc<Store> {
    let mut options = Options::default();
    options.disk = std::sync::Arc::new(RealDisk);
    options.slab_bytes = 1 << 20;
    Store::open(dir, options).unwrap()
}

/// Lists of blocks as an import hands them over: sixteen leaves each.
fn lists(from: u64, count: u64, bytes: usize) -> Vec<Vec<Block>> {
    (0..count).map(|list| (0..16).map(|n| raw(from + list * 16 + n, bytes)).collect()).collect()
}

#[test]
fn a_leaf_costs_no_allocation_and_memory_stays_flat() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(dir.path());
    let put = |lists: Vec<Vec<Block>>| lists.into_iter().for_each(|list| store.put_many(list).unwrap());
    // Segment, slabs and thread are made by the first.
    put(lists(0, 20, 64 << 10));
    let leaves = |lists: u64| lists as usize * 16;
    let mut peaks = Vec::new();
    for (round, count) in [(1_u64, 40_u64), (2, 160)] {
        let made = lists(round << 32, count, 16 << 10);
        let (peak, calls) = measure(|| put(made));
        // A few for each list of sixteen, and the index that grows now and then; none for each leaf.
        assert!(calls * 2 < leaves(count), "{calls} allocations for {} leaves", leaves(count));
        peaks.push(peak);
    }
    // The index takes 32 bytes a block, doubled while it grows; the rest is slabs.
    let index = leaves(160) as isize * 200;
    assert!(peaks[1] - peaks[0] < index + (1 << 20), "{peaks:?}");
    store.commit().unwrap();
}

#[test]
fn bytes_written_and_flushes() {
    let dir = tempfile::tempdir().unwrap();
    let store = on_disk(dir.path());
    let (mut payload, mut tops) = (0, Vec::new());
    for list in lists(0, 20, 256 << 10) {
        payload += list.iter().map(|block| block.data().len() as u64).sum::<u64>();
        tops.push(node(&list.iter().map(Block::cid).collect::<Vec<_>>()));
        store.put_many(list).unwrap();
    }
    let root = node(&tops.iter().map(Block::cid).collect::<Vec<_>>());
    tops.push(root.clone());
    store.put_many(tops.clone()).unwrap();
    store.pins().add(root.cid(), PinKind::Recursive, "").unwrap();
    let counts = store.counters();
    assert!(counts.bytes_written * 100 <= payload * 102, "{} for {payload}", counts.bytes_written);

    // All of it again: known blocks are not written, a known pin is not either.
    drop(store);
    let store = on_disk(dir.path());
    for list in lists(0, 20, 256 << 10) {
        store.put_many(list).unwrap();
    }
    store.put_many(tops).unwrap();
    store.commit().unwrap();
    assert_eq!(store.counters().bytes_written, 0);
    store.pins().add(root.cid(), PinKind::Recursive, "").unwrap();
    let counts = store.counters();
    assert!(counts.bytes_written <= 100 && counts.file_syncs <= 1, "{counts:?}");

    // A small command: one flush for blocks, one for the pin.
    drop(store);
    let store = on_disk(dir.path());
    store.put_many(vec![raw(1 << 40, 100)]).unwrap();
    store.pins().add(raw(1 << 40, 100).cid(), PinKind::Recursive, "").unwrap();
    let counts = store.counters();
    assert!(counts.file_syncs + counts.dir_syncs <= 3, "{counts:?}");
}
