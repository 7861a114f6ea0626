//! The writer and the verifier of the kill loop: a driver runs `write`, kills it with -9 after a random time, runs
//! `verify`, and starts again with the same directory.
//!
//! ```text
//! kill_writer write  DIR SEED          writes until killed; prints one line per acknowledged operation
//! kill_writer verify DIR ACKNOWLEDGED  ACKNOWLEDGED is a file with all lines printed so far, by all writers in this DIR
//! ```
//!
//! Lines of the writer (flushed each, and only after the operation returned):
//! `open` the store is open; `block N` block N is durable; `pin N` DAG N is pinned; `unpin N` it is not any more;
//! `try-unpin N` it is about to be unpinned (not an acknowledgement); `gc` a collection is about to run: from here on only
//! pinned blocks are promised.
//!
//! The verifier prints `ok: B blocks, P pins` and exits 0, or says what is lost and exits 1. A driver must drop a last line
//! without a newline, which the kill cut off. An operation in flight may be there or not; both are right.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, BlockPut};
use merkury_store::disk::sim::Random;
use merkury_store::{GcOptions, Options, PinKind, Repo, Store, VerifyEvent};

type Failure = Box<dyn std::error::Error>;

/// Blocks of a DAG.
const LEAVES: u64 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", dir, seed] => seed.parse().map_err(Failure::from).and_then(|seed| write(Path::new(dir), seed)),
        ["verify", dir, lines] => verify(Path::new(dir), Path::new(lines)),
        _ => Err("usage: kill_writer write DIR SEED | kill_writer verify DIR ACKNOWLEDGED".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "kill_writer: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Small segments, so that kills meet their beginning and their end.
fn open(dir: &Path) -> Result<Arc<Store>, Failure> {
    let mut options = Options::default();
    options.segment_bytes = 1 << 20;
    options.slab_bytes = 64 << 10;
    Ok(Store::open(&Repo::at(dir).store_dir(), options)?)
}

/// Block `n`: a leaf, or if `n` is a multiple of `LEAVES + 1` the node over the `LEAVES` before it.
fn block(n: u64) -> Result<Block, Failure> {
    if !n.is_multiple_of(LEAVES + 1) {
        let mut random = Random(n);
        let bytes = random.below(6000);
        let data: Vec<u8> = (0..bytes).map(|_| random.next_u64() as u8).collect();
        return Ok(Block::build(CidFormat::V1, code::RAW, SHA2_256, data.into())?);
    }
    let mut node = PbNode::default();
    for leaf in (n + 1)..(n + 1 + LEAVES) {
        node.links.push(PbLink::new(block(leaf)?.cid().clone(), "", 1));
    }
    Ok(Block::build(CidFormat::V1, code::DAG_PB, SHA2_256, node.encode().into())?)
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn write(dir: &Path, seed: u64) -> Result<(), Failure> {
    let _lock = Repo::at(dir).lock()?;
    let store = open(dir)?;
    say("open")?;
    let mut random = Random(seed);
    let mut pinned: Vec<u64> = Vec::new();
    loop {
        let top = random.below(5000) * (LEAVES + 1);
        let guard = store.temp_pin();
        for n in top..=top + LEAVES {
            store.put_many(vec![block(n)?])?;
            if random.below(4) == 0 {
                store.commit()?;
            }
        }
        store.commit()?;
        (top..=top + LEAVES).try_for_each(|n| say(&format!("block {n}")))?;
        if random.below(2) == 0 {
            store.pins().add(block(top)?.cid(), PinKind::Recursive, "")?;
            say(&format!("pin {top}"))?;
            pinned.push(top);
        }
        drop(guard);
        if random.below(6) == 0
            && let Some(top) = pinned.pop()
        {
            let cid = block(top)?.cid().clone();
            if store.pins().get(&cid)?.is_some() {
                say(&format!("try-unpin {top}"))?;
                store.pins().remove(&cid)?;
                say(&format!("unpin {top}"))?;
            }
        }
        if random.below(40) == 0 {
            say("gc")?;
            store.gc(&GcOptions::default(), &mut |_| {})?;
        }
    }
}

fn verify(dir: &Path, lines: &Path) -> Result<(), Failure> {
    let (mut blocks, mut pins) = (BTreeSet::new(), BTreeMap::new());
    for line in std::fs::read_to_string(lines)?.lines() {
        let number = || line.split(' ').nth(1).unwrap_or_default().parse::<u64>();
        match line.split(' ').next() {
            Some("block") => drop(blocks.insert(number()?)),
            Some("pin") => drop(pins.insert(number()?, Some(true))),
            Some("try-unpin") => drop(pins.insert(number()?, None)),
            Some("unpin") => drop(pins.insert(number()?, Some(false))),
            Some("gc") => {
                let kept: BTreeSet<u64> =
                    pins.iter().filter(|(_, state)| **state == Some(true)).map(|(n, _)| *n).collect();
                blocks.retain(|n| kept.contains(&(n - n % (LEAVES + 1))));
            }
            Some("open") => {}
            _ => return Err(format!("unknown line {line:?}").into()),
        }
    }
    let _lock = Repo::at(dir).lock()?;
    let store = open(dir)?;
    if !store.damage().is_empty() {
        return Err(format!("damage: {:?}", store.damage()).into());
    }
    for n in &blocks {
        let wanted = block(*n)?;
        if store.get(wanted.cid())?.as_ref() != Some(&wanted) {
            return Err(format!("block {n} ({}) is lost", wanted.cid()).into());
        }
    }
    for (top, state) in &pins {
        let found = store.pins().get(block(*top)?.cid())?.is_some();
        // A pin whose acknowledgement was cut off may be there; one that was given must be.
        if *state == Some(true) && !found {
            return Err(format!("pin {top} is lost").into());
        }
    }
    for pin in store.pins().list()? {
        store.pins().add(&pin?.cid, PinKind::Recursive, "")?;
    }
    let mut bad = None;
    store.verify(&mut |event| {
        if let VerifyEvent::Bad { cid, why } = event {
            bad = Some(format!("{cid:?}: {why}"));
        }
    })?;
    match bad {
        Some(bad) => Err(bad.into()),
        None => say(&format!("ok: {} blocks, {} pins", blocks.len(), pins.len())),
    }
}
