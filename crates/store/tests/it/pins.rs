//! Pins, roots and small tables.

use merkury_core::Cid;
use merkury_store::disk::sim::SimDisk;
use merkury_store::{Pin, PinKind, PinnedHow, StoreError};

use crate::support::{node, open, put, raw};

#[test]
fn pins_are_listed_named_and_kept() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let (leaf, other) = (raw(1, 10), raw(2, 10));
    let top = node(&[leaf.cid(), other.cid()]);
    put(&store, &[&leaf, &other, &top]);
    store.pins().add(top.cid(), PinKind::Recursive, "top").unwrap();
    store.pins().add(leaf.cid(), PinKind::Direct, "").unwrap();
    let disk = disk.after_crash(3);
    let store = open(&disk);
    let pins = store.pins();
    let mut listed: Vec<Pin> = pins.list().unwrap().map(Result::unwrap).collect();
    listed.sort_by_key(|pin| pin.name.clone());
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[1], Pin::new(top.cid().clone(), PinKind::Recursive, "top"));
    assert!(matches!(pins.how(leaf.cid()).unwrap(), Some(PinnedHow::Pinned(_))));
    assert_eq!(pins.how(other.cid()).unwrap(), Some(PinnedHow::Indirect { root: top.cid().clone() }));
    assert_eq!(pins.how(raw(9, 9).cid()).unwrap(), None);
    let indirect = |direct_too| {
        let mut found = Vec::new();
        pins.list_indirect(direct_too, &mut |cid, root| {
            assert_eq!(root, top.cid());
            found.push(cid.clone());
            Ok(())
        })
        .unwrap();
        found.sort();
        found
    };
    assert_eq!(indirect(false), [other.cid().clone()], "leaf has a pin of its own");
    let mut both = [leaf.cid().clone(), other.cid().clone()];
    both.sort();
    assert_eq!(indirect(true), both);
    assert_eq!(pins.above(leaf.cid()).unwrap().as_ref(), Some(top.cid()));
    assert_eq!(pins.above(top.cid()).unwrap(), None);
    match pins.remove(other.cid()) {
        Err(StoreError::PinnedIndirectly { root, .. }) => assert_eq!(&root, top.cid()),
        other => panic!("{other:?}"),
    }
    assert_eq!(pins.remove(top.cid()).unwrap().name, "top");
    assert!(matches!(pins.remove(top.cid()), Err(StoreError::NotPinned { .. })));
    assert_eq!(pins.count().unwrap(), 1);
}

#[test]
fn an_incomplete_dag_is_not_pinned() {
    let store = open(&SimDisk::new());
    let (leaf, absent) = (raw(1, 10), raw(2, 10));
    let below = node(&[leaf.cid(), absent.cid()]);
    let top = node(&[below.cid()]);
    put(&store, &[&leaf, &below, &top]);
    match store.pins().add(top.cid(), PinKind::Recursive, "") {
        Err(StoreError::Incomplete { root, missing }) => assert_eq!((&root, &missing), (top.cid(), absent.cid())),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.pins().count().unwrap(), 0);
    store.pins().add(top.cid(), PinKind::Direct, "").unwrap();
    put(&store, &[&absent]);
    store.pins().add(top.cid(), PinKind::Recursive, "now").unwrap();
    assert_eq!(store.pins().get(top.cid()).unwrap().unwrap().kind, PinKind::Recursive);
    assert_eq!(store.pins().count().unwrap(), 1);
}

#[test]
fn update_moves_the_name() {
    let store = open(&SimDisk::new());
    let (old, new) = (raw(1, 10), raw(2, 10));
    put(&store, &[&old, &new]);
    store.pins().add(old.cid(), PinKind::Recursive, "it").unwrap();
    store.pins().update(old.cid(), new.cid(), true).unwrap();
    assert_eq!(store.pins().get(old.cid()).unwrap(), None);
    assert_eq!(store.pins().get(new.cid()).unwrap().unwrap().name, "it");
    assert!(matches!(store.pins().update(old.cid(), new.cid(), true), Err(StoreError::NotPinned { .. })));
}

#[test]
fn roots_and_tables_survive() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let block = raw(1, 10);
    put(&store, &[&block]);
    store.roots().set("files", block.cid()).unwrap();
    store.meta().set("ipns", b"key", b"record").unwrap();
    store.meta().set_many("peers", (0..600u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![1]))).collect()).unwrap();
    store.meta().remove("ipns", b"none").unwrap();
    let store = open(&disk.after_crash(11));
    assert_eq!(store.roots().get("files").unwrap().as_ref(), Some(block.cid()));
    assert_eq!(store.roots().list().unwrap(), [("files".to_owned(), block.cid().clone())]);
    assert_eq!(store.meta().get("ipns", b"key").unwrap().as_deref(), Some(&b"record"[..]));
    assert_eq!(store.meta().count("peers").unwrap(), 600);
    let page = store.meta().page("peers", Some(&4u32.to_be_bytes()), 2).unwrap();
    assert_eq!(page.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), [5u32.to_be_bytes(), 6u32.to_be_bytes()]);
    store.roots().remove("files").unwrap();
    assert_eq!(store.roots().get("files").unwrap(), None);
}

#[test]
fn the_log_is_rewritten_when_most_of_it_is_history() {
    let disk = SimDisk::new();
    let store = open(&disk);
    for n in 0..3000u32 {
        store.meta().set("t", b"same", &[n as u8; 1000]).unwrap();
    }
    let log = std::path::Path::new(crate::support::DIR).join("meta.log");
    assert!(disk.contents(&log).unwrap().len() < 1_200_000);
    let store = open(&disk.after_crash(1));
    assert_eq!(store.meta().get("t", b"same").unwrap(), Some(vec![2999u32 as u8; 1000]));
}

#[test]
fn many_pins_in_one_step() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let blocks: Vec<_> = (0..1000).map(|n| raw(n, 8)).collect();
    store_put(&store, &blocks);
    let pins: Vec<Pin> = blocks.iter().map(|block| Pin::new(block.cid().clone(), PinKind::Recursive, "")).collect();
    store.pins().add_many(&pins).unwrap();
    let listed: Vec<Cid> = store.pins().list().unwrap().map(|pin| pin.unwrap().cid).collect();
    assert_eq!(listed.len(), 1000);
    assert!(listed.is_sorted_by_key(|cid| cid.to_bytes()));
}

fn store_put(store: &merkury_store::Store, blocks: &[merkury_core::Block]) {
    put(store, &blocks.iter().collect::<Vec<_>>());
}

#[test]
fn one_pin_more_costs_the_same_however_many_there_are() {
    let cost = |before: u64| {
        let store = open(&SimDisk::new());
        let blocks: Vec<_> = (0..before).map(|n| raw(n, 8)).collect();
        store_put(&store, &blocks);
        let pins: Vec<Pin> = blocks.iter().map(|b| Pin::new(b.cid().clone(), PinKind::Recursive, "")).collect();
        store.pins().add_many(&pins).unwrap();
        let one = raw(before + 1, 8);
        put(&store, &[&one]);
        let was = store.counters();
        store.pins().add(one.cid(), PinKind::Recursive, "").unwrap();
        let now = store.counters();
        (now.bytes_written - was.bytes_written, now.writes - was.writes, now.file_syncs - was.file_syncs)
    };
    assert_eq!(cost(10), cost(5000));
}

#[test]
fn verifying_pins_names_what_is_missing_and_looks_at_shared_parts_once() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let (shared, lost) = (raw(1, 2000), raw(2, 2000));
    let below = node(&[shared.cid(), raw(3, 5).cid()]);
    let (whole, broken) = (node(&[below.cid()]), node(&[below.cid(), lost.cid()]));
    put(&store, &[&shared, &lost, &raw(3, 5), &below, &whole, &broken]);
    for top in [&whole, &broken] {
        store.pins().add(top.cid(), PinKind::Recursive, "").unwrap();
    }
    let verify = |store: &merkury_store::Store| {
        let mut told = std::collections::BTreeMap::new();
        store
            .pins()
            .verify(&mut |cid, bad| {
                told.insert(cid, bad.into_iter().map(|(cid, _)| cid).collect::<Vec<_>>());
                true
            })
            .unwrap();
        told
    };
    let read = store.counters().bytes_read;
    assert!(verify(&store).values().all(Vec::is_empty));
    assert_eq!(store.counters().bytes_read, read, "nothing is read");
    drop(store);
    let segment = std::path::Path::new(crate::support::DIR).join("segments/00000001.car");
    let mut bytes = disk.contents(&segment).unwrap();
    let at = bytes.windows(16).position(|window| window == &lost.data()[..16]).unwrap();
    bytes[at..at + 4].fill(0);
    disk.set_contents(&segment, bytes);
    let store = open(&disk);
    store.verify(&mut |_| {}).unwrap();
    let told = verify(&store);
    assert_eq!(told[whole.cid()], []);
    assert_eq!(told[broken.cid()], [lost.cid().clone()]);
}
