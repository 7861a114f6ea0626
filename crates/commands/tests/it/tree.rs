//! The list as a whole: what must hold for every operation.

use std::collections::BTreeSet;

use merkury_commands::absent;
use merkury_commands::list::{GROUPS, OPS};
use merkury_commands::op::AnyOp;
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
        // What needs no repository changes nothing, and what comes with this one is looked at and thrown away.
        if spec.takes_files() && spec.place != Place::Anywhere && spec.path != "name/inspect" {
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
            assert!(text.contains("USAGE\n  ipfs "), "{text}");
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

/// Every command path of Kubo 0.43.1, as its own test lists them.
const KUBO: &str = "\
    add bitswap bitswap/ledger bitswap/reprovide bitswap/stat bitswap/wantlist block block/get block/put \
    block/rm block/stat bootstrap bootstrap/add bootstrap/list bootstrap/rm bootstrap/rm/all cat cid cid/base32 \
    cid/bases cid/codecs cid/format cid/hashes cid/inspect commands commands/completion \
    commands/completion/bash commands/completion/fish commands/completion/zsh config config/edit config/profile \
    config/profile/apply config/replace config/show dag dag/export dag/get dag/import dag/put dag/resolve \
    dag/stat dht dht/findpeer dht/findprovs dht/get dht/provide dht/put dht/query diag diag/cmds \
    diag/cmds/clear diag/cmds/set-time diag/datastore diag/datastore/count diag/datastore/get \
    diag/datastore/put diag/healthy diag/profile diag/sys files files/chcid files/chmod files/chroot files/cp \
    files/flush files/ls files/mkdir files/mv files/read files/rm files/stat files/touch files/write filestore \
    filestore/dups filestore/ls filestore/verify get id key key/export key/gen key/import key/list key/ls \
    key/rename key/rm key/rotate key/sign key/verify log log/level log/ls log/tail ls mount multibase \
    multibase/decode multibase/encode multibase/list multibase/transcode name name/get name/inspect \
    name/publish name/pubsub name/pubsub/cancel name/pubsub/state name/pubsub/subs name/put name/resolve object \
    object/data object/diff object/get object/links object/new object/patch object/patch/add-link \
    object/patch/append-data object/patch/rm-link object/patch/set-data object/put object/stat p2p p2p/close \
    p2p/forward p2p/listen p2p/ls p2p/stream p2p/stream/close p2p/stream/ls pin pin/add pin/ls pin/remote \
    pin/remote/add pin/remote/ls pin/remote/rm pin/remote/service pin/remote/service/add pin/remote/service/ls \
    pin/remote/service/rm pin/rm pin/update pin/verify ping provide provide/clear provide/once provide/stat \
    pubsub pubsub/ls pubsub/peers pubsub/pub pubsub/reset pubsub/sub refs refs/local repo repo/gc repo/ls \
    repo/migrate repo/stat repo/verify repo/version resolve routing routing/findpeer routing/findprovs \
    routing/get routing/provide routing/put routing/reprovide shutdown stats stats/bitswap stats/bw stats/dht \
    stats/provide stats/repo stats/reprovide swarm swarm/addrs swarm/addrs/autonat swarm/addrs/listen \
    swarm/addrs/local swarm/connect swarm/disconnect swarm/filters swarm/filters/add swarm/filters/rm \
    swarm/peering swarm/peering/add swarm/peering/ls swarm/peering/rm swarm/peers swarm/resources update \
    update/check update/clean update/install update/revert update/versions version version/check version/deps";

#[test]
fn every_path_of_kubo_is_in_the_tree() {
    let missing: Vec<&str> = KUBO.split_whitespace().filter(|path| tree::find(path.split('/')).is_none()).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn what_is_done_is_not_called_absent() {
    let done: BTreeSet<&str> = OPS.iter().map(|op| op.spec().path).collect();
    let both: Vec<&str> = absent::list().map(|row| row.spec().path).filter(|path| done.contains(path)).collect();
    assert_eq!(both, [""; 0], "rows of `absent` whose command is there by now");
    for row in absent::list() {
        let spec = row.spec();
        assert!(spec.about.ends_with('.') && tree::find(spec.words()).is_some(), "{}", spec.path);
    }
}
