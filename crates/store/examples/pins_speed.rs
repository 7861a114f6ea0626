//! Measures pins alone: `cargo run --release -p merkury-store --example pins_speed -- DIR [PINS] [ADDS]`.
//!
//! Puts PINS small blocks and pins each, in groups; then adds ADDS pins one by one (a flush each), lists all, asks what keeps a
//! block, opens again. Prints seconds, the slowest single add, bytes of the log, peak memory. DIR must not exist.

use std::path::Path;
use std::time::{Duration, Instant};

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, BlockPut};
use merkury_store::{Options, Pin, PinKind, Store};

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let dir = Path::new(arguments.get(1).ok_or("usage: pins_speed DIR [PINS] [ADDS]")?);
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse::<u64>());
    let (pins, adds) = (number(2, 1_000_000)?, number(3, 1000)?);
    let store = Store::open(dir, Options::default())?;

    let began = Instant::now();
    for group in (0..pins).step_by(10_000) {
        let blocks = (group..(group + 10_000).min(pins)).map(block).collect::<Result<Vec<_>, _>>()?;
        let made = blocks.iter().map(|block| Pin::new(block.cid().clone(), PinKind::Recursive, "")).collect::<Vec<_>>();
        store.put_many(blocks)?;
        store.pins().add_many(&made)?;
    }
    println!("{pins} blocks put and pinned in {:.2} s; {:?}", began.elapsed().as_secs_f64(), store.stat());

    let mut times = Vec::new();
    for n in pins..pins + adds {
        let block = block(n)?;
        let cid = block.cid().clone();
        store.put_many(vec![block])?;
        let began = Instant::now();
        store.pins().add(&cid, PinKind::Recursive, "one")?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or(Duration::ZERO);
    println!("add one: median {:?}, 99 of 100 below {:?}, slowest {:?}", at(50), at(99), times.last());

    let began = Instant::now();
    println!("{} listed in {:?}", store.pins().list()?.count(), began.elapsed());
    let cid = block(pins / 2)?.cid().clone();
    let began = Instant::now();
    let why = store.why(&cid, 4)?;
    println!("what keeps a block: {} reasons in {:?}", why.kept_by.len(), began.elapsed());
    drop(store);
    let began = Instant::now();
    let store = Store::open(dir, Options::default())?;
    println!("open in {:?}, with {} pins in {:?}", began.elapsed(), store.pins().count()?, began.elapsed());
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().filter(|line| line.starts_with("VmHWM")).collect::<String>());
    Ok(())
}

fn block(n: u64) -> Result<Block, Failure> {
    Ok(Block::build(CidFormat::V1, code::RAW, SHA2_256, n.to_le_bytes().to_vec().into())?)
}
