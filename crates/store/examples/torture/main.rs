//! What `cargo xtask torture` runs inside the store: `torture KIND ROUNDS SEED` for kinds that need no other process, each
//! with a closing line `N passed, N failed`; `write` and `verify` for kills and power cuts (see [`kill`]).

mod blocks;
mod flips;
mod interleave;
mod kill;
mod sim;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// One round from a seed; an error is what went wrong.
type Round = fn(u64) -> Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", dir, seed] => seed.parse().map_err(Failure::from).and_then(|seed| kill::write(Path::new(dir), seed)),
        ["verify", dir, lines] => kill::verify(Path::new(dir), Path::new(lines)),
        ["disk", rounds, seed] => all(sim::round, rounds, seed),
        ["bitflip", rounds, seed] => all(flips::round, rounds, seed),
        ["interleave", rounds, seed] => all(interleave::round, rounds, seed),
        _ => {
            Err("usage: torture disk|bitflip|interleave ROUNDS SEED | write DIR SEED | verify DIR ACKNOWLEDGED".into())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "torture: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs rounds on all cores. Each has its own seed, which alone repeats it: `torture KIND 1 SEED`.
fn all(round: Round, rounds: &str, seed: &str) -> Result<(), Failure> {
    let (rounds, seed): (u64, u64) = (rounds.parse()?, seed.parse()?);
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    // Rounds that panic count as failed, and say why on standard error.
    let one = |n: u64| {
        let seed = seed.wrapping_add(n);
        let outcome = std::panic::catch_unwind(|| round(seed)).unwrap_or_else(|_| Err("panicked".to_owned()));
        outcome.map_err(|why| format!("seed {seed}: {why}"))
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let work = |thread: u64| {
            scope.spawn(move || (thread..rounds).step_by(threads as usize).map(one).filter_map(Result::err).collect())
        };
        let workers: Vec<_> = (0..threads).map(work).collect();
        let end = |worker: std::thread::ScopedJoinHandle<'_, Vec<String>>| {
            worker.join().unwrap_or_else(|_| vec!["a thread has ended early".to_owned()])
        };
        workers.into_iter().flat_map(end).collect()
    });
    let mut out = std::io::stdout().lock();
    for failure in failures.iter().take(20) {
        writeln!(out, "FAIL {failure}")?;
    }
    let failed = failures.len() as u64;
    writeln!(out, "{} passed, {failed} failed", rounds - failed)?;
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {rounds} rounds failed").into()) }
}
