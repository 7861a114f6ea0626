//! `cargo xtask torture`: what may go wrong with a disk, a machine or a process, done on purpose.
//!
//! One file a kind; each closes with `N passed, N failed`, and with `skipped: why` for a part that this machine cannot run.
//! What is common: `world` (the oracle: what was acknowledged), `steps` (the write paths), `tracer` (system calls that fail),
//! `inner` (kinds that run inside the store, through `crates/store/examples/torture`).
//!
//! The pass everywhere: nothing acknowledged is lost, no wrong byte is returned, every start succeeds.

mod calls;
mod daemon;
mod flips;
mod inner;
mod kill;
mod powercut;
mod record;
mod steps;
mod tracer;
mod world;

use crate::peer::{self, Program};
use crate::say::{self, Tally};
use crate::{Res, inside, paths};
use std::path::Path;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    /// A look whether everything runs.
    Quick,
    /// What every change has to pass: under eight minutes on two cores.
    Ci,
    /// What the project promises; an hour or two.
    Full,
}

/// What every kind is given.
pub(crate) struct Context {
    merkury: Program,
    /// For everything that is random; printed, so that a failure can be repeated.
    seed: u64,
    tier: Tier,
    /// Replaces the number of rounds of every kind.
    rounds: Option<u64>,
}

impl Context {
    /// How many rounds: those asked for, else by tier.
    fn rounds(&self, quick: u64, ci: u64, full: u64) -> u64 {
        self.rounds.unwrap_or(match self.tier {
            Tier::Quick => quick,
            Tier::Ci => ci,
            Tier::Full => full,
        })
    }
}

type Kind = (&'static str, &'static str, fn(&Context, &mut Tally) -> Res<()>);

/// In the order in which they run: what is cheap and tells most comes first.
const KINDS: &[Kind] = &[
    ("disk", "in the store: cuts, errors, a full disk and half writes at every operation", inner::disk),
    ("bitflip", "single flipped bits in every kind of file", flips::run),
    ("gc", "seeded interleavings of add, pin, unpin, roots, import and collection", inner::interleave),
    ("kill-store", "kill -9 at random times, the store alone", inner::kill),
    ("kill", "kill -9 at random times, every command that writes", kill::run),
    ("kill-daemon", "kill -9 of a daemon under load, while it starts, and of commands", daemon::run),
    ("syscalls", "kill -9 before every durable system call of every command that writes", calls::kills),
    ("ioerr", "EIO, ENOSPC, EINTR and short writes at every one of them; EIO at every read", calls::errors),
    ("powercut", "power cuts under ext4, xfs and btrfs, and a second one during recovery", powercut::run),
];

/// `cargo xtask torture`.
pub(crate) fn command(args: &[String]) -> Res<()> {
    let options = Options::parse(args)?;
    if !options.from.is_empty() {
        let mut rows = Vec::new();
        for log in &options.from {
            let text = paths::read(Path::new(log))?;
            rows.extend(record::from_log(&String::from_utf8_lossy(&text)).map_err(|e| format!("{log}: {e}"))?);
        }
        return record::write(rows);
    }
    if options.list {
        for (name, what, _) in KINDS {
            say::line(format!("{name:12} {what}"));
        }
        return Ok(());
    }
    if std::env::var_os("MERKURY_INSIDE").is_none() {
        say::step("build the release binary", peer::build_merkury)?;
        say::step("build the store's part", inner::build)?;
    }
    inside::run(|| run_kinds(&options))
}

fn run_kinds(options: &Options) -> Res<()> {
    let links = paths::Scratch::new("links")?;
    let context = options.context(links.path())?;
    let here = record::Run::here(options.shown());
    say::line(here.line());
    say::line(format!("under test: {}", peer::merkury_bin()?.display()));
    let (mut passed, mut failed, mut rows) = (0, 0, Vec::new());
    for (name, _, run) in KINDS.iter().filter(|(name, _, _)| options.wants(name)) {
        let mut tally = Tally::new(name);
        if let Err(reason) = run(&context, &mut tally) {
            tally.check("the kind itself", Err(reason));
        }
        let notes = tally.notes().to_vec();
        let (good, bad) = tally.close();
        rows.push(here.row(name, notes, good, bad));
        passed += good;
        failed += bad;
    }
    say::line(format!("torture: {passed} passed, {failed} failed"));
    if options.record {
        record::write(rows)?;
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} checks under torture failed")) }
}

#[derive(Debug)]
struct Options {
    list: bool,
    record: bool,
    tier: Tier,
    seed: u64,
    rounds: Option<u64>,
    kinds: Vec<String>,
    /// Logs of earlier runs, whose counts are to be recorded.
    from: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Res<Self> {
        let mut options = Self {
            list: false,
            record: false,
            tier: Tier::Ci,
            seed: 1,
            rounds: None,
            kinds: Vec::new(),
            from: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut number = || {
                let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
                value.parse().map_err(|_| format!("{arg} needs a number, not {value:?}"))
            };
            match arg.as_str() {
                "--list" => options.list = true,
                "--record" => options.record = true,
                "--from" => {
                    options.from = args.by_ref().cloned().collect();
                    if options.from.is_empty() {
                        return Err("--from needs the logs of runs".to_owned());
                    }
                }
                "--tier" => {
                    options.tier = match args.next().map(String::as_str) {
                        Some("quick") => Tier::Quick,
                        Some("ci") => Tier::Ci,
                        Some("full") => Tier::Full,
                        other => return Err(format!("--tier is quick, ci or full, not {other:?}")),
                    }
                }
                "--seed" => options.seed = number()?,
                "--rounds" => options.rounds = Some(number()?),
                name if KINDS.iter().any(|(kind, _, _)| *kind == name) => options.kinds.push(name.to_owned()),
                other => return Err(format!("{other:?} is no kind; `cargo xtask torture --list` names them")),
            }
        }
        Ok(options)
    }

    /// What repeats the run.
    fn shown(&self) -> String {
        let rounds = self.rounds.map_or_else(String::new, |rounds| format!(" --rounds {rounds}"));
        format!("--tier {} --seed {}{rounds}", format!("{:?}", self.tier).to_lowercase(), self.seed)
    }

    fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|name| name == kind)
    }

    fn context(&self, links: &Path) -> Res<Context> {
        Ok(Context { merkury: Program::merkury(links)?, seed: self.seed, tier: self.tier, rounds: self.rounds })
    }
}
