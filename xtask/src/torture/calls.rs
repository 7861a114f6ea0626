//! Every system call by which a command changes files, one after the other: the process is killed before it, or the call
//! fails, or writes half.
//!
//! Each command of `steps` runs on a copy of a small repository and on an empty one. Whatever happens: the next command
//! opens the repository, what was acknowledged before is there, what the command answered is true (done as a whole when it
//! ended well, as a whole or not at all otherwise), nothing panics, nothing hangs, and the next write works.

use super::steps::{STEPS, Step, Tools};
use super::tracer::{self, Act, Calls, Traced};
use super::world::{Fact, Value, World, check_whole, fingerprint};
use super::{Context, Tier};
use crate::Res;
use crate::paths::{self, Scratch};
use crate::peer::node::Repo;
use crate::rng::Rng;
use crate::say::Tally;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// More calls than any of these commands makes; to end for certain.
const CALLS_MAX: u64 = 400;
/// A command that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// Commands that only read; their answer must be right, or an error.
const READERS: &[&[&str]] = &[
    &["pin", "ls", "--type=recursive"],
    &["refs", "local"],
    &["files", "ls", "/"],
    &["key", "list"],
    &["repo", "stat", "--size-only"],
];

pub(super) fn kills(context: &Context, tally: &mut Tally) -> Res<()> {
    if let Err(why) = tracer::usable() {
        tally.note(format!("skipped: {why}"));
        return Ok(());
    }
    let mut points = 0;
    for mut case in cases(context)? {
        for at in 1..=CALLS_MAX {
            let Some(traced) = case.run(Calls::Durable, Act::KillAt(at))? else { break };
            points += 1;
            let judged = case.judge(&traced, at);
            tally.check(&format!("{}: killed before call {at} ({})", case.name, shown(&traced)), judged);
        }
    }
    tally.note(format!("{points} points"));
    Ok(())
}

pub(super) fn errors(context: &Context, tally: &mut Tally) -> Res<()> {
    if let Err(why) = tracer::usable() {
        tally.note(format!("skipped: {why}"));
        return Ok(());
    }
    type MakeAct = fn(u64) -> Act;
    let acts: &[(&str, Calls, MakeAct)] = &[
        ("EIO", Calls::Durable, |at| Act::FailAt(at, libc::EIO)),
        ("ENOSPC", Calls::Durable, Act::FullFrom),
        ("EINTR", Calls::Durable, |at| Act::FailAt(at, libc::EINTR)),
        ("half a write", Calls::Durable, Act::ShortAt),
        ("EIO on reading", Calls::Reads, |at| Act::FailAt(at, libc::EIO)),
    ];
    // The short tier takes all of the first, and every third of the others, another third for each command.
    let stride = if context.tier == Tier::Full { 1 } else { 3 };
    let mut points = vec![0_u64; acts.len()];
    for (number, mut case) in cases(context)?.into_iter().enumerate() {
        for (n, (what, calls, make)) in acts.iter().enumerate() {
            for at in 1..=CALLS_MAX {
                if n > 0 && !(at + number as u64).is_multiple_of(stride) {
                    continue;
                }
                let Some(traced) = case.run(*calls, make(at))? else { break };
                if traced.hit.is_none() {
                    continue;
                }
                points[n] += 1;
                let judged = case.judge_error(&traced, make(at), at);
                tally.check(&format!("{}: {what} at call {at} ({})", case.name, shown(&traced)), judged);
            }
        }
        if let Some(traced) = case.run(Calls::Durable, Act::ShortAlways)? {
            let judged = case.judge_error(&traced, Act::ShortAlways, 0);
            tally.check(&format!("{}: every write is cut in half", case.name), judged);
        }
    }
    readers(context, tally)?;
    let counts: Vec<String> = acts.iter().zip(&points).map(|((what, ..), n)| format!("{what} {n}")).collect();
    tally.note(format!("points: {}", counts.join(", ")));
    Ok(())
}

fn shown(traced: &Traced) -> &str {
    traced.hit.as_deref().unwrap_or("none")
}

/// One command on one repository.
struct Case {
    name: String,
    step: Step,
    template: PathBuf,
    world: World,
    repo: Repo,
    _scratch: Scratch,
}

/// Every command on a repository with something in it; those that need nothing on an empty one too.
fn cases(context: &Context) -> Res<Vec<Case>> {
    let mut cases = Vec::new();
    for (n, (name, _)) in STEPS.iter().enumerate() {
        for filled in [true, false] {
            cases.extend(case(context, n, name, filled)?);
        }
    }
    Ok(cases)
}

fn case(context: &Context, n: usize, name: &str, filled: bool) -> Res<Option<Case>> {
    let scratch = Scratch::fast("calls")?;
    let template = scratch.join("template");
    let mut repo = Repo::init(&context.merkury, &template)?;
    let tools = Tools::new(&context.merkury, scratch.path())?;
    let mut world = World::of(&repo)?;
    let mut rng = Rng::new(context.seed.wrapping_add(n as u64));
    if filled {
        fill(&mut world, &mut rng, &repo, &tools)?;
    }
    let Some(step) = (STEPS[n].1)(&mut world, &mut rng, &tools)? else { return Ok(None) };
    repo.path = scratch.join("repo");
    let name = if filled { name.to_owned() } else { format!("{name} into an empty repository") };
    Ok(Some(Case { name, step, template, world, repo, _scratch: scratch }))
}

/// Something of every kind.
fn fill(world: &mut World, rng: &mut Rng, repo: &Repo, tools: &Tools) -> Res<()> {
    const WANTED: &[&str] =
        &["add", "block put", "add of a directory", "files write", "files write", "key gen", "block put"];
    for wanted in WANTED {
        let (_, make) = STEPS.iter().find(|(name, _)| name == wanted).ok_or("a step has another name now")?;
        let Some(step) = make(world, rng, tools)? else { continue };
        let done = repo.cli(&step.args).stdin(step.stdin.clone()).run()?;
        world.acknowledge(step.acknowledged(&done.text())?);
    }
    Ok(())
}

impl Case {
    /// Runs the command on a new copy; `None` when it makes fewer calls.
    fn run(&mut self, calls: Calls, act: Act) -> Res<Option<Traced>> {
        restore(&self.template, &self.repo.path)?;
        let exec = self.repo.cli(&self.step.args).stdin(self.step.stdin.clone()).deadline(DEADLINE);
        let traced = tracer::run(&exec, &self.repo.path, calls, act)?;
        let at = match act {
            Act::KillAt(at) | Act::FailAt(at, _) | Act::FullFrom(at) | Act::ShortAt(at) => at,
            Act::Count | Act::ShortAlways => 0,
        };
        Ok((traced.calls >= at).then_some(traced))
    }

    /// After a kill.
    fn judge(&self, traced: &Traced, at: u64) -> Res<()> {
        if traced.code.is_some() {
            return Err(format!("it was not killed, it ended with {:?}", traced.code));
        }
        self.judge_state(traced, at)
    }

    /// After an error.
    fn judge_error(&self, traced: &Traced, act: Act, at: u64) -> Res<()> {
        let said = traced.stderr.trim();
        if traced.timed_out {
            return Err(format!("it hangs: {said}"));
        }
        if traced.code.is_none() || said.contains("panicked") {
            return Err(format!("it ended with {:?}: {said}", traced.code));
        }
        let hit = shown(traced);
        if traced.success() {
            let flush = hit.starts_with("fsync ") || hit.starts_with("fdatasync ");
            // The index can be made anew from the segments: without it nothing is lost.
            if flush && act == Act::FailAt(at, libc::EIO) && !hit.contains("merkury/index") {
                return Err("a flush failed, and the command ended well".to_owned());
            }
        } else {
            let harmless = match act {
                Act::ShortAt(_) | Act::ShortAlways => true,
                // These calls do return EINTR on some file systems; the others never do.
                Act::FailAt(_, libc::EINTR) => {
                    ["write", "pwrite64", "openat", "ftruncate"].iter().any(|call| hit.starts_with(call))
                }
                _ => false,
            };
            if harmless {
                return Err(format!("it had to go on, and ended with {:?}: {said}", traced.code));
            }
            if said.is_empty() {
                return Err("it failed without a word".to_owned());
            }
            // Some commands say why line by line on standard output, and that they failed at the end.
            let words = format!("{said}{}", traced.stdout).to_lowercase();
            if matches!(act, Act::FullFrom(_)) && !words.contains("space") {
                return Err(format!("a full disk is not named: {said}"));
            }
        }
        self.judge_state(traced, at)
    }

    fn judge_state(&self, traced: &Traced, at: u64) -> Res<()> {
        let (mut world, repo, step) = (self.world.clone(), &self.repo, &self.step);
        if step.collects {
            world.collect();
        }
        if traced.success() {
            let change = step.acknowledged(traced.stdout.trim_end())?;
            let facts: Vec<Fact> = change.iter().map(|(fact, _)| fact.clone()).collect();
            world.acknowledge(change);
            facts.iter().try_for_each(|fact| world.check(repo, fact))?;
        } else {
            step.settle(&mut world, repo)?;
        }
        let mut rng = Rng::new(at);
        world.check_some(repo, &mut rng, 3)?;
        goes_on(repo, &mut rng)?;
        check_whole(repo)
    }
}

/// The next write works.
fn goes_on(repo: &Repo, rng: &mut Rng) -> Res<()> {
    let bytes = rng.bytes(500);
    let cid = repo.cli(["block", "put"]).stdin(bytes.clone()).text().map_err(|e| format!("the next write: {e}"))?;
    let found: Value = Fact::Content(cid).ask(repo)?;
    if found == Some(fingerprint(&bytes)) { Ok(()) } else { Err(format!("the next write is not there: {found:?}")) }
}

/// Commands that read, with every read failing in turn.
fn readers(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::fast("readers")?;
    let repo = Repo::init(&context.merkury, &scratch.join("repo"))?;
    let tools = Tools::new(&context.merkury, scratch.path())?;
    let mut world = World::of(&repo)?;
    let mut rng = Rng::new(context.seed);
    fill(&mut world, &mut rng, &repo, &tools)?;
    let content = world.pick(&mut rng, |fact| matches!(fact, Fact::Content(_)));
    let Some(Fact::Content(path)) = content else { return Err("nothing was added".to_owned()) };
    let mut commands: Vec<Vec<&str>> = READERS.iter().map(|args| args.to_vec()).collect();
    commands.push(vec!["cat", &path]);
    for args in commands {
        let right = repo.cli(&args).run()?.stdout;
        for at in 1..=CALLS_MAX {
            let act = Act::FailAt(at, libc::EIO);
            let traced = tracer::run(&repo.cli(&args).deadline(DEADLINE), &repo.path, Calls::Reads, act)?;
            if traced.calls < at {
                break;
            }
            let said = traced.stderr.trim();
            let judged = if traced.timed_out || traced.code.is_none() || said.contains("panicked") {
                Err(format!("it ended with {:?}: {said}", traced.code))
            } else if traced.success() && traced.stdout != String::from_utf8_lossy(&right) {
                Err(format!("a wrong answer: {}", traced.stdout))
            } else {
                Ok(())
            };
            tally.check(&format!("`{}`: EIO at read {at} ({})", args.join(" "), shown(&traced)), judged);
        }
    }
    Ok(())
}

/// Makes `to` a copy of the folder `from`.
pub(super) fn restore(from: &Path, to: &Path) -> Res<()> {
    let _ = fs::remove_dir_all(to);
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> Res<()> {
    paths::make_dir(to)?;
    let entries = fs::read_dir(from).map_err(|e| format!("cannot list {}: {e}", from.display()))?;
    for entry in entries.flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(|e| format!("cannot copy {}: {e}", path.display()))?;
        }
    }
    Ok(())
}
