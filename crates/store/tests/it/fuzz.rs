//! The files of a store after anything happened to them: opening tells, reading never lies, nothing panics.

use std::path::Path;

use merkury_core::{Block, BlockHas};
use merkury_store::disk::sim::SimDisk;
use merkury_store::{PinKind, Store};
use merkury_testkit::fuzz::Fuzz;

use crate::support::{DIR, open, put, raw, small};

fn filled() -> (SimDisk, Vec<Block>) {
    let disk = SimDisk::new();
    let store = open(&disk);
    let blocks: Vec<Block> = (0..6).map(|n| raw(n, 40 + n as usize)).collect();
    for some in blocks.chunks(2) {
        put(&store, &some.iter().collect::<Vec<_>>());
        store.pins().add(some[0].cid(), PinKind::Direct, "name").unwrap();
        store.roots().set("mfs", some[0].cid()).unwrap();
    }
    drop(store);
    (disk, blocks)
}

/// The store with one of its files replaced, used as a node would.
fn used(disk: &SimDisk, blocks: &[Block], path: &Path, bytes: &[u8]) -> String {
    let disk = disk.after_kill();
    disk.set_contents(path, bytes.to_vec());
    let store = match Store::open(Path::new(DIR), small(&disk)) {
        Ok(store) => store,
        Err(error) => return error.to_string(),
    };
    let mut here = 0;
    for block in blocks {
        match store.get(block.cid()) {
            Ok(Some(got)) => {
                assert_eq!(got.data(), block.data(), "a block with other bytes");
                here += 1;
            }
            Ok(None) => {}
            Err(error) => return error.to_string(),
        }
        let _ = store.has(block.cid());
    }
    let pins = match store.pins().list() {
        Ok(pins) => pins.map_while(Result::ok).count().to_string(),
        Err(error) => error.to_string(),
    };
    let root = store.roots().get("mfs").map_or_else(|error| error.to_string(), |root| root.is_some().to_string());
    let _ = store.verify(&mut |_| {});
    format!("{here} blocks {pins} pins root {root}")
}

#[test]
fn the_log_of_pins_and_roots() {
    let (disk, blocks) = filled();
    let path = Path::new(DIR).join("meta.log");
    let log = disk.contents(&path).unwrap();
    let target = |bytes: &[u8]| used(&disk, &blocks, &path, bytes);
    Fuzz::new("meta-log", env!("CARGO_MANIFEST_DIR")).seed(log).limits(400, 4096).run(target);
}

#[test]
fn segments_and_index() {
    let (disk, blocks) = filled();
    let log = Path::new(DIR).join("meta.log");
    for path in disk.files().into_iter().filter(|path| *path != log && path.starts_with(DIR)) {
        let bytes = disk.contents(&path).unwrap();
        let target = |bytes: &[u8]| used(&disk, &blocks, &path, bytes);
        Fuzz::new("segments", env!("CARGO_MANIFEST_DIR")).seed(bytes).limits(150, 16 << 10).run(target);
    }
}
