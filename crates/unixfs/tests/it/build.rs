//! Import: CIDs, order of events, sources, what the store sees.

use std::collections::VecDeque;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::{Block, BlockPut, PutError};
use merkury_unixfs::Metadata;
use merkury_unixfs::build::{
    AddError, AddEvent, Added, DirOptions, EntryStream, ImportOptions, Importer, Item, Layout, StreamEntry, StreamKind,
    Symlinks, WalkOptions,
};
use parking_lot::Mutex;

use crate::support::{Memory, pattern};

fn add_bytes(options: ImportOptions, threads: usize, data: &[u8]) -> Added {
    let mut reader = data;
    let items = vec![Item::Reader { name: "f".into(), reader: &mut reader }];
    let importer = Importer::new(Arc::new(Memory::default()), options).threads(threads);
    importer.add_items(items, false, &mut |_| {}).expect("add").remove(0)
}

fn item(path: &Path, walk: &WalkOptions) -> Item<'static> {
    let name = path.file_name().expect("a name").to_string_lossy().into_owned();
    Item::Path { name, path: path.to_owned(), walk: walk.clone() }
}

fn add_path(options: ImportOptions, path: &Path) -> Added {
    let importer = Importer::new(Arc::new(Memory::default()), options).threads(2);
    importer.add_items(vec![item(path, &WalkOptions::default())], false, &mut |_| {}).expect("add").remove(0)
}

/// The options of the columns of [`KNOWN_FILES`].
fn known_options() -> [ImportOptions; 8] {
    let base = ImportOptions::default();
    let chunked = |text: &str| ImportOptions { chunker: text.parse().expect("a chunker"), ..base };
    let mut v1 = ImportOptions { raw_leaves: true, ..base };
    v1.cid.format = CidFormat::V1;
    let mut inline = base;
    inline.cid.inline_bytes_max = Some(32);
    [
        base,
        ImportOptions { raw_leaves: true, ..base },
        v1,
        ImportOptions { file_links_max: 7, ..chunked("size-1000") },
        ImportOptions { layout: Layout::Trickle, ..chunked("size-1000") },
        chunked("buzhash"),
        chunked("rabin-512-1024-2048"),
        inline,
    ]
}

/// `ipfs add -Q` of `pattern(length)`, with the options of [`known_options`].
const KNOWN_FILES: [(usize, [&str; 8]); 6] = [
    (
        0,
        [
            "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
            "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
            "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
            "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
            "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
            "bafyaabqkaqeaegaa",
        ],
    ),
    (
        1,
        [
            "QmS9JArPwa55ePgDnyg6TzX24mYTS1b1vLqWNebyVotKxQ",
            "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu",
            "bafkreidogqfzz75tpkmjzjke425xqcrmpcib2p5tg44hnbirumdbpl5adu",
            "QmS9JArPwa55ePgDnyg6TzX24mYTS1b1vLqWNebyVotKxQ",
            "QmcBmLQtSpKgG8TpQwKWx82bxy2PZAfYSewvQdwToBEvrj",
            "QmS9JArPwa55ePgDnyg6TzX24mYTS1b1vLqWNebyVotKxQ",
            "QmS9JArPwa55ePgDnyg6TzX24mYTS1b1vLqWNebyVotKxQ",
            "bafyaacika4eaeeqbaamac",
        ],
    ),
    (
        262143,
        [
            "QmYUgnJVJvkbTzeBKFpZy6cmmqVS7CxrKbt5uqsewpQD6b",
            "bafkreiejzuu6uebjweh2pom4ujan4icvo723le43mmumpt5vtn6aeuldzm",
            "bafkreiejzuu6uebjweh2pom4ujan4icvo723le43mmumpt5vtn6aeuldzm",
            "QmTjmpRFhKW6VH46EB1y5rrjSVvkpxbJiSK7CDaV29VC3k",
            "QmUK6idK6QttAdKvViqa22GobjuiyE7Hzg6XagLx7S5igd",
            "QmYUgnJVJvkbTzeBKFpZy6cmmqVS7CxrKbt5uqsewpQD6b",
            "Qma2LwFLDmjurhFAbuCeuTkC1Jg7DTDDQbYHLhj4UT5E39",
            "QmYUgnJVJvkbTzeBKFpZy6cmmqVS7CxrKbt5uqsewpQD6b",
        ],
    ),
    (
        262144,
        [
            "QmRmgaTJBHaaXAJTtLzZXFzohxs6N72P1ae6DebFLHZx4U",
            "bafkreiduftnt7ehetlfzrxvbhhstcta5qqqaeb5r2daxaglbzwd6uowzky",
            "bafkreiduftnt7ehetlfzrxvbhhstcta5qqqaeb5r2daxaglbzwd6uowzky",
            "QmTFEP9Z7FAo8JX1zKNbmfrGVNMCBHF8UgVHYLsMgHN1DC",
            "QmStAWaVkFq3dyU4MAE9Ww3X1VciWXDsy2w2Hot9zsLEe5",
            "QmRmgaTJBHaaXAJTtLzZXFzohxs6N72P1ae6DebFLHZx4U",
            "QmQvZ8Acb7TWHG5F2NMhLV1WCDoqEBUH7hfRwQsyEzKxKv",
            "QmRmgaTJBHaaXAJTtLzZXFzohxs6N72P1ae6DebFLHZx4U",
        ],
    ),
    (
        262145,
        [
            "QmVZ9nSQMnHx1SQKCDwtxaviE2HABBfrCK8XQWwLqCNxoe",
            "QmdnQFYgaiBvYek938ssh7JFCtyzg53b8hNhAWgr29fjZX",
            "bafybeihfpahkxbv3vow3fwhbtnor3fsxttjuh23musdphqvwmrrvczikcy",
            "Qmf3EBimWEmwqSvutEt1cdvZX4smJSE7dnGfAntEtwjszA",
            "QmeE2G9tvN2nGhthp5gu4dRp43sNVX6JqrJ8DptvtpPFTX",
            "Qmf9RqBLuPqYX2W1ZL2v7ULD9h9Y3ZeKvbi4TJi8UMuhJ1",
            "QmeRmdAGt1cB4mUNUnZtDMYKW5qTqBLP5Sn7o3gV9H32SN",
            "QmbkQdHFNHJ5qAk33dcWzVfA5vSgdzae2JJLHe1cu34Xwr",
        ],
    ),
    (
        1000000,
        [
            "QmPVtKpU8WaPUi9DuZNvjB9RbxUsE7jqVovj82rTfPGBhz",
            "QmVjYhAfrFeLp6JC4sNM25dfZ3TbMPWFnwRkGC8j4NTPvK",
            "bafybeidn35ovidukxsm3f6nn26j4cc3ncv3vmgc3w77jqnybqxu7v3rvnq",
            "QmV4jz5nYPwCvodEwQsb4GhUKVBqg45gM9KgYBQJyWHwwD",
            "QmXpRPoRUACyWRosRTDRCRgN3u2DAayYAdoSbpJSVPvi7g",
            "QmRrhkxzjccLdjA639pzgmDVbvpt1BXJuBsEqF1L7BEYMJ",
            "QmfX63iGa4vCLoBNp8fXm4dcDYomVPLjR4gRsDvoMy1eZP",
            "QmPVtKpU8WaPUi9DuZNvjB9RbxUsE7jqVovj82rTfPGBhz",
        ],
    ),
];

/// `ipfs add -Q -r` of a directory of so many files `entry-00000`, each with its number: default, `--cid-version=1`,
/// `--max-directory-links=2`.
const KNOWN_DIRECTORIES: [(usize, [&str; 3]); 5] = [
    (
        0,
        [
            "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
            "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
            "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
        ],
    ),
    (
        3,
        [
            "QmVfdofcTrkuUvJ2JV6JyKswsdiqwgwABeUkjBA9oEinbu",
            "bafybeifie2nk7edc2gqduk6veac6x4e6oi7t2go7yg72tpgzy64h2eg7vm",
            "QmWUYB5wpt31MXPwzZUkeawZz5QQsBX3hGTfXELhyDBDxt",
        ],
    ),
    (
        5825,
        [
            "QmW7hHTb2BAt8qkKNi5fzUf18RYa7dcKxGUrAyt4jhXbYR",
            "bafybeiaosyzjomeguzmy3sqe26aawqu6rqjbx2xc4lmiyrh3unj7qwutz4",
            "QmVx7QE3bDae6LPDT4wn9iiAVC16k77GBhDWLk4FDWC5b1",
        ],
    ),
    (
        5826,
        [
            "QmWoXZwH49UzHYRmKo5EDvaBbPyWYDysx9HQoQuKjmiMUV",
            "bafybeicjepmmmrsnhp2vhgruerptfq33cy7zoj2bhmkhyn5ya2jbueyt54",
            "QmWoXZwH49UzHYRmKo5EDvaBbPyWYDysx9HQoQuKjmiMUV",
        ],
    ),
    (
        7000,
        [
            "Qmd91gSsirxt3ooHFoZKbQL3LbZPuGM3vF5T2P1iuyKeLu",
            "bafybeicjqtlvnmfa4pgsw4xceujaxsgovghijelsaslyjrtpfkrpzx63va",
            "Qmd91gSsirxt3ooHFoZKbQL3LbZPuGM3vF5T2P1iuyKeLu",
        ],
    ),
];

#[test]
fn files_have_kubos_cids() {
    let dir = tempfile::tempdir().expect("a directory");
    for (length, cids) in KNOWN_FILES {
        let data = pattern(length);
        let path = dir.path().join("f");
        std::fs::write(&path, &data).expect("write");
        for (options, expected) in known_options().into_iter().zip(cids) {
            assert_eq!(add_bytes(options, 1, &data).cid.to_string(), expected, "{length} bytes, {options:?}");
            assert_eq!(add_bytes(options, 3, &data).cid.to_string(), expected, "{length} bytes, threads");
            assert_eq!(add_path(options, &path).cid.to_string(), expected, "{length} bytes, from disk");
        }
    }
}

#[test]
fn directories_have_kubos_cids() {
    let dir = tempfile::tempdir().expect("a directory");
    for (count, cids) in KNOWN_DIRECTORIES {
        let path = dir.path().join(format!("d{count}"));
        std::fs::create_dir(&path).expect("mkdir");
        for i in 0..count {
            std::fs::write(path.join(format!("entry-{i:05}")), i.to_string()).expect("write");
        }
        let base = ImportOptions::default();
        let mut v1 = ImportOptions { raw_leaves: true, ..base };
        v1.cid.format = CidFormat::V1;
        let narrow = ImportOptions { directory: DirOptions { links_max: Some(2), ..base.directory }, ..base };
        for (options, expected) in [base, v1, narrow].into_iter().zip(cids) {
            assert_eq!(add_path(options, &path).cid.to_string(), expected, "{count} entries, {options:?}");
        }
    }
}

/// A tree of `(path, content)`; a path that ends with a slash is a directory, `@` begins a link's target.
fn make_tree(root: &Path, tree: &[(&str, &str)]) {
    for (path, content) in tree {
        let full = root.join(path);
        match content.strip_prefix('@') {
            _ if path.ends_with('/') => std::fs::create_dir_all(full).expect("mkdir"),
            Some(target) => std::os::unix::fs::symlink(target, full).expect("symlink"),
            None => std::fs::write(full, content).expect("write"),
        }
    }
}

const TREE: [(&str, &str); 9] = [
    ("t/", ""),
    ("t/a/", ""),
    ("t/a/empty/", ""),
    ("t/a/ü", "two"),
    ("t/.hidden", "no"),
    ("t/b", "three"),
    ("t/c/", ""),
    ("t/c/d", "four"),
    ("t/link", "@/etc/passwd"),
];

fn names(importer: &Importer, items: Vec<Item<'_>>, wrap: bool) -> Vec<String> {
    let mut names = Vec::new();
    importer
        .add_items(items, wrap, &mut |event| {
            if let AddEvent::Added { name, .. } = event {
                names.push(name.to_owned());
            }
        })
        .expect("add");
    names
}

#[test]
fn events_come_in_kubos_order() {
    let dir = tempfile::tempdir().expect("a directory");
    make_tree(dir.path(), &TREE);
    let importer = Importer::new(Arc::new(Memory::default()), ImportOptions::default()).threads(2);
    let walk = WalkOptions::default();
    let tree = dir.path().join("t");
    let files = ["t/a/ü", "t/b", "t/c/d", "t/link"];
    let directories = ["t/a/empty", "t/a", "t/c", "t"];
    assert_eq!(names(&importer, vec![item(&tree, &walk)], false), [&files[..], &directories].concat());
    let wrapped = names(&importer, vec![item(&tree, &walk), item(&tree.join("b"), &walk)], true);
    assert_eq!(wrapped, [&files[..], &["b"], &directories, &[""]].concat());
    let hidden = WalkOptions { hidden: true, ..walk };
    assert!(names(&importer, vec![item(&tree, &hidden)], false).contains(&"t/.hidden".to_owned()));
}

#[test]
fn links_are_kept_and_never_followed_unless_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    make_tree(dir.path(), &[("t/", ""), ("t/file", "content"), ("t/link", "@file"), ("plain/", ""), ("top", "@t")]);
    make_tree(dir.path(), &[("plain/file", "content"), ("plain/link", "content")]);
    let importer = Importer::new(Arc::new(Memory::default()), ImportOptions::default());
    let add = |path: &str, symlinks| {
        let walk = WalkOptions { symlinks, ..WalkOptions::default() };
        importer.add_items(vec![item(&dir.path().join(path), &walk)], false, &mut |_| {}).expect("add").remove(0).cid
    };
    let kept = add("t", Symlinks::Keep);
    let followed = add("t", Symlinks::Follow);
    assert_ne!(kept, followed);
    assert_eq!(followed, add("plain", Symlinks::Keep));
    assert_eq!(add("top", Symlinks::FollowItem), kept);
    assert_eq!(add("top", Symlinks::Follow), followed);
    assert_ne!(add("top", Symlinks::Keep), kept);
}

#[test]
fn a_loop_of_links_ends_with_an_error() {
    let dir = tempfile::tempdir().expect("a directory");
    make_tree(dir.path(), &[("t/", ""), ("t/again", "@.")]);
    let importer = Importer::new(Arc::new(Memory::default()), ImportOptions::default());
    let walk = WalkOptions { symlinks: Symlinks::Follow, ..WalkOptions::default() };
    importer.add_items(vec![item(&dir.path().join("t"), &walk)], false, &mut |_| {}).expect_err("endless");
}

/// Entries of a multipart body.
struct Entries(VecDeque<(String, Option<Vec<u8>>)>, Box<dyn Read>);

impl EntryStream for Entries {
    fn next_entry(&mut self) -> std::io::Result<Option<StreamEntry<'_>>> {
        let Some((path, content)) = self.0.pop_front() else { return Ok(None) };
        let kind = match content {
            None => StreamKind::Directory,
            Some(bytes) => {
                self.1 = Box::new(std::io::Cursor::new(bytes));
                StreamKind::File { body: &mut self.1 }
            }
        };
        Ok(Some(StreamEntry { path, meta: Metadata::default(), kind }))
    }
}

fn add_entries(entries: &[(&str, Option<&str>)], wrap: bool) -> Result<(Vec<Added>, Vec<String>), AddError> {
    let entries = entries.iter().map(|(path, content)| ((*path).into(), content.map(|text| text.as_bytes().to_vec())));
    let mut stream = Entries(entries.collect(), Box::new(std::io::empty()));
    let importer = Importer::new(Arc::new(Memory::default()), ImportOptions::default());
    let mut names = Vec::new();
    let added = importer.add_stream(&mut stream, wrap, &mut |event| {
        if let AddEvent::Added { name, .. } = event {
            names.push(name.to_owned());
        }
    })?;
    Ok((added, names))
}

#[test]
fn a_stream_gives_what_the_disk_gives() {
    let dir = tempfile::tempdir().expect("a directory");
    make_tree(dir.path(), &[("t/", ""), ("t/a/", ""), ("t/a/x", "1"), ("t/b", "2"), ("t/a/y", "3"), ("t/e/", "")]);
    let expected = add_path(ImportOptions::default(), &dir.path().join("t"));
    let sorted =
        [("t", None), ("t/a", None), ("t/a/x", Some("1")), ("t/a/y", Some("3")), ("t/b", Some("2")), ("t/e", None)];
    let (added, names) = add_entries(&sorted, false).expect("add");
    assert_eq!(added, std::slice::from_ref(&expected));
    assert_eq!(names, ["t/a/x", "t/a/y", "t/b", "t/a", "t/e", "t"]);
    // Without directories and out of order, as clients may send it.
    let mixed = [("t/a/x", Some("1")), ("t/b", Some("2")), ("t/e", None), ("t/a/y", Some("3"))];
    assert_eq!(add_entries(&mixed, false).expect("add").0, [expected]);
    // Wrapped, several items are one directory.
    let (wrapped, names) = add_entries(&[("x", Some("1")), ("y", Some("3"))], true).expect("add");
    assert_eq!((wrapped.len(), wrapped[0].name.as_str()), (1, ""));
    assert_eq!(names, ["x", "y", ""]);
}

#[test]
fn a_file_without_name_is_named_by_its_cid() {
    let (added, names) = add_entries(&[("", Some("hello\n"))], false).expect("add");
    assert_eq!(added[0].cid.to_string(), "QmZULkCELmmk5XNfCgTnCyFgAVxBRBXyDHGGMVoLFLiXEN");
    assert_eq!(names, [added[0].cid.to_string()]);
}

#[test]
fn paths_that_leave_the_tree_are_refused() {
    for path in ["../x", "a/../../x", "a/\0", "./x"] {
        add_entries(&[(path, Some("x"))], false).expect_err(path);
    }
    let deep = "d/".repeat(1025) + "f";
    assert!(matches!(add_entries(&[(&deep, Some("x"))], false), Err(AddError::TooDeep(_))));
    assert!(matches!(add_entries(&[("d/x", Some("1")), ("d/x", Some("2"))], false), Err(AddError::Directory { .. })));
}

#[test]
fn progress_counts_up_to_the_size() {
    let data = pattern(3_000_000);
    let options = ImportOptions { progress: true, ..ImportOptions::default() };
    let mut reader = &data[..];
    let mut seen = Vec::new();
    Importer::new(Arc::new(Memory::default()), options)
        .add_items(vec![Item::Reader { name: "f".into(), reader: &mut reader }], false, &mut |event| {
            if let AddEvent::Progress { bytes, .. } = event {
                seen.push(bytes);
            }
        })
        .expect("add");
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&3_000_000));
}

/// Sees that no block comes before one it links to, and how large hand-overs are.
#[derive(Default)]
struct Strict {
    memory: Memory,
    largest: Mutex<usize>,
}

impl BlockPut for Strict {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        let bytes = blocks.iter().map(|block| block.data().len()).sum();
        let mut largest = self.largest.lock();
        *largest = (*largest).max(bytes);
        for block in blocks {
            for link in merkury_core::codec::links(block.cid().codec(), block.data()).expect("links") {
                assert!(self.memory.cids().contains(&link), "{link} comes after its parent");
            }
            self.memory.put_many(vec![block])?;
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

#[test]
fn children_are_stored_before_parents_and_hand_overs_are_bounded() {
    let dir = tempfile::tempdir().expect("a directory");
    make_tree(dir.path(), &TREE);
    std::fs::write(dir.path().join("t/big"), pattern(12 << 20)).expect("write");
    let store = Arc::new(Strict::default());
    let options = ImportOptions { file_links_max: 5, ..ImportOptions::default() };
    let importer = Importer::new(store.clone(), options).threads(3);
    importer.add_items(vec![item(&dir.path().join("t"), &WalkOptions::default())], false, &mut |_| {}).expect("add");
    assert!(*store.largest.lock() <= 8 << 20);
}

/// A store that fails.
struct Full;

impl BlockPut for Full {
    fn put_many(&self, _: Vec<Block>) -> Result<(), PutError> {
        Err(PutError::NoSpace("test".into()))
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

#[test]
fn a_failing_store_a_failing_reader_and_a_cancel_end_the_import() {
    let data = pattern(20 << 20);
    let mut reader = &data[..];
    let items = vec![Item::Reader { name: "f".into(), reader: &mut reader }];
    let error = Importer::new(Arc::new(Full), ImportOptions::default()).add_items(items, false, &mut |_| {});
    assert_eq!(error.expect_err("full").kind(), merkury_core::ErrorKind::NoSpace);

    let mut broken = (&data[..]).chain(Broken);
    let items = vec![Item::Reader { name: "f".into(), reader: &mut broken }];
    let memory = Arc::new(Memory::default());
    let error = Importer::new(memory.clone(), ImportOptions::default()).add_items(items, false, &mut |_| {});
    assert!(matches!(error, Err(AddError::Read { .. })));

    let importer = Importer::new(memory, ImportOptions::default());
    importer.cancel_switch().cancel();
    let mut reader = &data[..];
    let items = vec![Item::Reader { name: "f".into(), reader: &mut reader }];
    assert!(matches!(importer.add_items(items, false, &mut |_| {}), Err(AddError::Cancelled)));
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::ConnectionReset.into())
    }
}
