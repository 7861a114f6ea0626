//! Hostile inputs over the wire: HTTP requests as they are, CARs through `dag import`, blocks through `block put` and reading.
//!
//! The generator lies beside the project on some machines. Inputs of surfaces that do not exist yet, and of protocols
//! that need a libp2p dialer, are counted and named; their decoders are tested in their crates.

use super::Context;
use crate::Res;
use crate::exec::Exec;
use crate::http::{self, Request};
use crate::paths::{self, Scratch};
use crate::peer::node::{Daemon, Repo};
use crate::say::{self, Tally};
use serde_json::Value;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let Some(generator) = paths::shared("tools/hostile_inputs.py") else {
        say::line(
            "  the generator of hostile inputs does not lie beside the project: only the crates' own inputs were tested",
        );
        return Ok(());
    };
    let scratch = Scratch::new("hostile")?;
    let inputs = scratch.join("inputs");
    Exec::new("python3").args([generator.display().to_string(), inputs.display().to_string()]).run()?;
    let manifest: Value =
        serde_json::from_slice(&paths::read(&inputs.join("manifest.json"))?).map_err(|e| format!("manifest: {e}"))?;

    let repo = Repo::init(&context.merkury, &scratch.join("repo"))?;
    let daemon = repo.daemon(&["--offline"])?;
    let mut elsewhere = 0;
    for input in manifest["inputs"].as_array().into_iter().flatten() {
        let case = Case::of(input)?;
        let bytes = paths::read(&inputs.join(&case.file))?;
        match feed(&daemon, &case, &bytes) {
            Some(outcome) => {
                tally.check(&case.file, outcome);
            }
            None => elsewhere += 1,
        }
        tally.check(
            &format!("{}: the daemon is still there", case.file),
            daemon.rpc("version").and_then(|a| a.good()).map(drop),
        );
    }
    say::line(format!(
        "  {elsewhere} inputs are for surfaces without a wire here; their decoders are tested in the crates"
    ));
    tally.check("memory stays under 512 MiB", bounded_memory(&daemon));
    tally.check("stops", daemon.stop().map(drop));
    Ok(())
}

struct Case {
    file: String,
    surfaces: Vec<String>,
    expect: String,
    status: Vec<u16>,
    needs_setup: bool,
}

impl Case {
    fn of(input: &Value) -> Res<Self> {
        let text = |key: &str| {
            input[key].as_str().map(str::to_owned).ok_or_else(|| format!("manifest entry without {key}: {input}"))
        };
        let list = |key: &str| input[key].as_array().cloned().unwrap_or_default();
        Ok(Self {
            file: text("file")?,
            surfaces: list("surfaces").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            expect: text("expect")?,
            status: list("status")
                .iter()
                .filter_map(Value::as_u64)
                .filter_map(|code| u16::try_from(code).ok())
                .collect(),
            needs_setup: input.get("setup").is_some(),
        })
    }

    fn on(&self, surface: &str) -> bool {
        self.surfaces.iter().any(|name| name == surface)
    }
}

/// Feeds one input where it belongs; nothing when it belongs to a surface that is not reached here.
fn feed(daemon: &Daemon, case: &Case, bytes: &[u8]) -> Option<Res<()>> {
    if case.file.ends_with(".req") && !case.needs_setup {
        return Some(request(daemon, case, bytes));
    }
    if case.on("car") {
        return Some(import(daemon, case, bytes));
    }
    if case.on("http-path") {
        return Some(long_path(daemon, bytes));
    }
    for (surface, codec) in [
        ("dag-pb", "dag-pb"),
        ("dag-cbor", "dag-cbor"),
        ("dag-json", "dag-json"),
        ("unixfs-hamt", "dag-pb"),
        ("unixfs-file", "dag-pb"),
        ("unixfs-dir", "dag-pb"),
    ] {
        if case.on(surface) {
            return Some(block(daemon, case, codec, surface, bytes));
        }
    }
    None
}

fn request(daemon: &Daemon, case: &Case, bytes: &[u8]) -> Res<()> {
    let targets = [("rpc", daemon.api()?), ("gateway", daemon.gateway()?)];
    for (surface, address) in targets.into_iter().filter(|(surface, _)| case.on(surface)) {
        // Host headers name the default ports; those of this daemon are others.
        let text = String::from_utf8_lossy(bytes);
        let moved =
            text.replace("127.0.0.1:5001", &address.to_string()).replace("127.0.0.1:8080", &address.to_string());
        match http::exchange(address, moved.as_bytes(), false, TIMEOUT) {
            Ok(answer) if case.status.contains(&answer.status) => {}
            Ok(answer) => return Err(format!("{surface}: status {:?} expected, got {}", case.status, answer.status)),
            // A server that ends the connection has refused too.
            Err(_) if case.expect == "reject" => {}
            Err(reason) => return Err(format!("{surface}: no answer: {reason}")),
        }
    }
    Ok(())
}

/// A CAR that is refused must leave nothing behind.
fn import(daemon: &Daemon, case: &Case, bytes: &[u8]) -> Res<()> {
    let before = object_count(daemon)?;
    let outcome =
        Request::post("/api/v0/dag/import").file("hostile.car", bytes).send(daemon.api()?).and_then(|a| a.good());
    let stored = object_count(daemon)?.saturating_sub(before);
    match (case.expect.as_str(), outcome) {
        ("reject", Ok(answer))
            if !String::from_utf8_lossy(&answer.body).contains("PinErrorMsg\":\"\"") || answer.body.is_empty() =>
        {
            Err(format!("accepted: {}", String::from_utf8_lossy(&answer.body)))
        }
        ("reject", Ok(_)) => Err("accepted and pinned".to_owned()),
        ("reject", Err(_)) if stored > 0 => Err(format!("refused, but {stored} blocks were stored")),
        _ => Ok(()),
    }
}

/// A block is stored or refused, and reading it answers: the daemon never falls.
fn block(daemon: &Daemon, case: &Case, codec: &str, surface: &str, bytes: &[u8]) -> Res<()> {
    let put = Request::post(&format!("/api/v0/block/put?cid-codec={codec}&allow-big-block=true")).file("block", bytes);
    let stored = match put.send(daemon.api()?)?.json() {
        Ok(stored) => stored,
        Err(reason) if case.expect == "accept" => return Err(format!("refused: {reason}")),
        Err(_) => return Ok(()),
    };
    let cid = stored["Key"].as_str().ok_or_else(|| format!("`block put` answers {stored}"))?;
    let reads: &[&str] = match surface {
        "unixfs-file" => &["cat?arg="],
        _ => &["ls?arg=", "refs?arg=", "get?arg="],
    };
    let mut refused = false;
    for read in reads {
        // Children are not here, so reading may fail for that reason; what counts is that it ends.
        refused |= daemon.rpc(&format!("{read}{cid}&offline=true")).and_then(|answer| answer.good()).is_err();
    }
    let must_refuse = case.expect == "reject" && surface != "dag-cbor" && surface != "dag-json";
    if must_refuse && !refused { Err(format!("stored as {cid}, and every read of it succeeds")) } else { Ok(()) }
}

fn long_path(daemon: &Daemon, bytes: &[u8]) -> Res<()> {
    let mut request = b"GET /ipfs/".to_vec();
    request.extend_from_slice(bytes);
    request.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n\r\n");
    match http::exchange(daemon.gateway()?, &request, false, TIMEOUT) {
        Ok(answer) if (400..500).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(format!("status 4xx expected, got {}", answer.status)),
        Err(_) => Ok(()),
    }
}

fn object_count(daemon: &Daemon) -> Res<u64> {
    let stat = daemon.rpc("repo/stat")?.json()?;
    stat["NumObjects"].as_u64().ok_or_else(|| format!("`repo stat` answers {stat}"))
}

fn bounded_memory(daemon: &Daemon) -> Res<()> {
    let held = daemon.rss_max_kib()?;
    if held <= 512 << 10 { Ok(()) } else { Err(format!("{} MiB", held >> 10)) }
}
