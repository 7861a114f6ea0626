//! Kinds that run inside the store, through its program `crates/store/examples/torture`: ten thousand rounds a minute on a
//! simulated disk, and the store alone under kills.

use super::Context;
use crate::exec::Exec;
use crate::paths::{self, Scratch};
use crate::peer;
use crate::rng::Rng;
use crate::say::Tally;
use crate::{Res, os};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// For one run of many rounds.
const DEADLINE: Duration = Duration::from_secs(3 * 3_600);
/// Kills that one store lives through.
const KILLS_PER_STORE: u64 = 120;
/// Kills fall within this time after the start.
const KILL_AFTER_MAX_MS: u64 = 40;

/// Builds the program, in the profile in which tests are built, so that little is left to compile.
pub(super) fn build() -> Res<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let args = ["build", "--locked", "--quiet", "--package", "merkury-store", "--example", "torture"];
    Exec::new(cargo).args(args).dir(paths::root()).pass_through()
}

fn program() -> PathBuf {
    peer::target_dir().join("debug/examples/torture")
}

pub(super) fn disk(context: &Context, tally: &mut Tally) -> Res<()> {
    rounds("disk", context, context.rounds(100, 3_000, 100_000), tally)
}

pub(super) fn interleave(context: &Context, tally: &mut Tally) -> Res<()> {
    rounds("interleave", context, context.rounds(50, 1_000, 10_000), tally)
}

/// Runs one kind; its last line has the counts.
pub(super) fn rounds(kind: &str, context: &Context, rounds: u64, tally: &mut Tally) -> Res<()> {
    let args = [kind.to_owned(), rounds.to_string(), context.seed.to_string()];
    let done = Exec::new(program()).args(args).deadline(DEADLINE).finish()?;
    let text = done.text();
    let (lines, last) = text.rsplit_once('\n').unwrap_or(("", &text));
    lines.lines().for_each(|line| tally.note(line));
    let count = |word: &str| {
        let words: Vec<&str> = last.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse::<u64>().ok())
    };
    match (count("passed"), count("failed")) {
        (Some(passed), Some(failed)) if done.status.success() == (failed == 0) => {
            tally.add(passed, (0..failed).map(|n| format!("{kind} {n}")).collect());
            Ok(())
        }
        _ => Err(format!("`{kind}` ended with {}: {last}{}", done.status, done.said())),
    }
}

/// Kills a writer on a bare store, and now and then the one that looks after it.
pub(super) fn kill(context: &Context, tally: &mut Tally) -> Res<()> {
    let kills = context.rounds(40, 500, 10_000);
    let mut rng = Rng::new(context.seed ^ 0x5704e);
    let (mut done, mut lines) = (0, 0);
    while done < kills {
        let scratch = Scratch::fast("kill-store")?;
        let (dir, told) = (scratch.join("repo"), scratch.join("told"));
        paths::make_dir(&dir)?;
        paths::write(&told, "")?;
        for _ in 0..KILLS_PER_STORE.min(kills - done) {
            done += 1;
            let seed = rng.next();
            lines += write_and_kill(&dir, &told, seed, Duration::from_millis(rng.below(KILL_AFTER_MAX_MS)))?;
            if rng.one_in(4) {
                // A kill during recovery: whatever it did, the next look has to find everything.
                let _ = verify(&dir, &told, Duration::from_millis(rng.below(10)))?;
            }
            let good = verify(&dir, &told, crate::exec::DEADLINE)?;
            if !tally.check(&format!("kill {done}, writer's seed {seed}"), good) {
                return Ok(());
            }
        }
    }
    tally.note(format!("{done} kills, {lines} acknowledgements"));
    Ok(())
}

fn write_and_kill(dir: &Path, told: &Path, seed: u64, after: Duration) -> Res<usize> {
    let args = ["write".to_owned(), dir.display().to_string(), seed.to_string()];
    let killed = Exec::new(program()).args(args).deadline(after).finish()?;
    if !killed.timed_out {
        return Err(format!("the writer ended by itself with {}{}", killed.status, killed.said()));
    }
    append_lines(told, &killed.stdout)
}

/// Appends whole lines; the last may have been cut off, and was then not acknowledged.
fn append_lines(told: &Path, said: &[u8]) -> Res<usize> {
    let end = said.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut file = OpenOptions::new().append(true).open(told).map_err(|e| format!("{}: {e}", told.display()))?;
    file.write_all(&said[..end]).map_err(|e| format!("{}: {e}", told.display()))?;
    Ok(said[..end].iter().filter(|byte| **byte == b'\n').count())
}

/// Whether all that was told is there; the outer error is a failure of the driver.
pub(super) fn verify(dir: &Path, told: &Path, deadline: Duration) -> Res<Res<()>> {
    let args = ["verify".to_owned(), dir.display().to_string(), told.display().to_string()];
    let done = Exec::new(program()).args(args).deadline(deadline).finish()?;
    Ok(match done.status.success() {
        true => Ok(()),
        false => Err(format!("{}{}", done.status, done.said())),
    })
}

/// The program's writer, left running; its lines go to `stdout`.
pub(super) fn start_writer(dir: &Path, seed: u64, stdout: Stdio) -> Res<Child> {
    let args = ["write".to_owned(), dir.display().to_string(), seed.to_string()];
    Exec::new(program()).args(args).spawn(stdout, Stdio::null())
}

/// Ends what [`start_writer`] began.
pub(super) fn end_writer(child: &Child) -> Res<()> {
    os::signal_group(child.id(), os::Signal::Kill);
    os::wait(child.id()).map(drop).map_err(|e| format!("cannot wait for the writer: {e}"))
}
