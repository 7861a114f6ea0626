//! `cargo xtask compat`: both suites whole, the page that says what passes, what fails, and why, and the tables that the
//! quick suites are compared with.

use super::table::{Row, Table};
use super::tools;
use crate::peer::install::KUBO_VERSION;
use crate::{Res, inside, paths, peer, say};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

const PAGE: &str = "docs/internals/compatibility.md";
const REASONS: &str = "peers/compat/reasons.txt";

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

/// Why something fails: lines `START REASON`; a failure whose row and name start so has that reason. The longest counts.
struct Reasons(Vec<(String, String)>);

impl Reasons {
    fn read() -> Res<Self> {
        let bytes = paths::read(&paths::root().join(REASONS))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rows = lines.map(|line| {
            let (start, reason) = line.split_once('\t').ok_or(format!("{REASONS}: no tab in {line:?}"))?;
            Ok((start.to_owned(), reason.to_owned()))
        });
        rows.collect::<Res<_>>().map(Self)
    }

    fn of(&self, row: &Row, what: &str) -> Option<&str> {
        let name = format!("{} {what}", row.name);
        let fits = |start: &str| name.starts_with(start) || what.starts_with(start);
        let best = self.0.iter().filter(|(start, _)| fits(start)).max_by_key(|(start, _)| start.len());
        best.map(|(_, reason)| reason.as_str())
    }

    fn unexplained<'a>(&self, table: &'a Table) -> Vec<(&'a Row, &'a str)> {
        let all = table.rows().into_iter().flat_map(|row| row.fails.iter().map(move |what| (row, what.as_str())));
        all.filter(|(row, what)| self.of(row, what).is_none()).collect()
    }
}

fn page(sharness: &Table, testcli: &Table, reasons: &Reasons) -> String {
    let mut text = format!(
        "# Kubo's own suites\n\n\
         Written by `cargo xtask compat`. Do not edit; reasons stand in `{REASONS}`. The numbers count what Kubo {KUBO_VERSION}\n\
         itself passes in the same place: a namespace with loopback alone, without FUSE and Docker.\n\n\
         | suite | passes | of | % |\n|---|---|---|---|\n"
    );
    for (name, table) in [("sharness", sharness), ("test/cli, client/rpc", testcli)] {
        let (passes, of) = table.sums();
        let _ = writeln!(text, "| {name} | {passes} | {of} | {:.1} |", 100.0 * passes as f64 / of.max(1) as f64);
    }
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

/// Failures by reason.
fn why(text: &mut String, tables: &[&Table], reasons: &Reasons) {
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for table in tables {
        for row in table.rows() {
            for what in &row.fails {
                *counted.entry(reasons.of(row, what).unwrap_or("(no reason is known yet)")).or_default() += 1;
            }
        }
    }
    let mut counted: Vec<(&str, u64)> = counted.into_iter().collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let _ = write!(text, "\n## Why something fails\n\n| failures | reason |\n|---|---|\n");
    for (reason, count) in counted {
        let _ = writeln!(text, "| {count} | {reason} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_start_gives_the_reason() {
        let reasons = Reasons(vec![
            ("t0180".to_owned(), "no p2p".to_owned()),
            ("t0180-p2p.sh 7".to_owned(), "another".to_owned()),
        ]);
        let mut table = Table::default();
        table.expect("t0180-p2p.sh", 3);
        table.fall("t0180-p2p.sh", 1, vec!["7 seven".to_owned(), "8 eight".to_owned()]);
        table.expect("t0500.sh", 1);
        table.fall("t0500.sh", 0, vec!["1 one".to_owned()]);
        let row = table.row("t0180-p2p.sh").expect("a row");
        assert_eq!(reasons.of(row, "7 seven"), Some("another"));
        assert_eq!(reasons.of(row, "8 eight"), Some("no p2p"));
        assert_eq!(reasons.unexplained(&table).len(), 1);
        assert!(page(&table, &Table::default(), &reasons).contains("| t0180-p2p.sh | 1 | 3 |"));
    }
}
