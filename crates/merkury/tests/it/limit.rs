//! A repository at its limit, from the command line: in process, through a daemon, and for what a gateway fetches.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::program::{Home, text, wait_for};

/// Bytes that do not repeat.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..len.div_ceil(8)).flat_map(|_| next()).take(len).collect()
}

pub(crate) fn file(home: &Home, name: &str, seed: u64, len: usize) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, noise(seed, len)).unwrap();
    path.display().to_string()
}

pub(crate) fn repo_size(home: &Home) -> u64 {
    let stat = home.ipfs_ok(&["repo", "stat", "--size-only"]);
    let line = stat.lines().find_map(|line| line.strip_prefix("RepoSize:")).unwrap();
    line.trim().parse().unwrap()
}

/// What is the same with and without a daemon.
fn a_full_repository(home: &Home) {
    let (a, b) = (file(home, "a", 1, 2_000_000), file(home, "b", 2, 2_000_000));
    let kept = home.ipfs_ok(&["add", "-Q", &a]).trim().to_owned();
    // Cache makes room for what is kept.
    let cached = home.ipfs_ok(&["add", "-Q", "--pin=false", &file(home, "c", 3, 2_000_000)]).trim().to_owned();
    let second = home.ipfs_ok(&["add", "-Q", &b]).trim().to_owned();
    assert!(repo_size(home) <= 5_000_000);
    assert!(!home.ipfs(&["cat", "--offline", &cached]).status.success(), "the cache left");
    // Only kept data is left.
    let refused = home.ipfs(&["add", "-Q", &file(home, "d", 4, 2_000_000)]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    for part in
        ["no space left", "of the 5.0 MB that Datastore.StorageMax allows", "ipfs config Datastore.StorageMax 10MB"]
    {
        assert!(said.contains(part), "{part:?} is missing in {said}");
    }
    assert_eq!(home.ipfs(&["cat", &kept]).stdout, noise(1, 2_000_000));
    assert_eq!(home.ipfs(&["cat", &second]).stdout, noise(2, 2_000_000));
    home.ipfs_ok(&["add", "-Q", &a]);
    // What makes room works: without it the repository could only grow.
    home.ipfs_ok(&["files", "cp", &format!("/ipfs/{second}"), "/b"]);
    home.ipfs_ok(&["pin", "rm", &second]);
    assert!(!home.ipfs(&["add", "-Q", &file(home, "d", 4, 2_000_000)]).status.success(), "files keep it");
    home.ipfs_ok(&["files", "rm", "/b"]);
    home.ipfs_ok(&["add", "-Q", &file(home, "d", 4, 2_000_000)]);
    assert!(repo_size(home) <= 5_000_000);
    home.ipfs_ok(&["config", "Datastore.StorageMax", "20MB"]);
    home.ipfs_ok(&["add", "-Q", &file(home, "e", 5, 4_000_000)]);
}

#[test]
fn holds_in_process() {
    let home = Home::new();
    home.ipfs_ok(&["init", "--profile=test"]);
    home.ipfs_ok(&["config", "Datastore.StorageMax", "5MB"]);
    a_full_repository(&home);
}

#[test]
fn holds_in_a_daemon_which_collects_by_itself_when_told_to() {
    let home = Home::new();
    home.ipfs_ok(&["init", "--profile=test"]);
    home.ipfs_ok(&["config", "Datastore.StorageMax", "5MB"]);
    home.ipfs_ok(&["config", "Datastore.GCPeriod", "1s"]);
    let daemon = home.daemon(&["--offline"]);
    a_full_repository(&home);
    drop(daemon);
    let daemon = home.daemon(&["--offline", "--enable-gc"]);
    home.ipfs_ok(&["config", "Datastore.StorageMax", "14MB"]);
    home.ipfs_ok(&["add", "-Q", "--pin=false", &file(&home, "f", 6, 4_000_000)]);
    wait_for("eviction below nine tenths of the limit", || repo_size(&home) < 12_600_000);
    home.ipfs_ok(&["shutdown"]);
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn what_a_gateway_fetches_stays_below_it_and_is_served_whole() {
    let (near, far) = (Home::new(), Home::new());
    for home in [&near, &far] {
        home.ipfs_ok(&["init", "--profile=test"]);
    }
    near.ipfs_ok(&["config", "Datastore.StorageMax", "3MB"]);
    let kept = near.ipfs_ok(&["add", "-Q", &file(&near, "kept", 7, 1_000_000)]).trim().to_owned();
    let whole = noise(8, 6_000_000);
    let cid = far.ipfs_ok(&["add", "-Q", &file(&far, "large", 8, whole.len())]).trim().to_owned();
    let (_far, _near) = (far.daemon(&[]), near.daemon(&[]));
    let id = far.ipfs_ok(&["id", "--format=<addrs>"]);
    let address = id.lines().find(|line| line.contains("/tcp/")).unwrap().to_owned();
    near.ipfs_ok(&["swarm", "connect", &address]);
    let gateway = std::fs::read_to_string(near.ipfs_path().join("gateway")).unwrap();
    let mut stream = TcpStream::connect(gateway.trim().trim_start_matches("http://")).unwrap();
    write!(stream, "GET /ipfs/{cid} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(&whole), "{}", String::from_utf8_lossy(&answer[..answer.len().min(400)]));
    assert!(repo_size(&near) <= 3_000_000, "{}", repo_size(&near));
    assert_eq!(near.ipfs(&["cat", &kept]).stdout, noise(7, 1_000_000));
    // Pinning it is another matter.
    let refused = near.ipfs(&["pin", "add", "--progress=false", &cid]);
    assert!(text(&refused.stderr).contains("no space left"), "{}", text(&refused.stderr));
    assert!(repo_size(&near) <= 3_000_000);
}
