//! A random script on a simulated disk that fails at one operation, by seed: the power fails, an error once, a full disk, half
//! a write, a read error. Then the power fails (or the process is killed), in half of the rounds once more during recovery.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use merkury_core::{BlockHas, BlockPut};
use merkury_store::disk::sim::{Fault, Random, SimDisk};
use merkury_store::{GcOptions, PinKind, Store, StoreError, VerifyEvent};

use crate::blocks::{Universe, open};

const BLOCKS: usize = 30;
const STEPS: u64 = 50;
/// Faults fall on one of this many operations; a script has about as many.
const OPERATIONS: u64 = 160;

/// What the script was told, and therefore must find again. Blocks are numbers in the universe.
#[derive(Default)]
struct Told {
    /// Put and not yet acknowledged.
    put: BTreeSet<usize>,
    /// Acknowledged, and given up by nothing since.
    blocks: BTreeSet<usize>,
    /// `None` while an operation on it has not answered.
    pins: BTreeMap<usize, Option<bool>>,
    /// Where the root may lead.
    root: BTreeSet<Option<usize>>,
}

pub(crate) fn round(seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let universe = Universe::new(random.next_u64(), BLOCKS).map_err(|error| error.to_string())?;
    let checkpoint_bytes = if random.below(2) == 0 { 256 } else { 4 << 20 };
    let at = 1 + random.below(OPERATIONS);
    let fault = match random.below(6) {
        0 | 1 => Fault::PowerCutAt(at),
        2 => Fault::ErrorAt(at),
        3 => Fault::FullAt(at),
        4 => Fault::HalfAt(at),
        _ => Fault::ReadErrorAt(at),
    };
    let mut told = Told { root: BTreeSet::from([None]), ..Told::default() };
    let disk = SimDisk::new();
    disk.set_fault(fault);
    let context = |what: String| format!("{fault:?}: {what}");
    script(&universe, &disk, checkpoint_bytes, &mut random, &mut told).map_err(context)?;

    let mut disk = if random.below(4) == 0 { disk.after_kill() } else { disk.after_crash(random.next_u64()) };
    if random.below(2) == 0 {
        disk.set_fault(Fault::PowerCutAt(1 + random.below(12)));
        let _ = open(Arc::new(disk.clone()), checkpoint_bytes).and_then(|store| store.pins().count());
        disk = disk.after_crash(random.next_u64());
    }
    let store =
        open(Arc::new(disk.clone()), checkpoint_bytes).map_err(|e| context(format!("it does not open: {e}")))?;
    told.check(&universe, &store, true).map_err(context)?;
    let lost = store.damage().iter().find(|what| !what.contains("does not match its hash"));
    if let Some(lost) = lost {
        return Err(context(lost.clone()));
    }
    // It goes on from there.
    store.put_many(universe.blocks.clone()).map_err(|e| context(e.to_string()))?;
    store.commit().map_err(|e| context(e.to_string()))?;
    told.blocks.extend(0..BLOCKS);
    drop(store);
    let store = open(Arc::new(disk), checkpoint_bytes).map_err(|e| context(format!("it does not open again: {e}")))?;
    told.check(&universe, &store, true).map_err(context)
}

fn script(
    universe: &Universe,
    disk: &SimDisk,
    checkpoint_bytes: u64,
    random: &mut Random,
    told: &mut Told,
) -> Result<(), String> {
    let mut store = None;
    for _ in 0..STEPS {
        let opened = match store.take() {
            Some(store) => store,
            // What fails once works the second time; after a power cut nothing does.
            None => match open_twice(disk, checkpoint_bytes) {
                Some(store) => store,
                None => return Ok(()),
            },
        };
        let failed = step(universe, &opened, random, told).err();
        told.check(universe, &opened, false)?;
        // A failed flush is final until the store is opened anew; other errors are not, and the script goes on.
        let reopen = matches!(failed, Some(StoreError::Poisoned { .. })) || random.below(12) == 0;
        if reopen {
            drop(opened);
            told.put.clear();
        } else {
            store = Some(opened);
        }
    }
    Ok(())
}

fn open_twice(disk: &SimDisk, checkpoint_bytes: u64) -> Option<Arc<Store>> {
    let once = || open(Arc::new(disk.clone()), checkpoint_bytes).ok();
    once().or_else(once)
}

fn step(universe: &Universe, store: &Store, random: &mut Random, told: &mut Told) -> Result<(), StoreError> {
    let n = random.below(BLOCKS as u64) as usize;
    let cid = universe.blocks[n].cid();
    let put_failed = |error| StoreError::Poisoned { why: format!("{error}") };
    match random.below(12) {
        0..=4 => {
            // A node with all that it leads to, so that pins have something to hold.
            let reach = &universe.reach[n];
            store.put_many(reach.iter().map(|&n| universe.blocks[n].clone()).collect()).map_err(put_failed)?;
            told.put.extend(reach.iter().copied());
        }
        5 | 6 => {
            store.commit().map_err(put_failed)?;
            told.committed();
        }
        7 | 8 => {
            told.pins.insert(n, told.pins.get(&n).copied().flatten().filter(|pinned| *pinned));
            if told.pins[&n] == Some(true) {
                return Ok(());
            }
            match store.pins().add(cid, PinKind::Recursive, "") {
                Ok(_) => {
                    told.committed();
                    told.pins.insert(n, Some(true));
                    told.blocks.extend(universe.reach[n].iter().copied());
                }
                Err(error) => return Err(error),
            }
        }
        9 => {
            if told.pins.get(&n).is_some_and(|state| *state == Some(true)) {
                told.pins.insert(n, None);
                store.pins().remove(cid)?;
                told.pins.insert(n, Some(false));
            }
        }
        10 => {
            let whole = universe.reach[n].iter().all(|n| told.blocks.contains(n));
            if whole {
                told.root.insert(Some(n));
                store.roots().set("mfs", cid)?;
                told.root = BTreeSet::from([Some(n)]);
            }
        }
        _ => {
            told.collect(universe);
            store.gc(&GcOptions::default(), &mut |_| {})?;
        }
    }
    Ok(())
}

impl Told {
    fn committed(&mut self) {
        self.blocks.append(&mut self.put);
    }

    /// A collection begins: only what pins and the root keep is promised.
    fn collect(&mut self, universe: &Universe) {
        let pinned = self.pins.iter().filter(|(_, state)| **state == Some(true)).map(|(n, _)| *n);
        let rooted = self.root.iter().filter(|_| self.root.len() == 1).filter_map(|to| *to);
        let kept: BTreeSet<usize> = pinned.chain(rooted).flat_map(|n| universe.reach[n].iter().copied()).collect();
        self.blocks.retain(|n| kept.contains(n));
        self.put.retain(|n| kept.contains(n));
    }

    /// `after` a crash nothing fails any more; before, an error is an answer, and "not here" is none.
    fn check(&self, universe: &Universe, store: &Store, after: bool) -> Result<(), String> {
        for &n in &self.blocks {
            let block = &universe.blocks[n];
            match store.get(block.cid()) {
                Ok(Some(found)) if &found == block => {}
                Err(_) if !after => continue,
                other => return Err(format!("block {n} is {:?}", other.map(|found| found.map(|b| b.data().len())))),
            }
            if !store.has(block.cid()) {
                return Err(format!("block {n} is there and `has` denies it"));
            }
        }
        for (&n, pinned) in &self.pins {
            let Some(pinned) = pinned else { continue };
            match store.pins().get(universe.blocks[n].cid()) {
                Ok(found) if found.is_some() == *pinned => {}
                Err(_) if !after => {}
                other => return Err(format!("pin {n} is {other:?} instead of {pinned}")),
            }
        }
        let cid_of = |to: &Option<usize>| to.map(|n| universe.blocks[n].cid().clone());
        match store.roots().get("mfs") {
            Ok(found) if self.root.iter().any(|to| cid_of(to) == found) => {}
            Err(_) if !after => {}
            other => return Err(format!("the root is {other:?}, not one of {:?}", self.root)),
        }
        if !after {
            return Ok(());
        }
        for pin in store.pins().list().map_err(|e| e.to_string())? {
            let pin = pin.map_err(|e| e.to_string())?;
            store.pins().add(&pin.cid, PinKind::Recursive, "").map_err(|e| format!("a pin is not whole: {e}"))?;
        }
        let mut bad = None;
        let looked = store.verify(&mut |event| {
            if !matches!(event, VerifyEvent::Good { .. }) {
                bad = Some(format!("{event:?}"));
            }
        });
        looked.map_err(|e| e.to_string())?;
        bad.map_or(Ok(()), Err)
    }
}
