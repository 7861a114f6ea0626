//! Hostile inputs, each with its verdict: HTTP requests as they are, archives through `dag import` and `get`, blocks through
//! `block put`, `dag put` and reading, CIDs, names, and what peers send (a test of the network crate, on real connections).
//!
//! The generator lies beside the project on some machines. The decoders have tests of their own in their crates.

mod archive;
mod network;

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

    let cases = manifest["inputs"].as_array().into_iter().flatten().map(Case::of).collect::<Res<Vec<_>>>()?;
    let repo = Repo::init(&context.merkury, &scratch.join("repo"))?;
    let place = Place { daemon: repo.daemon(&["--offline"])?, guarded: guarded(context, &scratch)?, scratch: &scratch };
    let by_peers = network::verdicts(&inputs, &cases)?;
    let (mut judged, mut no_decoder) = (0, Vec::new());
    for case in &cases {
        let bytes = paths::read(&inputs.join(&case.file))?;
        let outcome = match by_peers.get(&case.file) {
            Some(verdict) if verdict == "ok" => Ok(()),
            Some(why) => Err(why.clone()),
            None => match place.feed(case, &bytes) {
                Some(outcome) => outcome,
                None => {
                    no_decoder.push(case.file.as_str());
                    place.keep_as_file(&bytes)
                }
            },
        };
        judged += usize::from(tally.check(&case.file, outcome));
        tally.check(
            &format!("{}: the daemon is still there", case.file),
            place.daemon.rpc("version").and_then(|a| a.good()).map(drop),
        );
    }
    say::line(format!("  {judged} of {} inputs got their verdict", cases.len()));
    say::line(format!(
        "  {} of them are for what this program does not read; they were kept and given back as files: {}",
        no_decoder.len(),
        no_decoder.join(", ")
    ));
    tally.check("memory stays under 512 MiB", bounded_memory(&place.daemon));
    tally.check("stops", place.daemon.stop().map(drop));
    tally.check("the guarded daemon ends", place.guarded.kill().map(drop));
    Ok(())
}

/// A daemon whose RPC asks for a token that opens `files` alone.
fn guarded(context: &Context, scratch: &Scratch) -> Res<Daemon> {
    let repo = Repo::init(&context.merkury, &scratch.join("guarded"))?;
    let token = serde_json::json!({
        "files": { "AuthSecret": "bearer:only-files", "AllowedPaths": ["/api/v0/files", "/api/v0/shutdown"] },
    });
    repo.configure(&[("API.Authorizations", token)])?;
    repo.daemon(&["--offline"])
}

/// Where inputs are fed to.
struct Place<'a> {
    daemon: Daemon,
    guarded: Daemon,
    scratch: &'a Scratch,
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

impl Place<'_> {
    /// Feeds one input where it belongs; nothing when nothing here reads such things.
    fn feed(&self, case: &Case, bytes: &[u8]) -> Option<Res<()>> {
        let daemon = &self.daemon;
        if case.file.ends_with(".req") {
            return Some(request(if case.needs_setup { &self.guarded } else { daemon }, case, bytes));
        }
        type Feed = fn(&Place<'_>, &Case, &[u8]) -> Res<()>;
        let surfaces: &[(&str, Feed)] = &[
            ("car", |place, case, bytes| import(&place.daemon, case, bytes)),
            ("http-path", |place, _, bytes| long_path(&place.daemon, bytes)),
            ("cid", |place, case, bytes| cid(&place.daemon, case, bytes)),
            ("dag-cbor", |place, case, bytes| document(&place.daemon, case, "dag-cbor", bytes)),
            ("dag-json", |place, case, bytes| document(&place.daemon, case, "dag-json", bytes)),
            ("dag-pb", |place, case, bytes| block(&place.daemon, case, "dag-pb", bytes).map(drop)),
            ("unixfs-hamt", |place, case, bytes| block(&place.daemon, case, "unixfs-hamt", bytes).map(drop)),
            ("unixfs-file", |place, case, bytes| block(&place.daemon, case, "unixfs-file", bytes).map(drop)),
            ("unixfs-dir", |place, case, bytes| place.directory(case, bytes)),
            ("gateway-dir-listing", |place, case, bytes| place.listing(case, bytes)),
            ("unixfs-symlink", |place, case, bytes| place.symlink(case, bytes)),
            ("ipns", |place, case, bytes| record(&place.daemon, case, bytes)),
            ("tar", |place, case, bytes| archive::unpack(&place.daemon, place.scratch, &case.file, bytes)),
            ("http-body", |place, _, bytes| compressed(&place.daemon, bytes)),
        ];
        let (_, feed) = surfaces.iter().find(|(surface, _)| case.on(surface))?;
        Some(feed(self, case, bytes))
    }

    /// What no decoder here reads is a file as any other.
    fn keep_as_file(&self, bytes: &[u8]) -> Res<()> {
        let added =
            Request::post("/api/v0/add?cid-version=1").file("hostile", bytes).send(self.daemon.api()?)?.json()?;
        let cid = added["Hash"].as_str().ok_or_else(|| format!("`add` answers {added}"))?;
        let back = self.daemon.rpc(&format!("cat?arg={cid}&offline=true"))?.good()?.body;
        if back == bytes { Ok(()) } else { Err("it came back as something else".to_owned()) }
    }

    /// A directory is read, and what is printed of it cannot steer a terminal.
    fn directory(&self, case: &Case, bytes: &[u8]) -> Res<()> {
        let Some(cid) = block(&self.daemon, case, "unixfs-dir", bytes)? else { return Ok(()) };
        let printed = self.daemon.cli(["ls", "--size=false", "--resolve-type=false", &cid]).finish()?;
        let steers = |bytes: &[u8]| bytes.iter().any(|&byte| byte < 0x20 && byte != b'\n' && byte != b'\t');
        if steers(&printed.stdout) || steers(&printed.stderr) {
            return Err("`ls` prints control characters as they are".to_owned());
        }
        Ok(())
    }

    fn listing(&self, case: &Case, bytes: &[u8]) -> Res<()> {
        let Some(cid) = block(&self.daemon, case, "gateway-dir-listing", bytes)? else {
            return Err("not stored".to_owned());
        };
        let page = Request::get(&format!("/ipfs/{cid}/")).send(self.daemon.gateway()?)?.good()?.body;
        let text = String::from_utf8_lossy(&page);
        if text.contains("<script>alert") || !text.contains("script") {
            return Err("the page holds the name as it is, or not at all".to_owned());
        }
        Ok(())
    }

    /// A link is written as a link, and nothing through it.
    fn symlink(&self, case: &Case, bytes: &[u8]) -> Res<()> {
        let Some(cid) = block(&self.daemon, case, "unixfs-symlink", bytes)? else {
            return Err("not stored".to_owned());
        };
        let target = self.scratch.join(format!("link-{}", case.file));
        let path = target.display().to_string();
        let got = self.daemon.cli(["get", "--output", &path, &cid]).finish()?;
        match target.symlink_metadata() {
            Ok(found) if found.is_symlink() => Ok(()),
            Ok(_) => Err("`get` followed the link".to_owned()),
            Err(_) if !got.status.success() => Ok(()),
            Err(error) => Err(format!("`get` succeeded and wrote nothing: {error}")),
        }
    }
}

/// A CID over the RPC: one that is refused is never looked for.
fn cid(daemon: &Daemon, case: &Case, bytes: &[u8]) -> Res<()> {
    let answer = daemon.rpc(&format!("block/get?arg={}&offline=true", base32(bytes)))?;
    let said = String::from_utf8_lossy(&answer.body).into_owned();
    let looked_for = answer.status == 200 || said.contains("could not find");
    match (case.expect.as_str(), looked_for) {
        ("accept", true) | ("reject", false) => Ok(()),
        (expect, _) => Err(format!("{expect} expected, got {}: {said}", answer.status)),
    }
}

fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = "b".to_owned();
    for five in bytes.chunks(5) {
        let mut group = [0; 8];
        group[3..3 + five.len()].copy_from_slice(five);
        let bits = u64::from_be_bytes(group);
        let letters = (five.len() * 8).div_ceil(5);
        text.extend((0..letters).map(|at| LETTERS[(bits >> (35 - 5 * at) & 31) as usize] as char));
    }
    text
}

/// A document is read by `dag put`, which refuses what is not strict, and lies in a block that can be asked for.
fn document(daemon: &Daemon, case: &Case, codec: &str, bytes: &[u8]) -> Res<()> {
    let put = Request::post(&format!("/api/v0/dag/put?input-codec={codec}&store-codec={codec}&allow-big-block=true"));
    let accepted = put.file("document", bytes).send(daemon.api()?)?.good().is_ok();
    let wanted = match case.expect.as_str() {
        "accept" => accepted,
        "reject" => !accepted,
        _ => true,
    };
    if !wanted {
        return Err(format!("`dag put`: {} expected", case.expect));
    }
    block(daemon, case, codec, bytes).map(drop)
}

/// A record of a name that cannot be verified.
fn record(daemon: &Daemon, case: &Case, bytes: &[u8]) -> Res<()> {
    let name = "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8";
    let put = Request::post(&format!("/api/v0/name/put?arg={name}&allow-offline=true")).file("record", bytes);
    match put.send(daemon.api()?)?.good() {
        Ok(answer) => Err(format!("{}: accepted: {}", case.file, String::from_utf8_lossy(&answer.body))),
        Err(_) => Ok(()),
    }
}

/// A body that says it is compressed is taken as it is, or refused: never unpacked without a bound.
fn compressed(daemon: &Daemon, bytes: &[u8]) -> Res<()> {
    let before = daemon.rss_max_kib()?;
    for request in [
        Request::post("/api/v0/add?only-hash=true").file("bomb.gz", bytes).header("Content-Encoding", "gzip"),
        Request::post("/api/v0/add?only-hash=true").file("bomb.gz", bytes),
    ] {
        request.send(daemon.api()?)?;
    }
    let grown = daemon.rss_max_kib()?.saturating_sub(before);
    // What a daemon under load holds anyway moves by some megabytes; 64 MiB of zeros would show.
    if grown <= 48 << 10 { Ok(()) } else { Err(format!("memory grew by {} MiB", grown >> 10)) }
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

/// A block is stored or refused, and reading it answers: the daemon never falls. The CID of one that was stored.
fn block(daemon: &Daemon, case: &Case, surface: &str, bytes: &[u8]) -> Res<Option<String>> {
    let codec = match surface {
        "dag-cbor" | "dag-json" => surface,
        _ => "dag-pb",
    };
    let put = Request::post(&format!("/api/v0/block/put?cid-codec={codec}&allow-big-block=true")).file("block", bytes);
    let stored = match put.send(daemon.api()?)?.json() {
        Ok(stored) => stored,
        Err(reason) if case.expect == "accept" => return Err(format!("refused: {reason}")),
        Err(_) => return Ok(None),
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
    // A document was refused by `dag put` before; as a block it is bytes that nobody looked into.
    let must_refuse = case.expect == "reject" && codec == "dag-pb";
    if must_refuse && !refused {
        Err(format!("stored as {cid}, and every read of it succeeds"))
    } else {
        Ok(Some(cid.to_owned()))
    }
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
