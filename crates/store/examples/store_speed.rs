//! Measures the store alone: `cargo run --release -p merkury-store --example store_speed -- DIR [MIB] [SMALL]`.
//!
//! Puts MIB mebibytes in blocks of 256 KiB and SMALL blocks of 200 bytes (hashed beforehand), commits, opens again, reads all,
//! collects all. Prints seconds of wall and of CPU (user and system) for each. DIR must not exist.

use std::path::Path;
use std::time::Instant;

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, BlockHas, BlockPut};
use merkury_store::disk::sim::Random;
use merkury_store::{GcOptions, Options, Store};

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let dir = arguments.get(1).ok_or("usage: store_speed DIR [MIB] [SMALL]")?;
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse::<u64>());
    let (mib, small) = (number(2, 1024)?, number(3, 1_000_000)?);

    let big = blocks(mib * 4, 256 * 1024)?;
    let little = blocks(small, 200)?;
    let store = Store::open(Path::new(dir), Options::default())?;
    measure("put 256 KiB blocks, commit", || put(&store, &big))?;
    measure("put small blocks, commit", || put(&store, &little))?;
    measure("put all again", || put(&store, &big).and_then(|()| put(&store, &little)))?;
    println!("{:?}\n{:?}", store.counters(), store.stat());
    drop(store);
    let store = measure("open", || Ok(Store::open(Path::new(dir), Options::default())?))?;
    let there = measure("has small", || Ok(little.iter().filter(|block| store.has(block.cid())).count()))?;
    assert_eq!(there, little.len());
    measure("get 256 KiB blocks", || get(&store, &big))?;
    measure("get 256 KiB blocks again", || get(&store, &big))?;
    measure("get small blocks", || get(&store, &little))?;
    assert_eq!(measure("list", || Ok(store.cids()?.count() as u64))?, mib * 4 + small);
    measure("verify", || Ok(store.verify(&mut |_| {})?))?;
    let stats = measure("collect all", || Ok(store.gc(&GcOptions::default(), &mut |_| {})?))?;
    println!("{stats:?}");
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().filter(|line| line.starts_with("VmHWM")).collect::<String>());
    Ok(())
}

fn blocks(count: u64, bytes: usize) -> Result<Vec<Block>, Failure> {
    let mut random = Random(bytes as u64);
    let mut base: Vec<u8> = (0..bytes).map(|_| random.next_u64() as u8).collect();
    let block = |n: u64| {
        base[..8].copy_from_slice(&n.to_le_bytes());
        Ok(Block::build(CidFormat::V1, code::RAW, SHA2_256, base.clone().into())?)
    };
    (0..count).map(block).collect()
}

fn put(store: &Store, blocks: &[Block]) -> Result<(), Failure> {
    for some in blocks.chunks(16) {
        store.put_many(some.to_vec())?;
    }
    Ok(store.commit()?)
}

fn get(store: &Store, blocks: &[Block]) -> Result<(), Failure> {
    for block in blocks {
        let found = store.get(block.cid())?.ok_or("a block is missing")?;
        assert_eq!(found.data().len(), block.data().len());
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn measure<T>(what: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let (wall, cpu) = (Instant::now(), cpu_seconds()?);
    let made = work()?;
    println!("{what:30} {:8.3} s wall {:8.3} s CPU", wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    Ok(made)
}

/// User and system time of this process; the kernel counts in hundredths of a second.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}
