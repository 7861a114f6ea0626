//! What passes of a suite: a row for each script or file, with what fails in it by name.

use crate::{Res, paths};
use std::collections::BTreeMap;
use std::path::Path;

/// A script, or a top-level Go test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) passes: u64,
    /// What Kubo itself passes here.
    pub(super) of: u64,
    /// Names of what fails.
    pub(super) fails: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table(BTreeMap<String, Row>);

impl Table {
    pub(super) fn rows(&self) -> Vec<&Row> {
        self.0.values().collect()
    }

    pub(super) fn row(&self, name: &str) -> Option<&Row> {
        self.0.get(name)
    }

    /// Adds a row that passes whole until something fails in it.
    pub(super) fn expect(&mut self, name: &str, of: u64) {
        let row = self.0.entry(name.to_owned()).or_insert_with(|| Row { name: name.to_owned(), ..Row::default() });
        row.of += of;
        row.passes += of;
    }

    /// Takes away from a row what did not pass.
    pub(super) fn fall(&mut self, name: &str, passes: u64, fails: Vec<String>) {
        if let Some(row) = self.0.get_mut(name) {
            row.passes = passes;
            row.fails = fails;
        }
    }

    /// Takes one failure away from a row.
    pub(super) fn fail(&mut self, name: &str, what: &str) {
        if let Some(row) = self.0.get_mut(name) {
            row.passes = row.passes.saturating_sub(1);
            row.fails.push(what.to_owned());
        }
    }

    /// Sums over all rows: how many pass, of how many.
    pub(super) fn sums(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |(passes, of), row| (passes + row.passes, of + row.of))
    }

    /// The rows whose names start so.
    pub(super) fn starting_with(&self, starts: &[&str]) -> Self {
        let wanted = |name: &str| starts.is_empty() || starts.iter().any(|start| name.starts_with(start));
        Self(self.0.iter().filter(|(name, _)| wanted(name)).map(|(name, row)| (name.clone(), row.clone())).collect())
    }

    /// The rows of Go tests whose names match a pattern of the suites.
    pub(super) fn matching(&self, pattern: &str) -> Self {
        let rows = self.0.iter().filter(|(name, _)| super::tools::test_matches(name, pattern));
        Self(rows.map(|(name, row)| (name.clone(), row.clone())).collect())
    }

    pub(super) fn summary(&self) -> String {
        let (passes, of) = self.sums();
        format!("{passes} of {of} pass of what Kubo passes here")
    }

    /// `NAME PASSES OF`, and below it, indented, what fails.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for row in self.0.values() {
            text.push_str(&format!("{} {} {}\n", row.name, row.passes, row.of));
            row.fails.iter().for_each(|name| text.push_str(&format!("    {name}\n")));
        }
        text
    }

    pub(super) fn read(file: &Path) -> Res<Self> {
        let bytes = paths::read(file)?;
        Self::parse(&String::from_utf8_lossy(&bytes)).map_err(|line| format!("{}: not a row: {line:?}", file.display()))
    }

    fn parse(text: &str) -> Res<Self> {
        let mut table = Self::default();
        let mut last = String::new();
        for line in text.lines() {
            if let Some(what) = line.strip_prefix("    ") {
                table.0.get_mut(&last).ok_or(line)?.fails.push(what.to_owned());
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            let [name, passes, of] = words[..] else { return Err(line.to_owned()) };
            let number = |text: &str| text.parse::<u64>().map_err(|_| line.to_owned());
            let row = Row { name: name.to_owned(), passes: number(passes)?, of: number(of)?, fails: Vec::new() };
            last.clone_from(&row.name);
            table.0.insert(row.name.clone(), row);
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn a_table_survives_its_text() {
        let mut table = Table::default();
        table.expect("t0021-config.sh", 171);
        table.fall("t0021-config.sh", 170, vec!["7 one thing fails".to_owned()]);
        table.expect("cli:TestAdd", 2);
        table.fail("cli:TestAdd", "cli:TestAdd/with_a_flag");
        assert_eq!(table.sums(), (171, 173));
        assert_eq!(Table::parse(&table.text()), Ok(table));
        assert!(Table::parse("no row at all\n    x\n").is_err());
    }
}
