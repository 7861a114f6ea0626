//! Pins, what keeps a block, damage and repair, from the command line.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use crate::program::{Home, text};

/// A repository with a pinned directory: its root, and the CID of a file in it.
fn with_site(home: &Home) -> (String, String) {
    home.ipfs_ok(&["init", "--profile=test"]);
    let dir = home.path().join("site/img");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("dots.txt"), "some dots, more than a few: ................").unwrap();
    let root = home.ipfs_ok(&["add", "-rQ", "--pin=false", "site"]).trim().to_owned();
    home.ipfs_ok(&["pin", "add", "--name=photos", &root]);
    let file = home.ipfs_ok(&["resolve", &format!("/ipfs/{root}/img/dots.txt")]);
    (root, file.trim().trim_start_matches("/ipfs/").to_owned())
}

fn merkury(home: &Home, line: &str) -> (bool, String) {
    let output = home.shell(&format!("IPFS_PATH={} {line}", home.ipfs_path().display()));
    (output.status.success(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
}

fn segment(home: &Home) -> PathBuf {
    home.ipfs_path().join("merkury/segments/00000001.car")
}

/// Changes bytes of the stored file.
fn spoil(home: &Home, with: &[u8]) {
    let mut bytes = std::fs::read(segment(home)).unwrap();
    let at = bytes.windows(9).position(|window| window == b" dots, mo").unwrap() - 4;
    bytes[at..at + with.len()].copy_from_slice(with);
    std::fs::write(segment(home), bytes).unwrap();
}

#[test]
fn why_names_pins_files_and_nothing() {
    let home = Home::new();
    let (root, file) = with_site(&home);
    home.ipfs_ok(&["files", "cp", &format!("/ipfs/{file}"), "/kept.txt"]);
    let (ok, said) = merkury(&home, &format!("merkury why {file}"));
    assert!(ok, "{said}");
    assert!(said.starts_with(&format!("{file} is kept by\n")), "{said}");
    assert!(said.contains("  the mutable file system: /kept.txt\n"), "{said}");
    assert!(said.contains(&format!("  the recursive pin \"photos\" of {root}: img/dots.txt\n")), "{said}");
    let (_, json) = merkury(&home, &format!("merkury why --json /ipfs/{root}"));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["Kept"], &json["KeptBy"][0]["Name"]), (&true.into(), &"photos".into()));
    home.ipfs_ok(&["pin", "rm", &root]);
    let (_, said) = merkury(&home, &format!("merkury why {root}"));
    assert_eq!(said, format!("{root} is kept by\n  a change that can be undone, until the next repo gc\n"));
    home.ipfs_ok(&["repo", "gc"]);
    let (_, said) = merkury(&home, &format!("merkury why {root} --offline"));
    assert!(said.ends_with("is not stored here\n"), "{said}");
    let (_, said) = merkury(&home, "merkury why bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy --offline");
    assert!(said.ends_with("is not stored here\n"), "{said}");
}

#[test]
fn pins_end_by_themselves() {
    let home = Home::new();
    let (root, _) = with_site(&home);
    home.ipfs_ok(&["pin", "add", "--expire=30d", &root]);
    let listed = home.ipfs_ok(&["pin", "ls", "--names", "--type=recursive", &root]);
    assert!(listed.starts_with(&format!("{root} recursive photos (expires 2")), "{listed}");
    let json = home.ipfs_ok(&["pin", "ls", "--enc=json", "--type=recursive"]);
    assert!(json.contains("\"Expires\":\"2"), "{json}");
    home.ipfs_ok(&["pin", "add", "--expire=1s", &root]);
    crate::program::wait_for("the pin's end", || !home.ipfs(&["pin", "ls", &root]).status.success());
    home.ipfs_ok(&["repo", "gc"]);
    assert!(!home.ipfs(&["cat", &format!("{root}/img/dots.txt")]).status.success());
    let refused = home.ipfs(&["pin", "add", "--expire=soon", &root]);
    assert!(text(&refused.stderr).contains("invalid --expire"), "{}", text(&refused.stderr));
}

#[test]
fn one_wrong_bit_is_mended_and_more_is_put_aside() {
    let home = Home::new();
    let (root, file) = with_site(&home);
    spoil(&home, b"Some");
    assert!(home.ipfs_ok(&["cat", &file]).starts_with("some dots"));
    spoil(&home, b"rott");
    let said = home.ipfs(&["repo", "verify"]);
    assert_eq!(said.status.code(), Some(1));
    let (out, err) = (text(&said.stdout), text(&said.stderr));
    assert!(out.contains(" was corrupt (block in storage has different hash than requested"), "{out}");
    assert_eq!(err, "Error: verify complete, 1 blocks corrupt\n");
    // It stays on the list, and the pin is told to be broken.
    assert_eq!(text(&home.ipfs(&["repo", "verify"]).stderr), "Error: verify complete, 1 blocks corrupt\n");
    let broken = home.ipfs_ok(&["pin", "verify"]);
    let missing =
        format!("{root} broken\n  {file}: block was not found locally (offline): ipld: could not find {file}\n");
    assert_eq!(broken, missing);
    assert_eq!(home.ipfs_ok(&["pin", "verify", "-q"]), format!("{root}\n"));
    assert!(home.ipfs_ok(&["pin", "verify", "--verbose"]).contains(" ok\n"));
    let heal = home.ipfs(&["repo", "verify", "--heal"]);
    assert_eq!(text(&heal.stderr), "Error: this command must be run in online mode. Try running 'ipfs daemon' first\n");
    let dropped = home.ipfs_ok(&["repo", "verify", "--drop"]);
    assert!(dropped.ends_with("verify complete, 1 blocks corrupt, 1 removed\n"), "{dropped}");
    assert!(home.ipfs_ok(&["repo", "verify"]).ends_with("verify complete, all blocks validated.\n"));
    // Adding it again heals the pin.
    home.ipfs_ok(&["add", "-rQ", "site"]);
    assert_eq!(home.ipfs_ok(&["pin", "verify"]), "");
    let bad = home.ipfs(&["repo", "verify", "--subset=3/2"]);
    assert!(text(&bad.stderr).contains("invalid subset"), "{}", text(&bad.stderr));
    assert!(home.ipfs_ok(&["repo", "verify", "--max-duration=1m"]).contains("all blocks validated"));
}

#[test]
fn damage_never_prevents_a_start_and_says_what_to_do() {
    let home = Home::new();
    let (root, file) = with_site(&home);
    home.ipfs_ok(&["key", "gen", "mykey"]);
    home.ipfs_ok(&["files", "cp", &format!("/ipfs/{root}"), "/site"]);
    let store = home.ipfs_path().join("merkury");
    // The record of pins, in the middle; the index; a key; the top of the mutable file system.
    let mut log = std::fs::read(store.join("meta.log")).unwrap();
    log[40..60].fill(0xaa);
    std::fs::write(store.join("meta.log"), &log).unwrap();
    std::fs::write(store.join("index.delta"), "nonsense").unwrap();
    let key = home.ipfs_path().join("keystore/key_nv4wwzlz");
    std::fs::remove_file(&key).unwrap();
    std::fs::write(&key, "no key").unwrap();

    let daemon = home.daemon(&["--offline"]);
    let said = daemon.log();
    assert!(said.contains("damage: pins: ") && said.contains("merkury repo fsck --accept-pins"), "{said}");
    assert!(said.contains("damage: keys: 1 of 1 cannot be read: mykey"), "{said}");
    assert_eq!(home.ipfs_ok(&["cat", &file]), "some dots, more than a few: ................");
    let refused = home.ipfs(&["repo", "gc"]);
    assert!(text(&refused.stderr).contains("nothing is removed while the record of pins may be incomplete"));
    home.ipfs_ok(&["pin", "add", &root]);
    let refused = home.ipfs(&["block", "rm", &file]);
    assert!(!refused.status.success());
    daemon.terminate();
    assert_eq!(daemon.wait(), Some(0));
    assert_eq!(std::fs::read(store.join("meta.log.damaged-1")).unwrap(), log);

    let (ok, said) = merkury(&home, "merkury repo fsck");
    assert!(!ok && said.contains("DAMAGED") && said.contains("--accept-pins"), "{said}");
    assert!(said.contains("index          ok       built anew from the segments"), "{said}");
    std::fs::remove_file(&key).unwrap();
    let (ok, said) = merkury(&home, "merkury repo fsck --accept-pins");
    assert!(ok, "{said}");
    home.ipfs_ok(&["repo", "gc"]);
    assert_eq!(home.ipfs_ok(&["cat", &file]), "some dots, more than a few: ................");
}

#[test]
fn the_holder_of_a_repository_is_named() {
    let home = Home::new();
    home.ipfs_ok(&["init", "--profile=test"]);
    let daemon = home.daemon(&["--offline"]);
    // Without the file that names the daemon's address, a command cannot go through it.
    std::fs::rename(home.ipfs_path().join("api"), home.ipfs_path().join("api.away")).unwrap();
    let refused = home.ipfs(&["repo", "stat"]);
    let lock = home.ipfs_path().join("repo.lock");
    assert_eq!(text(&refused.stderr), format!("Error: lock {}: someone else has the lock\n", lock.display()));
    let (ok, said) = merkury(&home, "merkury repo stat");
    assert!(!ok && said.contains("(ipfs daemon), started ") && said.contains(" ago uses this repository"), "{said}");
    daemon.kill();
    assert!(home.ipfs_ok(&["repo", "stat"]).contains("NumObjects"));
}

#[test]
fn damaged_blocks_are_fetched_again() {
    let (here, there) = (Home::new(), Home::new());
    let (root, file) = with_site(&there);
    here.ipfs_ok(&["init", "--profile=test"]);
    let (_here, _there) = (here.daemon(&[]), there.daemon(&[]));
    let addresses = there.ipfs_ok(&["swarm", "addrs", "local", "--id"]);
    let address = addresses.lines().find(|line| line.contains("/tcp/")).unwrap();
    here.ipfs_ok(&["swarm", "connect", address]);
    here.ipfs_ok(&["pin", "add", &root]);

    // With --heal at once.
    spoil(&here, b"rott");
    let healed = here.ipfs_ok(&["repo", "verify", "--heal"]);
    assert!(healed.contains(" was corrupt (block in storage has different hash than requested"), "{healed}");
    assert!(healed.contains("), removed, healed\n"), "{healed}");
    assert!(healed.ends_with("verify complete, 1 blocks corrupt, 1 removed, 1 healed\n"), "{healed}");
    assert_eq!(here.ipfs_ok(&["pin", "verify"]), "");

    // And by whoever reads it.
    let mut bytes = std::fs::read(segment(&here)).unwrap();
    let at = bytes.windows(9).rposition(|window| window == b" dots, mo").unwrap() - 4;
    bytes[at..at + 4].copy_from_slice(b"rott");
    std::fs::write(segment(&here), bytes).unwrap();
    assert!(here.ipfs_ok(&["cat", &file]).starts_with("some dots"));
    assert_eq!(here.ipfs_ok(&["pin", "verify"]), "");
    assert!(here.ipfs_ok(&["repo", "verify"]).ends_with("verify complete, all blocks validated.\n"));
}
