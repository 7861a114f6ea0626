//! What every command must have, over the whole list: a new one that lacks something fails here by name.

use merkury_commands::list::{GROUPS, OPS};
use merkury_commands::parse;
use merkury_commands::spec::{Effect, GLOBAL, Place, Spec};
use merkury_commands::tree;

fn specs() -> impl Iterator<Item = &'static Spec> {
    OPS.iter().map(|op| op.spec())
}

/// The command lines in an example: the parts of a pipe that call us, without what a shell takes away and without the words
/// behind a gap, which say what it does.
fn calls(example: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    let example = example.split("   ").next().unwrap_or(example);
    for part in example.split(['|', ';']).flat_map(|part| part.split("&&")) {
        let words: Vec<String> = part
            .split_whitespace()
            .skip_while(|word| word.contains('='))
            .take_while(|word| !word.starts_with('>'))
            .filter(|word| !word.starts_with('<') && *word != "--json")
            .map(|word| word.trim_matches('\'').to_owned())
            .collect();
        if let Some((program, rest)) = words.split_first()
            && (program == "ipfs" || program == "merkury")
        {
            calls.push(rest.to_vec());
        }
    }
    calls
}

#[test]
fn every_command_says_what_it_does() {
    for spec in specs().chain(GROUPS) {
        assert!(spec.about.len() > 5 && spec.about.ends_with('.'), "{}: about {:?}", spec.path, spec.about);
        for arg in spec.args {
            assert!(arg.about.ends_with('.'), "{}: argument {}", spec.path, arg.name);
        }
        for option in spec.options {
            assert!(option.about.ends_with(['.', '…']), "{}: option {}", spec.path, option.name());
        }
    }
}

#[test]
fn every_command_has_an_example_that_makes_sense() {
    for spec in specs() {
        assert!(!spec.examples.is_empty(), "{} has no example", spec.path);
        let mut is_shown = false;
        for example in spec.examples {
            for words in calls(example) {
                let Ok(parsed) = parse::parse(&words) else { panic!("{}: {example:?} makes no sense", spec.path) };
                let Some(op) = parsed.node.op else { panic!("{}: {example:?} runs nothing", spec.path) };
                is_shown |= op.spec().path == spec.path;
                let sorted = parse::sort_inputs(op.spec(), parsed.inputs, true);
                assert!(sorted.is_ok(), "{}: {example:?}: {:?}", spec.path, sorted.err());
            }
        }
        assert!(is_shown, "{}: no example shows it", spec.path);
    }
}

/// `--json` belongs to the program; `config` alone has an option of that name, as Kubo has.
#[test]
fn no_command_takes_json_for_itself() {
    for spec in specs().filter(|spec| !spec.path.starts_with("config")) {
        let path: Vec<&str> = spec.words().collect();
        let takes = tree::options_of(&path).into_iter().any(|option| option.names.contains(&"json"));
        assert!(!takes, "{} has an option --json", spec.path);
    }
    assert!(GLOBAL.iter().all(|option| !option.names.contains(&"json")));
}

/// Scopes are granted by effect: a command that changes something must not pass with a token for reading.
#[test]
fn what_changes_something_needs_more_than_reading() {
    const CHANGES: &[&str] = &[
        "add",
        "put",
        "rm",
        "mv",
        "cp",
        "mkdir",
        "write",
        "rename",
        "gen",
        "import",
        "update",
        "replace",
        "gc",
        "shutdown",
        "publish",
        "rotate",
        "sign",
        "forget",
        "connect",
        "disconnect",
        "provide",
        "touch",
        "chmod",
        "flush",
    ];
    // Counters of announcing carry its name.
    let changes = |spec: &&Spec| CHANGES.contains(&spec.name()) && !spec.path.starts_with("stats/");
    for spec in specs().filter(changes) {
        assert_ne!(spec.effect, Effect::Read, "{} needs a scope of its own", spec.path);
    }
    for spec in specs().filter(|spec| spec.path.starts_with("key/") && spec.effect == Effect::Read) {
        assert!(matches!(spec.path, "key/ls" | "key/list"), "{}: keys are for administrators", spec.path);
    }
}

#[test]
fn groups_hold_something_and_have_no_endpoint() {
    for group in GROUPS {
        let node = tree::find(group.words()).expect("groups are in the tree");
        assert!(!node.children.is_empty(), "{} holds nothing", group.path);
        assert!(node.op.is_some() || group.place == Place::Group, "{}", group.path);
    }
}
