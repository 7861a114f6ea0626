//! What an import costs in memory: counted, on one thread, so that other tests do not disturb the count.

use std::io::Read;
use std::sync::Arc;

use merkury_core::{Block, BlockPut, PutError};
use merkury_testkit::allocation::{Counting, measure};
use merkury_unixfs::build::{ImportOptions, Importer, Item, WalkOptions};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Nowhere;

impl BlockPut for Nowhere {
    fn put_many(&self, _: Vec<Block>) -> Result<(), PutError> {
        Ok(())
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

fn add(items: Vec<Item<'_>>) {
    let importer = Importer::new(Arc::new(Nowhere), ImportOptions::default()).threads(1);
    importer.add_items(items, false, &mut |_| {}).expect("add");
}

#[test]
fn memory_does_not_grow_with_a_file_and_leaves_cost_no_allocation() {
    let measure_bytes = |bytes: u64| {
        measure(|| {
            let mut reader = std::io::repeat(7).take(bytes);
            add(vec![Item::Reader { name: "f".into(), reader: &mut reader }]);
        })
    };
    let (small_peak, small_calls) = measure_bytes(32 << 20);
    let (large_peak, large_calls) = measure_bytes(96 << 20);
    assert!(large_peak < 16 << 20, "{large_peak} bytes");
    assert!(large_peak - small_peak < 1 << 20, "{small_peak} bytes, then {large_peak}");
    // Per slab of sixteen leaves: lists of slots, slices, digests, blocks and outcomes.
    let leaves = (64 << 20) / (256 << 10);
    let calls = large_calls - small_calls;
    assert!(calls < leaves * 2, "{calls} allocations for {leaves} leaves");
}

#[test]
fn memory_does_not_grow_with_a_tree() {
    let measure_tree = |directories: usize| {
        let dir = tempfile::tempdir().expect("a directory");
        for i in 0..directories {
            let path = dir.path().join(format!("d{i}"));
            std::fs::create_dir(&path).expect("mkdir");
            (0..40).for_each(|j| std::fs::write(path.join(j.to_string()), [j as u8; 100]).expect("write"));
        }
        let path = dir.path().to_owned();
        measure(|| add(vec![Item::Path { name: "t".into(), path, walk: WalkOptions::default() }])).0
    };
    // Both are large enough to fill the group in which directories wait for the store.
    let (small, large) = (measure_tree(80), measure_tree(200));
    // A directory is remembered by name and root until its item ends.
    assert!(large - small < 120 * 600, "{small} bytes, then {large}");
}
