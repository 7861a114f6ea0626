//! Collects garbage beside adds and says what it costs:
//! `cargo run --release -p merkury-store --example collect -- DIR [BLOCKS] [BYTES] [all|half|percent] [FANOUT]`.
//!
//! BLOCKS blocks of BYTES bytes in DAGs of FANOUT leaves are put and pinned; then all, every second, or one DAG in a hundred is
//! unpinned and everything unpinned is collected, while another thread adds, pins and commits small DAGs. Prints seconds of wall
//! and CPU, the adds' waiting times, the space given back, memory; then once more with nothing to collect. DIR must not exist.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, BlockPut, Cid};
use merkury_store::disk::sim::Random;
use merkury_store::{GcOptions, Options, Pin, PinKind, Store};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stdout, reason = "it is a program")]
fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let dir = arguments.get(1).ok_or("usage: collect DIR [BLOCKS] [BYTES] [all|half|percent] [FANOUT]")?;
    let number = |at: usize, default| arguments.get(at).map_or(Ok(default), |text| text.parse::<u64>());
    let (blocks, bytes, fanout) = (number(2, 1_000_000)?, number(3, 4096)?, number(5, 1000)?);
    let one_in = match arguments.get(4).map_or("half", String::as_str) {
        "all" => 1,
        "half" => 2,
        "percent" => 100,
        other => return Err(format!("what is {other}? all, half or percent").into()),
    };
    let store = Store::open(Path::new(dir), Options::default())?;
    let began = Instant::now();
    let tops = fill(&store, blocks, usize::try_from(bytes)?, fanout)?;
    println!(
        "put and pinned {blocks} blocks of {bytes} B in {} DAGs: {:.1} s",
        tops.len(),
        began.elapsed().as_secs_f64()
    );
    let gone: Vec<&Cid> = tops.iter().step_by(one_in).collect();
    for cid in &gone {
        store.pins().remove(cid)?;
    }
    let garbage = gone.len() as u64 * fanout * bytes;
    collect(&store, "beside adds", garbage, true)?;
    collect(&store, "nothing to collect", 0, false)?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().filter(|line| line.starts_with("VmHWM")).collect::<String>());
    Ok(())
}

/// Puts and pins everything; returns the tops.
fn fill(store: &Store, blocks: u64, bytes: usize, fanout: u64) -> Result<Vec<Cid>, Failure> {
    let mut tops = Vec::new();
    for dag in 0..blocks.div_ceil(fanout) {
        let leaves: Vec<Block> = (0..fanout).map(|n| leaf(dag * fanout + n, bytes)).collect::<Result<_, _>>()?;
        let top = node(&leaves)?;
        store.put_many(leaves)?;
        store.put_many(vec![top.clone()])?;
        tops.push(top.cid().clone());
    }
    let pin = |cid: &Cid| Pin::new(cid.clone(), PinKind::Recursive, "");
    store.pins().add_many(&tops.iter().map(pin).collect::<Vec<_>>())?;
    Ok(tops)
}

#[expect(clippy::print_stdout, reason = "it is a program")]
fn collect(store: &Store, what: &str, garbage: u64, beside_adds: bool) -> Result<(), Failure> {
    let before = store.stat();
    let done = AtomicBool::new(!beside_adds);
    let (stats, wall, cpu, waits) = std::thread::scope(|scope| {
        let adds = scope.spawn(|| add_until(store, &done));
        let (began, cpu) = (Instant::now(), thread_cpu());
        let stats = store.gc(&GcOptions { silent: true, ..GcOptions::default() }, &mut |_| {});
        let (wall, cpu) = (began.elapsed(), thread_cpu() - cpu);
        done.store(true, Ordering::Release);
        let waits = adds.join().map_err(|_| "the thread that adds panicked")??;
        Ok::<_, Failure>((stats?, wall, cpu, waits))
    })?;
    let after = store.stat();
    println!("{what}: {:.3} s wall, {:.3} s CPU of the collecting thread", wall.as_secs_f64(), cpu.as_secs_f64());
    println!("  {stats:?}");
    println!("  files {} -> {} MB", before.disk_bytes / 1_000_000, after.disk_bytes / 1_000_000);
    if garbage > 0 {
        println!("  given back {:.1} % of the garbage", stats.reclaimed_bytes as f64 / garbage as f64 * 100.0);
    }
    if !waits.is_empty() {
        let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
        println!(
            "  {} adds meanwhile: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
            waits.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}

/// Adds small DAGs until told to stop; returns how long each took, sorted.
fn add_until(store: &Store, done: &AtomicBool) -> Result<Vec<Duration>, Failure> {
    let mut waits = Vec::new();
    while !done.load(Ordering::Acquire) {
        let began = Instant::now();
        let _keep = store.temp_pin();
        let first = u64::MAX / 2 + waits.len() as u64 * 4;
        let leaves: Vec<Block> = (0..4).map(|n| leaf(first + n, 1024)).collect::<Result<_, _>>()?;
        let top = node(&leaves)?;
        store.put_many(leaves)?;
        store.put_many(vec![top.clone()])?;
        store.pins().add(top.cid(), PinKind::Recursive, "")?;
        waits.push(began.elapsed());
    }
    waits.sort_unstable();
    Ok(waits)
}

fn leaf(seed: u64, bytes: usize) -> Result<Block, Failure> {
    let mut random = Random(seed);
    let data: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| random.next_u64().to_le_bytes()).take(bytes).collect();
    Ok(Block::build(CidFormat::V1, code::RAW, SHA2_256, data.into())?)
}

fn node(leaves: &[Block]) -> Result<Block, Failure> {
    let links = leaves.iter().map(|leaf| PbLink::new(leaf.cid().clone(), "", 1)).collect();
    let node = PbNode { links, ..PbNode::default() };
    Ok(Block::build(CidFormat::V1, code::DAG_PB, SHA2_256, node.encode().into())?)
}

/// Time this thread was on a processor, as the kernel counts it.
fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}
