//! Stores around the store, switched on in the configuration of a daemon, with real files: a second slower disk, copies, other
//! repositories below, parts of the user's files; and what a daemon does for its store by itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::limit::{file, noise, repo_size};
use crate::program::{Home, text, wait_for};

const MIB: usize = 1 << 20;

fn with_config(settings: &[(&str, &str)]) -> Home {
    let home = Home::new();
    home.ipfs_ok(&["init", "--profile=test"]);
    for (key, value) in settings {
        home.ipfs_ok(&["config", "--json", key, value]);
    }
    home
}

fn add(home: &Home, seed: u64, len: usize, flags: &[&str]) -> String {
    let path = file(home, &format!("file-{seed}"), seed, len);
    let said = home.ipfs_ok(&[&["add", "-Q"], flags, &[&path]].concat());
    said.trim().to_owned()
}

fn files_of(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

/// Whether a file of the directory holds these bytes.
fn is_in(dir: &Path, bytes: &[u8]) -> bool {
    files_of(dir).iter().any(|path| fs::read(path).is_ok_and(|all| all.windows(bytes.len()).any(|part| part == bytes)))
}

/// Overwrites these bytes in the repository's segments.
fn spoil(home: &Home, bytes: &[u8]) {
    for path in files_of(&home.ipfs_path().join("merkury/segments")) {
        let mut all = fs::read(&path).unwrap();
        if let Some(at) = all.windows(bytes.len()).position(|part| part == bytes) {
            all[at..at + bytes.len()].fill(0x55);
            fs::write(&path, all).unwrap();
            return;
        }
    }
    panic!("these bytes are not stored");
}

#[test]
fn old_segments_move_to_the_slow_disk_and_are_missed_when_it_is_away() {
    let home = with_config(&[
        ("Merkury.Store.SlowPath", "\"../slow\""),
        ("Merkury.Store.FastMax", "\"2MiB\""),
        ("Merkury.Store.SegmentSize", "\"1MiB\""),
    ]);
    let slow = home.path().join("slow");
    fs::create_dir(&slow).unwrap();
    let daemon = home.daemon(&["--offline"]);
    let cid = add(&home, 1, 8 * MIB, &[]);
    let segments =
        |dir: &Path| files_of(dir).iter().filter(|path| path.extension().is_some_and(|e| e == "car")).count();
    wait_for("most segments to be on the slow disk", || segments(&slow) >= 4);
    assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 8 * MIB));
    daemon.kill();
    let daemon = home.daemon(&["--offline"]);
    let second = add(&home, 2, 3 * MIB, &["--pin=false"]);
    assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 8 * MIB), "after a kill");
    home.ipfs_ok(&["repo", "gc", "-q"]);
    assert!(!home.ipfs(&["cat", "--offline", &second]).status.success());
    assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 8 * MIB), "after a collection");
    home.ipfs_ok(&["shutdown"]);
    assert_eq!(daemon.wait(), Some(0));

    fs::rename(&slow, home.path().join("away")).unwrap();
    let refused = text(&home.ipfs(&["cat", &cid]).stderr);
    assert!(refused.contains("which is not there; mount that disk"), "{refused}");
    fs::remove_dir_all(&slow).ok();
    fs::rename(home.path().join("away"), &slow).unwrap();
    assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 8 * MIB), "mounted again");
}

#[test]
fn a_copy_that_is_gone_stops_nothing_and_comes_back() {
    let home = with_config(&[("Merkury.Store.Mirrors", "[\"../second\"]")]);
    let (second, segments) = (home.path().join("second"), home.path().join("second/merkury/segments"));
    let daemon = home.daemon(&["--offline"]);
    let first = add(&home, 1, MIB, &[]);
    assert!(is_in(&segments, &noise(1, MIB)[5000..6000]), "acknowledged is on both disks");
    daemon.kill();

    // The disk is away: nothing is written where it should be mounted.
    fs::rename(&second, home.path().join("away")).unwrap();
    let daemon = home.daemon(&["--offline"]);
    let said = daemon.log();
    assert!(said.contains("damage: copies: 1 of 1 lack blocks: ") && said.contains("mount its disk"), "{said}");
    let other = add(&home, 2, MIB, &[]);
    assert!(!segments.exists());
    // It is there again while the daemon runs.
    fs::rename(home.path().join("away"), &second).unwrap();
    wait_for("what was missed", || is_in(&segments, &noise(2, MIB)[5000..6000]));
    let third = add(&home, 3, MIB, &[]);
    wait_for("the next write", || is_in(&segments, &noise(3, MIB)[5000..6000]));
    drop(daemon);

    // What the first disk loses comes from the second, and is written back.
    spoil(&home, &noise(1, MIB)[5000..6000]);
    let daemon = home.daemon(&["--offline"]);
    assert!(home.ipfs(&["cat", &first]).stdout == noise(1, MIB));
    // A copy follows a collection; space that is worth the copying is given back there too.
    home.ipfs_ok(&["pin", "rm", &other, &third]);
    home.ipfs_ok(&["repo", "gc", "-q"]);
    wait_for("the copy drops it too", || !is_in(&segments, &noise(2, MIB)[5000..6000]));
    home.ipfs_ok(&["shutdown"]);
    assert_eq!(daemon.wait(), Some(0));
    assert!(is_in(&home.ipfs_path().join("merkury/segments"), &noise(1, MIB)[5000..6000]), "written back");
}

#[test]
fn a_repository_below_is_read_and_never_written() {
    let old = with_config(&[]);
    let cid = add(&old, 1, 2 * MIB, &[]);
    let layer = format!("[{{\"Type\": \"merkury\", \"Path\": {:?}}}]", old.ipfs_path().display().to_string());
    let home = with_config(&[("Merkury.Store.Layers", &layer), ("Merkury.Store.ReadCache", "\"4MiB\"")]);
    let bytes_of = |home: &Home| fs::read(home.ipfs_path().join("merkury/segments/00000001.car")).unwrap();
    let before = bytes_of(&old);
    let daemon = home.daemon(&["--offline"]);
    let size = repo_size(&home);
    for _ in 0..2 {
        assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 2 * MIB));
    }
    assert!(repo_size(&home) < size + 100_000, "what is read is not stored");
    // Nobody else gets at the repository meanwhile, and is told why.
    let refused = old.shell(&format!("IPFS_PATH={} merkury repo stat", old.ipfs_path().display()));
    assert!(text(&refused.stderr).contains("uses this repository"), "{}", text(&refused.stderr));
    assert!(!home.ipfs(&["block", "rm", &cid]).status.success(), "a block below cannot be removed");
    home.ipfs_ok(&["pin", "add", "--progress=false", &cid]);
    home.ipfs_ok(&["repo", "gc", "-q"]);
    home.ipfs_ok(&["shutdown"]);
    assert_eq!(daemon.wait(), Some(0));
    assert!(bytes_of(&old) == before, "not a byte was written there");
    home.ipfs_ok(&["config", "--json", "Merkury.Store.Layers", "[]"]);
    assert!(home.ipfs(&["cat", "--offline", &cid]).stdout == noise(1, 2 * MIB), "what is pinned was copied");
}

#[test]
fn parts_of_files_are_served_while_the_file_is_the_same() {
    let home = with_config(&[("Experimental.FilestoreEnabled", "true")]);
    let daemon = home.daemon(&["--offline"]);
    let cid = add(&home, 1, 3 * MIB, &["--nocopy"]);
    assert!(repo_size(&home) < MIB as u64, "the bytes are not stored twice");
    daemon.kill();
    let daemon = home.daemon(&["--offline"]);
    assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 3 * MIB), "after a kill");
    home.ipfs_ok(&["repo", "gc", "-q"]);
    assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 3 * MIB), "after a collection");
    let path = home.path().join("file-1");
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * MIB] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let refused = home.ipfs(&["cat", &cid]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("file-1"), "{}", text(&refused.stderr));
    assert!(refused.stdout.len() <= 2 * MIB && noise(1, 3 * MIB).starts_with(&refused.stdout), "no wrong byte");
    let verified = home.ipfs(&["filestore", "verify"]);
    assert!(text(&verified.stdout).contains("changed"), "{}", text(&verified.stdout));
    drop(daemon);
}

#[test]
fn a_daemon_reads_its_blocks_back_and_fetches_what_is_damaged() {
    let here = with_config(&[("Merkury.ScrubDelay", "\"1s\""), ("Merkury.ScrubRate", "\"8MB\"")]);
    let there = with_config(&[]);
    let cid = add(&here, 1, 3 * MIB, &[]);
    assert_eq!(add(&there, 1, 3 * MIB, &[]), cid);
    let part = &noise(1, 3 * MIB)[MIB + 5000..MIB + 6000];
    spoil(&here, part);
    let segments = here.ipfs_path().join("merkury/segments");
    assert!(!is_in(&segments, part));
    let (daemon, _there) = (here.daemon(&[]), there.daemon(&[]));
    let addresses = there.ipfs_ok(&["swarm", "addrs", "local", "--id"]);
    here.ipfs_ok(&["swarm", "connect", addresses.lines().find(|line| line.contains("/tcp/")).unwrap()]);
    // Nobody reads it: the daemon finds it by itself, and serves on meanwhile.
    wait_for("the damaged block to be here again", || {
        assert!(here.ipfs_ok(&["repo", "stat", "--size-only"]).contains("RepoSize"));
        is_in(&segments, part)
    });
    drop(daemon);
    assert!(here.ipfs(&["cat", "--offline", &cid]).stdout == noise(1, 3 * MIB));
}

#[test]
fn a_damaged_top_of_the_files_prevents_no_start() {
    let home = with_config(&[]);
    let cid = add(&home, 1, 1000, &[]);
    home.ipfs_ok(&["files", "cp", &format!("/ipfs/{cid}"), "/a-name-to-look-for"]);
    let root = home.ipfs_ok(&["files", "stat", "--hash", "/"]);
    spoil(&home, &home.ipfs(&["block", "get", root.trim()]).stdout);
    let daemon = home.daemon(&["--offline"]);
    let said = daemon.log();
    assert!(said.contains("damage: files: "), "{said}");
    assert!(home.ipfs(&["cat", &cid]).stdout == noise(1, 1000));
    assert!(!home.ipfs(&["files", "ls", "/"]).status.success(), "what is lost is no empty directory");
    let next = add(&home, 2, 1000, &[]);
    assert!(home.ipfs(&["cat", &next]).stdout == noise(2, 1000), "everything else goes on");
    drop(daemon);
}

#[test]
fn a_daemon_collects_by_itself_while_three_write() {
    let home = with_config(&[("Datastore.StorageMax", "\"12MB\""), ("Datastore.GCPeriod", "\"1s\"")]);
    let daemon = home.daemon(&["--offline", "--enable-gc"]);
    let kept: Vec<(u64, String)> = (1..4).map(|seed| (seed, add(&home, seed, 500_000, &[]))).collect();
    std::thread::scope(|scope| {
        for writer in 0..3_u64 {
            let home = &home;
            scope
                .spawn(move || (0..12).for_each(|n| drop(add(home, 100 + writer * 50 + n, 700_000, &["--pin=false"]))));
        }
    });
    assert!(repo_size(&home) <= 12_000_000, "{}", repo_size(&home));
    wait_for("cache to leave", || repo_size(&home) <= 10_800_000);
    for (seed, cid) in &kept {
        assert!(home.ipfs(&["cat", cid]).stdout == noise(*seed, 500_000), "what is pinned stays");
    }
    assert!(home.ipfs_ok(&["repo", "verify"]).contains("all blocks validated"));
    drop(daemon);
}
