//! Start and stop: what is refused, what is left behind, one process a repository.

use crate::program::{Home, text};

#[test]
fn init_makes_a_repository_once() {
    let home = Home::new();
    let said = home.ipfs_ok(&["init", "--profile=test"]);
    assert!(said.contains("generating ED25519 keypair...done\npeer identity: 12D3KooW"), "{said}");
    assert!(said.contains("initializing IPFS node at "), "{said}");
    let again = home.ipfs(&["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("ipfs configuration file already exists!"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read_to_string(home.ipfs_path().join("version")).unwrap().trim(), "18");
}

#[test]
fn without_a_repository_the_error_says_what_to_do() {
    let home = Home::new();
    let output = home.ipfs(&["cat", "bafkqaaa"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("Error: no IPFS repo found in "), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("please run: 'ipfs init'"));
}

#[test]
fn daemon_says_its_lines_answers_and_leaves_nothing() {
    let home = Home::new();
    home.ipfs_ok(&["init", "--profile=test"]);
    let daemon = home.daemon(&[]);
    let log = daemon.log();
    for line in [
        "Initializing daemon...",
        "Kubo version: ",
        "PeerID: 12D3KooW",
        "Swarm listening on 127.0.0.1:",
        "RPC API server listening on /ip4/127.0.0.1/tcp/",
        "WebUI: http://127.0.0.1:",
        "Gateway server listening on /ip4/127.0.0.1/tcp/",
    ] {
        assert!(log.contains(line), "{line:?} is missing in:\n{log}");
    }
    let api = std::fs::read_to_string(home.ipfs_path().join("api")).unwrap();
    assert!(api.starts_with("/ip4/127.0.0.1/tcp/") && !api.ends_with('\n'), "{api:?}");
    assert!(std::fs::read_to_string(home.ipfs_path().join("gateway")).unwrap().starts_with("http://127.0.0.1:"));
    assert!(home.ipfs_ok(&["id"]).contains("\"AgentVersion\": \"kubo/0.43.1"));

    let second = home.ipfs(&["daemon"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("lock"), "{}", text(&second.stderr));

    home.ipfs_ok(&["shutdown"]);
    assert_eq!(daemon.wait(), Some(0));
    assert!(!home.ipfs_path().join("api").exists() && !home.ipfs_path().join("gateway").exists());
}

#[test]
fn sigterm_ends_a_daemon_and_a_kill_leaves_a_repository_that_opens() {
    let home = Home::new();
    home.ipfs_ok(&["init", "--profile=test"]);
    let daemon = home.daemon(&["--offline"]);
    daemon.terminate();
    assert_eq!(daemon.wait(), Some(0));

    let daemon = home.daemon(&["--offline"]);
    std::fs::write(home.path().join("file"), "kept").unwrap();
    let cid = home.ipfs_ok(&["add", "-Q", "file"]).trim().to_owned();
    daemon.kill();
    // The stale `api` file of the killed daemon must not be in the way.
    assert_eq!(home.ipfs_ok(&["cat", &cid]), "kept");
    assert!(home.ipfs_ok(&["pin", "ls", &cid]).contains("recursive"));
    let daemon = home.daemon(&["--offline"]);
    assert_eq!(home.ipfs_ok(&["cat", &cid]), "kept");
    drop(daemon);
}
