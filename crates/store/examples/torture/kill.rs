//! The writer and the verifier of the kill loop and of power cuts: a driver runs `write`, ends it at a random time, runs
//! `verify`, and starts again with the same directory.
//!
//! ```text
//! torture write  DIR SEED          writes until killed; prints one line per acknowledged operation
//! torture verify DIR ACKNOWLEDGED  ACKNOWLEDGED is a file with all lines printed so far, by all writers in this DIR
//! ```
//!
//! Lines of the writer (flushed each, and only after the operation returned):
//! `open` the store is open; `block N` block N is durable; `pin N` DAG N is pinned; `try-unpin N` it is about to be
//! unpinned (not an acknowledgement); `unpin N` it is not pinned any more; `root NAME N` the root NAME leads to DAG N;
//! `try-root NAME N` it is about to; `gc` a collection is about to run: from here on only what pins and roots keep is
//! promised.
//!
//! The verifier prints `ok: B blocks, P pins` and exits 0, or says what is lost and exits 1. A driver must drop a last line
//! without a newline, which the kill cut off. An operation in flight may be there or not; both are right.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use merkury_core::{Block, BlockPut};
use merkury_store::disk::sim::Random;
use merkury_store::{GcOptions, Options, PinKind, Repo, Store, VerifyEvent};

use crate::Failure;
use crate::blocks::{node, raw};

/// Blocks of a DAG.
const LEAVES: u64 = 5;

/// Small segments, so that kills meet their beginning and their end.
fn open(dir: &Path) -> Result<Arc<Store>, Failure> {
    let mut options = Options::default();
    options.segment_bytes = 1 << 20;
    options.slab_bytes = 64 << 10;
    Ok(Store::open(&Repo::at(dir).store_dir(), options)?)
}

/// Block `n`: a leaf, or if `n` is a multiple of `LEAVES + 1` the node over the `LEAVES` after it.
fn block(n: u64) -> Result<Block, Failure> {
    if !n.is_multiple_of(LEAVES + 1) {
        let bytes = Random(n).below(6000);
        return raw(n, bytes as usize);
    }
    let leaves: Vec<Block> = ((n + 1)..=(n + LEAVES)).map(block).collect::<Result<_, _>>()?;
    node(&leaves.iter().map(Block::cid).collect::<Vec<_>>())
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

pub(crate) fn write(dir: &Path, seed: u64) -> Result<(), Failure> {
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
        if random.below(8) == 0 {
            let name = format!("r{}", random.below(3));
            say(&format!("try-root {name} {top}"))?;
            store.roots().set(&name, block(top)?.cid())?;
            say(&format!("root {name} {top}"))?;
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

pub(crate) fn verify(dir: &Path, lines: &Path) -> Result<(), Failure> {
    let (mut blocks, mut pins) = (BTreeSet::new(), BTreeMap::new());
    // Each root with where it may lead; `None` for nowhere.
    let mut roots: BTreeMap<String, BTreeSet<Option<u64>>> = BTreeMap::new();
    for line in std::fs::read_to_string(lines)?.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = || words.last().copied().unwrap_or_default().parse::<u64>();
        match words[..] {
            ["block", _] => drop(blocks.insert(number()?)),
            ["pin", _] => drop(pins.insert(number()?, Some(true))),
            ["try-unpin", _] => drop(pins.insert(number()?, None)),
            ["unpin", _] => drop(pins.insert(number()?, Some(false))),
            ["try-root", name, _] => {
                let to = roots.entry(name.to_owned()).or_insert_with(|| BTreeSet::from([None]));
                to.insert(Some(number()?));
            }
            ["root", name, _] => drop(roots.insert(name.to_owned(), BTreeSet::from([Some(number()?)]))),
            ["gc"] => {
                let pinned = pins.iter().filter(|(_, state)| **state == Some(true)).map(|(n, _)| *n);
                // A root that may lead to either keeps neither for certain.
                let rooted = roots.values().filter(|to| to.len() == 1).flatten().filter_map(|to| *to);
                let kept: BTreeSet<u64> = pinned.chain(rooted).collect();
                blocks.retain(|n| kept.contains(&(n - n % (LEAVES + 1))));
            }
            ["open"] => {}
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
    for (name, to) in &roots {
        let found = store.roots().get(name)?;
        let cids = to.iter().map(|top| Ok(top.map(block).transpose()?.map(|block| block.cid().clone())));
        if !cids.collect::<Result<Vec<_>, Failure>>()?.contains(&found) {
            return Err(format!("root {name} leads to {found:?}, not to one of {to:?}").into());
        }
    }
    for pin in store.pins().list()? {
        store.pins().add(&pin?.cid, PinKind::Recursive, "")?;
    }
    let mut bad = None;
    store.verify(&mut |event| {
        if !matches!(event, VerifyEvent::Good { .. }) {
            bad = Some(format!("{event:?}"));
        }
    })?;
    match bad {
        Some(bad) => Err(bad.into()),
        None => say(&format!("ok: {} blocks, {} pins", blocks.len(), pins.len())),
    }
}
