//! The counts of runs. Each run with `--record`, and each log given to `--from`, is a line of [`RUNS`]; the table in [`PAGE`] is
//! the sum of these lines, so that ten thousand kills may be ten runs of a thousand.
//!
//! A run that was recorded before (same kind, commit and command) replaces its line: nothing is counted twice.

use super::KINDS;
use crate::exec::Exec;
use crate::{Res, paths};
use std::collections::BTreeMap;
use std::path::Path;

const PAGE: &str = "docs/internals/durability.md";
const RUNS: &str = "docs/internals/torture-runs.md";
const BEGIN: &str = "<!-- counts: written by `cargo xtask torture --record` -->";
const END: &str = "<!-- end of counts -->";
const RUNS_HEAD: &str = "# Runs under torture\n\nWritten by `cargo xtask torture --record` and `--from`; the sums stand in \
                         [durability.md](durability.md).\n\n| kind | commit | command | passed | failed | of what |\n\
                         |---|---|---|---|---|---|\n";

/// What one kind counted in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) commit: String,
    pub(super) command: String,
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) notes: Vec<String>,
}

/// How a run is repeated, and on what it ran: the first line of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) commit: String,
    pub(super) options: String,
}

impl Run {
    /// The commit of this tree, `+` with changes on it; `options` are those of the tier, seed and rounds.
    pub(super) fn here(options: String) -> Self {
        let git = |args: &[&str]| Exec::new("git").args(args).dir(paths::root()).text();
        let commit = git(&["rev-parse", "--short=7", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned());
        let dirty =
            git(&["status", "--porcelain", "--untracked-files=no", "crates"]).is_ok_and(|text| !text.is_empty());
        Self { commit: if dirty { commit + "+" } else { commit }, options }
    }

    /// The line that [`Run::parse`] reads.
    pub(super) fn line(&self) -> String {
        format!("run: {} of {}", self.options, self.commit)
    }

    fn parse(line: &str) -> Option<Self> {
        let (options, commit) = line.strip_prefix("run: ")?.rsplit_once(" of ")?;
        Some(Self { commit: commit.to_owned(), options: options.to_owned() })
    }

    pub(super) fn row(&self, kind: &str, notes: Vec<String>, passed: u64, failed: u64) -> Row {
        let command = format!("`cargo xtask torture {} {kind}`", self.options);
        Row { kind: kind.to_owned(), commit: self.commit.clone(), command, passed, failed, notes }
    }
}

/// Reads what runs printed. A kind without its closing line was cut off, and counts nothing.
pub(super) fn from_log(text: &str) -> Res<Vec<Row>> {
    let run = text.lines().find_map(Run::parse).ok_or("this is no log of a run: no line `run: …`")?;
    let (mut rows, mut notes) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(note) = line.strip_prefix("  ") {
            notes.push(note.to_owned());
        } else if line.starts_with("== ") {
            notes.clear();
        } else if let Some((kind, passed, failed)) = closing(line) {
            rows.push(run.row(kind, std::mem::take(&mut notes), passed, failed));
        }
    }
    Ok(rows)
}

/// `KIND: N passed, N failed in …`
fn closing(line: &str) -> Option<(&'static str, u64, u64)> {
    let (name, rest) = line.split_once(": ")?;
    let (kind, ..) = KINDS.iter().find(|(kind, ..)| *kind == name)?;
    let (passed, rest) = rest.split_once(" passed, ")?;
    let (failed, _) = rest.split_once(" failed in ")?;
    Some((*kind, passed.parse().ok()?, failed.parse().ok()?))
}

/// Adds the rows to the runs, and writes the sums into the page.
pub(super) fn write(rows: Vec<Row>) -> Res<()> {
    let runs_path = paths::root().join(RUNS);
    let mut runs = if runs_path.exists() { read_runs(&runs_path)? } else { Vec::new() };
    for row in rows {
        runs.retain(|old| (&old.kind, &old.commit, &old.command) != (&row.kind, &row.commit, &row.command));
        runs.push(row);
    }
    let order = |row: &Row| KINDS.iter().position(|(kind, ..)| *kind == row.kind);
    runs.sort_by_key(|row| (order(row), row.commit.clone(), row.command.clone()));
    let lines: String = runs.iter().map(|row| row.line() + "\n").collect();
    paths::write(&runs_path, format!("{RUNS_HEAD}{lines}"))?;
    let path = paths::root().join(PAGE);
    let page = String::from_utf8_lossy(&paths::read(&path)?).into_owned();
    let split = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (_, tail)) = split.ok_or_else(|| format!("{PAGE} has no place for counts: {BEGIN}"))?;
    paths::write(&path, format!("{head}{BEGIN}\n\n{}\n{END}{tail}", sums(&runs)))
}

fn read_runs(path: &Path) -> Res<Vec<Row>> {
    let text = String::from_utf8_lossy(&paths::read(path)?).into_owned();
    Ok(text.lines().filter_map(Row::parse).collect())
}

impl Row {
    fn line(&self) -> String {
        let notes = self.notes.join("; ").replace('|', "/");
        let Self { kind, commit, command, passed, failed, .. } = self;
        format!("| {kind} | {commit} | {command} | {passed} | {failed} | {notes} |")
    }

    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let [kind, commit, command, passed, failed, notes] = cells[..] else { return None };
        Some(Self {
            kind: kind.to_owned(),
            commit: commit.to_owned(),
            command: command.to_owned(),
            passed: passed.parse().ok()?,
            failed: failed.parse().ok()?,
            notes: notes.split("; ").map(str::to_owned).collect(),
        })
    }
}

/// The table of sums.
fn sums(runs: &[Row]) -> String {
    let mut text = "| kind | runs | passed | failed | of what | commits |\n|---|---|---|---|---|---|\n".to_owned();
    for (kind, ..) in KINDS {
        let of: Vec<&Row> = runs.iter().filter(|row| row.kind == *kind).collect();
        if of.is_empty() {
            continue;
        }
        let mut commits: Vec<&str> = of.iter().map(|row| row.commit.as_str()).collect();
        commits.sort_unstable();
        commits.dedup();
        let (passed, failed) =
            (of.iter().map(|row| row.passed).sum::<u64>(), of.iter().map(|row| row.failed).sum::<u64>());
        let notes = add_up(of.iter().flat_map(|row| &row.notes)).join("; ");
        text.push_str(&format!("| {kind} | {} | {passed} | {failed} | {notes} | {} |\n", of.len(), commits.join(", ")));
    }
    text
}

/// Notes of the same words become one, with the sum of each of their numbers.
fn add_up<'a>(notes: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut sums: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut order = Vec::new();
    for note in notes {
        let (mut words, mut numbers) = (Vec::new(), Vec::new());
        for word in note.split(' ') {
            let digits = word.trim_end_matches([',', ':', ';']);
            match digits.parse::<u64>() {
                Ok(number) => {
                    numbers.push(number);
                    words.push(format!("#{}", &word[digits.len()..]));
                }
                Err(_) => words.push(word.to_owned()),
            }
        }
        let shape = words.join(" ");
        match sums.get_mut(&shape) {
            Some(sum) => sum.iter_mut().zip(&numbers).for_each(|(sum, number)| *sum += number),
            None => {
                order.push(shape.clone());
                sums.insert(shape, numbers);
            }
        }
    }
    let filled = |shape: &String| {
        let mut numbers = sums[shape].iter();
        let mut number = || numbers.next().map_or_else(String::new, u64::to_string);
        let words = shape.split(' ').map(|word| match word.strip_prefix('#') {
            Some(rest) if rest.chars().all(|c| ",:;".contains(c)) => number() + rest,
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    order.iter().map(filled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "run: --tier full --seed 3 --rounds 500 of 299c03a\nunder test: /x\n== kill\n  500 kills, 36 steps\n  \
                       kills by step: add 51, repo gc 41\nFAIL kill: a kill: why\nkill: 499 passed, 1 failed in 234.3 s\n\
                       torture: 499 passed, 1 failed\n";

    #[test]
    fn a_log_becomes_a_row_and_a_row_a_line() {
        let rows = from_log(LOG).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].passed, rows[0].failed, rows[0].commit.as_str()), (499, 1, "299c03a"));
        assert_eq!(rows[0].command, "`cargo xtask torture --tier full --seed 3 --rounds 500 kill`");
        assert_eq!(Row::parse(&rows[0].line()).as_ref(), Some(&rows[0]));
        let cut = LOG.split("kill: 499").next().unwrap();
        assert_eq!(from_log(cut).unwrap(), []);
        assert!(from_log("== kill").is_err());
    }

    #[test]
    fn numbers_of_runs_are_added_where_the_words_are_the_same() {
        let mut rows = from_log(LOG).unwrap();
        rows.extend(from_log(LOG).unwrap());
        rows[1].notes.push("ext4: skipped: no mkfs.ext4".to_owned());
        let table = sums(&rows);
        let wanted = "| kill | 2 | 998 | 2 | 1000 kills, 72 steps; kills by step: add 102, repo gc 82; \
                      ext4: skipped: no mkfs.ext4 | 299c03a |";
        assert!(table.contains(wanted), "{table}");
    }
}
