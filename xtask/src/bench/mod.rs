//! `cargo xtask bench`: the same work done by Merkury and by Kubo in one run, and the table of what came out.
//!
//! Parts: `rows` (what is measured), `files` (rows about files and huge directories), `store_rows` (rows about the store), `million`
//! (the store with a million blocks, growth), `measure` (wall, CPU and memory of one piece of work), `load` (requests to a gateway), `report` (bench/RESULTS.md). Every row runs ours, Kubo, Kubo, ours, so that what changes on the machine meets
//! both; the score is the median of the paired ratios. Everything runs inside a network namespace with loopback alone.

mod files;
mod load;
mod measure;
mod million;
mod report;
mod rows;
mod store_rows;

use crate::peer::{self, Program, install};
use crate::{Res, inside, paths, say};
use measure::Measure;
use rows::{Group, Rival, Row, all};

const ROUNDS: u32 = 5;

/// What every row is given.
pub(crate) struct Bench {
    pub(crate) kubo: Program,
    pub(crate) merkury: Program,
    pub(crate) scratch: paths::Scratch,
    /// A tenth of the size.
    pub(crate) quick: bool,
}

/// What one row gave: each round is ours, Kubo, Kubo, ours.
pub(crate) struct Outcome {
    pub(crate) row: &'static Row,
    pub(crate) rounds: Vec<[Measure; 4]>,
    /// What a row of ours alone took.
    pub(crate) own: Option<Measure>,
    pub(crate) failure: Option<String>,
}

/// `cargo xtask bench`.
pub(crate) fn command(args: &[String]) -> Res<()> {
    let options = Options::parse(args)?;
    if options.list {
        for row in all() {
            say::line(format!("{:16} {}", row.name, row.work));
        }
        return Ok(());
    }
    if std::env::var_os("MERKURY_INSIDE").is_none() {
        install::all()?;
        say::step("build the release binary", peer::build_merkury)?;
        say::step("build what writes archives", store_rows::build)?;
    }
    inside::run(|| run_rows(&options))
}

fn run_rows(options: &Options) -> Res<()> {
    let scratch = paths::Scratch::new("bench")?;
    let kubo = if options.pebble { Program::kubo()?.with_profile("test,pebbleds") } else { Program::kubo()? };
    let bench = Bench { kubo, merkury: Program::merkury(scratch.path())?, scratch, quick: options.quick };
    let load_before = measure::load_average();
    let mut outcomes = Vec::new();
    let mut text = String::new();
    for row in options.chosen() {
        outcomes.push(run_row(&bench, row, options.rounds));
        let (outcomes, load_before, arguments) = (&outcomes, load_before.clone(), options.arguments());
        let (pebble, quick, rounds) = (options.pebble, options.quick, options.rounds);
        text = report::Report { outcomes, arguments, pebble, quick, rounds, load_before }.text()?;
        // After each row: a run that is broken off leaves what it has.
        if options.rows.is_empty() {
            paths::write(&paths::root().join(options.file()), &text)?;
        }
    }
    match options.rows.is_empty() {
        true => say::line(format!("written: {}", options.file())),
        false => say::line(text),
    }
    let failed: Vec<&str> = outcomes.iter().filter(|o| o.failure.is_some()).map(|o| o.row.name).collect();
    say::line(format!("bench: {} passed, {} failed", outcomes.len() - failed.len(), failed.len()));
    if failed.is_empty() { Ok(()) } else { Err(format!("these rows could not be measured: {}", failed.join(", "))) }
}

fn run_row(bench: &Bench, row: &'static Row, rounds: u32) -> Outcome {
    say::line(format!("== {}: {}", row.name, row.work));
    let mut outcome = Outcome { row, rounds: Vec::new(), own: None, failure: None };
    let rounds = match row.rival {
        Rival::Kubo => rounds,
        Rival::KuboOnce => 1,
        Rival::Nobody => {
            match measured_once(bench, row, &bench.merkury) {
                Ok(measured) => {
                    say::line(format!("  ours {measured}; {}", measured.proof));
                    outcome.own = Some(measured);
                }
                Err(reason) => {
                    say::line(format!("  FAIL {}: {reason}", row.name));
                    outcome.failure = Some(reason);
                }
            }
            return outcome;
        }
    };
    for _ in 0..rounds {
        match one_round(bench, row) {
            Ok(round) => {
                let [a, b, c, d] = &round;
                say::line(format!("  ours {a}; Kubo {b}; Kubo {c}; ours {d}"));
                outcome.rounds.push(round);
            }
            Err(reason) => {
                say::line(format!("  FAIL {}: {reason}", row.name));
                outcome.failure = Some(reason);
                break;
            }
        }
    }
    outcome
}

fn measured_once(bench: &Bench, row: &Row, program: &Program) -> Res<Measure> {
    let dir = bench.scratch.join("round");
    paths::make_dir(&dir)?;
    let measured = (row.run)(bench, program, &dir).map_err(|reason| format!("{}: {reason}", program.name));
    let _ = std::fs::remove_dir_all(&dir);
    measured
}

fn one_round(bench: &Bench, row: &Row) -> Res<[Measure; 4]> {
    let run = |program: &Program| measured_once(bench, row, program);
    let round = [run(&bench.merkury)?, run(&bench.kubo)?, run(&bench.kubo)?, run(&bench.merkury)?];
    if let Some(other) = round.iter().find(|measure| measure.proof != round[0].proof) {
        return Err(format!("the work differs: {:?} and {:?}", round[0].proof, other.proof));
    }
    Ok(round)
}

struct Options {
    list: bool,
    group: Group,
    pebble: bool,
    quick: bool,
    rounds: u32,
    rows: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Res<Self> {
        let (group, rows) = (Group::Usual, Vec::new());
        let mut options = Self { list: false, group, pebble: false, quick: false, rounds: ROUNDS, rows };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => options.list = true,
                "--pebble" => options.pebble = true,
                "--quick" => {
                    options.quick = true;
                    options.rounds = 1;
                }
                "--rounds" => {
                    let value = args.next().ok_or("--rounds needs a number")?;
                    options.rounds = value.parse().map_err(|_| format!("--rounds needs a number, not {value:?}"))?;
                }
                name if Group::NAMED.iter().any(|(group, _)| *group == name) => {
                    let named = Group::NAMED.iter().find(|(group, _)| *group == name);
                    options.group = named.map_or(Group::Usual, |(_, group)| *group);
                }
                name if all().any(|row| row.name == name) => options.rows.push(name.to_owned()),
                other => return Err(format!("{other:?} is no row; `cargo xtask bench --list` names them")),
            }
        }
        Ok(options)
    }

    fn chosen(&self) -> Vec<&'static Row> {
        if self.rows.is_empty() {
            return self.group.rows();
        }
        all().filter(|row| self.rows.iter().any(|name| name == row.name)).collect()
    }

    /// What was typed to get this table.
    fn arguments(&self) -> String {
        let words = [
            Group::NAMED.iter().find(|(_, group)| *group == self.group).map(|(name, _)| format!(" {name}")),
            self.pebble.then(|| " --pebble".to_owned()),
            self.quick.then(|| " --quick".to_owned()),
            (!self.quick && self.rounds != ROUNDS).then(|| format!(" --rounds {}", self.rounds)),
            (!self.rows.is_empty()).then(|| format!(" {}", self.rows.join(" "))),
        ];
        words.into_iter().flatten().collect()
    }

    /// Where the table goes.
    fn file(&self) -> &'static str {
        match (self.group, self.pebble) {
            (Group::Usual, false) => "bench/RESULTS.md",
            (Group::Usual, true) => "bench/RESULTS-pebble.md",
            (Group::Million, _) => "bench/RESULTS-million.md",
            (Group::Store, false) => "bench/RESULTS-store.md",
            (Group::Store, true) => "bench/RESULTS-store-pebble.md",
        }
    }
}
