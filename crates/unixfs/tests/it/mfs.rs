//! The mutable file system: against a model, and against what Kubo made of the same operations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::TryStreamExt;
use futures::executor::block_on;
use merkury_core::block::CidFormat;
use merkury_core::multihash::code;
use merkury_core::{BlockGet, ErrorKind};
use merkury_unixfs::build::CidOptions;
use merkury_unixfs::dir::{DirEntry, list};
use merkury_unixfs::mfs::{Mfs, MfsError, MfsOptions, MfsPath, WriteOptions};
use merkury_unixfs::read::File;
use merkury_unixfs::{Metadata, Mtime};
use proptest::prelude::*;

use crate::support::{Memory, pattern};

fn path(text: &str) -> MfsPath {
    MfsPath::parse(text).expect(text)
}

fn new(options: MfsOptions) -> (Arc<Memory>, Mfs) {
    let store = Arc::new(Memory::default());
    let root = Mfs::empty_root(&*store, &options).expect("a root");
    (store.clone(), Mfs::new(store.clone(), store, options, root))
}

fn write(mfs: &mut Mfs, at: &str, data: &[u8], options: WriteOptions) -> Result<(), MfsError> {
    let options = WriteOptions { create: true, parents: true, ..options };
    block_on(mfs.write(&path(at), &mut &data[..], &options))
}

fn read(store: &Arc<Memory>, mfs: &Mfs, at: &str) -> Vec<u8> {
    block_on(async {
        let node = mfs.look_up(&path(at)).await.expect(at);
        let file = File::open(store.clone(), node.block.cid()).await.expect(at);
        file.read_to_vec(0, None, usize::MAX).await.expect(at)
    })
}

fn names(store: &Arc<Memory>, mfs: &Mfs, at: &str) -> Vec<String> {
    block_on(async {
        let node = mfs.look_up(&path(at)).await.expect(at);
        let entries: Vec<DirEntry> = list(store.clone(), node.block.cid().clone()).try_collect().await.expect(at);
        entries.iter().map(|entry| entry.name_text().into_owned()).collect()
    })
}

/// `ipfs files write -e -t -p /f` of `pattern(length)` into an empty file system: the root after it.
const KNOWN_ROOTS: [(usize, &str); 4] = [
    (100, "QmWx6C6WAuXvdSx6swkT3f9zBPRSNRivXWYx7QvXSyShz7"),
    (262_145, "QmSv3txaeJSVAEHaDc4bzULdbViDRn5gBvduRbg4TKW3t8"),
    (2_129_921, "QmS6PcRkD9qMx5MpvchiEcGeJ6WBopn8RbhMf9gFXfJxmd"),
    (3_000_000, "QmPhhoYd8i3tkbSKWT4sD5A9ZgtWwgXHyq3QcphFPw6SLU"),
];

#[test]
fn writes_have_kubos_cids() {
    for (length, root) in KNOWN_ROOTS {
        let (_, mut mfs) = new(MfsOptions::default());
        assert_eq!(mfs.root().to_string(), "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
        write(&mut mfs, "/f", &pattern(length), WriteOptions { truncate: true, ..Default::default() }).expect("write");
        assert_eq!(mfs.root().to_string(), root, "{length} bytes");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Write { file: usize, offset: u64, length: usize, truncate: bool },
    Truncate { file: usize, bytes: u64 },
    Copy { from: usize, to: usize },
    Rename { from: usize, to: usize },
    Remove { file: usize },
}

const FILES: [&str; 5] = ["/a", "/b", "/d/c", "/d/e/f", "/g/h"];

fn op() -> impl Strategy<Value = Op> {
    let file = 0..FILES.len();
    prop_oneof![
        6 => (file.clone(), 0_u64..30_000, 0_usize..30_000, prop::bool::weighted(0.1))
            .prop_map(|(file, offset, length, truncate)| Op::Write { file, offset, length, truncate }),
        2 => (file.clone(), 0_u64..40_000).prop_map(|(file, bytes)| Op::Truncate { file, bytes }),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Op::Copy { from, to }),
        1 => (file.clone(), file.clone()).prop_map(|(from, to)| Op::Rename { from, to }),
        1 => file.prop_map(|file| Op::Remove { file }),
    ]
}

fn resize(content: &mut Vec<u8>, bytes: usize) {
    content.resize(bytes, 0);
}

/// Does the same to the model; false when it must fail.
fn apply(model: &mut BTreeMap<usize, Vec<u8>>, op: &Op) -> bool {
    match *op {
        Op::Write { file, offset, length, truncate } => {
            let content = model.entry(file).or_default();
            if truncate {
                content.clear();
            }
            let end = offset as usize + length;
            if content.len() < end || content.len() < offset as usize {
                resize(content, end.max(offset as usize));
            }
            content[offset as usize..end].copy_from_slice(&pattern(length));
            true
        }
        Op::Truncate { file, bytes } => match model.get_mut(&file) {
            Some(content) => {
                resize(content, bytes as usize);
                true
            }
            None => false,
        },
        Op::Copy { from, to } => match model.get(&from).cloned() {
            Some(content) if !model.contains_key(&to) => model.insert(to, content).is_none(),
            _ => false,
        },
        Op::Rename { from, to } => match model.remove(&from) {
            Some(content) => {
                model.insert(to, content);
                true
            }
            None => false,
        },
        Op::Remove { file } => model.remove(&file).is_some(),
    }
}

async fn run(mfs: &mut Mfs, op: &Op) -> Result<(), MfsError> {
    match *op {
        Op::Write { file, offset, length, truncate } => {
            let data = pattern(length);
            let options = WriteOptions { offset, truncate, create: true, parents: true, ..Default::default() };
            mfs.write(&path(FILES[file]), &mut &data[..], &options).await
        }
        Op::Truncate { file, bytes } => mfs.truncate(&path(FILES[file]), bytes).await,
        Op::Copy { from, to } => {
            let node = mfs.look_up_mut(&path(FILES[from])).await?;
            mfs.put(&node.block, &path(FILES[to]), "", true, false, None).await
        }
        Op::Rename { from, to } => mfs.rename(&path(FILES[from]), &path(FILES[to])).await,
        Op::Remove { file } => mfs.remove(&path(FILES[file]), false, false).await,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Files hold what was written, in any order and over any layout; what fails changes nothing.
    #[test]
    fn files_hold_what_was_written(ops in proptest::collection::vec(op(), 1..25), v1 in any::<bool>()) {
        let mut options = MfsOptions { chunker: "size-1000".parse().expect("a chunker"), ..MfsOptions::default() };
        if v1 {
            options.cid.format = CidFormat::V1;
        }
        let (store, mut mfs) = new(options);
        for parent in ["/d/e", "/g"] {
            block_on(mfs.mkdir(&path(parent), true, None)).expect("mkdir");
        }
        let mut model = BTreeMap::new();
        for op in &ops {
            let before = mfs.root().clone();
            let wanted = apply(&mut model, op);
            let done = block_on(run(&mut mfs, op));
            prop_assert_eq!(done.is_ok(), wanted, "{:?}: {:?}", op, done);
            if !wanted {
                prop_assert_eq!(&before, mfs.root());
            }
        }
        for (file, content) in &model {
            prop_assert_eq!(&read(&store, &mfs, FILES[*file]), content, "{}", FILES[*file]);
        }
        let missing = (0..FILES.len()).filter(|file| !model.contains_key(file));
        for file in missing {
            prop_assert!(matches!(block_on(mfs.look_up(&path(FILES[file]))), Err(MfsError::NotFound)));
        }
    }
}

#[test]
fn errors_use_kubos_words() {
    let (_, mut mfs) = new(MfsOptions::default());
    write(&mut mfs, "/d/f", b"x", WriteOptions::default()).expect("write");
    let root = mfs.root().clone();
    let words = [
        (block_on(mfs.mkdir(&path("/"), false, None)), "cannot create directory '/': Already exists"),
        (block_on(mfs.mkdir(&path("/d"), false, None)), "file already exists"),
        (block_on(mfs.mkdir(&path("/x/y"), false, None)), "file does not exist"),
        (block_on(mfs.mkdir(&path("/d/f/x"), true, None)), "d was not a directory"),
        (block_on(mfs.mkdir(&path("/d/f/x"), false, None)), "d was not a directory"),
        (write(&mut mfs, "/d/f/x", b"x", WriteOptions::default()), "file already exists"),
        (block_on(mfs.truncate(&path("/d/f/x"), 0)), "cannot access d/f/x: Not a directory"),
        (block_on(mfs.rename(&path("/d/f"), &path("/d/f/x"))), "/d/f/ is not a directory"),
        (block_on(mfs.rename(&path("/d/f/"), &path("/x"))), "file does not exist"),
        (block_on(mfs.rename(&path("/x"), &path("/y/z"))), "file does not exist"),
        (
            block_on(mfs.remove(&path("/d/f/x"), false, true)),
            "expected *mfs.Directory, didn't get it. This is likely a race condition",
        ),
        (block_on(mfs.set_cid_options(&path("/d/f"), CidOptions::default())), "can only update directories"),
        (block_on(mfs.remove(&path("/"), true, true)), "cannot delete root"),
        (block_on(mfs.remove(&path("/d"), false, false)), "path is a directory, use -r to remove directories"),
        (block_on(mfs.remove(&path("/x"), false, false)), "file does not exist"),
        (block_on(mfs.rename(&path("/d"), &path("/d/e"))), "cannot move /d into itself"),
        (write(&mut mfs, "/d", b"x", WriteOptions::default()), "/d was not a file"),
    ];
    for (result, expected) in words {
        assert_eq!(result.expect_err(expected).to_string(), expected);
    }
    assert_eq!(*mfs.root(), root);
    block_on(mfs.remove(&path("/x"), false, true)).expect("force");
    assert_eq!(MfsPath::parse("").expect_err("empty").to_string(), "paths must not be empty");
    assert_eq!(MfsPath::parse("a").expect_err("relative").to_string(), "paths must start with a leading slash");
    assert_eq!(path("//a/./b/../c/").to_string(), "/a/c");
}

#[test]
fn moving_follows_kubo() {
    let (store, mut mfs) = new(MfsOptions::default());
    for (name, content) in [("/a", "1"), ("/b", "2"), ("/d/x", "3")] {
        write(&mut mfs, name, content.as_bytes(), WriteOptions::default()).expect("write");
    }
    block_on(mfs.rename(&path("/a"), &path("/b"))).expect("over a file");
    assert_eq!(read(&store, &mfs, "/b"), b"1");
    block_on(mfs.rename(&path("/b"), &path("/d"))).expect("into a directory");
    block_on(mfs.rename(&path("/d/x"), &path("/d/"))).expect("onto itself");
    block_on(mfs.rename(&path("/d"), &path("/e"))).expect("a directory");
    assert_eq!(names(&store, &mfs, "/"), ["e"]);
    assert_eq!(names(&store, &mfs, "/e"), ["b", "x"]);
}

#[test]
fn metadata_is_kept_and_a_write_sets_the_time() {
    let (_, mut mfs) = new(MfsOptions::default());
    write(&mut mfs, "/d/f", b"x", WriteOptions::default()).expect("write");
    let meta = Metadata { mode: Some(0o640), mtime: Some(Mtime { seconds: 7, nanos: 0 }) };
    for at in ["/d/f", "/d"] {
        block_on(mfs.set_metadata(&path(at), meta)).expect("set");
        assert_eq!(block_on(mfs.look_up(&path(at))).expect(at).node.metadata(), meta);
    }
    write(&mut mfs, "/d/f", b"y", WriteOptions::default()).expect("write");
    let after = block_on(mfs.look_up(&path("/d/f"))).expect("the file").node.metadata();
    assert_eq!(after.mode, Some(0o640));
    assert!(after.mtime.is_some_and(|mtime| mtime.seconds > 7));
}

#[test]
fn holes_are_zeros_and_have_a_limit() {
    let (store, mut mfs) = new(MfsOptions::default());
    write(&mut mfs, "/f", b"end", WriteOptions { offset: 100_000, ..Default::default() }).expect("write");
    let content = read(&store, &mfs, "/f");
    assert_eq!((content.len(), &content[100_000..]), (100_003, &b"end"[..]));
    assert!(content[..100_000].iter().all(|&byte| byte == 0));
    let far = WriteOptions { offset: 1 << 60, ..Default::default() };
    assert!(matches!(write(&mut mfs, "/f", b"x", far), Err(MfsError::Hole(_))));
    let count = WriteOptions { count: Some(2), truncate: true, ..Default::default() };
    write(&mut mfs, "/f", b"abc", count).expect("write");
    assert_eq!(read(&store, &mfs, "/f"), b"ab");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// A batch ends at the root where single operations end.
    #[test]
    fn a_batch_ends_where_single_operations_end(
        ops in proptest::collection::vec(op(), 1..25),
        settle in 0_usize..12,
    ) {
        let (_, mut single) = new(MfsOptions::default());
        let (store, mut batch) = new(MfsOptions::default());
        batch.hold();
        for mfs in [&mut single, &mut batch] {
            for parent in ["/d/e", "/g"] {
                block_on(mfs.mkdir(&path(parent), true, None)).expect("mkdir");
            }
        }
        let mut model = BTreeMap::new();
        // What fails would end the batch.
        let good = ops.iter().filter(|&op| { let mut trial = model.clone(); let ok = apply(&mut trial, op); if ok { model = trial; } ok });
        for (index, op) in good.cloned().collect::<Vec<_>>().iter().enumerate() {
            block_on(run(&mut single, op)).expect("single");
            block_on(run(&mut batch, op)).expect("in a batch");
            if index == settle {
                block_on(batch.settle()).expect("settle");
                prop_assert_eq!(single.root(), batch.root());
            }
        }
        block_on(batch.settle()).expect("settle");
        prop_assert_eq!(single.root(), batch.root());
        for (file, content) in &model {
            prop_assert_eq!(&read(&store, &batch, FILES[*file]), content);
        }
    }
}

#[test]
fn a_batch_writes_a_directory_once() {
    let (store, mut mfs) = new(MfsOptions::default());
    let (before, root) = (store.len(), mfs.root().clone());
    mfs.hold();
    for i in 0..500 {
        write(&mut mfs, &format!("/d/f{i}"), b"x", WriteOptions::default()).expect("write");
    }
    assert_eq!(*mfs.root(), root, "nothing shows before it is settled");
    block_on(mfs.settle()).expect("settle");
    // The file (once: all are equal), the empty directory, the directory, the root.
    assert!(store.len() - before <= 4, "{} blocks", store.len() - before);
    assert_eq!(names(&store, &mfs, "/d").len(), 500);
}

#[test]
fn a_batch_that_failed_refuses_everything() {
    let (store, mut mfs) = new(MfsOptions::default());
    write(&mut mfs, "/f", b"x", WriteOptions::default()).expect("write");
    let (root, block) = (mfs.root().clone(), block_on(mfs.look_up(&path("/f"))).expect("the file").block);
    mfs.hold();
    block_on(mfs.mkdir(&path("/d"), false, None)).expect("mkdir");
    store.remove(block.cid());
    block_on(mfs.remove(&path("/f"), false, false)).expect_err("the block is missing");
    assert!(matches!(block_on(mfs.mkdir(&path("/e"), false, None)), Err(MfsError::BatchFailed)));
    assert!(matches!(block_on(mfs.settle()), Err(MfsError::BatchFailed)));
    assert_eq!(*mfs.root(), root);
}

#[test]
fn a_batch_sees_its_own_changes() {
    let (store, mut mfs) = new(MfsOptions::default());
    mfs.hold();
    write(&mut mfs, "/d/f", b"1", WriteOptions::default()).expect("write");
    let made = block_on(mfs.look_up_mut(&path("/d/f"))).expect("the file").block;
    block_on(mfs.put(&made, &path("/copy"), "", false, false, None)).expect("copy");
    // A directory that is open is written to be copied.
    let dir = block_on(mfs.look_up_mut(&path("/d"))).expect("the directory").block;
    block_on(mfs.put(&dir, &path("/e"), "", false, false, None)).expect("copy");
    write(&mut mfs, "/d/f", b"2", WriteOptions::default()).expect("write");
    block_on(mfs.rename(&path("/d"), &path("/e/moved"))).expect("move");
    assert!(matches!(block_on(mfs.look_up_mut(&path("/d/f"))), Err(MfsError::NotFound)));
    block_on(mfs.remove(&path("/nothing/here"), false, true)).expect("force");
    block_on(mfs.settle()).expect("settle");
    assert_eq!(names(&store, &mfs, "/"), ["copy", "e"]);
    for (at, content) in [("/copy", b"1"), ("/e/f", b"1"), ("/e/moved/f", b"2")] {
        assert_eq!(read(&store, &mfs, at), content, "{at}");
    }
}

#[test]
fn a_directory_keeps_the_way_it_is_named() {
    let (_, mut mfs) = new(MfsOptions::default());
    write(&mut mfs, "/d/f", b"x", WriteOptions::default()).expect("write");
    let blake = CidOptions { format: CidFormat::V1, hash_code: code::BLAKE2B_256, inline_bytes_max: None };
    block_on(mfs.set_cid_options(&path("/d"), blake)).expect("chcid");
    write(&mut mfs, "/d/g", b"y", WriteOptions::default()).expect("write");
    let named = block_on(mfs.look_up(&path("/d"))).expect("the directory").block;
    assert_eq!(named.cid().hash().code(), code::BLAKE2B_256);
    assert_eq!(mfs.root().hash().code(), code::SHA2_256);
}

/// One change in a directory of 100,000 entries touches the shards on one path, and a tree beside it costs nothing.
#[test]
fn a_huge_directory_costs_one_path() {
    const ENTRIES: usize = 100_000;
    let (store, mut mfs) = new(MfsOptions::default());
    write(&mut mfs, "/one", b"x", WriteOptions::default()).expect("write");
    let leaf = block_on(mfs.look_up(&path("/one"))).expect("the file").block;
    mfs.hold();
    for i in 0..ENTRIES {
        block_on(mfs.put(&leaf, &path(&format!("/huge/file-{i}")), "", true, false, None)).expect("put");
    }
    block_on(mfs.settle()).expect("settle");
    let root = mfs.root().clone();
    let mut mfs = Mfs::new(store.clone(), store.clone(), MfsOptions::default(), root);
    let (gets, blocks) = (store.gets.load(Ordering::Relaxed), store.len());
    write(&mut mfs, "/huge/new", b"y", WriteOptions::default()).expect("write");
    block_on(mfs.look_up(&path("/huge/file-77777"))).expect("an entry");
    // Each: the root, and of the directory its root and three shards below at most, and the entry itself.
    let (read, written) = (store.gets.load(Ordering::Relaxed) - gets, store.len() - blocks);
    assert!(read <= 16, "{read} blocks read");
    assert!(written <= 6, "{written} blocks written");
    let (gets, blocks) = (store.gets.load(Ordering::Relaxed), store.len());
    block_on(mfs.remove(&path("/huge/file-99999"), false, false)).expect("remove");
    // A removal also looks whether the directory has become small: as much of the trie as shows that it has not.
    let (read, written) = (store.gets.load(Ordering::Relaxed) - gets, store.len() - blocks);
    assert!(read <= 150, "{read} blocks read");
    assert!(written <= 6, "{written} blocks written");
}

/// The price of an operation is the path, not the tree.
#[test]
fn operations_do_not_read_the_tree() {
    let options = MfsOptions::default();
    let (store, mut mfs) = new(options);
    for i in 0..200 {
        write(&mut mfs, &format!("/d{}/f{i}", i % 20), b"x", WriteOptions::default()).expect("write");
    }
    let gets = store.gets.load(Ordering::Relaxed);
    let blocks = store.len();
    write(&mut mfs, "/d3/new", b"y", WriteOptions::default()).expect("write");
    assert!(store.gets.load(Ordering::Relaxed) - gets <= 6);
    assert!(store.len() - blocks <= 4);
}

#[test]
fn a_missing_block_is_told_and_can_be_removed_by_force() {
    let (store, mut mfs) = new(MfsOptions::default());
    write(&mut mfs, "/f", b"x", WriteOptions::default()).expect("write");
    let cid = block_on(mfs.look_up(&path("/f"))).expect("the file").block.cid().clone();
    store.remove(&cid);
    let error = block_on(mfs.remove(&path("/f"), false, false)).expect_err("unreadable");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    block_on(mfs.remove(&path("/f"), false, true)).expect("force");
    assert!(store.get_local(mfs.root()).expect("get").is_some());
}
