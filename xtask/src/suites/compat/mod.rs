//! Kubo's own tests against our binary: its shell scripts (`sharness`) and the Go tests that drive a program (`testcli`).
//!
//! Two scripts beside the project, in `../shared/tools/compat`, fetch, build and run them; their README says how. A run
//! is compared with a committed table in `peers/compat/`: what passes there and does not pass now, nor when its row is run
//! once more by itself, fails the suite; what passes now and not there is said, and `MERKURY_RECORD=1` writes the table anew.
//!
//! Parts: `tools` (the scripts), `table` (the committed tables), `reasons` (why something fails), `report` (`cargo xtask
//! compat`: both suites whole, and `docs/internals/compatibility.md`).

mod reasons;
mod report;
mod table;
mod tools;

use super::Context;
use crate::say::{self, Tally};
use crate::{Res, paths};
use table::Table;

pub(crate) use report::command;
pub(crate) use tools::install;

/// Scripts that run in CI: many assertions a second, and every command that needs no network.
const SCRIPTS: &[&str] = &[
    "t0021", "t0022", "t0023", "t0026", "t0042", "t0044", "t0045", "t0046", "t0050", "t0051", "t0052", "t0053",
    "t0054", "t0055", "t0064", "t0070", "t0080", "t0086", "t0090", "t0095", "t0120", "t0150", "t0151", "t0160",
    "t0165", "t0231", "t0252", "t0275", "t0290", "t0295", "t0410", "t0500", "t0800",
];

/// Go tests that run in CI, as a pattern of names. `TestInit` is not among them: one of its tests, which wants Kubo's welcome
/// files, panics and takes a changing number of its neighbours with it.
const TESTS: &str = "^Test(AllSubcommands|AllCommands|AllRoot|Command|IPFS|Cid|InitConfig|InitRejects|ConfigSecrets|Add$|Dag|Diag|Files|Get|\
                     Key|Ls|LogLevel|Name|Pin|Pins|RPC|Repo|Block|Balanced|NativeIPFSURIs|Identity)";

pub(super) fn sharness(_: &Context, tally: &mut Tally) -> Res<()> {
    let run = tools::sharness(SCRIPTS)?;
    compare(tally, "sharness.txt", &run, &|script| {
        let number = script.split('-').next().unwrap_or(script);
        tools::sharness(&[number])
    })
}

pub(super) fn testcli(_: &Context, tally: &mut Tally) -> Res<()> {
    let run = tools::testcli(TESTS)?;
    compare(tally, "testcli.txt", &run, &|test| {
        let name = test.split_once(":Test").map_or(test, |(_, name)| name);
        tools::testcli(&format!("^Test({name}$)"))
    })
}

/// Rows that are run once more when less passes than before: Kubo's tests have deadlines that a busy machine misses. When
/// more rows than this fall short, it is not that.
const RUN_AGAIN_MAX: usize = 5;

/// Every row of the run against the committed one.
fn compare(tally: &mut Tally, name: &str, run: &Table, again: &dyn Fn(&str) -> Res<Table>) -> Res<()> {
    let file = paths::root().join("peers/compat").join(name);
    if std::env::var_os("MERKURY_RECORD").is_some() {
        say::line(format!("  {} is written anew: {}", file.display(), run.summary()));
        return paths::write(&file, run.text());
    }
    let known = Table::read(&file)?;
    let mut better = 0;
    let mut left = RUN_AGAIN_MAX;
    for row in run.rows() {
        let Some(was) = known.row(&row.name) else {
            tally.check(&row.name, Err(format!("has no row in {}", file.display())));
            continue;
        };
        better += row.passes.saturating_sub(was.passes);
        let second = match row.passes < was.passes && left > 0 {
            true => again(&row.name)?,
            false => Table::default(),
        };
        left -= usize::from(!second.rows().is_empty());
        let row = second.row(&row.name).filter(|second| second.passes > row.passes).unwrap_or(row);
        let lost: Vec<&str> = row.fails.iter().filter(|name| !was.fails.contains(*name)).map(String::as_str).collect();
        let verdict = if row.passes >= was.passes {
            Ok(())
        } else {
            Err(format!("{} of {} pass, and {} did; new: {}", row.passes, row.of, was.passes, lost.join("; ")))
        };
        tally.check(&row.name, verdict);
    }
    for row in known.rows().into_iter().filter(|row| run.row(&row.name).is_none()) {
        tally.check(&row.name, Err("did not run".to_owned()));
    }
    say::line(format!("  {}{}", run.summary(), if better > 0 { "; MERKURY_RECORD=1 takes what is new" } else { "" }));
    Ok(())
}
