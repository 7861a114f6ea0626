//! The write paths, one function each: a command, what it promises when it answers, and what may be there when it does not.
//!
//! New commands that write get a function and a line in [`STEPS`]; kills and failing system calls then meet them.

use super::world::{Change, Fact, SETTING, Value, World, fingerprint, root_of};
use crate::peer::Program;
use crate::peer::node::Repo;
use crate::rng::Rng;
use crate::{Res, paths};
use std::path::{Path, PathBuf};

/// One command that changes the repository.
pub(crate) struct Step {
    pub(crate) args: Vec<String>,
    pub(crate) stdin: Vec<u8>,
    /// What is promised once it has ended well.
    pub(crate) promise: Promise,
    /// A collection: what nothing keeps may go as soon as it has begun.
    pub(crate) collects: bool,
}

/// What a command promises.
pub(crate) enum Promise {
    /// This change; without an answer it is there as a whole or not at all.
    Change(Change),
    /// The CID it prints stands for these bytes, pinned or not. Without an answer nobody knows the CID.
    Content {
        /// Empty, or slash and name below the CID.
        below: &'static str,
        /// [`fingerprint`] of the bytes.
        bytes: String,
        /// It is pinned too.
        pinned: bool,
    },
    /// A key of this name, whose id it prints. Without an answer the key is there or not.
    Key(String),
    /// Nothing.
    Nothing,
}

impl Step {
    fn new<S: AsRef<str>>(args: impl IntoIterator<Item = S>, promise: Promise) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        Self { args, stdin: Vec::new(), promise, collects: false }
    }

    fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }

    /// The change that an answer promises.
    pub(crate) fn acknowledged(&self, stdout: &str) -> Res<Change> {
        let word = || stdout.lines().last().map(|line| line.trim().to_owned()).filter(|word| !word.is_empty());
        match &self.promise {
            Promise::Change(change) => Ok(change.clone()),
            Promise::Content { below, bytes, pinned } => {
                let cid = word().ok_or("the command ended well and printed no CID")?;
                let mut change = vec![(Fact::Content(format!("{cid}{below}")), Some(bytes.clone()))];
                if *pinned {
                    change.push((Fact::Pin(cid), Some("recursive".to_owned())));
                }
                Ok(change)
            }
            Promise::Key(name) => {
                let id = word().ok_or("the command ended well and printed no key")?;
                Ok(vec![(Fact::Key(name.clone()), Some(id))])
            }
            Promise::Nothing => Ok(Vec::new()),
        }
    }

    /// The command had no answer: takes over what is there, if that is right.
    pub(crate) fn settle(&self, world: &mut World, repo: &Repo) -> Res<()> {
        match &self.promise {
            Promise::Change(change) => world.settle(repo, change.clone()),
            Promise::Key(name) => {
                let fact = Fact::Key(name.clone());
                let found = fact.ask(repo)?;
                world.acknowledge(vec![(fact, found)]);
                Ok(())
            }
            Promise::Content { .. } | Promise::Nothing => Ok(()),
        }
    }
}

/// What steps are made with.
pub(crate) struct Tools {
    /// For input files.
    pub(crate) dir: PathBuf,
    /// Makes CARs; nothing happens to it.
    pub(crate) maker: Repo,
}

impl Tools {
    pub(crate) fn new(program: &Program, dir: &Path) -> Res<Self> {
        Ok(Self { dir: dir.to_path_buf(), maker: Repo::init(program, &dir.join("maker"))? })
    }
}

/// Makes the next step of one path; `None` when nothing is there that it could work on.
pub(crate) type Make = fn(&mut World, &mut Rng, &Tools) -> Res<Option<Step>>;

/// All write paths.
pub(crate) const STEPS: &[(&str, Make)] = &[
    ("add", add),
    ("add of a directory", add_tree),
    ("block put", block_put),
    ("dag put", dag_put),
    ("dag import", dag_import),
    ("pin add", pin_add),
    ("pin rm", pin_rm),
    ("pin update", pin_update),
    ("files write", files_write),
    ("files mv", files_mv),
    ("files cp", files_cp),
    ("files rm", files_rm),
    ("key gen", key_gen),
    ("key rename", key_rename),
    ("key rm", key_rm),
    ("config", config),
    ("repo gc", repo_gc),
];

fn content(rng: &mut Rng) -> Vec<u8> {
    // From one block to a few, so that roots and leaves are both lost when something is.
    let size = if rng.one_in(5) { 300_000 + rng.below(400_000) } else { 1 + rng.below(20_000) };
    rng.bytes(size as usize)
}

fn pinned() -> Value {
    Some("recursive".to_owned())
}

fn add(_: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let bytes = content(rng);
    let promise = Promise::Content { below: "", bytes: fingerprint(&bytes), pinned: true };
    Ok(Some(Step::new(["add", "-Q", "--cid-version=1"], promise).stdin(bytes)))
}

fn add_tree(_: &mut World, rng: &mut Rng, tools: &Tools) -> Res<Option<Step>> {
    let tree = tools.dir.join("tree");
    let _ = std::fs::remove_dir_all(&tree);
    paths::make_dir(&tree)?;
    for n in 0..3 + rng.below(12) {
        let size = rng.below(4_000) as usize;
        paths::write(&tree.join(n.to_string()), rng.bytes(size))?;
    }
    let last = content(rng);
    paths::write(&tree.join("last"), &last)?;
    let promise = Promise::Content { below: "/last", bytes: fingerprint(&last), pinned: true };
    Ok(Some(Step::new(["add", "-r", "-Q", "--cid-version=1", &tree.display().to_string()], promise)))
}

fn block_put(_: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let size = 1 + rng.below(30_000) as usize;
    let bytes = rng.bytes(size);
    let promise = Promise::Content { below: "", bytes: fingerprint(&bytes), pinned: false };
    Ok(Some(Step::new(["block", "put"], promise).stdin(bytes)))
}

fn dag_put(_: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let size = 1 + rng.below(5_000) as usize;
    let bytes = rng.bytes(size);
    let promise = Promise::Content { below: "", bytes: fingerprint(&bytes), pinned: true };
    Ok(Some(Step::new(["dag", "put", "--pin", "--input-codec=raw", "--store-codec=raw"], promise).stdin(bytes)))
}

fn dag_import(_: &mut World, rng: &mut Rng, tools: &Tools) -> Res<Option<Step>> {
    let (bytes, car) = (content(rng), tools.dir.join("import.car"));
    let cid = tools.maker.cli(["add", "-Q", "--pin=false", "--cid-version=1"]).stdin(bytes.clone()).text()?;
    tools.maker.cli(["dag", "export", &cid]).stdout_to(&car).run()?;
    let change = vec![(Fact::Content(cid.clone()), Some(fingerprint(&bytes))), (Fact::Pin(cid), pinned())];
    Ok(Some(Step::new(["dag", "import", &car.display().to_string()], Promise::Change(change))))
}

/// A CID whose content is there, pinned or not as asked.
fn some_cid(world: &World, rng: &mut Rng, with_pin: bool) -> Option<String> {
    let is_pinned = |path: &str| world.value(&Fact::Pin(root_of(path).to_owned())).is_some_and(Option::is_some);
    let found = world.pick(rng, |fact| matches!(fact, Fact::Content(path) if is_pinned(path) == with_pin))?;
    let Fact::Content(path) = found else { return None };
    Some(root_of(&path).to_owned())
}

fn pin_add(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let Some(cid) = some_cid(world, rng, false) else { return Ok(None) };
    let change = vec![(Fact::Pin(cid.clone()), pinned())];
    Ok(Some(Step::new(["pin", "add", "--progress=false", &cid], Promise::Change(change))))
}

fn pin_rm(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let Some(cid) = some_cid(world, rng, true) else { return Ok(None) };
    let change = vec![(Fact::Pin(cid.clone()), None)];
    Ok(Some(Step::new(["pin", "rm", &cid], Promise::Change(change))))
}

fn pin_update(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let (Some(from), Some(to)) = (some_cid(world, rng, true), some_cid(world, rng, false)) else { return Ok(None) };
    let change = vec![(Fact::Pin(from.clone()), None), (Fact::Pin(to.clone()), pinned())];
    Ok(Some(Step::new(["pin", "update", &from, &to], Promise::Change(change))))
}

fn some_file(world: &World, rng: &mut Rng) -> Option<(String, Value)> {
    let found = world.pick(rng, |fact| matches!(fact, Fact::File(_)))?;
    let value = world.value(&found)?.clone();
    let Fact::File(path) = found else { return None };
    Some((path, value))
}

fn files_write(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let bytes = content(rng);
    // Half of the time what is there is replaced.
    let old = if rng.one_in(2) { some_file(world, rng).map(|(path, _)| path) } else { None };
    let path = old.unwrap_or_else(|| format!("/{}", world.new_name()));
    let change = vec![(Fact::File(path.clone()), Some(fingerprint(&bytes)))];
    Ok(Some(Step::new(["files", "write", "--create", "--truncate", &path], Promise::Change(change)).stdin(bytes)))
}

fn files_mv(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let Some((from, value)) = some_file(world, rng) else { return Ok(None) };
    let to = format!("/{}", world.new_name());
    let change = vec![(Fact::File(from.clone()), None), (Fact::File(to.clone()), value)];
    Ok(Some(Step::new(["files", "mv", &from, &to], Promise::Change(change))))
}

fn files_cp(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let Some((from, value)) = some_file(world, rng) else { return Ok(None) };
    let to = format!("/{}", world.new_name());
    let change = vec![(Fact::File(to.clone()), value)];
    Ok(Some(Step::new(["files", "cp", &from, &to], Promise::Change(change))))
}

fn files_rm(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let Some((path, _)) = some_file(world, rng) else { return Ok(None) };
    Ok(Some(Step::new(["files", "rm", &path], Promise::Change(vec![(Fact::File(path.clone()), None)]))))
}

fn some_key(world: &World, rng: &mut Rng) -> Option<(String, Value)> {
    let found = world.pick(rng, |fact| matches!(fact, Fact::Key(_)))?;
    let value = world.value(&found)?.clone();
    let Fact::Key(name) = found else { return None };
    Some((name, value))
}

fn key_gen(world: &mut World, _: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let name = world.new_name();
    Ok(Some(Step::new(["key", "gen", &name], Promise::Key(name.clone()))))
}

fn key_rename(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let Some((from, id)) = some_key(world, rng) else { return Ok(None) };
    let to = world.new_name();
    let change = vec![(Fact::Key(from.clone()), None), (Fact::Key(to.clone()), id)];
    Ok(Some(Step::new(["key", "rename", &from, &to], Promise::Change(change))))
}

fn key_rm(world: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let Some((name, _)) = some_key(world, rng) else { return Ok(None) };
    Ok(Some(Step::new(["key", "rm", &name], Promise::Change(vec![(Fact::Key(name.clone()), None)]))))
}

fn config(_: &mut World, rng: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    let value = format!("{}h", 2 + rng.below(1_000));
    let change = vec![(Fact::Setting(SETTING.to_owned()), Some(value.clone()))];
    Ok(Some(Step::new(["config", SETTING, &value], Promise::Change(change))))
}

fn repo_gc(_: &mut World, _: &mut Rng, _: &Tools) -> Res<Option<Step>> {
    Ok(Some(Step { collects: true, ..Step::new(["repo", "gc", "-q"], Promise::Nothing) }))
}
