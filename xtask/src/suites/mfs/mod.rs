//! Generated scripts of MFS operations run on a Kubo and on our daemon: after every step the answer and the root are equal.
//!
//! Parts: [`script`] (steps and how they are drawn), this file (running, comparing, shrinking). Most steps go through the
//! RPC; one in [`CLI_EVERY`] goes through each program's own command line, where exit code, standard output and standard
//! error are compared too. A script that differs is shrunk to few steps and printed as command lines.
//!
//! Left out, since Kubo loses or leaves something there and we do not: moving a directory into itself, moving between two
//! directories of the same name, and what a change that failed half way leaves behind (a script ends there).

mod script;

use super::Context;
use crate::Res;
use crate::http::Request;
use crate::paths::Scratch;
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::{self, Tally};
use script::{Content, Step, draw};

const SCRIPTS: u64 = 160;
const SCRIPTS_QUICK: u64 = 30;
const STEPS: usize = 30;
/// One step in so many goes through the command lines.
const CLI_EVERY: usize = 40;

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("mfs")?;
    let kubo = Repo::init(&context.kubo, &scratch.join("kubo"))?;
    let merkury = Repo::init(&context.merkury, &scratch.join("merkury"))?;
    let pair = Pair { kubo: kubo.daemon(&["--offline"])?, merkury: merkury.daemon(&["--offline"])? };
    let content = pair.add_content(&mut Rng::new(context.seed))?;
    let scripts = if context.quick { SCRIPTS_QUICK } else { SCRIPTS };
    let (mut steps, mut cut_short) = (0, 0);
    for number in 0..scripts {
        let seed = context.seed.wrapping_mul(1_000_033).wrapping_add(number);
        let script = draw(&mut Rng::new(seed), STEPS, &content);
        let outcome = pair.play(&script)?;
        steps += outcome.steps;
        cut_short += usize::from(matches!(outcome.end, End::KuboLeftAPart));
        let verdict = match outcome.end {
            End::Differs(_) => Err(pair.shrunk(&script[..outcome.steps])?),
            End::Equal | End::KuboLeftAPart => Ok(()),
        };
        tally.check(&format!("seed {seed}"), verdict);
    }
    say::line(format!("  {steps} steps compared; {cut_short} scripts ended where a failed change of Kubo left a part"));
    tally.check("kubo stops", pair.kubo.stop().map(drop));
    tally.check("merkury stops", pair.merkury.stop().map(drop));
    Ok(())
}

struct Pair {
    kubo: Daemon,
    merkury: Daemon,
}

struct Outcome {
    /// Steps that were made, the last one included.
    steps: usize,
    end: End,
}

enum End {
    Equal,
    /// A step failed on both, and Kubo's root is another one than before the step.
    KuboLeftAPart,
    Differs(String),
}

impl Pair {
    /// Puts the same content into both, to copy from.
    fn add_content(&self, rng: &mut Rng) -> Res<Content> {
        let adds: &[(&str, usize)] = &[
            ("add?raw-leaves=false", 700_000),
            ("add?cid-version=1", 600_000),
            ("add?cid-version=1", 90),
            ("add", 5),
            ("block/put?cid-codec=raw", 1000),
        ];
        let mut cids = Vec::new();
        for (query, size) in adds {
            let bytes = rng.bytes(*size);
            cids.push(self.put_both(query, "content", &bytes)?);
        }
        let not_files = vec![
            self.put_both("dag/put", "node", br#"{"a":[1,2]}"#)?,
            self.put_both("block/put?cid-codec=dag-pb", "node", b"\x0a\x03bad")?,
        ];
        Ok(Content { cids, not_files })
    }

    fn put_both(&self, query: &str, name: &str, bytes: &[u8]) -> Res<String> {
        let mut cids = Vec::new();
        for daemon in [&self.kubo, &self.merkury] {
            let answer = Request::post(&format!("/api/v0/{query}")).file(name, bytes).send(daemon.api()?)?.json()?;
            let cid = answer["Hash"].as_str().or(answer["Key"].as_str()).or(answer["Cid"]["/"].as_str());
            cids.push(cid.ok_or_else(|| format!("{query} answers {answer}"))?.to_owned());
        }
        if cids[0] == cids[1] { Ok(cids.remove(0)) } else { Err(format!("{query} gives two CIDs: {cids:?}")) }
    }

    /// Runs a script from an empty file system.
    fn play(&self, script: &[Step]) -> Res<Outcome> {
        let mut root = self.clear()?;
        for (index, step) in script.iter().enumerate() {
            // A command line without data on its standard input says other things.
            let is_empty = step.data.as_ref().is_some_and(Vec::is_empty);
            let through_cli = index % CLI_EVERY == CLI_EVERY / 2 && !is_empty;
            let (want, got) = if through_cli {
                (by_command_line(&self.kubo, step)?, by_command_line(&self.merkury, step)?)
            } else {
                (by_rpc(&self.kubo, step)?, by_rpc(&self.merkury, step)?)
            };
            let steps = index + 1;
            if want != got {
                let end = End::Differs(format!("{}: Kubo answers {want:?}, we {got:?}", step.shown()));
                return Ok(Outcome { steps, end });
            }
            let (theirs, ours) = (root_of(&self.kubo)?, root_of(&self.merkury)?);
            if theirs != ours {
                let end = if want.failed && ours == root && step.may_leave_a_part() {
                    End::KuboLeftAPart
                } else {
                    End::Differs(format!("{}: Kubo's root is {theirs}, ours {ours}", step.shown()))
                };
                return Ok(Outcome { steps, end });
            }
            root = ours;
        }
        Ok(Outcome { steps: script.len(), end: End::Equal })
    }

    /// Empties both file systems; returns the root.
    fn clear(&self) -> Res<String> {
        for daemon in [&self.kubo, &self.merkury] {
            let listed = daemon.rpc("files/ls?arg=/")?.json()?;
            for entry in listed["Entries"].as_array().into_iter().flatten() {
                let name = entry["Name"].as_str().unwrap_or_default();
                let step =
                    Step::new("files/rm", &[&format!("/{name}")]).flag("force", "true").flag("recursive", "true");
                by_rpc(daemon, &step)?;
            }
            for step in [Step::new("files/chmod", &["0", "/"]), Step::new("files/flush", &[])] {
                by_rpc(daemon, &step)?;
            }
        }
        let (theirs, ours) = (root_of(&self.kubo)?, root_of(&self.merkury)?);
        if theirs == ours { Ok(ours) } else { Err(format!("emptied, Kubo's root is {theirs}, ours {ours}")) }
    }

    /// Leaves out every step that is not needed for a difference, and tells what is left.
    fn shrunk(&self, script: &[Step]) -> Res<String> {
        let mut kept = script.to_vec();
        let mut at = kept.len().saturating_sub(1);
        while at > 0 {
            at -= 1;
            let mut fewer = kept.clone();
            fewer.remove(at);
            let outcome = self.play(&fewer)?;
            if matches!(outcome.end, End::Differs(_)) {
                fewer.truncate(outcome.steps);
                kept = fewer;
                at = at.min(kept.len().saturating_sub(1));
            }
        }
        let lines: Vec<String> = kept.iter().map(Step::shown).collect();
        let why = match self.play(&kept)?.end {
            End::Differs(why) => why,
            End::Equal | End::KuboLeftAPart => "the difference does not repeat".to_owned(),
        };
        Ok(format!("{why}\n    {}", lines.join("\n    ")))
    }
}

/// What one program answered to a step.
#[derive(PartialEq, Eq)]
struct Said {
    failed: bool,
    /// Status or exit code.
    code: i32,
    out: Vec<u8>,
    err: String,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let out = String::from_utf8_lossy(&self.out);
        let out: String = out.chars().take(300).collect();
        write!(f, "{} {out:?} {:?}", self.code, self.err)
    }
}

fn by_rpc(daemon: &Daemon, step: &Step) -> Res<Said> {
    let mut request = Request::post(&step.url()).header("TE", "trailers");
    if let Some(data) = &step.data {
        request = request.file("data", data);
    }
    let answer = request.send(daemon.api()?)?;
    let broken = answer.header("x-stream-error").unwrap_or_default().to_owned();
    Ok(Said {
        failed: answer.status != 200 || !broken.is_empty(),
        code: answer.status.into(),
        out: without_local_size(without_hints(answer.body)),
        err: broken,
    })
}

/// `files stat --with-local` of Kubo counts a block as often as it is linked to; we count it once.
fn without_local_size(body: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&body);
    let mut kept = String::new();
    for line in text.lines().filter(|line| !line.starts_with("Local: ")) {
        match line.split_once("\"SizeLocal\":") {
            Some((before, after)) => {
                kept.push_str(before);
                kept.push_str(after.trim_start_matches(|c: char| c.is_ascii_digit()));
            }
            None => kept.push_str(line),
        }
        kept.push('\n');
    }
    if text.contains("Local") { kept.into_bytes() } else { body }
}

/// Our errors may carry hints, a field that Kubo's do not have.
fn without_hints(body: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&body);
    match text.split_once(",\"Hints\":[") {
        Some((error, _)) if error.starts_with("{\"Message\":") => format!("{error}}}\n").into_bytes(),
        _ => body,
    }
}

fn by_command_line(daemon: &Daemon, step: &Step) -> Res<Said> {
    let done = daemon.cli(step.words()).stdin(step.data.clone().unwrap_or_default()).finish()?;
    Ok(Said {
        failed: !done.status.success(),
        code: done.status.code().unwrap_or(-1),
        out: without_local_size(done.stdout),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

fn root_of(daemon: &Daemon) -> Res<String> {
    let stat = daemon.rpc("files/stat?arg=/")?.json()?;
    stat["Hash"].as_str().map(str::to_owned).ok_or_else(|| format!("`files stat /` answers {stat}"))
}
