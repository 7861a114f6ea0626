//! Texts that people and scripts see, as plain files; `MERKURY_RENEW=1` writes them anew. Read the difference as a user would
//! before you commit it.

use std::path::{Path, PathBuf};

use merkury_commands::codes::{CODES, EXITS};
use merkury_commands::tree::{self, Node};
use merkury_commands::{help, manual};

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots").join(name)
}

/// Compares a text with the file that holds it.
fn check(path: &Path, text: &str) {
    if std::env::var_os("MERKURY_RENEW").is_some() {
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("the directory can be made");
        return std::fs::write(path, text).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    if kept == text {
        return;
    }
    let differs = kept.lines().zip(text.lines()).position(|(left, right)| left != right);
    let at = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    panic!(
        "{} is not what the program says from line {} on (MERKURY_RENEW=1 writes it anew):\n- {}\n+ {}",
        path.display(),
        at + 1,
        kept.lines().nth(at).unwrap_or("(end)"),
        text.lines().nth(at).unwrap_or("(end)")
    );
}

fn each(node: &'static Node, path: &[&'static str], text: &mut String, show: &dyn Fn(&[&str], &Node) -> String) {
    text.push_str(&format!("==== {}\n{}", path.join(" "), show(path, node)));
    for (word, child) in &node.children {
        let mut below = path.to_vec();
        below.push(word);
        each(child, &below, text, show);
    }
}

#[test]
fn help_of_every_command() {
    let mut long = String::new();
    each(tree::root(), &[], &mut long, &|path, node| help::long("merkury", path, node));
    check(&here("help-long.txt"), &long);
    let mut short = String::new();
    each(tree::root(), &[], &mut short, &|path, node| help::short("merkury", path, node));
    check(&here("help-short.txt"), &short);
}

#[test]
fn every_error_code() {
    let mut text = String::new();
    for (exit, meaning) in EXITS {
        text.push_str(&format!("exit {exit}: {meaning}\n"));
    }
    for code in CODES {
        text.push_str(&format!("{} exit {}: {}\n", code.id, code.exit, code.title));
        text.push_str(&format!("  {}\n  {}\n", code.meaning, code.cause));
        code.next.iter().for_each(|next| text.push_str(&format!("  > {next}\n")));
    }
    check(&here("errors.txt"), &text);
}

#[test]
fn the_command_reference() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/commands.md");
    check(&page, &manual::markdown());
}

#[test]
fn manual_pages_are_whole() {
    let pages = manual::pages();
    assert!(pages.iter().any(|(name, _)| name == "merkury.1"));
    for (name, text) in &pages {
        assert!(text.starts_with(".TH ") && text.contains(".SH NAME\n"), "{name}");
        for line in text.lines().filter(|line| line.starts_with('.')) {
            let known = [".TH", ".SH", ".TP", ".B ", ".I ", ".PP", ".nf", ".fi", ".br"];
            assert!(known.iter().any(|macro_name| line.starts_with(macro_name)), "{name}: {line}");
        }
    }
}
