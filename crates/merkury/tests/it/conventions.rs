//! Every command with its exit codes and the shape of its JSON: `commands.txt` has the calls.
//!
//! The lines run in order in one home, as `merkury --json …` in a shell; below `@daemon` a daemon runs. A line is an exit code
//! and a command line. Every command must succeed in one and fail in one. What successful ones print must be JSON, one object
//! a line; its shape is written to `docs/reference/json.md`, which this test compares (`MERKURY_RENEW=1` writes it anew).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use merkury_commands::list::OPS;
use merkury_commands::parse;
use merkury_commands::spec::Place;
use serde_json::Value;

use crate::program::{Home, text};

const CALLS: &str = include_str!("commands.txt");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/json.md");

/// What the calls find.
const SETUP: &str = "\
    mkdir d && echo hello > f && echo other > d/a.txt && head -c 300000 /dev/zero > big && echo '{\"a\":1}' > node.json \
    && merkury init --profile=test && merkury config show > config.json \
    && CID=$(merkury add -Q --pin=false f) && DIR=$(merkury add -rQ --pin=false d) && NAME=$(merkury key gen blog) \
    && merkury name publish --allow-offline --key=blog /ipfs/$CID && merkury name get $NAME > r.bin \
    && merkury dag export --progress=false $DIR > d.car && echo \"CID=$CID DIR=$DIR NAME=$NAME\" > vars";

/// Commands that end only when they are told to, or need what is not here: a repository of a Kubo, publish-subscribe, a second
/// node.
const NOT_HERE: &[&str] = &[
    "bitswap/reprovide",
    "daemon",
    "log/tail",
    "migrate",
    "name/pubsub/cancel",
    "name/pubsub/subs",
    "provide/once",
    "provide/stat",
    "routing/findpeer",
    "routing/findprovs",
    "routing/provide",
    "routing/reprovide",
    "stats/provide",
    "stats/reprovide",
    "swarm/connect",
    "swarm/disconnect",
];

struct Call {
    exit: i32,
    line: &'static str,
    with_daemon: bool,
}

fn calls() -> Vec<Call> {
    let mut with_daemon = false;
    let mut calls = Vec::new();
    for line in CALLS.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line == "@daemon" {
            with_daemon = true;
            continue;
        }
        let (exit, line) = line.split_once(' ').expect("an exit code and a command line");
        calls.push(Call { exit: exit.parse().expect("an exit code"), line, with_daemon });
    }
    calls
}

/// The command that a line calls: its words up to the first that the shell takes.
fn path_of(line: &str) -> Option<&'static str> {
    let line = line.rsplit("| ").next().unwrap_or(line);
    let words: Vec<String> = line
        .split_whitespace()
        .skip_while(|word| word.contains('=') && !word.starts_with('-'))
        .take_while(|word| !word.starts_with(['<', '>']))
        .map(|word| word.trim_matches(['\'', '"']).to_owned())
        .collect();
    let parsed = match parse::parse(&words) {
        Ok(parsed) => parsed.node,
        Err(error) => error.node?,
    };
    Some(parsed.op?.spec().path)
}

/// The shape of a value: kinds instead of values, the first of a list for all.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Array(list) => Value::Array(list.first().map(shape).into_iter().collect()),
        Value::Object(map) if has_free_keys(map) => {
            let of = map.values().next().map(shape).unwrap_or(Value::Null);
            Value::Object([("…".to_owned(), of)].into_iter().collect())
        }
        Value::Object(map) => Value::Object(map.iter().map(|(name, value)| (name.clone(), shape(value))).collect()),
    }
}

/// Whether the keys are names of things, such as CIDs, and not fields.
fn has_free_keys(map: &serde_json::Map<String, Value>) -> bool {
    map.keys().any(|key| key.len() >= 30)
}

fn run(home: &Home, line: &str) -> (i32, String, String) {
    let (before, call) = match line.rsplit_once("| ") {
        Some((before, call)) => (format!("{before}| "), call),
        None => (String::new(), line),
    };
    let (set, call) = match call.split_once(' ') {
        Some((set, call)) if set.contains('=') && !set.starts_with('-') => (set, call),
        _ => ("", call),
    };
    let output = home.shell(&format!(". ./vars; {before}{set} merkury --json {call}"));
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Lines of JSON whose first object has another shape than the command documents are still of the command.
fn shapes_of(line: &str, printed: &str) -> Vec<String> {
    let mut shapes = Vec::new();
    for object in printed.lines() {
        let value: Value =
            serde_json::from_str(object).unwrap_or_else(|error| panic!("{line}: {error}: {object:?} is no JSON"));
        let shape = serde_json::to_string(&shape(&value)).expect("a value can be written");
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

fn page(shapes: &BTreeMap<&'static str, Vec<String>>) -> String {
    let mut page = "# JSON of every command\n\nWritten by a test from what the program printed (`MERKURY_RENEW=1 cargo test \
                    -p merkury conventions`). `merkury --json COMMAND` prints one object a line; kinds stand for values, `…` for a \
                    name. Bytes come as base64 in `Data`. Errors are one object on standard error: \
                    `{\"type\":\"error\",\"code\":…,\"message\":…,\"cause\":…,\"help\":[…],\"exit\":…}`.\n"
        .to_owned();
    for (path, shapes) in shapes {
        let shapes = if shapes.is_empty() { "(nothing)".to_owned() } else { shapes.join("\n") };
        page.push_str(&format!("\n## {}\n\n```json\n{shapes}\n```\n", path.replace('/', " ")));
    }
    page
}

#[test]
fn every_command_has_exit_codes_and_json() {
    let home = Home::new();
    let setup = home.shell(SETUP);
    assert!(setup.status.success(), "{}", text(&setup.stderr));
    let mut daemon = None;
    let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
    let mut shapes: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for Call { exit, line, with_daemon } in calls() {
        if with_daemon && daemon.is_none() {
            daemon = Some(home.friendly_daemon());
        }
        let path = path_of(line).unwrap_or_else(|| panic!("{line:?} calls no command"));
        let (code, printed, errors) = run(&home, line);
        if code != exit {
            wrong.push(format!("{line}: ended with {code}, not {exit}\n{printed}{errors}"));
            continue;
        }
        if exit != 0 {
            bad.insert(path);
            let error = errors.lines().last().unwrap_or_default();
            let error: Value = serde_json::from_str(error).unwrap_or_else(|_| panic!("{line}: no JSON: {errors}"));
            assert_eq!(error["exit"], exit, "{line}");
            continue;
        }
        good.insert(path);
        let known = shapes.entry(path).or_default();
        for shape in shapes_of(line, &printed) {
            if !known.contains(&shape) {
                known.push(shape);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for op in OPS {
        let spec = op.spec();
        assert!(bad.contains(spec.path), "{}: no line of commands.txt shows how it fails", spec.path);
        assert!(
            NOT_HERE.contains(&spec.path) || good.contains(spec.path),
            "{}: no line of commands.txt shows that it works",
            spec.path
        );
        debug_assert!(spec.place != Place::Group);
    }
    check(Path::new(PAGE), &page(&shapes));
}

fn check(path: &Path, text: &str) {
    if std::env::var_os("MERKURY_RENEW").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        return std::fs::write(path, text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let at = kept.lines().zip(text.lines()).position(|(left, right)| left != right);
    assert!(
        kept == text,
        "{} is not what the program prints; first difference in line {:?} (MERKURY_RENEW=1 writes it anew)\n- {:?}\n+ {:?}",
        path.display(),
        at.map(|at| at + 1),
        at.and_then(|at| kept.lines().nth(at)),
        at.and_then(|at| text.lines().nth(at)),
    );
}
