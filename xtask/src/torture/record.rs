//! The table of counts in docs/internals/durability.md: each run with `--record` writes the rows of the kinds that ran.

use super::{KINDS, Tier};
use crate::exec::Exec;
use crate::{Res, paths};
use std::collections::BTreeMap;

const PAGE: &str = "docs/internals/durability.md";
const BEGIN: &str = "<!-- counts: written by `cargo xtask torture --record` -->";
const END: &str = "<!-- end of counts -->";

/// What one kind counted.
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) notes: Vec<String>,
    pub(super) passed: u64,
    pub(super) failed: u64,
}

/// Puts the rows into the page; those of other kinds stay as they are.
pub(super) fn write(rows: &[Row], tier: Tier, seed: u64, rounds: Option<u64>) -> Res<()> {
    let path = paths::root().join(PAGE);
    let page = String::from_utf8_lossy(&paths::read(&path)?).into_owned();
    let commit = Exec::new("git").args(["rev-parse", "--short", "HEAD"]).dir(paths::root()).text()?;
    let split = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (table, tail)) = split.ok_or_else(|| format!("{PAGE} has no place for counts: {BEGIN}"))?;
    let kind_of = |line: &str| line.strip_prefix("| ")?.split(" |").next().map(str::to_owned);
    let mut lines: BTreeMap<String, String> =
        table.lines().filter_map(|line| Some((kind_of(line)?, line.to_owned()))).collect();
    for row in rows {
        let rounds = rounds.map_or_else(String::new, |rounds| format!(" --rounds {rounds}"));
        let tier = format!("{tier:?}").to_lowercase();
        let command = format!("`cargo xtask torture --tier {tier} --seed {seed}{rounds} {}`", row.kind);
        let notes = row.notes.join("; ").replace('|', "/");
        let line = format!("| {} | {} | {} | {notes} | {command} | {commit} |", row.kind, row.passed, row.failed);
        lines.insert(row.kind.to_owned(), line);
    }
    let mut text = format!(
        "{head}{BEGIN}\n\n| kind | passed | failed | of what | command | commit |\n|---|---|---|---|---|---|\n"
    );
    for (kind, _, _) in KINDS {
        if let Some(line) = lines.get(*kind) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.push_str(&format!("\n{END}{tail}"));
    paths::write(&path, text)
}
