//! The same thousands of calls to a Kubo daemon and to ours: every status, every byte and every error has to be equal.
//!
//! Calls go over the RPC, because a process for each would take minutes: a tree is a multipart body, a value a file. What
//! a call answers feeds the next ones, so that paths, refs, archives and diffs are of content that both have. Parts:
//! [`case`] (a call, comparing, shrinking), [`tree`] (trees and the options of `add`), [`value`] (values and CIDs),
//! [`ops`] (calls about what is there), [`more`] (tables, configuration, keys, MFS), [`purpose`] (what differs on purpose),
//! [`lines`] (command lines whose text and exit codes are compared).
//!
//! A difference is made smaller before it is told: parts and parameters are left out as long as it stays.

mod case;
mod lines;
mod more;
mod ops;
mod purpose;
mod tree;
mod value;

use super::Context;
use crate::Res;
use crate::paths::Scratch;
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::{self, Tally};
use case::Known;
use serde_json::{Value, json};

/// Calls in all, shared out over the ways a repository is set up.
const CALLS: u64 = 6_000;
const CALLS_QUICK: u64 = 600;

/// How repositories are set up: a name, and the keys that are changed.
fn setups() -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    vec![
        ("defaults", vec![]),
        (
            "unixfs-v1-2025",
            vec![
                ("Import.CidVersion", json!(1)),
                ("Import.UnixFSRawLeaves", json!(true)),
                ("Import.UnixFSChunker", json!("size-1048576")),
                ("Import.UnixFSFileMaxLinks", json!(1024)),
                ("Import.UnixFSDirectoryMaxLinks", json!(0)),
                ("Import.UnixFSHAMTDirectoryMaxFanout", json!(256)),
                ("Import.UnixFSHAMTDirectorySizeThreshold", json!("256KiB")),
                ("Import.UnixFSHAMTDirectorySizeEstimation", json!("block")),
                ("Import.UnixFSDAGLayout", json!("balanced")),
            ],
        ),
        (
            "everything else",
            vec![
                ("Import.CidVersion", json!(1)),
                ("Import.HashFunction", json!("blake3")),
                ("Import.UnixFSDAGLayout", json!("trickle")),
                ("Import.UnixFSChunker", json!("size-77")),
                ("Import.UnixFSFileMaxLinks", json!(3)),
                ("Import.UnixFSHAMTDirectoryMaxFanout", json!(16)),
                ("Import.UnixFSHAMTDirectorySizeThreshold", json!("300B")),
            ],
        ),
    ]
}

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let calls = if context.quick { CALLS_QUICK } else { CALLS };
    let setups = setups();
    let each = calls / setups.len() as u64;
    for (number, (name, changes)) in setups.iter().enumerate() {
        let scratch = Scratch::new("answers")?;
        let mut pair = Pair::start(context, &scratch, changes)?;
        let seed = context.seed.wrapping_mul(1_000_003).wrapping_add(number as u64);
        pair = pair.calls(seed, each, name, tally)?;
        if number == 0 {
            lines::run(&pair.kubo, &pair.merkury, &scratch, tally)?;
        }
        pair.kubo.stop()?;
        pair.merkury.stop()?;
    }
    Ok(())
}

/// A daemon of each program, without a network.
struct Pair {
    kubo: Daemon,
    merkury: Daemon,
}

impl Pair {
    fn start(context: &Context, scratch: &Scratch, changes: &[(&str, Value)]) -> Res<Self> {
        let start = |program, name: &str| {
            let repo = Repo::init(program, &scratch.join(name))?;
            repo.configure(changes)?;
            repo.daemon(&["--offline"])
        };
        Ok(Self { kubo: start(&context.kubo, "kubo")?, merkury: start(&context.merkury, "merkury")? })
    }

    fn calls(mut self, seed: u64, count: u64, setup: &str, tally: &mut Tally) -> Res<Self> {
        let (mut kubo, merkury) = (self.kubo.api()?, self.merkury.api()?);
        let mut known = Known::default();
        for number in 0..count {
            let mut rng = Rng::new(seed.wrapping_mul(7_919).wrapping_add(number));
            let case = match number % 8 {
                0 => tree::add(&mut rng),
                1 => value::put(&mut rng, &known),
                2 => value::text(&mut rng, &known),
                3 => more::draw(&mut rng, &known),
                _ => ops::draw(&mut rng, &known),
            };
            let compared = case.compare(kubo, merkury);
            if compared.is_err() && self.kubo.rpc("version").is_err() {
                // Some calls end a Kubo 0.43: those cannot be compared.
                say::line(format!("  Kubo ended at {}", case.shown()));
                let repo = self.kubo.repo.clone();
                drop(self.kubo.kill());
                self.kubo = repo.daemon(&["--offline"])?;
                kubo = self.kubo.api()?;
                continue;
            }
            if let Ok(Some(answer)) = &compared {
                known.learn(&case, answer);
            }
            let outcome = compared.map(drop).map_err(|why| case.shrink(kubo, merkury, why));
            tally.check(&format!("{setup}, seed {seed}, call {number}"), outcome);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setup_has_a_name_and_changes_import_alone() {
        for (name, changes) in setups() {
            assert!(!name.is_empty());
            assert!(changes.iter().all(|(key, _)| key.starts_with("Import.")));
        }
        let mut rng = Rng::new(1);
        assert!(tree::add(&mut rng).shown().starts_with("add?"));
    }
}
