//! What DAGs take, and removing what only one of them holds.

use merkury_core::Cid;
use merkury_store::disk::sim::SimDisk;
use merkury_store::{Extent, PinKind};

use crate::support::{assert_has, node, open, put, raw};

#[test]
fn shared_blocks_count_in_each_and_once_together() {
    let store = open(&SimDisk::new());
    let (shared, left_leaf, right_leaf) = (raw(1, 1000), raw(2, 100), raw(3, 10));
    let left = node(&[shared.cid(), left_leaf.cid(), shared.cid()]);
    let right = node(&[shared.cid(), right_leaf.cid()]);
    let absent = raw(4, 10);
    let holed = node(&[absent.cid()]);
    put(&store, &[&shared, &left_leaf, &right_leaf, &left, &right, &holed]);
    let roots: Vec<Cid> = [&left, &right, &holed].map(|block| block.cid().clone()).to_vec();
    let usage = store.usage(&roots).unwrap();
    let size = |block: &merkury_core::Block| block.data().len() as u64;
    let [of_left, of_right, of_holed] = usage.dags.as_slice() else { panic!("{usage:?}") };
    assert_eq!(of_left.total, Extent { blocks: 3, bytes: 1100 + size(&left) });
    assert_eq!(of_left.unique, Extent { blocks: 2, bytes: 100 + size(&left) });
    assert_eq!(of_right.unique, Extent { blocks: 2, bytes: 10 + size(&right) });
    assert!(of_holed.has_holes && !of_left.has_holes);
    assert_eq!(usage.together.bytes, 1110 + size(&left) + size(&right) + size(&holed));
    // The same root twice: nothing is its own any more.
    let twice = store.usage(&[roots[0].clone(), roots[0].clone()]).unwrap();
    assert_eq!(twice.dags[0].unique, Extent::default());
}

#[test]
fn only_what_nothing_else_keeps_is_removed() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let (shared, own, cached, rooted) = (raw(1, 1000), raw(2, 100), raw(3, 10), raw(4, 20));
    let going = node(&[shared.cid(), own.cid(), rooted.cid()]);
    let staying = node(&[shared.cid()]);
    let tree = node(&[rooted.cid()]);
    put(&store, &[&shared, &own, &cached, &rooted, &going, &staying, &tree]);
    store.pins().add(going.cid(), PinKind::Recursive, "going").unwrap();
    store.pins().add(staying.cid(), PinKind::Recursive, "staying").unwrap();
    store.roots().set("tree", tree.cid()).unwrap();
    let preview = store.only_kept_by(going.cid()).unwrap();
    assert_eq!(preview, Extent { blocks: 2, bytes: 100 + going.data().len() as u64 });
    assert_eq!(store.remove_below(going.cid()).unwrap(), Extent::default(), "it is pinned still");
    store.pins().remove(going.cid()).unwrap();
    assert_eq!(store.remove_below(going.cid()).unwrap(), preview, "what was shown is what goes");
    let disk = disk.after_crash(5);
    drop(store);
    let store = open(&disk);
    for block in [&shared, &cached, &rooted, &staying, &tree] {
        assert_has(&store, block);
    }
    assert_eq!(store.get(own.cid()).unwrap(), None);
}
