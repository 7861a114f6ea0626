//! The list as a whole: what must hold for every operation.

use std::collections::BTreeSet;

use merkury_commands::list::{GROUPS, OPS};
use merkury_commands::spec::{Effect, GLOBAL, Kind, Place};
use merkury_commands::value::Value;
use merkury_commands::{help, tree};

#[test]
fn declarations_hold_together() {
    let mut paths = BTreeSet::new();
    for spec in OPS.iter().map(|op| op.spec()).chain(GROUPS) {
        assert!(paths.insert(spec.path), "{} is listed twice", spec.path);
        assert!(!spec.about.is_empty() && spec.about.ends_with('.'), "{}", spec.path);
        for (index, arg) in spec.args.iter().enumerate() {
            let last = index + 1 == spec.args.len();
            assert!(last || !(arg.variadic || arg.stdin), "{}: only the last argument may take many", spec.path);
        }
        let mut names = BTreeSet::new();
        for option in spec.options.iter().chain(GLOBAL) {
            assert!(option.names.iter().all(|name| names.insert(*name)), "{}: {:?}", spec.path, option.names);
            if let Some(default) = option.default {
                assert!(Value::parse(option.kind, default).is_ok(), "{}: {default}", spec.path);
            }
            assert!(option.kind != Kind::List || option.default.is_none(), "{}", spec.path);
        }
        if spec.takes_files() {
            assert_ne!(spec.effect, Effect::Read, "{} takes content", spec.path);
        }
        let parents = spec.path.rsplit_once('/').map(|(parent, _)| parent);
        assert!(parents.is_none_or(|parent| tree::find(parent.split('/')).is_some()), "{}", spec.path);
    }
}

#[test]
fn every_path_has_both_helps() {
    for op in OPS {
        let path: Vec<&str> = op.spec().words().collect();
        let node = tree::find(path.iter().copied()).expect("listed");
        for text in [help::short("ipfs", &path, node), help::long("ipfs", &path, node)] {
            assert!(text.starts_with("USAGE\n  ipfs "), "{text}");
            let wide = text.lines().find(|line| line.chars().count() > 130);
            assert_eq!(wide, None, "{}", op.spec().path);
        }
    }
}

#[test]
fn the_rows_of_the_first_issue_are_there() {
    for path in [
        "init",
        "daemon",
        "shutdown",
        "add",
        "cat",
        "get",
        "ls",
        "refs",
        "pin/add",
        "pin/rm",
        "pin/ls",
        "block/get",
        "block/put",
        "block/stat",
        "block/rm",
        "dag/import",
        "dag/export",
        "dag/stat",
        "repo/stat",
        "repo/gc",
        "repo/version",
        "id",
        "version",
        "config",
        "config/show",
        "key/gen",
        "key/ls",
        "key/list",
        "swarm/connect",
        "swarm/peers",
        "swarm/addrs",
        "swarm/disconnect",
        "bitswap/stat",
        "files/mkdir",
        "files/write",
        "files/read",
        "files/ls",
        "files/stat",
        "files/cp",
        "files/rm",
        "commands",
        "routing/findprovs",
        "routing/findpeer",
        "routing/provide",
    ] {
        let node = tree::find(path.split('/')).unwrap_or_else(|| panic!("{path} is missing"));
        assert!(node.op.is_some(), "{path} does nothing");
        assert_eq!(node.is_remote(), node.spec.place != Place::Terminal, "{path}");
    }
}
