//! Kills with -9 while blocks are added, pinned and collected: nothing acknowledged may be lost, every start must be clean.
//!
//! An acknowledgement is what a user sees: the whole answer of `add` with its CID, the answer of `pin add`. Half of the
//! kills hit a daemon under load (three threads add, pin and collect), a quarter hit it while it starts, a quarter hit a
//! command line without a daemon. After each kill the next daemon has to start, and every acknowledged content since the
//! last look is read and compared; at the end all of it.

use super::Context;
use crate::Res;
use crate::exec;
use crate::http::Request;
use crate::os::{self, Signal};
use crate::paths::{self, Scratch};
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::Tally;
use crate::suites::content::same_bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A kill waits for this many acknowledgements at most, so that it falls into work however slow the machine is …
const LOAD_ACKNOWLEDGED_MAX: u64 = 12;
/// … and then for this long at most.
const LOAD_MAX_MS: u64 = 40;
/// A daemon that acknowledges nothing for so long hangs.
const LOAD_DEADLINE: Duration = Duration::from_secs(60);

/// Content that was acknowledged as kept: its CID and the seed its bytes are made from.
type Kept = BTreeMap<String, u64>;

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("kill-daemon")?;
    let repo = Repo::init(&context.merkury, &scratch.join("repo"))?;
    let mut rng = Rng::new(context.seed);
    let mut all = Kept::new();
    let mut recent = Kept::new();
    let kills = context.rounds(12, 100, 1_000);
    for number in 0..kills {
        let daemon = match repo.daemon(&["--offline"]) {
            Ok(daemon) => daemon,
            Err(reason) => {
                tally.check(&format!("start {number}"), Err(reason));
                return Ok(());
            }
        };
        tally.check(&format!("kill {number}: what was acknowledged is there"), verify(&daemon, &recent));
        all.append(&mut recent);
        let acknowledged = match number % 4 {
            0 => {
                daemon.stop()?;
                kill_command_line(&repo, scratch.path(), &mut rng)?
            }
            1 => {
                daemon.kill()?;
                kill_while_starting(&repo, &mut rng)?
            }
            _ => kill_under_load(daemon, &mut rng)?,
        };
        recent = acknowledged;
    }
    let daemon = repo.daemon(&["--offline"])?;
    all.append(&mut recent);
    tally.note(format!("{kills} kills, {} acknowledged contents", all.len()));
    tally.check(
        "enough was acknowledged to prove anything",
        if all.len() as u64 >= kills { Ok(()) } else { Err(format!("{}", all.len())) },
    );
    tally.check("at the end everything acknowledged is there", verify(&daemon, &all));
    tally.check("a collection removes nothing of it", collect(&daemon).and_then(|()| verify(&daemon, &all)));
    tally.check("stops", daemon.stop().map(drop));
    Ok(())
}

fn content(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    // From one block to a few, so that roots and leaves are both lost when something is.
    let size = if rng.one_in(5) { 300_000 + rng.below(500_000) } else { rng.below(20_000) };
    rng.bytes(size as usize)
}

/// Every content is complete, pinned, and made of the right bytes.
fn verify(daemon: &Daemon, kept: &Kept) -> Res<()> {
    for (cid, seed) in kept {
        let cat = daemon.rpc(&format!("cat?arg={cid}&offline=true")).and_then(|answer| answer.good());
        let bytes = cat.map_err(|reason| format!("acknowledged {cid} (seed {seed}) is lost: {reason}"))?;
        same_bytes(&content(*seed), &bytes.body)
            .map_err(|reason| format!("acknowledged {cid} (seed {seed}): {reason}"))?;
        let pin = daemon.rpc(&format!("pin/ls?arg={cid}&type=recursive")).and_then(|answer| answer.json());
        pin.map_err(|reason| format!("the pin of {cid} (seed {seed}) is lost: {reason}"))?;
    }
    Ok(())
}

fn collect(daemon: &Daemon) -> Res<()> {
    daemon.rpc("repo/gc")?.good().map(drop)
}

/// Three threads add, pin and unpin, and collect, until the daemon is gone.
fn kill_under_load(daemon: Daemon, rng: &mut Rng) -> Res<Kept> {
    let api = daemon.api()?;
    let gone = AtomicBool::new(false);
    let acknowledged = AtomicU64::new(0);
    let (wanted, after) = (rng.below(LOAD_ACKNOWLEDGED_MAX + 1), Duration::from_millis(rng.below(LOAD_MAX_MS)));
    let seeds = [rng.next(), rng.next()];
    thread::scope(|scope| {
        let adders: Vec<_> =
            seeds.iter().map(|seed| scope.spawn(|| add_until(api, *seed, &gone, &acknowledged))).collect();
        let collector = scope.spawn(|| {
            while !gone.load(Ordering::Relaxed) {
                let _ = Request::post("/api/v0/repo/gc").send(api);
            }
        });
        let loaded = exec::wait_for("the daemon acknowledges something", LOAD_DEADLINE, || {
            Ok((acknowledged.load(Ordering::Relaxed) >= wanted).then_some(()))
        });
        thread::sleep(after);
        os::signal_group(daemon.pid, Signal::Kill);
        gone.store(true, Ordering::Relaxed);
        daemon.kill()?;
        let mut kept = Kept::new();
        for adder in adders {
            kept.append(&mut adder.join().map_err(|_| "a thread that adds has ended early".to_owned())?);
        }
        let _ = collector.join();
        loaded.map(|()| kept)
    })
}

/// Adds one content after the other; some unpinned first and then pinned. Returns what was acknowledged as pinned.
fn add_until(api: SocketAddr, seed: u64, gone: &AtomicBool, acknowledged: &AtomicU64) -> Kept {
    let mut rng = Rng::new(seed);
    let mut kept = Kept::new();
    while !gone.load(Ordering::Relaxed) {
        let seed = rng.next();
        let bytes = content(seed);
        let pin_later = rng.one_in(3);
        let query = format!("/api/v0/add?cid-version=1&progress=false&pin={}", !pin_later);
        let Ok(cid) =
            Request::post(&query).file("content", &bytes).send(api).and_then(|answer| hash_of(answer.json()?))
        else {
            continue;
        };
        if pin_later {
            // The collector may have been faster: then this is an error, and nothing was promised.
            let pinned =
                Request::post(&format!("/api/v0/pin/add?arg={cid}&offline=true")).send(api).and_then(|a| a.json());
            if pinned.is_err() {
                continue;
            }
        }
        if rng.one_in(6) {
            // Once the removal was asked for, the content is no longer promised, whatever the answer.
            let _ = Request::post(&format!("/api/v0/pin/rm?arg={cid}")).send(api);
            continue;
        }
        kept.insert(cid, seed);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    kept
}

fn hash_of(added: serde_json::Value) -> Res<String> {
    added["Hash"].as_str().map(str::to_owned).ok_or_else(|| format!("`add` answers {added}"))
}

/// Kills a daemon somewhere on its way from start to ready.
fn kill_while_starting(repo: &Repo, rng: &mut Rng) -> Res<Kept> {
    let daemon = repo.start(&["--offline"])?;
    thread::sleep(Duration::from_millis(rng.below(60)));
    daemon.kill()?;
    Ok(Kept::new())
}

/// Adds with the command line and no daemon; the last of several is killed.
fn kill_command_line(repo: &Repo, dir: &Path, rng: &mut Rng) -> Res<Kept> {
    let mut kept = Kept::new();
    let file = dir.join("content");
    let seed = rng.next();
    paths::write(&file, content(seed))?;
    let name = file.display().to_string();
    let cid = repo.cli(["add", "-Q", "--cid-version=1", &name]).text()?;
    kept.insert(cid, seed);
    paths::write(&file, content(rng.next()))?;
    let killed: &[&str] = if rng.one_in(3) { &["repo", "gc", "-q"] } else { &["add", "-Q", "--cid-version=1", &name] };
    let child = repo.cli(killed).spawn(Stdio::null(), Stdio::null())?;
    thread::sleep(Duration::from_millis(rng.below(40)));
    os::signal_group(child.id(), Signal::Kill);
    os::wait(child.id()).map_err(|e| format!("cannot wait for the killed command: {e}"))?;
    Ok(kept)
}
