//! Runs a script of MFS operations on an empty file system and prints the CID of each path after each operation, for
//! comparing with other programs. Lines: `mkdir PATH`, `write PATH OFFSET BYTES [trunc]` (bytes of a fixed pattern),
//! `cp FROM TO`, `mv FROM TO`, `rm PATH`, `truncate PATH SIZE`. Options `--cid-version=1`, `--threshold=BYTES`.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/it/support.rs"]
mod support;

use std::sync::Arc;

use futures::executor::block_on;
use merkury_core::block::CidFormat;
use merkury_unixfs::mfs::{Mfs, MfsError, MfsOptions, MfsPath, WriteOptions};

fn main() {
    let mut options = MfsOptions::default();
    if std::env::args().any(|argument| argument == "--cid-version=1") {
        options.cid.format = CidFormat::V1;
    }
    if let Some(bytes) = std::env::args().find_map(|argument| argument.strip_prefix("--threshold=")?.parse().ok()) {
        options.directory.threshold_bytes = bytes;
    }
    let store = Arc::new(support::Memory::default());
    let root = Mfs::empty_root(&*store, &MfsOptions::default()).expect("memory takes all blocks");
    let mut mfs = Mfs::new(store.clone(), store, options, root);
    for line in std::io::stdin().lines() {
        let line = line.expect("text");
        let result = block_on(run(&mut mfs, &line.split(' ').collect::<Vec<_>>()));
        match result {
            Ok(()) => println!("{}", mfs.root()),
            Err(error) => println!("{} {error}", mfs.root()),
        }
    }
}

async fn run(mfs: &mut Mfs, words: &[&str]) -> Result<(), MfsError> {
    let path = MfsPath::parse(words[1])?;
    match words {
        ["mkdir", _] => mfs.mkdir(&path, true, None).await,
        ["write", _, offset, bytes, rest @ ..] => {
            let offset: u64 = offset.parse().expect("a number");
            let bytes: u64 = bytes.parse().expect("a number");
            let data: Vec<u8> = (0..bytes).map(|i| (((i + offset) * 31 + bytes) >> 3) as u8).collect();
            let options =
                WriteOptions { offset, create: true, parents: true, truncate: !rest.is_empty(), ..Default::default() };
            mfs.write(&path, &mut &data[..], &options).await
        }
        ["cp", _, to] => {
            let node = mfs.look_up(&path).await?;
            let name = path.names().last().expect("not the root");
            mfs.put(&node.block, &MfsPath::parse(to)?, name, true, false, None).await
        }
        ["mv", _, to] => mfs.rename(&path, &MfsPath::parse(to)?).await,
        ["rm", _] => mfs.remove(&path, true, false).await,
        ["truncate", _, bytes] => mfs.truncate(&path, bytes.parse().expect("a number")).await,
        _ => panic!("unknown operation {words:?}"),
    }
}
