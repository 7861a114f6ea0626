//! Directories, shards, files and archives made of broken bytes: reading them ends, with an error or what is there.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::executor::block_on;
use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockPut, Cid};
use merkury_testkit::fuzz::Fuzz;
use merkury_unixfs::build::DirOptions;
use merkury_unixfs::chunk::Chunker;
use merkury_unixfs::dir::{DirEntry, Directory, list_block};
use merkury_unixfs::mfs::MfsPath;
use merkury_unixfs::read::File;
use merkury_unixfs::tar::{DiskWriter, extract};

use crate::support::Memory;

const DIR: &str = env!("CARGO_MANIFEST_DIR");
/// Entries and bytes that are looked at: what is broken may claim more than anybody would read.
const LOOKED_AT: usize = 1000;

fn link(cid: &Cid, name: &[u8]) -> Vec<u8> {
    let cid = cid.to_bytes();
    let inner = [&[0x0a, cid.len() as u8][..], &cid, &[0x12, name.len() as u8], name, &[0x18, 5]].concat();
    [&[0x12, inner.len() as u8][..], &inner].concat()
}

fn data(message: &[u8]) -> Vec<u8> {
    [&[0x0a, message.len() as u8][..], message].concat()
}

/// A node is listed, looked into, changed and read as a file; its links lead to a leaf, to itself never.
#[test]
fn nodes() {
    let leaf =
        Block::build(CidFormat::V1, codec_code::RAW, code::SHA2_256, Bytes::from_static(b"leaf")).expect("a leaf");
    let names = [link(leaf.cid(), b"a"), link(leaf.cid(), b"b")].concat();
    let shard = data(&[8, 5, 0x12, 1, 3, 0x28, 0x22, 0x30, 8]);
    Fuzz::new("node", DIR)
        .seed([names.clone(), data(&[8, 1])].concat())
        .seed([link(leaf.cid(), b"0a"), link(leaf.cid(), b"1"), shard].concat())
        .seed([link(leaf.cid(), b""), link(leaf.cid(), b""), data(&[8, 2, 0x18, 8, 0x20, 4, 0x20, 4])].concat())
        .tokens(&[&link(leaf.cid(), b"x"), &[8, 5], &[8, 2], &[0x30, 0x80, 2], &[0x20, 4], b"..", b"/"])
        .limits(1500, 4096)
        .run(|bytes| {
            let store = Arc::new(Memory::default());
            let bytes = Bytes::copy_from_slice(bytes);
            let Ok(block) = Block::build(CidFormat::V1, codec_code::DAG_PB, code::SHA2_256, bytes) else {
                return "no block".to_owned();
            };
            store.put_many(vec![leaf.clone(), block.clone()]).expect("put");
            block_on(async {
                let listed: Vec<_> = list_block(store.clone(), &block).take(LOOKED_AT).collect().await;
                let failed = listed.iter().find_map(|entry| entry.as_ref().err().map(ToString::to_string));
                let changed = change(&store, &block, leaf.cid()).await;
                let read = match File::open(store.clone(), block.cid()).await {
                    Ok(file) => match file.read_to_vec(0, Some(LOOKED_AT as u64), LOOKED_AT).await {
                        Ok(bytes) => format!("{} bytes", bytes.len()),
                        Err(error) => error.to_string(),
                    },
                    Err(error) => error.to_string(),
                };
                format!("{} listed, {failed:?} / {changed} / {read}", listed.len())
            })
        });
}

async fn change(store: &Memory, block: &Block, leaf: &Cid) -> String {
    let work = async {
        let mut dir = Directory::of_block(block, DirOptions::default())?;
        let entry = DirEntry { name: Bytes::from_static(b"new"), cid: leaf.clone(), tsize: 4 };
        dir.insert(store, entry).await?;
        dir.remove(store, b"a").await?;
        dir.find(store, b"b").await
    };
    match work.await {
        Ok(found) => format!("changed, found {}", found.is_some()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn archives() {
    let header = |name: &str, kind: u8, size: usize| {
        let mut out = vec![0_u8; 512];
        out[..name.len()].copy_from_slice(name.as_bytes());
        out[100..107].copy_from_slice(b"0000644");
        out[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        out[156] = kind;
        out[257..263].copy_from_slice(b"ustar\0");
        out[148..156].fill(b' ');
        let sum: u32 = out.iter().map(|&byte| u32::from(byte)).sum();
        out[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        out
    };
    let mut file = header("r/f", b'0', 3);
    file.extend(b"abc");
    file.resize(1024, 0);
    let tree = [header("r", b'5', 0), file, vec![0; 1024]].concat();
    let outside = tempfile::tempdir().expect("a directory");
    Fuzz::new("tar", DIR)
        .seed(tree)
        .seed(
            [header("pax", b'x', 12), b"12 path=r/x\n".to_vec(), vec![0; 500], header("r", b'0', 0), vec![0; 1024]]
                .concat(),
        )
        .tokens(&[b"../", b"/", &header("r/l", b'2', 0), &header("r/h", b'1', 0), b"ustar\0", b"path="])
        .limits(300, 16 << 10)
        .run(|bytes| {
            let dir = outside.path().join("inner");
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir(&dir).expect("mkdir");
            let outcome = extract(&mut &bytes[..], &mut DiskWriter::new(dir.join("target")));
            let beside = std::fs::read_dir(outside.path()).expect("read").count();
            let inside = std::fs::read_dir(&dir).expect("read").count();
            assert!(beside == 1 && inside <= 1, "something was written outside of the target");
            outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
        });
}

#[test]
fn texts() {
    Fuzz::new("text", DIR)
        .seed("/a/./b/../c/")
        .seed("size-262144")
        .seed("rabin-16-32-64")
        .seed("buzhash")
        .tokens(&[b"size-", b"rabin-", b"min:", b"..", b"/", b"-1"])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let path = match MfsPath::parse(&text) {
                Ok(path) => {
                    let again = MfsPath::parse(&path.to_string()).expect("its text is a path");
                    assert_eq!(again.names(), path.names());
                    format!("{} names", path.names().len())
                }
                Err(error) => error.to_string(),
            };
            let chunker =
                text.parse::<Chunker>().map_or_else(|error| error.to_string(), |c| format!("{}", c.bytes_max()));
            format!("{path} / {chunker}")
        });
}
