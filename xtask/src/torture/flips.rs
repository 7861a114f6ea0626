//! Single flipped bits: in the files of a store (inside the store's program, on a simulated disk), and in every file of a
//! whole repository, looked at through the commands.
//!
//! No command may return a wrong byte, panic or hang. A damaged block is found by `repo verify`; damage of what names
//! things (pins, keys, configuration) is an error that names the file, or the answer is right.

use super::calls::restore;
use super::steps::{STEPS, Tools};
use super::world::{Fact, World};
use super::{Context, inner};
use crate::Res;
use crate::paths::{self, Scratch};
use crate::peer::node::Repo;
use crate::rng::Rng;
use crate::say::Tally;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    inner::rounds("bitflip", context, context.rounds(200, 10_000, 10_000), tally)?;
    commands(context, context.rounds(30, 300, 3_000), tally)
}

/// The whole repository through commands, a new copy for each flip.
fn commands(context: &Context, rounds: u64, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::fast("flips")?;
    let template = scratch.join("template");
    let mut repo = Repo::init(&context.merkury, &template)?;
    let tools = Tools::new(&context.merkury, scratch.path())?;
    let mut rng = Rng::new(context.seed);
    let mut world = World::of(&repo)?;
    for (name, make) in STEPS.iter().filter(|(name, _)| !name.ends_with(" rm") && !name.ends_with(" gc")) {
        let Some(step) = make(&mut world, &mut rng, &tools)? else { continue };
        let done = repo.cli(&step.args).stdin(step.stdin.clone()).run().map_err(|e| format!("{name}: {e}"))?;
        world.acknowledge(step.acknowledged(&done.text())?);
    }
    let mut files = Vec::new();
    files_below(&template, &mut files)?;
    repo.path = scratch.join("repo");
    let mut noticed: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for round in 0..rounds as usize {
        restore(&template, &repo.path)?;
        let name = &files[round % files.len()];
        let path = repo.path.join(name);
        let mut bytes = paths::read(&path)?;
        let (at, bit) = (rng.below(bytes.len() as u64) as usize, rng.below(8));
        bytes[at] ^= 1 << bit;
        // A key is not writable by itself.
        fs::remove_file(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        paths::write(&path, &bytes)?;
        let name = name.display().to_string();
        // A third of the facts, another third in the next round.
        let asked: Vec<&Fact> = world.facts().skip(round % 3).step_by(3).collect();
        let judged = look(&repo, &world, &asked, &name, at);
        let [all, seen] = noticed.entry(name.clone()).or_default();
        *all += 1;
        *seen += u64::from(matches!(judged, Ok(true)));
        tally.check(&format!("bit {bit} of byte {at} of {name}"), judged.map(drop));
    }
    for (name, [all, seen]) in noticed {
        tally.note(format!("{name}: {all} flips, {seen} noticed, {} without effect on what was asked", all - seen));
    }
    Ok(())
}

/// Asks; answers whether any command noticed the flip.
fn look(repo: &Repo, world: &World, asked: &[&Fact], name: &str, at: usize) -> Res<bool> {
    let (in_segment, in_config) = (name.ends_with(".car"), name == "config");
    let mut noticed = false;
    for fact in asked {
        match (fact.ask(repo), world.value(fact)) {
            (Err(reason), _) if reason.contains("a panic") || reason.contains("no answer") => return Err(reason),
            (Err(_), _) => noticed = true,
            (Ok(found), Some(wanted)) if found == *wanted => {}
            // A block that was found damaged counts as missing, so that it can be fetched again.
            (Ok(None), _) if in_segment && matches!(fact, Fact::Content(_) | Fact::File(_)) => noticed = true,
            // Its format has no checksum: another digit is another value, a broken file is an error of `config` itself.
            (Ok(_), _) if in_config => {}
            (Ok(found), wanted) => return Err(format!("{fact}: {found:?} instead of {wanted:?}, without a word")),
        }
    }
    let verify = repo.cli(["repo", "verify"]).finish()?;
    let said = format!("{}{}", verify.text(), String::from_utf8_lossy(&verify.stderr));
    if verify.timed_out || said.contains("panicked") {
        return Err(format!("`repo verify`: {said}"));
    }
    // What it can it mends, and says so.
    let found = !verify.status.success() || said.contains("corrupt") || said.contains("mended");
    if in_segment && !found && at >= SEGMENT_HEADER_BYTES {
        return Err(format!("`repo verify` finds nothing: {said}"));
    }
    Ok(noticed || found)
}

/// What stands before the first record of a segment, the same in each.
const SEGMENT_HEADER_BYTES: usize = 18;

/// Files with something in them, relative to `dir`.
fn files_below(dir: &Path, found: &mut Vec<PathBuf>) -> Res<()> {
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::metadata(&path).is_ok_and(|meta| meta.len() > 0) {
                found.extend(path.strip_prefix(dir).map(Path::to_path_buf));
            }
        }
    }
    found.sort();
    Ok(())
}
