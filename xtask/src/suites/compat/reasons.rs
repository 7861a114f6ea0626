//! Why something of the suites fails: `peers/compat/reasons.txt`, whose head says what its lines mean.

use super::table::{Row, Table};
use crate::{Res, paths};

pub(super) const FILE: &str = "peers/compat/reasons.txt";
/// The room of what needs no network.
pub(super) const HERE: &str = "here";
/// The room of what needs no network and asks for the insides of Kubo.
pub(super) const KUBO: &str = "kubo";

/// One line.
pub(super) struct Reason {
    start: String,
    room: String,
    why: String,
}

impl Reason {
    pub(super) fn room(&self) -> &str {
        &self.room
    }

    pub(super) fn why(&self) -> &str {
        &self.why
    }

    fn needs_network(&self) -> bool {
        self.room != HERE && self.room != KUBO
    }
}

/// What passes of the part that needs no network.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Here {
    pub(super) passes: u64,
    pub(super) of: u64,
    /// How many of `of` fail since they ask for the insides of Kubo.
    pub(super) insides: u64,
}

pub(super) struct Reasons(Vec<Reason>);

impl Reasons {
    pub(super) fn read() -> Res<Self> {
        let bytes = paths::read(&paths::root().join(FILE))?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    pub(super) fn parse(text: &str) -> Res<Self> {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let rows = lines.map(|line| {
            let words: Vec<&str> = line.split('\t').collect();
            let [start, room, why] = words[..] else { return Err(format!("{FILE}: not three fields: {line:?}")) };
            Ok(Reason { start: start.to_owned(), room: room.to_owned(), why: why.to_owned() })
        });
        rows.collect::<Res<_>>().map(Self)
    }

    fn longest(&self, fits: impl Fn(&str) -> bool) -> Option<&Reason> {
        self.0.iter().filter(|line| fits(&line.start)).max_by_key(|line| line.start.len())
    }

    /// The reason of one failure.
    pub(super) fn of(&self, row: &Row, what: &str) -> Option<&Reason> {
        let name = format!("{} {what}", row.name);
        self.longest(|start| name.starts_with(start) || what.starts_with(start))
    }

    pub(super) fn unexplained<'a>(&self, table: &'a Table) -> Vec<(&'a Row, &'a str)> {
        let all = table.rows().into_iter().flat_map(|row| row.fails.iter().map(move |what| (row, what.as_str())));
        all.filter(|(row, what)| self.of(row, what).is_none()).collect()
    }

    /// The part of a table that needs no network: rows that belong to no other room as a whole, without the single failures that do.
    pub(super) fn without_network(&self, table: &Table) -> Here {
        let mut here = Here::default();
        let elsewhere =
            |row: &Row| self.longest(|start| row.name.starts_with(start)).is_some_and(Reason::needs_network);
        for row in table.rows().into_iter().filter(|row| !elsewhere(row)) {
            let known: Vec<&Reason> = row.fails.iter().filter_map(|what| self.of(row, what)).collect();
            let apart = known.iter().filter(|reason| reason.needs_network()).count() as u64;
            here.passes += row.passes;
            here.of += row.of.saturating_sub(apart).max(row.passes);
            here.insides += known.iter().filter(|reason| reason.room == KUBO).count() as u64;
        }
        here
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        table.expect("t0180-p2p.sh", 3);
        table.fall("t0180-p2p.sh", 1, vec!["7 seven".to_owned(), "8 eight".to_owned()]);
        table.expect("t0500.sh", 10);
        table.fall("t0500.sh", 7, vec!["1 one".to_owned(), "2 two".to_owned(), "3 three".to_owned()]);
        table
    }

    #[test]
    fn the_longest_start_gives_the_reason() {
        let reasons =
            Reasons::parse("# a head\n\nt0180\tp2p\tno p2p\nt0180-p2p.sh 7\there\tanother\n").expect("two lines");
        let table = table();
        let row = table.row("t0180-p2p.sh").expect("a row");
        assert_eq!(reasons.of(row, "7 seven").map(Reason::why), Some("another"));
        assert_eq!(reasons.of(row, "8 eight").map(Reason::room), Some("p2p"));
        assert_eq!(reasons.unexplained(&table).len(), 3);
        assert!(Reasons::parse("t0180\tno room").is_err());
    }

    #[test]
    fn rows_and_single_failures_of_other_rooms_are_not_counted() {
        let text = "t0180\tp2p\ta\nt0500\there\tb\nt0500.sh 2\tkubo\tc\nt0500.sh 3\tgateway\td\n";
        let reasons = Reasons::parse(text).expect("four lines");
        assert_eq!(reasons.without_network(&table()), Here { passes: 7, of: 9, insides: 1 });
    }
}
