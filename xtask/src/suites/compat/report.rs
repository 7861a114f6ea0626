//! `cargo xtask compat`: both suites whole, the page that says what passes, what fails, and why, and the tables that the
//! quick suites are compared with.

use super::reasons::{self, FILE as REASONS, Reasons};
use super::table::{Row, Table};
use super::tools;
use crate::peer::install::KUBO_VERSION;
use crate::{Res, inside, paths, peer, say};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const PAGE: &str = "docs/internals/compatibility.md";
const ROOMS: &str = "\nEvery reason has a room. `here`: no network is needed. `kubo`: none is needed either, and the test asks for the insides of Kubo\n\
    itself (its files on the disk, its profiler, its plugins, its updates). Any other room comes later or works between nodes, and is\n\
    not counted in what needs no network.\n";

/// `cargo xtask compat`.
pub(crate) fn command(args: &[String]) -> Res<()> {
    match args {
        [] => {}
        [flag, short, missing] if flag == "--from" => {
            return write(&|scripts| tools::sharness_table(scripts, Path::new(short)), &|pattern| {
                tools::testcli_table(pattern, Path::new(missing))
            });
        }
        other => return Err(format!("compat takes nothing, or --from SHARNESS_LIST TESTCLI_LIST, not {other:?}")),
    }
    if std::env::var_os("MERKURY_INSIDE").is_none() {
        say::step("install Kubo's suites", tools::install)?;
        say::step("build the release binary", peer::build_merkury)?;
    }
    inside::run(|| {
        let sharness = say::step("sharness", || tools::sharness(&[]))?;
        let testcli = say::step("test/cli", || tools::testcli("."))?;
        write(&|scripts| Ok(sharness.starting_with(scripts)), &|pattern| Ok(testcli.matching(pattern)))
    })
}

/// Writes the page and the tables of the quick suites.
fn write(sharness: &dyn Fn(&[&str]) -> Res<Table>, testcli: &dyn Fn(&str) -> Res<Table>) -> Res<()> {
    let reasons = Reasons::read()?;
    let (scripts, tests) = (sharness(&[])?, testcli(".")?);
    paths::write(&paths::root().join(PAGE), page(&scripts, &tests, &reasons))?;
    let folder = paths::root().join("peers/compat");
    paths::write(&folder.join("sharness.txt"), sharness(super::SCRIPTS)?.text())?;
    paths::write(&folder.join("testcli.txt"), testcli(super::TESTS)?.text())?;
    say::line(format!("sharness: {}; test/cli: {}; {PAGE} is written", scripts.summary(), tests.summary()));
    let unexplained: Vec<String> = [&scripts, &tests]
        .iter()
        .flat_map(|table| reasons.unexplained(table))
        .map(|(row, what)| format!("{} {what}", row.name))
        .collect();
    if unexplained.is_empty() {
        return Ok(());
    }
    Err(format!("{} failures have no reason in {REASONS}:\n  {}", unexplained.len(), unexplained.join("\n  ")))
}

fn page(sharness: &Table, testcli: &Table, reasons: &Reasons) -> String {
    let mut text = format!(
        "# Kubo's own suites\n\n\
         Written by `cargo xtask compat`. Do not edit; reasons stand in `{REASONS}`. The numbers count what Kubo {KUBO_VERSION}\n\
         itself passes in the same place: a namespace with loopback alone, without FUSE and Docker.\n\n\
         | suite | passes | of | % |\n|---|---|---|---|\n"
    );
    let suites = [("sharness", sharness), ("test/cli, client/rpc", testcli)];
    for (name, table) in suites {
        share(&mut text, name, table.sums());
    }
    for (name, table) in suites {
        let here = reasons.without_network(table);
        share(&mut text, &format!("{name}: what needs no network"), (here.passes, here.of));
        share(&mut text, &format!("{name}: the same, without Kubo's insides"), (here.passes, here.of - here.insides));
    }
    text.push_str(ROOMS);
    why(&mut text, &[sharness, testcli], reasons);
    for (title, table) in [("sharness, by script", sharness), ("test/cli and client/rpc, by test", testcli)] {
        let _ = write!(
            text,
            "\n## {title}\n\nRows that pass whole are counted, not listed.\n\n| | passes | of |\n|---|---|---|\n"
        );
        let rows = table.rows();
        let (whole, short): (Vec<&Row>, Vec<&Row>) = rows.into_iter().partition(|row| row.passes >= row.of);
        for row in short {
            let _ = writeln!(text, "| {} | {} | {} |", row.name, row.passes, row.of);
        }
        let sum: u64 = whole.iter().map(|row| row.of).sum();
        let _ = writeln!(text, "| {} that pass whole | {sum} | {sum} |", whole.len());
    }
    text
}

/// What is ours to mend comes first.
fn place(room: &str) -> u8 {
    match room {
        "?" | reasons::HERE => 0,
        reasons::KUBO => 1,
        _ => 2,
    }
}

/// A line of the first table.
fn share(text: &mut String, name: &str, (passes, of): (u64, u64)) {
    let _ = writeln!(text, "| {name} | {passes} | {of} | {:.1} |", 100.0 * passes as f64 / of.max(1) as f64);
}

/// Failures by reason.
fn why(text: &mut String, tables: &[&Table], reasons: &Reasons) {
    let mut counted: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for table in tables {
        for row in table.rows() {
            for what in &row.fails {
                let known = reasons
                    .of(row, what)
                    .map_or(("?", "(no reason is known yet)"), |known| (known.room(), known.why()));
                *counted.entry(known).or_default() += 1;
            }
        }
    }
    let mut counted: Vec<((&str, &str), u64)> = counted.into_iter().collect();
    counted.sort_by_key(|((room, _), count)| (place(room), std::cmp::Reverse(*count)));
    let _ = write!(text, "\n## Why something fails\n\n| failures | room | reason |\n|---|---|---|\n");
    for ((room, reason), count) in counted {
        let _ = writeln!(text, "| {count} | {room} | {reason} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_counts_what_needs_no_network_apart() {
        let text = "t0180-\tp2p\tno p2p\nt0500\there\tx\nt0500.sh 2\tkubo\ty\n";
        let reasons = Reasons::parse(text).expect("three lines");
        let mut table = Table::default();
        table.expect("t0180-p2p.sh", 3);
        table.fall("t0180-p2p.sh", 1, vec!["7 seven".to_owned(), "8 eight".to_owned()]);
        table.expect("t0500.sh", 4);
        table.fall("t0500.sh", 2, vec!["1 one".to_owned(), "2 two".to_owned()]);
        let page = page(&table, &Table::default(), &reasons);
        for line in [
            "| sharness | 3 | 7 | 42.9 |",
            "| sharness: what needs no network | 2 | 4 | 50.0 |",
            "| sharness: the same, without Kubo's insides | 2 | 3 | 66.7 |",
            "| 2 | p2p | no p2p |",
            "| t0180-p2p.sh | 1 | 3 |",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }
}
