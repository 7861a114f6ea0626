//! Repositories that older versions of this program wrote, frozen as files, open with everything in them.
//!
//! Each directory in `tests/fixtures` is the `merkury/` of a repository as that version left it. When a format changes, a
//! new one is added and the old ones stay.

use std::path::{Path, PathBuf};

use merkury_core::Cid;
use merkury_store::disk::sim::{Fault, SimDisk};
use merkury_store::{Pin, PinKind, Store};

use crate::support::{DIR, open};

const DIRECTORY: &str = "QmNzBSRhwQaH43h8dBjdx3L3AXDK3KweJ5Ubdit1xMXs1C";
const EMPTY_DIRECTORY: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
const ONE_FILE: &str = "Qmb2FYd6AYkvoudcBWEbpwWGBRGDu6THAE3ubMTtmufrgA";
const PLAIN: &str = "Qme6M1NkL7yppKQf2Cu8Gmm52gEqmA5kXV5bNtzryTDeNH";
const RAW_FILE: &str = "bafkreiet63s5552np2jzw3nkkqniu7hc5qvgfaih5jd3vvghicyxhgqxvm";
const GARBAGE: &str = "QmPvBPv1QdMEXBMiqxhjgmBWUongsRH5wwF32bKJyyYKzX";
const MFS: &str = "QmaDRVQM1qWM968eNeqfEHeb6sTLH5B81T28pD52Qk3QKt";

fn cid(text: &str) -> Cid {
    Cid::parse(text).unwrap()
}

/// A fixture as a simulated disk.
fn frozen(name: &str) -> SimDisk {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let disk = SimDisk::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(dir) = dirs.pop() {
        merkury_store::disk::Disk::create_dir_all(&disk, &Path::new(DIR).join(&dir)).unwrap();
        for entry in std::fs::read_dir(root.join(&dir)).unwrap().map(Result::unwrap) {
            let inner = dir.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => dirs.push(inner),
                false => disk.set_contents(&Path::new(DIR).join(&inner), std::fs::read(entry.path()).unwrap()),
            }
        }
    }
    disk
}

/// When the pin of one of them ends, in the repositories that have expiry.
const EXPIRES: u64 = 96_403_547_502;

/// What the repositories of all versions hold.
fn assert_whole(store: &Store, expires_unix_secs: Option<u64>) {
    assert!(store.damage().is_empty() && store.metadata_damage().unwrap().is_empty());
    let listed: Vec<Pin> = store.pins().list().unwrap().map(Result::unwrap).collect();
    let wanted = [
        Pin::new(cid(DIRECTORY), PinKind::Recursive, "site"),
        Pin::new(cid(EMPTY_DIRECTORY), PinKind::Recursive, ""),
        Pin::new(cid(ONE_FILE), PinKind::Direct, "one file"),
        Pin { expires_unix_secs, ..Pin::new(cid(PLAIN), PinKind::Recursive, "") },
        Pin::new(cid(RAW_FILE), PinKind::Recursive, ""),
    ];
    assert!(wanted.iter().all(|pin| listed.contains(pin)) && listed.len() == wanted.len(), "{listed:?}");
    assert_eq!(store.roots().list().unwrap(), [("mfs".to_owned(), cid(MFS))]);
    assert_eq!(store.stat().blocks, 14);
    for pin in &wanted {
        assert_eq!(store.get(&pin.cid).unwrap().unwrap().cid(), &pin.cid);
    }
    let mut bad = 0;
    store.verify(&mut |event| bad += u32::from(matches!(event, merkury_store::VerifyEvent::Bad { .. }))).unwrap();
    assert_eq!(bad, 0);
}

#[test]
fn version_1_opens_migrates_and_collects() {
    let disk = frozen("v1");
    let log = Path::new(DIR).join("meta.log");
    let old = disk.contents(&log).unwrap();
    assert_eq!(old[8], 1, "the fixture has the old format");
    let store = open(&disk);
    assert_whole(&store, None);
    assert_eq!(disk.contents(&log).unwrap(), old, "reading does not migrate");
    store.meta().set("t", b"k", b"v").unwrap();
    assert_eq!(disk.contents(&log).unwrap()[8], 2);
    assert_whole(&store, None);
    let store = open(&disk.after_crash(1));
    assert_whole(&store, None);
    let mut removed = Vec::new();
    store
        .gc(&Default::default(), &mut |event| {
            if let merkury_store::GcEvent::Removed { cid, .. } = event {
                removed.push(cid)
            }
        })
        .unwrap();
    assert!(removed.iter().any(|gone| gone.hash() == cid(GARBAGE).hash()));
    assert!(store.get(&cid(PLAIN)).unwrap().is_some());
}

#[test]
fn a_cut_at_any_step_of_migrating_leaves_the_old_or_the_new() {
    let total = {
        let disk = frozen("v1");
        let store = open(&disk);
        store.pins().count().unwrap();
        disk.set_fault(Fault::None);
        store.meta().set("t", b"k", b"v").unwrap();
        disk.changes()
    };
    assert!(total >= 5);
    for step in 1..=total {
        for seed in 0..8 {
            for fault in [Fault::PowerCutAt(step), Fault::ErrorAt(step), Fault::FullAt(step)] {
                let disk = frozen("v1");
                let store = open(&disk);
                store.pins().count().unwrap();
                disk.set_fault(fault);
                let is_done = store.meta().set("t", b"k", b"v").is_ok();
                let store = open(&disk.after_crash(seed));
                assert_whole(&store, None);
                let value = store.meta().get("t", b"k").unwrap();
                assert!(value.is_some() || !is_done, "{fault:?}");
                store.meta().set("t", b"k", b"v2").unwrap();
                assert_whole(&store, None);
            }
        }
    }
}

#[test]
fn version_2_opens_with_and_without_its_index() {
    let file = |name: &str| Path::new(DIR).join(name);
    let whole = frozen("v2");
    for name in ["meta.log", "index", "index.delta"] {
        assert_eq!(whole.contents(&file(name)).unwrap()[8], 2, "{name} has the format");
    }
    for lost in [&[][..], &["index"], &["index.delta"], &["index", "index.delta"]] {
        let disk = frozen("v2");
        lost.iter().for_each(|name| merkury_store::disk::Disk::remove(&disk, &file(name)).unwrap());
        let store = open(&disk);
        // What was removed stays so, by `removed.log`.
        assert_whole(&store, Some(EXPIRES));
        assert_eq!(store.pins().next_expiry().unwrap(), Some(EXPIRES));
        store.meta().set("t", b"k", b"v").unwrap();
        assert_whole(&open(&disk.after_crash(3)), Some(EXPIRES));
    }
}

/// The log as this version writes it, byte for byte: when this fails, the format has changed. Then give it a number of its
/// own, a migration, and a fixture.
#[test]
fn the_log_is_written_as_the_newest_version_says() {
    let disk = SimDisk::new();
    let store = open(&disk);
    store.meta().set("t", b"key", b"value").unwrap();
    store.meta().remove("t", b"key").unwrap();
    let header = [&b"MKMETA\r\n\x02\0\0\0"[..], &crc32fast::hash(b"MKMETA\r\n\x02\0\0\0").to_le_bytes()].concat();
    let batch = |number: u64, payload: &[u8]| {
        let length = (payload.len() as u32).to_le_bytes();
        let rest = [&number.to_le_bytes()[..], payload].concat();
        let sum = crc32fast::hash(&[&length[..], &rest].concat()).to_le_bytes();
        [&length[..], &sum, &rest].concat()
    };
    let wanted = [header, batch(1, b"\x01\x01t\x03key\x05value"), batch(2, b"\x02\x01t\x03key")].concat();
    assert_eq!(disk.contents(&Path::new(DIR).join("meta.log")).unwrap(), wanted);
}
