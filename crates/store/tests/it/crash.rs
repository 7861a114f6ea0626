//! Power cuts and failing disks at every operation of a script, cuts during recovery, kills.
//!
//! The script puts, commits, pins, unpins and collects. Whatever was acknowledged before the cut must be there after it.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use merkury_core::{Block, BlockHas, BlockPut, Cid};
use merkury_store::disk::sim::{Fault, SimDisk};
use merkury_store::{GcOptions, Pace, PinKind, Store, StoreError};

use crate::support::{DIR, assert_has, node, raw, small};

/// What the script was told, and therefore must find again.
#[derive(Default)]
struct Told {
    /// Acknowledged blocks that nothing has given up since.
    blocks: BTreeMap<Cid, Block>,
    /// Acknowledged pins; `None` while an operation on them has not answered.
    pins: BTreeMap<Cid, Option<bool>>,
    /// Blocks that were removed, as somebody was told, and not put since.
    gone: BTreeSet<Cid>,
}

impl Told {
    fn put(&mut self, store: &Store, blocks: &[Block]) -> Result<(), StoreError> {
        let failed = |error| StoreError::Poisoned { why: format!("{error}") };
        for block in blocks {
            self.gone.remove(block.cid());
        }
        store.put_many(blocks.to_vec()).map_err(failed)?;
        store.commit().map_err(failed)?;
        self.blocks.extend(blocks.iter().map(|block| (block.cid().clone(), block.clone())));
        Ok(())
    }

    fn pin(&mut self, store: &Store, cid: &Cid) -> Result<(), StoreError> {
        self.pins.insert(cid.clone(), None);
        store.pins().add(cid, PinKind::Recursive, "")?;
        self.pins.insert(cid.clone(), Some(true));
        Ok(())
    }

    fn unpin(&mut self, store: &Store, cid: &Cid) -> Result<(), StoreError> {
        self.pins.insert(cid.clone(), None);
        store.pins().remove(cid)?;
        self.pins.insert(cid.clone(), Some(false));
        Ok(())
    }

    /// From its start on, only what pins keep is promised.
    fn gc(&mut self, store: &Store, keep: &[&Block]) -> Result<(), StoreError> {
        let keep: BTreeSet<&Cid> = keep.iter().map(|block| block.cid()).collect();
        self.blocks.retain(|cid, _| keep.contains(cid));
        store.gc(&GcOptions::default(), &mut |_| {}).map(|_| ())
    }

    /// As [`Told::gc`], for eviction.
    fn evict(&mut self, store: &Store, keep: &[&Block]) -> Result<(), StoreError> {
        let keep: BTreeSet<&Cid> = keep.iter().map(|block| block.cid()).collect();
        self.blocks.retain(|cid, _| keep.contains(cid));
        store.evict_down_to(store.stat().disk_bytes / 2, &Pace::full()).map(|_| ())
    }

    fn remove(&mut self, store: &Store, block: &Block) -> Result<(), StoreError> {
        self.blocks.remove(block.cid());
        store.remove(std::slice::from_ref(block.cid()))?.remove(0)?;
        self.gone.insert(block.cid().clone());
        Ok(())
    }

    fn check(&self, store: &Store, context: &str) {
        for cid in &self.gone {
            assert!(!store.has(cid), "{context}: {cid} was removed");
        }
        for block in self.blocks.values() {
            let found = store.get(block.cid()).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert_eq!(found.as_ref(), Some(block), "{context}: {}", block.cid());
        }
        for (cid, pinned) in &self.pins {
            if let Some(pinned) = pinned {
                assert_eq!(store.pins().get(cid).unwrap().is_some(), *pinned, "{context}: pin {cid}");
            }
        }
        // What is pinned is whole, acknowledged or not.
        for pin in store.pins().list().unwrap() {
            store
                .pins()
                .add(&pin.unwrap().cid, PinKind::Recursive, "")
                .unwrap_or_else(|error| panic!("{context}: {error}"));
        }
        // Nothing is wrong on disk.
        store
            .verify(&mut |event| {
                assert!(matches!(event, merkury_store::VerifyEvent::Good { .. }), "{context}: {event:?}");
            })
            .unwrap();
    }
}

thread_local! {
    /// With the usual size the script never writes the index whole.
    static CHECKPOINT_BYTES: Cell<u64> = const { Cell::new(4 << 20) };
}

fn open(disk: &SimDisk) -> Result<Arc<Store>, StoreError> {
    let mut options = small(disk);
    options.segment_bytes = 12 * 1024;
    options.slab_bytes = 4096;
    options.checkpoint_bytes = CHECKPOINT_BYTES.get();
    Store::open(Path::new(DIR), options)
}

/// The script; stops at the first error.
fn script(disk: &SimDisk, told: &mut Told) -> Result<(), StoreError> {
    let leaves: Vec<Block> = (0..12).map(|n| raw(n, 700 + n as usize * 13)).collect();
    let kept = node(&leaves.iter().take(6).map(|block| block.cid()).collect::<Vec<_>>());
    let dropped = node(&leaves.iter().skip(3).map(|block| block.cid()).collect::<Vec<_>>());

    let store = open(disk)?;
    told.put(&store, &leaves)?;
    told.put(&store, &[kept.clone(), dropped.clone()])?;
    told.pin(&store, kept.cid())?;
    told.pin(&store, dropped.cid())?;
    let bulk: Vec<Block> = (100..120).map(|n| raw(n, 1500)).collect();
    told.put(&store, &bulk)?;
    drop(store);

    let store = open(disk)?;
    told.put(&store, &[raw(200, 100)])?;
    told.unpin(&store, dropped.cid())?;
    let mut keep: Vec<&Block> = leaves.iter().take(6).collect();
    keep.push(&kept);
    told.gc(&store, &keep)?;
    told.put(&store, &[raw(201, 5000), raw(102, 1500)])?;
    told.pin(&store, raw(201, 5000).cid())?;
    drop(store);

    let store = open(disk)?;
    let last = raw(201, 5000);
    keep.push(&last);
    told.gc(&store, &keep)?;
    told.put(&store, &bulk)?;
    told.remove(&store, &bulk[3])?;
    told.evict(&store, &keep)?;
    told.put(&store, &[raw(300, 2000), raw(301, 2000)])?;
    told.remove(&store, &raw(300, 2000))?;
    Ok(())
}

fn changes_of_script() -> u64 {
    let disk = SimDisk::new();
    disk.set_fault(Fault::None);
    let mut told = Told::default();
    script(&disk, &mut told).unwrap();
    told.check(&open(&disk).unwrap(), "no fault");
    disk.changes()
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing() {
    let changes = changes_of_script();
    assert!(changes > 60, "{changes}");
    for at in 1..=changes {
        for seed in 0..6 {
            let disk = SimDisk::new();
            disk.set_fault(Fault::PowerCutAt(at));
            let mut told = Told::default();
            // Without an error when only the index, which is disposable, could not be written.
            let _ = script(&disk, &mut told);
            let disk = disk.after_crash(at * 1000 + seed);
            let context = format!("cut at {at}, seed {seed}");
            let store = open(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            told.check(&store, &context);
            // Of what was never acknowledged, the middle may be missing; in segments as small as these that looks old.
            let lost = store.damage().iter().find(|what| !what.contains("does not match its hash"));
            assert_eq!(lost, None, "{context}");
            // And it goes on from there.
            told.put(&store, &[raw(999, 3000)]).unwrap();
            drop(store);
            told.check(&open(&disk).unwrap(), &context);
        }
    }
}

#[test]
fn nor_does_one_while_the_index_is_written_whole() {
    CHECKPOINT_BYTES.set(256);
    let changes = changes_of_script();
    for at in 1..=changes {
        for seed in 0..4 {
            let disk = SimDisk::new();
            disk.set_fault(Fault::PowerCutAt(at));
            let mut told = Told::default();
            let _ = script(&disk, &mut told);
            let context = format!("cut at {at}, seed {seed}");
            let disk = disk.after_crash(at * 1000 + seed);
            told.check(&open(&disk).unwrap_or_else(|error| panic!("{context}: {error}")), &context);
            // What the first opening made of it, the power fails again.
            told.check(&open(&disk.after_crash(seed)).unwrap(), &context);
        }
    }
}

#[test]
fn a_second_cut_during_recovery_loses_nothing() {
    let changes = changes_of_script();
    for at in (1..=changes).step_by(3) {
        let disk = SimDisk::new();
        disk.set_fault(Fault::PowerCutAt(at));
        let mut told = Told::default();
        // Without an error when only the index, which is disposable, could not be written.
        let _ = script(&disk, &mut told);
        let crashed = disk.after_crash(at);
        for second in 1..12 {
            let disk = crashed.after_kill();
            disk.set_fault(Fault::PowerCutAt(second));
            let recovered = open(&disk).and_then(|store| store.pins().count().map(|_| ()));
            let cut = recovered.is_err() || disk.changes() >= second;
            let disk = disk.after_crash(at * 100 + second);
            let context = format!("cuts at {at} and {second}");
            told.check(&open(&disk).unwrap_or_else(|error| panic!("{context}: {error}")), &context);
            if !cut {
                break;
            }
        }
    }
}

#[test]
fn a_kill_at_any_operation_loses_nothing() {
    for at in 1..=changes_of_script() {
        let disk = SimDisk::new();
        disk.set_fault(Fault::PowerCutAt(at));
        let mut told = Told::default();
        // Without an error when only the index, which is disposable, could not be written.
        let _ = script(&disk, &mut told);
        told.check(&open(&disk.after_kill()).unwrap(), &format!("kill at {at}"));
    }
}

/// What a killed process left in the system's memory alone, the next one builds on: then the power fails.
#[test]
fn nor_does_a_kill_and_a_power_cut_after_it() {
    for at in 1..=changes_of_script() {
        let disk = SimDisk::new();
        disk.set_fault(Fault::PowerCutAt(at));
        let mut told = Told::default();
        let _ = script(&disk, &mut told);
        let disk = disk.after_kill();
        let store = open(&disk).unwrap();
        let late = raw(777, 900);
        told.put(&store, std::slice::from_ref(&late)).unwrap();
        told.pin(&store, late.cid()).unwrap();
        drop(store);
        for seed in 0..4 {
            told.check(&open(&disk.after_crash(seed)).unwrap(), &format!("kill at {at}, then a cut, seed {seed}"));
        }
    }
}

#[test]
fn an_error_at_any_operation_is_told_and_loses_nothing() {
    for at in 1..=changes_of_script() {
        let disk = SimDisk::new();
        disk.set_fault(Fault::ErrorAt(at));
        let mut told = Told::default();
        let _ = script(&disk, &mut told);
        disk.set_fault(Fault::None);
        let context = format!("error at {at}");
        let after = disk.after_crash(at);
        told.check(&open(&after).unwrap_or_else(|error| panic!("{context}: {error}")), &context);
    }
}

/// A killed process had asked for a removal of a pin, which the next one finds in the system's memory: what it kept is
/// collected only once the power cannot bring the pin back.
#[test]
fn what_a_removed_pin_kept_is_collected_after_the_removal_is_durable() {
    for at in 1..12 {
        let disk = SimDisk::new();
        let store = open(&disk).unwrap();
        let block = raw(1, 500);
        store.put_many(vec![block.clone()]).unwrap();
        store.pins().add(block.cid(), PinKind::Recursive, "").unwrap();
        disk.set_fault(Fault::PowerCutAt(at));
        let _ = store.pins().remove(block.cid());
        let disk = disk.after_kill();
        drop(store);
        let store = open(&disk).unwrap();
        store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
        drop(store);
        for seed in 0..8 {
            let store = open(&disk.after_crash(seed)).unwrap();
            Told::default().check(&store, &format!("kill at {at}, cut with seed {seed}"));
        }
    }
}

/// The pin was refused and may be in the log all the same: what it keeps must not be collected.
#[test]
fn nothing_is_collected_after_a_pin_could_not_be_flushed() {
    for at in 1.. {
        let disk = SimDisk::new();
        let store = open(&disk).unwrap();
        let (block, garbage) = (raw(1, 500), raw(2, 500));
        store.put_many(vec![block.clone(), garbage]).unwrap();
        store.commit().unwrap();
        disk.set_fault(Fault::ErrorAt(at));
        let pinned = store.pins().add(block.cid(), PinKind::Recursive, "");
        disk.set_fault(Fault::None);
        let collected = store.gc(&GcOptions::default(), &mut |_| {});
        drop(store);
        let store = open(&disk.after_kill()).unwrap();
        let told = Told::default();
        told.check(&store, &format!("error at {at}: {pinned:?}, {collected:?}"));
        if pinned.is_ok() {
            assert!(at > 5, "{at}");
            break;
        }
    }
}

/// A segment that is left for good is not written to again: the index would not look there after a crash.
#[test]
fn what_is_put_after_a_collection_left_a_segment_is_found_without_the_index() {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    let kept = raw(1, 3000);
    store.put_many(vec![kept.clone()]).unwrap();
    store.pins().add(kept.cid(), PinKind::Recursive, "").unwrap();
    for round in 0..20 {
        store.put_many((0..3).map(|n| raw(100 + round * 10 + n, 2000)).collect()).unwrap();
        store.commit().unwrap();
        store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
    }
    drop(store);
    let delta = Path::new(DIR).join("index.delta");
    for n in 0..20 {
        let store = open(&disk).unwrap();
        let late = raw(1000 + n, 700);
        store.put_many(vec![late.clone()]).unwrap();
        store.commit().unwrap();
        drop(store);
        let disk = disk.after_kill();
        disk_with(&disk, &delta, Vec::new());
        let store = open(&disk).unwrap();
        assert_has(&store, &late);
        assert_has(&store, &kept);
    }
}

/// A record that was never acknowledged may be torn in the middle of the tail; the ones before it are kept.
#[test]
fn a_torn_tail_is_cut_at_any_byte() {
    let disk = SimDisk::new();
    let store = open(&disk).unwrap();
    let (first, second) = (raw(1, 300), raw(2, 300));
    store.put_many(vec![first.clone()]).unwrap();
    store.commit().unwrap();
    let segment = Path::new(DIR).join("segments/00000001.car");
    let short = disk.contents(&segment).unwrap().len();
    store.put_many(vec![second.clone()]).unwrap();
    store.commit().unwrap();
    let whole = disk.contents(&segment).unwrap();
    drop(store);
    for len in short..whole.len() {
        let disk = SimDisk::new();
        disk_with(&disk, &segment, whole[..len].to_vec());
        let store = open(&disk).unwrap();
        assert_has(&store, &first);
        assert!(store.get(second.cid()).unwrap().is_none());
        assert_eq!(disk.contents(&segment).unwrap().len(), short, "{len}");
        store.put_many(vec![second.clone()]).unwrap();
        store.commit().unwrap();
        drop(store);
        assert_eq!(disk.contents(&segment).unwrap(), whole);
    }
}

fn disk_with(disk: &SimDisk, path: &Path, bytes: Vec<u8>) {
    use merkury_store::disk::Disk;
    disk.create_dir_all(path.parent().unwrap()).unwrap();
    disk.set_contents(path, bytes);
}
