//! The record of pins, roots and tables: damage, expiry, and history thrown out beside writers.

use std::path::{Path, PathBuf};

use merkury_store::disk::Disk;
use merkury_store::disk::sim::{Fault, Random, SimDisk};
use merkury_store::{Pin, PinKind, Store, StoreError};

use crate::support::{DIR, assert_has, open, put, raw, small};

fn log() -> PathBuf {
    Path::new(DIR).join("meta.log")
}

/// Ten pins, a batch each, and the place in the log where each batch begins.
fn ten_pins() -> (SimDisk, Vec<merkury_core::Block>, Vec<usize>) {
    let disk = SimDisk::new();
    let store = open(&disk);
    let blocks: Vec<_> = (0..10).map(|n| raw(n, 100)).collect();
    put(&store, &blocks.iter().collect::<Vec<_>>());
    let mut starts = Vec::new();
    for block in &blocks {
        starts.push(disk.contents(&log()).map_or(16, |bytes| bytes.len()));
        store.pins().add(block.cid(), PinKind::Recursive, "named").unwrap();
    }
    (disk, blocks, starts)
}

fn overwrite(disk: &SimDisk, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut all = disk.contents(&log()).unwrap();
    all[at..at + bytes.len()].copy_from_slice(bytes);
    disk.set_contents(&log(), all.clone());
    all
}

#[test]
fn a_lost_batch_costs_its_pin_and_nothing_is_removed_until_somebody_says_so() {
    let (disk, blocks, starts) = ten_pins();
    let damaged = overwrite(&disk, starts[4] + 16, &[0xaa; 8]);
    let store = open(&disk);
    assert_eq!(store.pins().count().unwrap(), 9);
    assert_eq!(store.pins().get(blocks[4].cid()).unwrap(), None);
    let why = store.pins_in_doubt().unwrap().unwrap();
    assert!(why.contains("meta.log") && why.contains("1 changes are lost"), "{why}");
    assert_eq!(disk.contents(&log()).unwrap(), damaged, "reading changes nothing");

    let is_refused = |store: &Store| {
        let gc = store.gc(&Default::default(), &mut |event| panic!("{event:?}"));
        assert!(matches!(gc, Err(StoreError::PinsInDoubt { .. })), "{gc:?}");
        let removed = store.remove(&[blocks[4].cid().clone()]);
        assert!(matches!(removed, Err(StoreError::PinsInDoubt { .. })), "{removed:?}");
    };
    is_refused(&store);
    // Pins can be mended, the doubt stays, over restarts too, and the damaged file is kept.
    store.pins().add(blocks[4].cid(), PinKind::Recursive, "again").unwrap();
    is_refused(&store);
    let disk = disk.after_crash(5);
    let store = open(&disk);
    assert_eq!(store.pins().count().unwrap(), 10);
    assert!(store.metadata_damage().unwrap().is_empty());
    is_refused(&store);
    assert_eq!(disk.contents(&log().with_extension("log.damaged-1")).unwrap(), damaged);

    store.accept_pins().unwrap();
    let disk = disk.after_crash(6);
    let store = open(&disk);
    assert_eq!(store.pins_in_doubt().unwrap(), None);
    store.gc(&Default::default(), &mut |event| panic!("{event:?}")).unwrap();
    blocks.iter().for_each(|block| assert_has(&store, block));
}

#[test]
fn any_one_wrong_bit_is_mended() {
    let (disk, blocks, _) = ten_pins();
    let good = disk.contents(&log()).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        let disk = disk.after_kill();
        disk.set_contents(&log(), bytes);
        let store = open(&disk);
        assert_eq!(store.pins().count().unwrap(), 10, "byte {at}");
        assert_eq!(store.pins_in_doubt().unwrap(), None, "byte {at}");
        assert_eq!(store.metadata_damage().unwrap().len(), 1, "byte {at}: told");
        for block in &blocks {
            assert_eq!(store.pins().get(block.cid()).unwrap().unwrap().name, "named", "byte {at}");
        }
        // The next change writes it anew.
        store.pins().remove(blocks[0].cid()).unwrap();
        let store = open(&disk.after_crash(at as u64));
        assert_eq!(store.pins().count().unwrap(), 9);
        assert!(store.metadata_damage().unwrap().is_empty());
    }
}

#[test]
fn a_log_without_a_usable_header_or_without_anything_is_in_doubt() {
    let (disk, _, starts) = ten_pins();
    let header_gone = disk.after_kill();
    overwrite(&header_gone, 0, &[0; 16]);
    let store = open(&header_gone);
    assert_eq!(store.pins().count().unwrap(), 10, "the batches have checksums of their own");
    assert_eq!(store.pins_in_doubt().unwrap(), None);
    assert_eq!(store.metadata_damage().unwrap().len(), 1);

    let much_gone = disk.after_kill();
    overwrite(&much_gone, 0, &vec![0; starts[3] + 5]);
    let store = open(&much_gone);
    assert_eq!(store.pins().count().unwrap(), 6);
    assert!(store.pins_in_doubt().unwrap().is_some());

    for bytes in [Vec::new(), vec![0; 7], vec![0; 5000]] {
        let disk = disk.after_kill();
        disk.set_contents(&log(), bytes);
        assert!(open(&disk).pins_in_doubt().unwrap().is_some());
    }
}

#[test]
fn a_missing_log_is_damage_only_where_one_must_be() {
    let (disk, blocks, _) = ten_pins();
    disk.remove(&log()).unwrap();
    assert_eq!(open(&disk).pins_in_doubt().unwrap(), None);
    let mut options = small(&disk);
    options.established = true;
    let store = Store::open(Path::new(DIR), options.clone()).unwrap();
    assert!(store.pins_in_doubt().unwrap().unwrap().contains("is missing"));
    assert!(store.gc(&Default::default(), &mut |_| panic!("removed")).is_err());
    store.pins().add(blocks[0].cid(), PinKind::Recursive, "").unwrap();
    drop(store);
    let store = Store::open(Path::new(DIR), options).unwrap();
    assert!(store.pins_in_doubt().unwrap().is_some(), "the new log remembers");
    assert_eq!(store.pins().count().unwrap(), 1);
}

#[test]
fn a_later_format_is_refused_and_left_alone() {
    let (disk, _, _) = ten_pins();
    let mut bytes = disk.contents(&log()).unwrap();
    bytes[8] = 9;
    let sum = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    disk.set_contents(&log(), bytes.clone());
    let store = open(&disk);
    assert!(matches!(store.pins().count(), Err(StoreError::TooNew { found: 9, known: 2, .. })));
    assert!(store.pins().add(raw(1, 100).cid(), PinKind::Direct, "").is_err());
    assert!(store.gc(&Default::default(), &mut |_| panic!("removed")).is_err());
    assert_eq!(disk.contents(&log()).unwrap(), bytes);
}

#[test]
fn pins_expire_when_told_and_with_collection() {
    let disk = SimDisk::new();
    let store = open(&disk);
    let blocks: Vec<_> = (0..4).map(|n| raw(n, 100)).collect();
    put(&store, &blocks.iter().collect::<Vec<_>>());
    let until = |n: usize, secs| Pin {
        expires_unix_secs: secs,
        ..Pin::new(blocks[n].cid().clone(), if n == 1 { PinKind::Direct } else { PinKind::Recursive }, "x")
    };
    let pins = [until(0, Some(1000)), until(1, Some(2000)), until(2, Some(u64::MAX)), until(3, None)];
    store.pins().add_many(&pins).unwrap();
    let disk = disk.after_crash(1);
    let store = open(&disk);
    let listed: Vec<Pin> = store.pins().list().unwrap().map(Result::unwrap).collect();
    assert!(pins.iter().all(|pin| listed.contains(pin)));
    assert_eq!(store.pins().next_expiry().unwrap(), Some(1000));

    // A pin made anew has the new expiry and no other.
    store.pins().add_many(&[until(0, Some(1500))]).unwrap();
    assert_eq!(store.pins().expire(1499).unwrap(), []);
    assert_eq!(store.pins().expire(1500).unwrap(), [until(0, Some(1500))]);
    store.pins().add_many(&[until(1, None)]).unwrap();
    assert_eq!(store.pins().expire(5000).unwrap(), [], "made to stay");
    store.pins().update(blocks[2].cid(), blocks[0].cid(), true).unwrap();
    assert_eq!(store.pins().get(blocks[0].cid()).unwrap().unwrap().expires_unix_secs, Some(u64::MAX));
    assert_eq!(store.pins().next_expiry().unwrap(), Some(u64::MAX));
    store.pins().remove(blocks[0].cid()).unwrap();
    assert_eq!(store.pins().next_expiry().unwrap(), None);

    store.pins().add_many(&[until(3, Some(7))]).unwrap();
    let mut removed = 0;
    store.gc(&Default::default(), &mut |_| removed += 1).unwrap();
    assert_eq!(store.pins().count().unwrap(), 1);
    assert_eq!(removed, 3, "all but the one that was made to stay");
    assert_eq!(open(&disk.after_crash(2)).pins().count().unwrap(), 1);
}

#[test]
fn thousands_of_pins_that_expire_at_once() {
    let store = open(&SimDisk::new());
    let blocks: Vec<_> = (0..1000).map(|n| raw(n, 8)).collect();
    put(&store, &blocks.iter().collect::<Vec<_>>());
    let pins: Vec<Pin> = blocks
        .iter()
        .map(|b| Pin { expires_unix_secs: Some(5), ..Pin::new(b.cid().clone(), PinKind::Direct, "") })
        .collect();
    store.pins().add_many(&pins).unwrap();
    assert_eq!(store.pins().expire(5).unwrap().len(), 1000);
    assert_eq!((store.pins().count().unwrap(), store.pins().next_expiry().unwrap()), (0, None));
}

/// What a log with much history looks like: the same keys over and over.
fn churn(store: &Store, from: u32, to: u32) -> Result<(), StoreError> {
    for n in from..to {
        store.meta().set("t", &(n % 50).to_be_bytes(), &[n as u8; 4000])?;
    }
    Ok(())
}

#[test]
fn history_is_thrown_out_a_little_with_each_change() {
    let disk = SimDisk::new();
    let store = open(&disk);
    // Much that lives, so that a copy of it takes many steps.
    let many = (0..1000u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![1; 1000]))).collect();
    store.meta().set_many("much", many).unwrap();
    let mut largest_write = 0;
    let mut rewritten = 0;
    let mut before = store.stat().disk_bytes;
    for n in 0..900u32 {
        let written = store.counters().bytes_written;
        churn(&store, n, n + 1).unwrap();
        largest_write = largest_write.max(store.counters().bytes_written - written);
        let now = store.stat().disk_bytes;
        rewritten += u32::from(now < before);
        before = now;
    }
    assert!(rewritten >= 1, "the log became shorter");
    assert!(largest_write < 120_000, "one change wrote {largest_write} bytes");
    let store = open(&disk.after_crash(1));
    assert_eq!(store.meta().count("much").unwrap(), 1000);
    for n in 850..900u32 {
        assert_eq!(store.meta().get("t", &(n % 50).to_be_bytes()).unwrap(), Some(vec![n as u8; 4000]));
    }
}

#[test]
fn a_cut_at_any_step_of_throwing_history_out_loses_nothing() {
    let base = SimDisk::new();
    let store = open(&base);
    let many = (0..60u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![1; 4000]))).collect();
    store.meta().set_many("much", many).unwrap();
    churn(&store, 0, 400).unwrap();
    drop(store);
    let total = {
        let disk = base.after_kill();
        let store = open(&disk);
        store.pins().count().unwrap();
        let before = disk.contents(&log()).unwrap().len();
        disk.set_fault(Fault::None);
        churn(&store, 400, 450).unwrap();
        assert!(disk.contents(&log()).unwrap().len() < before, "the script throws history out");
        disk.changes()
    };
    let mut random = Random(7);
    for step in 1..=total {
        let disk = base.after_kill();
        let store = open(&disk);
        store.pins().count().unwrap();
        let fault = if step % 3 == 0 { Fault::ErrorAt(step) } else { Fault::PowerCutAt(step) };
        disk.set_fault(fault);
        let mut acknowledged = 400;
        for n in 400..450 {
            match churn(&store, n, n + 1) {
                Ok(()) => acknowledged = n + 1,
                Err(_) => break,
            }
        }
        drop(store);
        let store = open(&disk.after_crash(random.next_u64()));
        assert!(store.metadata_damage().unwrap().is_empty(), "{fault:?}: {:?}", store.metadata_damage());
        assert_eq!(store.meta().count("much").unwrap(), 60, "{fault:?}");
        let value = |n: u32| store.meta().get("t", &(n % 50).to_be_bytes()).unwrap();
        for n in acknowledged.saturating_sub(50)..acknowledged {
            let later = value(n) == Some(vec![(n + 50) as u8; 4000]) && n + 50 == acknowledged;
            assert!(value(n) == Some(vec![n as u8; 4000]) || later, "{fault:?}: change {n} of {acknowledged}");
        }
        churn(&store, 450, 460).unwrap();
    }
}
