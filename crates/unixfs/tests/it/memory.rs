//! What an import costs in memory: counted, on one thread, so that other tests do not disturb the count.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Read;
use std::sync::Arc;

use merkury_core::{Block, BlockPut, PutError};
use merkury_unixfs::build::{ImportOptions, Importer, Item, WalkOptions};

/// The system's allocator, counting per thread.
struct Counting;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // A thread that ends has no counters any more; it is not measured either.
    let _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        PEAK.with(|peak| peak.set(peak.get().max(now.get())));
        CALLS.with(|calls| calls.set(calls.get() + usize::from(bytes > 0)));
    });
}

// SAFETY: every call is handed to the system's allocator unchanged; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the rules of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the rules of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Peak bytes above the start, and the number of allocations.
fn measure(work: impl FnOnce()) -> (isize, usize) {
    let (start, calls) = (NOW.get(), CALLS.get());
    PEAK.set(start);
    work();
    (PEAK.get() - start, CALLS.get() - calls)
}

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
