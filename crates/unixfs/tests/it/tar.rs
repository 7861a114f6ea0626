//! Archives and writing to a disk: there and back, and what must not happen.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use merkury_core::block::CidFormat;
use merkury_core::codec::dag_pb::PbLink;
use merkury_core::codec::unixfs::{Kind, UnixFs};
use merkury_core::{Block, BlockPut, Cid};
use merkury_unixfs::build::{ImportOptions, Importer, Item, WalkOptions};
use merkury_unixfs::tar::{DiskWriter, TarError, export, extract, write};

use crate::support::{Memory, pattern};

fn add(store: &Arc<Memory>, path: &Path, options: ImportOptions) -> Cid {
    let walk = WalkOptions { hidden: true, ..WalkOptions::default() };
    let items = vec![Item::Path { name: "t".into(), path: path.into(), walk }];
    Importer::new(store.clone(), options).add_items(items, false, &mut |_| {}).expect("add").remove(0).cid
}

fn archive(store: &Arc<Memory>, cid: &Cid, name: &str) -> Result<Vec<u8>, TarError> {
    let parts: Vec<Bytes> = block_on(write(store.clone(), cid.clone(), name.into()).try_collect())?;
    Ok(parts.concat())
}

fn export_to(store: &Arc<Memory>, cid: &Cid, target: &Path) -> Result<(), TarError> {
    let mut writer = DiskWriter::new(target);
    let mut items = export(store.clone(), cid.clone());
    while let Some(item) = block_on(items.next()) {
        writer.take(item?)?;
    }
    writer.finish()
}

/// A tree with everything that a header must hold.
fn make_tree(root: &Path) {
    let long = "n".repeat(150);
    std::fs::create_dir_all(root.join("a/empty")).expect("mkdir");
    std::fs::create_dir_all(root.join("d".repeat(90)).join("e".repeat(90))).expect("mkdir");
    for (name, length) in [("zero", 0), ("one", 1), ("record", 512), ("over", 513), ("a/big", 700_000)] {
        std::fs::write(root.join(name), pattern(length)).expect("write");
    }
    std::fs::write(root.join("ü ñ"), "text").expect("write");
    std::fs::write(root.join(long), "long").expect("write");
    std::os::unix::fs::symlink("../outside", root.join("a/link")).expect("symlink");
    std::os::unix::fs::symlink("x".repeat(200), root.join("far")).expect("symlink");
}

#[test]
fn a_tree_comes_back_the_same_by_either_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("from");
    make_tree(&from);
    let store = Arc::new(Memory::default());
    let cid = add(&store, &from, ImportOptions::default());

    let direct = dir.path().join("direct");
    export_to(&store, &cid, &direct).expect("export");
    assert_eq!(add(&store, &direct, ImportOptions::default()), cid);

    let bytes = archive(&store, &cid, "name").expect("archive");
    assert_eq!(bytes.len() % 512, 0);
    let unpacked = dir.path().join("unpacked");
    extract(&mut &bytes[..], &mut DiskWriter::new(&unpacked)).expect("extract");
    assert_eq!(add(&store, &unpacked, ImportOptions::default()), cid);

    // Other programs read it, too.
    let file = dir.path().join("archive.tar");
    std::fs::write(&file, &bytes).expect("write");
    let done = std::process::Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(dir.path()).status();
    assert!(done.expect("tar is installed").success());
    assert_eq!(add(&store, &dir.path().join("name"), ImportOptions::default()), cid);
}

#[test]
fn mode_and_time_come_back() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("from");
    std::fs::create_dir_all(from.join("closed")).expect("mkdir");
    std::fs::write(from.join("closed/f"), "x").expect("write");
    std::fs::set_permissions(from.join("closed/f"), PermissionsExt::from_mode(0o600)).expect("chmod");
    std::fs::set_permissions(from.join("closed"), PermissionsExt::from_mode(0o500)).expect("chmod");
    let mut options = ImportOptions::default();
    options.metadata.preserve_mode = true;
    options.metadata.preserve_mtime = true;
    let store = Arc::new(Memory::default());
    let cid = add(&store, &from, options);
    let back = dir.path().join("back");
    export_to(&store, &cid, &back).expect("export");
    let mode = |path: &Path| std::fs::metadata(path).expect("metadata").permissions().mode() & 0o7777;
    assert_eq!((mode(&back.join("closed")), mode(&back.join("closed/f"))), (0o500, 0o600));
    assert_eq!(add(&store, &back, options), cid);
    for closed in [from, back] {
        std::fs::set_permissions(closed.join("closed"), PermissionsExt::from_mode(0o700)).expect("chmod");
    }
}

#[test]
fn a_file_goes_to_the_target_or_into_it_and_replaces_what_is_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("from");
    std::fs::write(&from, "new").expect("write");
    let store = Arc::new(Memory::default());
    let bytes = archive(&store, &add(&store, &from, ImportOptions::default()), "name").expect("archive");
    let get = |target: &str| extract(&mut &bytes[..], &mut DiskWriter::new(dir.path().join(target)));

    std::fs::create_dir(dir.path().join("into")).expect("mkdir");
    std::fs::write(dir.path().join("victim"), "old").expect("write");
    std::os::unix::fs::symlink("victim", dir.path().join("link")).expect("symlink");
    for target in ["fresh", "into", "link"] {
        get(target).expect(target);
    }
    let text = |path: &str| std::fs::read_to_string(dir.path().join(path)).expect(path);
    assert_eq!((text("fresh"), text("into/name"), text("link")), ("new".into(), "new".into(), "new".into()));
    assert_eq!(text("victim"), "old");
}

fn put(store: &Memory, message: UnixFs, links: Vec<PbLink>) -> Cid {
    let block = Block::build(CidFormat::V0, 0x70, 0x12, message.into_node(links).encode().into()).expect("a block");
    let cid = block.cid().clone();
    store.put_many(vec![block]).expect("put");
    cid
}

#[test]
fn names_that_would_leave_the_target_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Arc::new(Memory::default());
    let mut message = UnixFs::new(Kind::File);
    message.data = Some(Bytes::from_static(b"x"));
    let leaf = put(&store, message, vec![]);
    for name in ["..", ".", "a/b", "../../x", "\0", ""] {
        let cid = put(&store, UnixFs::new(Kind::Directory), vec![PbLink::new(leaf.clone(), name, 1)]);
        export_to(&store, &cid, &dir.path().join("target")).expect_err(name);
        archive(&store, &cid, "name").expect_err(name);
    }
    assert!(!dir.path().join("x").exists());
}

/// A header as any program could write it.
fn header(name: &str, kind: u8, link: &str, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; 512];
    out[..name.len()].copy_from_slice(name.as_bytes());
    out[100..107].copy_from_slice(b"0000644");
    out[124..135].copy_from_slice(format!("{bytes:011o}").as_bytes());
    out[136..147].copy_from_slice(b"00000000000");
    out[156] = kind;
    out[157..157 + link.len()].copy_from_slice(link.as_bytes());
    out[257..265].copy_from_slice(b"ustar\x0000");
    out[148..156].copy_from_slice(b"        ");
    let sum: u32 = out.iter().map(|&byte| u32::from(byte)).sum();
    out[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    out
}

fn file(name: &str) -> Vec<u8> {
    let mut out = header(name, b'0', "", 1);
    out.push(b'x');
    out.resize(1024, 0);
    out
}

fn pax(line: &str) -> Vec<u8> {
    let mut out = header("pax", b'x', "", line.len());
    out.extend_from_slice(line.as_bytes());
    out.resize(out.len().next_multiple_of(512), 0);
    out
}

#[test]
fn hostile_archives_write_nothing_outside() {
    let root = header("r", b'5', "", 0);
    let link = |to: &str| header("r/l", b'2', to, 0);
    let cases: [(&str, Vec<Vec<u8>>); 13] = [
        ("dotdot", vec![root.clone(), file("r/../../x")]),
        ("absolute", vec![file("/merkury-escape-marker")]),
        ("through a link", vec![root.clone(), link("../../outside"), file("r/l/x")]),
        ("over a link", vec![root.clone(), link("../../victim"), file("r/l")]),
        ("hard link", vec![root.clone(), header("r/h", b'1', "/etc/passwd", 0)]),
        ("two roots", vec![file("a"), file("b")]),
        ("another root", vec![root.clone(), file("s/x")]),
        ("root twice", vec![root.clone(), root.clone()]),
        ("device", vec![header("r", b'3', "", 0)]),
        ("nul in a pax name", vec![pax("16 path=r\0evil\n\n"), file("r")]),
        ("long pax header", vec![header("pax", b'x', "", 1 << 30)]),
        ("truncated", vec![root.clone(), header("r/f", b'0', "", 5000)]),
        ("empty", vec![vec![0; 1024]]),
    ];
    for (what, parts) in cases {
        let dir = tempfile::tempdir().expect("a directory");
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).expect("mkdir");
        std::fs::create_dir(dir.path().join("outside")).expect("mkdir");
        std::fs::write(dir.path().join("victim"), "old").expect("write");
        let mut bytes = parts.concat();
        if what != "truncated" {
            bytes.resize(bytes.len() + 1024, 0);
        }
        extract(&mut &bytes[..], &mut DiskWriter::new(inner.join("target"))).expect_err(what);
        assert_eq!(std::fs::read_to_string(dir.path().join("victim")).expect("victim"), "old", "{what}");
        assert_eq!(std::fs::read_dir(dir.path().join("outside")).expect("outside").count(), 0, "{what}");
        assert_eq!(std::fs::read_dir(dir.path()).expect("top").count(), 3, "{what}");
        assert!(!Path::new("/merkury-escape-marker").exists());
    }
}

#[test]
fn a_link_that_is_there_already_is_not_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let target = dir.path().join("target");
    std::fs::create_dir(&target).expect("mkdir");
    std::fs::create_dir(dir.path().join("outside")).expect("mkdir");
    std::os::unix::fs::symlink("../outside", target.join("d")).expect("symlink");
    let bytes = [header("r", b'5', "", 0), header("r/d", b'5', "", 0), file("r/d/x"), vec![0; 1024]].concat();
    assert!(matches!(extract(&mut &bytes[..], &mut DiskWriter::new(&target)), Err(TarError::Disk { .. })));
    assert_eq!(std::fs::read_dir(dir.path().join("outside")).expect("outside").count(), 0);
}

#[test]
fn a_tree_too_deep_is_refused() {
    let store = Arc::new(Memory::default());
    let mut cid = put(&store, UnixFs::new(Kind::Directory), vec![]);
    for _ in 0..300 {
        cid = put(&store, UnixFs::new(Kind::Directory), vec![PbLink::new(cid, "d", 1)]);
    }
    assert!(matches!(archive(&store, &cid, "name"), Err(TarError::TooDeep)));
}

#[test]
fn a_missing_block_ends_the_archive_with_an_error() {
    let store = Arc::new(Memory::default());
    let dir = tempfile::tempdir().expect("a directory");
    make_tree(&dir.path().join("t"));
    let cid = add(&store, &dir.path().join("t"), ImportOptions::default());
    let (mut sink, mut file) = (Vec::new(), std::fs::File::open(dir.path().join("t/over")).expect("open"));
    file.read_to_end(&mut sink).expect("read");
    let leaf = add(&store, &dir.path().join("t/over"), ImportOptions::default());
    store.remove(&leaf);
    assert!(archive(&store, &cid, "name").is_err());
}

#[test]
fn a_tree_that_is_there_in_part_is_gone_on_with() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("from");
    make_tree(&from);
    let store = Arc::new(Memory::default());
    let cid = add(&store, &from, ImportOptions::default());
    let bytes = archive(&store, &cid, "name").expect("archive");

    // Cut short, changed in the middle, too long, a link in the place of a file, and a file with a second name.
    let target = dir.path().join("target");
    extract(&mut &bytes[..], &mut DiskWriter::new(&target)).expect("extract");
    let big = target.join("a/big");
    let mut content = std::fs::read(&big).expect("read");
    content.truncate(500_000);
    content[300_000] ^= 1;
    std::fs::write(&big, content).expect("write");
    std::fs::write(target.join("one"), "longer than one").expect("write");
    std::fs::remove_file(target.join("zero")).expect("remove");
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), target.join("zero")).expect("symlink");
    let outside = dir.path().join("outside");
    std::fs::remove_file(target.join("record")).expect("remove");
    std::fs::write(&outside, "not ours").expect("write");
    std::fs::hard_link(&outside, target.join("record")).expect("link");

    let mut writer = DiskWriter::resuming(&target);
    extract(&mut &bytes[..], &mut writer).expect("extract");
    assert!(writer.kept_bytes() >= 256 << 10, "{}", writer.kept_bytes());
    assert_eq!(add(&store, &target, ImportOptions::default()), cid);
    assert!(!dir.path().join("elsewhere").exists(), "never through a link");
    assert_eq!(std::fs::read(&outside).expect("read"), b"not ours", "never through another name");
}

#[test]
fn a_large_file_that_breaks_off_keeps_what_came() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = dir.path().join("from");
    let content = pattern(1 << 20).repeat(65);
    std::fs::write(&from, &content).expect("write");
    let store = Arc::new(Memory::default());
    let cid = add(&store, &from, ImportOptions::default());
    let bytes = archive(&store, &cid, "name").expect("archive");

    let target = dir.path().join("target");
    let came = 9_000_001;
    let mut cut = &bytes[..512 + came];
    extract(&mut cut, &mut DiskWriter::new(&target)).expect_err("broken off");
    assert!(std::fs::read(&target).expect("read") == content[..came]);

    let mut writer = DiskWriter::resuming(&target);
    extract(&mut &bytes[..], &mut writer).expect("extract");
    assert!(writer.kept_bytes() > 0);
    assert!(std::fs::read(&target).expect("read") == content);
    extract(&mut &bytes[..], &mut DiskWriter::new(&target)).expect("extract");
    assert!(std::fs::read(&target).expect("read") == content);
}
