//! Kills with -9 at random times while a command writes; all write paths in turn, two repositories side by side.
//!
//! After each kill the next command has to open the repository, what was acknowledged has to be there, and the command that
//! was killed has to be done as a whole or not at all. A repository lives for some hundred kills; at its end everything is
//! looked at, every block is hashed, and a collection says whether all pins are complete.

use super::Context;
use super::steps::{STEPS, Step, Tools};
use super::world::{World, check_whole};
use crate::Res;
use crate::exec::{self, Finished};
use crate::paths::Scratch;
use crate::peer::Program;
use crate::peer::node::Repo;
use crate::rng::Rng;
use crate::say::Tally;
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// Kills that one repository lives through.
const KILLS_PER_REPOSITORY: u64 = 250;
/// Repositories side by side.
const WORKERS: u64 = 2;
/// Steps that may end before their kill, for each kill; more, and the clock is wrong.
const STEPS_PER_KILL_MAX: u64 = 20;
/// Kills fall between the start of a command and this many times the time it usually takes: so late that some commands end
/// before, and nothing up to their last call is left out.
const KILL_BEFORE: f64 = 1.2;

/// What one worker counted.
#[derive(Default)]
struct Counts {
    kills: u64,
    acknowledged: u64,
    checks: u64,
    by_step: BTreeMap<&'static str, u64>,
    failures: Vec<String>,
}

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let kills = context.rounds(40, 1_200, 10_000).div_ceil(WORKERS);
    let counts: Vec<Counts> = thread::scope(|scope| {
        let work = |worker: u64| {
            let (program, seed) = (&context.merkury, context.seed.wrapping_mul(1_000).wrapping_add(worker));
            scope.spawn(move || work(program, seed, kills))
        };
        let workers: Vec<_> = (0..WORKERS).map(work).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().map_err(|_| "a worker has ended early".to_owned()))
            .collect::<Res<_>>()
    })?;
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(of).sum::<u64>();
    tally.note(format!(
        "{} kills, {} acknowledged steps, {} checks",
        sum(|c| c.kills),
        sum(|c| c.acknowledged),
        sum(|c| c.checks)
    ));
    let mut by_step: BTreeMap<&str, u64> = BTreeMap::new();
    counts.iter().flat_map(|c| &c.by_step).for_each(|(name, n)| *by_step.entry(name).or_default() += n);
    tally.note(format!(
        "kills by step: {}",
        by_step.iter().map(|(name, n)| format!("{name} {n}")).collect::<Vec<_>>().join(", ")
    ));
    let all_paths = STEPS.iter().find(|(name, _)| !by_step.contains_key(name));
    if let (Some((name, _)), false) = (all_paths, kills < 500) {
        tally.check("every path was met", Err(format!("{name} was never killed")));
    }
    for Counts { kills, failures, .. } in counts {
        for failure in &failures {
            tally.check("a kill", Err(failure.clone()));
        }
        tally.add(kills - (failures.len() as u64).min(kills), Vec::new());
    }
    Ok(())
}

fn work(program: &Program, seed: u64, kills: u64) -> Counts {
    let mut counts = Counts::default();
    let mut life = 0;
    let mut usual = Usual::default();
    while counts.kills < kills && counts.failures.is_empty() {
        let until = (counts.kills + KILLS_PER_REPOSITORY).min(kills);
        let seed = seed.wrapping_mul(10_000).wrapping_add(life);
        if let Err(reason) = one_repository(program, seed, until, &mut usual, &mut counts) {
            counts.failures.push(format!("seed {seed}: {reason}"));
        }
        life += 1;
    }
    counts
}

/// How long each command takes on this machine, now.
#[derive(Default)]
struct Usual(BTreeMap<&'static str, Duration>);

impl Usual {
    /// When to kill a command; one that was never seen to its end runs once without a kill.
    fn kill_after(&self, name: &str, rng: &mut Rng) -> Option<Duration> {
        self.0.get(name).map(|usual| usual.mul_f64(KILL_BEFORE * rng.below(1_000) as f64 / 1_000.0))
    }

    /// A command ended after `wall`, or was killed then: one that takes longer than it did moves the kills on.
    fn seen(&mut self, name: &'static str, done: &Finished) {
        let usual = self.0.entry(name).or_insert(done.wall);
        *usual = match done.timed_out {
            true => (*usual).max(done.wall),
            false => (*usual * 3 + done.wall) / 4,
        };
    }
}

fn one_repository(program: &Program, seed: u64, until: u64, usual: &mut Usual, counts: &mut Counts) -> Res<()> {
    let scratch = Scratch::fast("kill")?;
    let repo = Repo::init(program, &scratch.join("repo"))?;
    let tools = Tools::new(program, scratch.path())?;
    let mut world = World::of(&repo)?;
    let mut rng = Rng::new(seed);
    let steps_max = (until - counts.kills) * STEPS_PER_KILL_MAX;
    for number in 0.. {
        if counts.kills == until {
            break;
        }
        if number == steps_max {
            return Err("the kills come too late: hardly any command was met".to_owned());
        }
        let (name, make) = *rng.pick(STEPS);
        let Some(step) = make(&mut world, &mut rng, &tools)? else { continue };
        let after = usual.kill_after(name, &mut rng).unwrap_or(exec::DEADLINE);
        let done = repo.cli(&step.args).stdin(step.stdin.clone()).deadline(after).finish()?;
        usual.seen(name, &done);
        counts.checks +=
            judge(&step, &done, &mut world, &repo, counts).map_err(|e| format!("step {number}, {name}: {e}"))?;
        if done.timed_out {
            counts.kills += 1;
            *counts.by_step.entry(name).or_default() += 1;
            world.check_some(&repo, &mut rng, 2).map_err(|e| format!("after step {number}, {name}: {e}"))?;
            counts.checks += 2;
        }
    }
    counts.checks += world.check_all(&repo)?;
    check_whole(&repo)?;
    world.collect();
    counts.checks += world.check_all(&repo)?;
    Ok(())
}

/// Takes over what the step did; returns the number of facts that were looked at.
fn judge(step: &Step, done: &Finished, world: &mut World, repo: &Repo, counts: &mut Counts) -> Res<u64> {
    if step.collects {
        world.collect();
    }
    if done.status.success() {
        counts.acknowledged += 1;
        let change = step.acknowledged(&done.text())?;
        let facts: Vec<_> = change.iter().map(|(fact, _)| fact.clone()).collect();
        world.acknowledge(change);
        // One in a few is asked for at once, all of them at the end.
        if let Some(fact) = facts.first().filter(|_| done.timed_out) {
            world.check(repo, fact)?;
            return Ok(1);
        }
        return Ok(0);
    }
    if !done.timed_out {
        return Err(format!("`{}` ended with {}{}", step.args.join(" "), done.status, done.said()));
    }
    step.settle(world, repo)?;
    Ok(1)
}
