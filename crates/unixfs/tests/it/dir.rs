//! Directories: plain and sharded, built at once and changed one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use merkury_core::block::CidFormat;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::codec::unixfs::{Kind, UnixFs};
use merkury_core::{Block, BlockGet, BlockPut, Cid};
use merkury_unixfs::Metadata;
use merkury_unixfs::build::{CidOptions, DirOptions, NodeSink, SizeEstimation};
use merkury_unixfs::dir::{DirEntry, DirError, Directory, NodeLink, build_directory, find, list};
use proptest::prelude::*;

use crate::support::Memory;

fn leaf(text: &str) -> Cid {
    let block = Block::build(CidFormat::V1, 0x55, 0x12, Bytes::copy_from_slice(text.as_bytes())).expect("a block");
    block.cid().clone()
}

fn entry(name: &str, value: u64) -> DirEntry {
    DirEntry { name: Bytes::copy_from_slice(name.as_bytes()), cid: leaf(&value.to_string()), tsize: value }
}

fn build(store: &Memory, entries: Vec<DirEntry>, options: &DirOptions) -> NodeLink {
    let mut sink = NodeSink::new(store, CidOptions::default());
    let link = build_directory(entries, options, &Metadata::default(), &mut sink).expect("build");
    sink.flush().expect("flush");
    link
}

fn write(store: &Memory, directory: &Directory) -> NodeLink {
    let mut sink = NodeSink::new(store, CidOptions::default());
    let link = directory.write(&mut sink).expect("write");
    sink.flush().expect("flush");
    link
}

fn open(store: &Memory, link: &NodeLink, options: DirOptions) -> Directory {
    Directory::of_block(&block_on(store.get(&link.cid)).expect("root"), options).expect("a directory")
}

fn names(store: &Arc<Memory>, root: &Cid) -> Vec<DirEntry> {
    let mut entries: Vec<DirEntry> = block_on(list(store.clone(), root.clone()).try_collect()).expect("list");
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// Small shards, and a threshold that few entries cross.
fn small(estimation: SizeEstimation) -> DirOptions {
    DirOptions { links_max: None, fanout: 8, threshold_bytes: 1200, estimation }
}

#[derive(Clone, Debug)]
enum Change {
    Insert(u16, u64),
    Remove(u16),
    Reload,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        5 => (0_u16..80, 0_u64..1000).prop_map(|(name, value)| Change::Insert(name, value)),
        3 => (0_u16..80).prop_map(Change::Remove),
        1 => Just(Change::Reload),
    ];
    proptest::collection::vec(change, 1..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A directory behaves as a map, whatever it is made of, and the trie is the one that would be built at once.
    #[test]
    fn a_directory_is_a_map(changes in changes(), block_mode in any::<bool>()) {
        let options = small(if block_mode { SizeEstimation::Block } else { SizeEstimation::Links });
        let store = Arc::new(Memory::default());
        let mut model = BTreeMap::new();
        let mut directory = Directory::new(options, Metadata::default());
        for change in changes {
            match change {
                Change::Insert(name, value) => {
                    let new = entry(&format!("name-{name}"), value);
                    let old = block_on(directory.insert(&*store, new.clone())).expect("insert");
                    prop_assert_eq!(old, model.insert(new.name.clone(), new));
                }
                Change::Remove(name) => {
                    let name = format!("name-{name}");
                    let old = block_on(directory.remove(&*store, name.as_bytes())).expect("remove");
                    prop_assert_eq!(old, model.remove(name.as_bytes()));
                }
                Change::Reload => {
                    let link = write(&store, &directory);
                    directory = open(&store, &link, options);
                }
            }
        }
        let link = write(&store, &directory);
        let entries: Vec<DirEntry> = model.values().cloned().collect();
        prop_assert_eq!(&names(&store, &link.cid), &entries);
        let forced = DirOptions { threshold_bytes: if directory.is_hamt() { 1 } else { 0 }, ..options };
        if !(directory.is_hamt() && entries.is_empty()) {
            prop_assert_eq!(&build(&store, entries.clone(), &forced), &link);
        }
        for wanted in &entries {
            let found = block_on(find(&*store, &link.cid, &wanted.name)).expect("find");
            prop_assert_eq!(found.as_ref(), Some(wanted));
        }
        prop_assert_eq!(block_on(find(&*store, &link.cid, b"name-none")).expect("find"), None);
    }
}

#[test]
fn a_look_up_reads_one_path_of_a_large_directory() {
    let store = Arc::new(Memory::default());
    let entries: Vec<DirEntry> = (0..20_000).map(|i| entry(&format!("entry-{i}"), i)).collect();
    let link = build(&store, entries, &DirOptions::default());
    let before = store.gets.load(std::sync::atomic::Ordering::Relaxed);
    assert!(block_on(find(&*store, &link.cid, b"entry-12345")).expect("find").is_some());
    let reads = store.gets.load(std::sync::atomic::Ordering::Relaxed) - before;
    assert!(reads <= 4, "{reads} blocks read");

    let blocks = store.len();
    let mut directory = open(&store, &link, DirOptions::default());
    block_on(directory.insert(&*store, entry("another", 1))).expect("insert");
    write(&store, &directory);
    assert!(store.len() - blocks <= 4, "{} blocks written", store.len() - blocks);
}

#[test]
fn directories_that_cannot_be_are_refused() {
    let store = Memory::default();
    let mut sink = NodeSink::new(&store, CidOptions::default());
    let mut refused = |entries: Vec<DirEntry>, options: DirOptions| {
        build_directory(entries, &options, &Metadata::default(), &mut sink).expect_err("refused")
    };
    let plain = DirOptions::default();
    assert!(matches!(refused(vec![entry("a", 1), entry("a", 2)], plain), DirError::Duplicate(_)));
    for name in ["", ".", "..", "a/b", "a\0"] {
        assert!(matches!(refused(vec![entry(name, 1)], plain), DirError::Name(_)), "{name:?}");
    }
    for fanout in [0, 4, 7, 255, 2048] {
        let options = DirOptions { fanout, threshold_bytes: 1, ..plain };
        assert!(matches!(refused(vec![entry("a", 1)], options), DirError::Fanout(_)), "{fanout}");
    }
}

fn put(store: &Memory, node: PbNode) -> Cid {
    let block = Block::build(CidFormat::V0, 0x70, 0x12, node.encode().into()).expect("a block");
    let cid = block.cid().clone();
    store.put_many(vec![block]).expect("put");
    cid
}

fn shard(bitfield: &[u8], fanout: u64, links: Vec<PbLink>) -> PbNode {
    let mut message = UnixFs::new(Kind::HamtShard);
    message.data = Some(Bytes::copy_from_slice(bitfield));
    message.fanout = Some(fanout);
    message.hash_type = Some(0x22);
    message.into_node(links)
}

/// Every way into a directory refuses what HAMT decoders once crashed on.
#[test]
fn hostile_shards_are_refused() {
    let store = Arc::new(Memory::default());
    let link = || PbLink::new(leaf("x"), "00x", 1);
    let cases = [
        shard(&[1], 0, vec![link()]),
        shard(&[1], u64::MAX - 7, vec![link()]),
        shard(&[0x7f], 7, vec![link()]),
        shard(&[0xff; 256], 2048, vec![link()]),
        shard(&[1], 1 << 62, vec![link()]),
        shard(&[0xff; 4096], 256, vec![link()]),
        shard(&[0xff; 32], 256, vec![link()]),
        shard(&[1], 256, vec![PbLink::new(leaf("x"), "0", 1)]),
        PbNode { links: vec![link()], data: None },
    ];
    for node in cases {
        let cid = put(&store, node.clone());
        let listed: Result<Vec<DirEntry>, DirError> = block_on(list(store.clone(), cid.clone()).try_collect());
        listed.expect_err("listed");
        let block = block_on(store.get(&cid)).expect("block");
        Directory::of_block(&block, DirOptions::default()).expect_err("opened");
    }
}

/// A chain of shards deeper than the hash has bits ends with an error, not with the stack.
#[test]
fn endless_shards_end() {
    let store = Arc::new(Memory::default());
    let mut cid = leaf("bottom");
    for _ in 0..2000 {
        cid = put(&store, shard(&[1], 256, vec![PbLink::new(cid, "00", 1)]));
    }
    let listed: Result<Vec<DirEntry>, DirError> = block_on(list(store.clone(), cid.clone()).try_collect());
    assert!(matches!(listed, Err(DirError::TooDeep)));
    // No name has only zero bits, so looking up ends early; changing must end, too.
    let mut directory = Directory::of_block(&block_on(store.get(&cid)).expect("block"), small(SizeEstimation::Links))
        .expect("the root alone is sound");
    block_on(directory.remove(&*store, b"x")).expect("nothing to remove");
}

#[test]
fn a_missing_shard_is_an_error_of_its_own() {
    let store = Arc::new(Memory::default());
    let entries: Vec<DirEntry> = (0..9000).map(|i| entry(&format!("entry-{i}"), i)).collect();
    let link = build(&store, entries, &DirOptions::default());
    for cid in store.cids().into_iter().filter(|cid| *cid != link.cid) {
        store.remove(&cid);
    }
    let listed: Result<Vec<DirEntry>, DirError> = block_on(list(store.clone(), link.cid).try_collect());
    assert!(matches!(listed, Err(DirError::Get(_))));
}
