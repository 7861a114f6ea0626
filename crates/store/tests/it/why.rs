//! What keeps a block.

use merkury_core::Cid;
use merkury_store::disk::sim::SimDisk;
use merkury_store::{Keeper, KeptBy, Pin, PinKind, PinnedHow, Store};

use crate::support::{node, open, put, raw};

fn told(store: &Store, cid: &Cid) -> Vec<(Keeper, Vec<Cid>)> {
    let why = store.why(cid, 8).unwrap();
    assert!(!why.more);
    why.kept_by.into_iter().map(|KeptBy { keeper, chain }| (keeper, chain)).collect()
}

#[test]
fn pins_roots_and_running_work_are_told_with_their_chains() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let leaf = raw(1, 10);
    let middle = node(&[leaf.cid()]);
    let (one, two) = (node(&[middle.cid()]), node(&[raw(5, 5).cid(), leaf.cid()]));
    put(&store, &[&leaf, &middle, &one, &two, &raw(5, 5), &raw(6, 6)]);
    assert_eq!(told(&store, leaf.cid()), []);
    store.pins().add(one.cid(), PinKind::Recursive, "one").unwrap();
    store.roots().set("mfs", two.cid()).unwrap();
    store.pins().add(leaf.cid(), PinKind::Direct, "itself").unwrap();
    store.pins().add(middle.cid(), PinKind::Direct, "keeps only itself").unwrap();
    drop(store);
    let store = open(&disk);
    let pin = |cid: &Cid, kind, name: &str| Keeper::Pin(Pin::new(cid.clone(), kind, name));
    assert_eq!(
        told(&store, leaf.cid()),
        [
            (pin(leaf.cid(), PinKind::Direct, "itself"), vec![leaf.cid().clone()]),
            (Keeper::Root { name: "mfs".into() }, vec![two.cid().clone(), leaf.cid().clone()]),
            (
                pin(one.cid(), PinKind::Recursive, "one"),
                vec![one.cid().clone(), middle.cid().clone(), leaf.cid().clone()]
            ),
        ]
    );
    assert_eq!(told(&store, raw(6, 6).cid()), []);
    assert_eq!(told(&store, raw(99, 9).cid()), [], "not here at all");
    let guard = store.temp_pin();
    guard.protect(raw(6, 6).cid());
    assert_eq!(told(&store, raw(6, 6).cid()), [(Keeper::Temporary, vec![raw(6, 6).cid().clone()])]);
    put(&store, &[&raw(7, 7)]);
    assert_eq!(told(&store, raw(7, 7).cid()), [(Keeper::Running, vec![raw(7, 7).cid().clone()])]);
    drop(guard);
    assert_eq!(told(&store, raw(6, 6).cid()), []);
}

#[test]
fn the_same_bytes_under_another_cid_are_the_same_block() {
    let store = open(&SimDisk::new());
    let leaf = raw(1, 10);
    let top = node(&[leaf.cid()]);
    put(&store, &[&leaf, &top]);
    let v0 = Cid::v0(top.cid().hash().clone()).unwrap();
    store.pins().add(&v0, PinKind::Recursive, "v0").unwrap();
    assert_eq!(store.pins().how(leaf.cid()).unwrap(), Some(PinnedHow::Indirect { root: v0.clone() }));
    assert_eq!(store.pins().how(top.cid()).unwrap(), Some(PinnedHow::Indirect { root: v0.clone() }));
    assert!(matches!(&told(&store, top.cid())[..], [(Keeper::Pin(pin), chain)] if pin.cid == v0 && chain.len() == 1));
}

/// Chains that no single pass climbs: put from the top, from the bottom, and in a zigzag.
#[test]
fn long_chains_are_climbed_whatever_the_order_they_were_put_in() {
    let mut chain = vec![raw(1, 10)];
    for _ in 0..300 {
        let next = node(&[chain.last().unwrap().cid()]);
        chain.push(next);
    }
    let bottom_up: Vec<usize> = (0..=300).collect();
    let top_down: Vec<usize> = (0..=300).rev().collect();
    let zigzag: Vec<usize> = (0..10).flat_map(|part| (part * 30..=part * 30 + 30).rev()).collect();
    for order in [bottom_up, top_down, zigzag] {
        let store = open(&SimDisk::new());
        order.iter().for_each(|at| put(&store, &[&chain[*at]]));
        store.pins().add(chain[300].cid(), PinKind::Recursive, "top").unwrap();
        let why = store.why(chain[0].cid(), 3).unwrap();
        assert_eq!(why.kept_by.len(), 1);
        assert!(!why.more);
        let shown = &why.kept_by[0].chain;
        assert_eq!(shown.first(), Some(chain[300].cid()));
        assert_eq!(shown.last(), Some(chain[0].cid()));
        assert_eq!(shown.len(), 64, "without the middle");
        let how = store.pins().how(chain[0].cid()).unwrap();
        assert_eq!(how, Some(PinnedHow::Indirect { root: chain[300].cid().clone() }));
    }
}

#[test]
fn a_block_below_thousands_of_pins_is_answered_in_part() {
    let store = open(&SimDisk::new());
    let leaf = raw(1, 10);
    put(&store, &[&leaf]);
    let tops: Vec<_> = (0..6000).map(|n| node(&[leaf.cid(), raw(n, 5).cid()])).collect();
    let others: Vec<_> = (0..6000).map(|n| raw(n, 5)).collect();
    put(&store, &others.iter().chain(&tops).collect::<Vec<_>>());
    let pins: Vec<_> = tops.iter().map(|top| Pin::new(top.cid().clone(), PinKind::Recursive, "")).collect();
    store.pins().add_many(&pins).unwrap();
    let why = store.why(leaf.cid(), 5).unwrap();
    assert_eq!((why.kept_by.len(), why.more), (5, true));
    assert!(matches!(store.pins().how(leaf.cid()).unwrap(), Some(PinnedHow::Indirect { .. })));
}
