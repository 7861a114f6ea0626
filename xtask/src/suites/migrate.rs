//! Kubo's repositories taken over: by directory, through a running Kubo (its default stores and pebble), with kills on the
//! way, with damage in it, and read in place. Every block, pin, name and key is compared; Kubo's repository stays as it was.

use super::Context;
use crate::Res;
use crate::exec::Exec;
use crate::os::{self, Signal};
use crate::paths::{self, Scratch};
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::{self, Tally};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

const FILES: usize = 400;
const FILES_QUICK: usize = 80;
/// Content for the kills: many blocks, so that a kill falls among them.
const BIG_BYTES: usize = 96 << 20;
const BIG_BYTES_QUICK: usize = 32 << 20;
const KILLS: usize = 12;
const KILLS_QUICK: usize = 4;

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("migrate")?;
    let mut rng = Rng::new(context.seed);
    let content = Content::write(&scratch.join("content"), &mut rng, context.quick)?;
    by_directory(context, tally, &scratch, &content)?;
    through_rpc(context, tally, &scratch, &content, "pebble", "test,pebbleds")?;
    through_rpc(context, tally, &scratch, &content, "flatfs", "test")?;
    in_place(context, tally, &scratch)?;
    damaged(context, tally, &scratch)?;
    refused(context, tally, &scratch)?;
    killed(context, tally, &scratch, &mut rng)
}

/// Files on disk to be added.
struct Content {
    tree: PathBuf,
    file: PathBuf,
    cache: PathBuf,
}

impl Content {
    fn write(dir: &Path, rng: &mut Rng, quick: bool) -> Res<Self> {
        let tree = dir.join("tree");
        for number in 0..if quick { FILES_QUICK } else { FILES } {
            let folder = tree.join(format!("folder {}", number % 7));
            paths::make_dir(&folder)?;
            let size = if rng.one_in(40) { 300_000 + rng.below(900_000) } else { rng.below(9_000) };
            paths::write(&folder.join(format!("файл {number}")), rng.bytes(size as usize))?;
        }
        let (file, cache) = (dir.join("file"), dir.join("cache"));
        paths::write(&file, rng.bytes(2_000_000))?;
        paths::write(&cache, rng.bytes(700_000))?;
        Ok(Self { tree, file, cache })
    }

    /// Fills a Kubo whose daemon is not running: every kind of pin, block, name and key.
    fn fill(&self, repo: &Repo) -> Res<()> {
        let shown = |path: &Path| path.display().to_string();
        let run = |args: &[&str]| repo.cli(args).text();
        let tree = run(&["add", "-r", "-Q", "--pin-name=the tree", &shown(&self.tree)])?;
        run(&["add", "-Q", "--cid-version=1", "--raw-leaves", "--pin-name=v1", &shown(&self.file)])?;
        run(&["add", "-Q", "--hash=blake3", "--cid-version=1", "--pin-name=blake3", &shown(&self.file)])?;
        run(&["add", "-Q", "--pin=false", &shown(&self.cache)])?;
        let direct = run(&["add", "-Q", "--pin=false", "--chunker=size-65536", &shown(&self.file)])?;
        run(&["pin", "add", "--recursive=false", "--name=alone", &direct])?;
        let linked = format!(r#"{{"to": {{"/": "{tree}"}}, "n": [1, 2, {{"/": "{direct}"}}]}}"#);
        let cbor = repo.cli(["dag", "put", "--store-codec=dag-cbor", "--pin=true"]).stdin(linked).text()?;
        run(&["pin", "add", "--name=cbor", &cbor])?;
        let json = repo
            .cli(["dag", "put", "--store-codec=dag-json"])
            .stdin(format!(r#"{{"up": {{"/": "{cbor}"}}}}"#))
            .text()?;
        run(&["pin", "add", &json])?;
        run(&["files", "mkdir", "-p", "/a/b"])?;
        run(&["files", "cp", &format!("/ipfs/{tree}"), "/a/tree"])?;
        repo.cli(["files", "write", "--create", "/a/b/note"]).stdin("written into the mutable file system").run()?;
        run(&["key", "gen", "first"])?;
        run(&["key", "gen", "--type=rsa", "--size=2048", "second key"])?;
        run(&["name", "publish", "--allow-offline", "--key=first", &format!("/ipfs/{tree}")])?;
        Ok(())
    }
}

/// Everything that is compared between two nodes.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    /// Multihashes, as version 1 CIDs of codec raw.
    blocks: BTreeSet<String>,
    /// CID → kind and name.
    pins: BTreeMap<String, String>,
    files: String,
    keys: BTreeSet<String>,
}

impl Kept {
    fn of(daemon: &Daemon) -> Res<Self> {
        let blocks =
            lines(daemon, "refs/local")?.iter().filter_map(|line| Some(line["Ref"].as_str()?.to_owned())).collect();
        let mut pins = BTreeMap::new();
        for kind in ["recursive", "direct"] {
            for pin in lines(daemon, &format!("pin/ls?type={kind}&names=true&stream=true"))? {
                let text = |key: &str| pin[key].as_str().unwrap_or_default().to_owned();
                pins.insert(text("Cid"), format!("{} {}", text("Type"), text("Name")));
            }
        }
        let files = daemon.rpc("files/stat?arg=/&hash=true")?.json()?["Hash"].as_str().unwrap_or_default().to_owned();
        let keys = daemon.rpc("key/list")?.json()?;
        let keys = keys["Keys"].as_array().into_iter().flatten();
        let keys =
            keys.filter(|key| key["Name"] != "self").map(|key| format!("{} {}", key["Name"], key["Id"])).collect();
        Ok(Self { blocks, pins, files, keys })
    }

    /// Ours has all that Kubo has. It may have more: the empty directory that both make on their own.
    fn is_all_in(&self, ours: &Self) -> Res<()> {
        let missing: Vec<_> = self.blocks.difference(&ours.blocks).collect();
        if !missing.is_empty() {
            return Err(format!("{} of {} blocks are missing, first {}", missing.len(), self.blocks.len(), missing[0]));
        }
        for (cid, pin) in &self.pins {
            match ours.pins.get(cid) {
                Some(has) if has == pin => {}
                other => return Err(format!("pin {cid} is {other:?}, not {pin:?}")),
            }
        }
        equal("the root of the mutable file system", &self.files, &ours.files)?;
        equal("the keys", &self.keys, &ours.keys)
    }
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &T, has: &T) -> Res<()> {
    if wanted == has { Ok(()) } else { Err(format!("{what}: {has:?} instead of {wanted:?}")) }
}

fn lines(daemon: &Daemon, query: &str) -> Res<Vec<Value>> {
    let body = daemon.rpc(query)?.good()?.body;
    let texts = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    texts.map(|line| serde_json::from_slice(line).map_err(|e| format!("{query}: {e}"))).collect()
}

/// The bytes of every block that Kubo has are the same in ours.
fn same_blocks(kubo: &Daemon, ours: &Daemon, blocks: &BTreeSet<String>) -> Res<()> {
    for cid in blocks {
        let get =
            |daemon: &Daemon| Ok::<_, String>(daemon.rpc(&format!("block/get?arg={cid}&offline=true"))?.good()?.body);
        if get(kubo)? != get(ours)? {
            return Err(format!("block {cid} has other bytes"));
        }
    }
    Ok(())
}

fn new_kubo(context: &Context, path: &Path, profile: &str) -> Res<Repo> {
    paths::make_dir(path)?;
    let repo = Repo { program: context.kubo.clone(), path: path.to_path_buf() };
    repo.cli(["init".to_owned(), format!("--profile={profile}")]).run()?;
    Ok(repo)
}

/// Runs a migration; returns its last item.
fn migrate(ours: &Repo, from: &str, flags: &[&str]) -> Res<Value> {
    let finished = migration(ours, from, flags).run()?;
    let last = finished.text().lines().last().unwrap_or_default().to_owned();
    serde_json::from_str(&last).map_err(|e| format!("the last line is {last:?}: {e}"))
}

fn migration(ours: &Repo, from: &str, flags: &[&str]) -> Exec {
    ours.own(["migrate", "--json", "--from", from]).args(flags)
}

fn number(done: &Value, key: &str) -> u64 {
    done[key].as_u64().unwrap_or_default()
}

/// Names, sizes, times and contents of all files below a directory.
fn picture(dir: &Path) -> Res<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut stack = vec![dir.to_path_buf()];
    while let Some(folder) = stack.pop() {
        for entry in fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let path = entry.map_err(|e| e.to_string())?.path();
            let metadata = fs::symlink_metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            if metadata.is_dir() {
                stack.push(path.clone());
            }
            let modified = metadata.modified().map_err(|e| e.to_string())?;
            let sum = if metadata.is_file() { sum(&paths::read(&path)?) } else { 0 };
            let name = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
            found.insert(name, format!("{} {modified:?} {sum:x}", metadata.len()));
        }
    }
    Ok(found)
}

/// FNV-1a: enough to see a change.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn by_directory(context: &Context, tally: &mut Tally, scratch: &Scratch, content: &Content) -> Res<()> {
    let kubo = new_kubo(context, &scratch.join("by-directory"), "test")?;
    content.fill(&kubo)?;
    let before = picture(&kubo.path)?;
    let ours = Repo::init(&context.merkury, &scratch.join("ours-by-directory"))?;
    let from = kubo.path.display().to_string();
    let done = migrate(&ours, &from, &[])?;
    say::line(format!("  {done}"));
    tally.check("by directory: no problems", equal("problems", &0, &number(&done, "Problems")));
    tally.check("by directory: keys and a published name", {
        equal("keys and records", &(2, 1), &(number(&done, "Keys"), number(&done, "IpnsRecords")))
    });
    let again = migrate(&ours, &from, &["--with-config"])?;
    tally.check("again: nothing is copied twice", {
        equal("copied", &(0, 0), &(number(&again, "BlocksCopied"), number(&again, "PinsMade")))
    });
    let same = if picture(&kubo.path)? == before { Ok(()) } else { Err("a file changed".to_owned()) };
    tally.check("by directory: Kubo's repository is as it was, to the byte", same);
    let kubo_daemon = kubo.daemon(&["--offline"])?;
    let our_daemon = ours.daemon(&["--offline"])?;
    compare(tally, "by directory", &kubo_daemon, &our_daemon)?;
    tally.check("by directory: a collection removes nothing pinned", {
        our_daemon.rpc("repo/gc")?.good().map(drop).and_then(|()| {
            let (kubo, ours) = (Kept::of(&kubo_daemon)?, Kept::of(&our_daemon)?);
            equal("pins", &kubo.pins, &ours.pins)?;
            let tree = kubo.pins.iter().find(|(_, pin)| pin.contains("the tree")).map(|(cid, _)| cid.clone());
            let tree = tree.ok_or("no tree")?;
            our_daemon.cli(["get", "-o", &scratch.join("got").display().to_string(), &tree]).run()?;
            super::content::same_tree(&content.tree, &scratch.join("got"))
        })
    });
    tally.check("by directory: Kubo works on with its repository", {
        kubo_daemon.cli(["add", "-Q", &content.cache.display().to_string()]).run().map(drop)
    });
    kubo_daemon.stop()?;
    our_daemon.stop()?;
    tally.check("the identity is taken over when asked for", {
        let done = migrate(&ours, &from, &["--with-identity"])?;
        let kubos = kubo.cli(["config", "Identity.PeerID"]).text()?;
        equal("identity", &Some(kubos.as_str()), &done["Identity"].as_str())
            .and_then(|()| equal("id", &kubos, &ours.cli(["id", "-f", "<id>"]).text()?))
    });
    Ok(())
}

fn compare(tally: &mut Tally, what: &str, kubo: &Daemon, ours: &Daemon) -> Res<()> {
    let (theirs, has) = (Kept::of(kubo)?, Kept::of(ours)?);
    say::line(format!(
        "  {what}: {} blocks, {} pins, {} keys",
        theirs.blocks.len(),
        theirs.pins.len(),
        theirs.keys.len()
    ));
    let enough = theirs.blocks.len() > 100 && theirs.pins.len() >= 6 && theirs.keys.len() == 2;
    tally.check(&format!("{what}: enough to prove anything"), if enough { Ok(()) } else { Err(format!("{theirs:?}")) });
    tally.check(&format!("{what}: all blocks, pins with names, files and keys"), theirs.is_all_in(&has));
    tally.check(&format!("{what}: every block has the same bytes"), same_blocks(kubo, ours, &theirs.blocks));
    Ok(())
}

fn through_rpc(
    context: &Context,
    tally: &mut Tally,
    scratch: &Scratch,
    content: &Content,
    name: &str,
    profile: &str,
) -> Res<()> {
    let what = format!("through a running Kubo ({name})");
    let kubo = new_kubo(context, &scratch.join(format!("rpc-{name}")), profile)?;
    content.fill(&kubo)?;
    let ours = Repo::init(&context.merkury, &scratch.join(format!("ours-rpc-{name}")))?;
    if name == "pebble" {
        tally.check("pebble without a running Kubo: refused, with the way", {
            let said = migration(&ours, &kubo.path.display().to_string(), &[]).finish()?;
            if said.status.success() || !said.said().contains("pebbleds") {
                Err(format!("{} {}", said.status, said.said()))
            } else {
                Ok(())
            }
        });
    }
    let kubo_daemon = kubo.daemon(&[])?;
    let api = kubo_daemon.api()?;
    let our_daemon = ours.daemon(&["--offline"])?;
    // Through our daemon, as a user does while it runs; one with a multiaddr, one with a URL.
    let from = if name == "pebble" { format!("/ip4/{}/tcp/{}", api.ip(), api.port()) } else { format!("http://{api}") };
    let done = migrate(&ours, &from, &[])?;
    say::line(format!("  {done}"));
    tally.check(&format!("{what}: no problems"), equal("problems", &0, &number(&done, "Problems")));
    compare(tally, &what, &kubo_daemon, &our_daemon)?;
    if name != "pebble" {
        tally.check("a directory on which Kubo runs: refused, with the way", {
            let said = migration(&ours, &kubo.path.display().to_string(), &[]).finish()?;
            if said.status.success() || !said.said().contains("a Kubo runs") {
                Err(format!("{} {}", said.status, said.said()))
            } else {
                Ok(())
            }
        });
    }
    kubo_daemon.stop()?;
    our_daemon.stop().map(drop)
}

/// Our daemon on a copy of Kubo's repository: reads everything there, writes to its own store, and leaves Kubo's alone.
fn in_place(context: &Context, tally: &mut Tally, scratch: &Scratch) -> Res<()> {
    let original = Repo { program: context.kubo.clone(), path: scratch.join("by-directory") };
    let place = scratch.join("in-place");
    Exec::new("cp").args(["-a", &original.path.display().to_string(), &place.display().to_string()]).run()?;
    let kubo = Repo { program: context.kubo.clone(), path: place.clone() };
    let ours = Repo { program: context.merkury.clone(), path: place.clone() };
    let stores = |place: &Path| Ok::<_, String>((picture(&place.join("blocks"))?, picture(&place.join("datastore"))?));
    let before = stores(&place)?;
    let kubo_daemon = original.daemon(&["--offline"])?;
    let our_daemon = ours.daemon(&["--offline"])?;
    compare(tally, "in place", &kubo_daemon, &our_daemon)?;
    let theirs = Kept::of(&kubo_daemon)?;
    let tree =
        theirs.pins.iter().find(|(_, pin)| pin.contains("the tree")).map(|(cid, _)| cid.clone()).ok_or("no tree")?;
    tally.check("in place: indirect pins are those of Kubo", {
        let indirect = |daemon: &Daemon| {
            let pins = lines(daemon, "pin/ls?type=indirect&stream=true")?;
            Ok::<BTreeSet<String>, String>(
                pins.iter().filter_map(|pin| Some(pin["Cid"].as_str()?.to_owned())).collect(),
            )
        };
        equal("indirect pins", &indirect(&kubo_daemon)?, &indirect(&our_daemon)?)
    });
    tally.check("in place: a pin of Kubo's is not removed", {
        let said = our_daemon.cli(["pin", "rm", &tree]).finish()?;
        if said.status.success() { Err("it was".to_owned()) } else { Ok(()) }
    });
    tally.check("in place: a pin of ours holds when Kubo's blocks are gone", {
        our_daemon.cli(["pin", "add", "--progress=false", &tree]).run().map(drop)
    });
    tally.check("in place: files are written beside Kubo's", {
        our_daemon.cli(["files", "mkdir", "/new"]).run()?;
        let listed = our_daemon.cli(["files", "ls", "/"]).text()?;
        equal("files", &vec!["a", "new"], &listed.lines().collect())
    });
    tally.check("in place: a collection runs", our_daemon.rpc("repo/gc")?.good().map(drop));
    our_daemon.stop()?;
    kubo_daemon.stop()?;
    let same = if stores(&place)? == before { Ok(()) } else { Err("a file changed".to_owned()) };
    tally.check("in place: Kubo's stores are as they were, to the byte", same);
    let kubo_daemon = kubo.daemon(&["--offline"])?;
    tally.check("in place: Kubo opens its repository again and has everything", {
        equal("pins", &theirs.pins, &Kept::of(&kubo_daemon)?.pins)
    });
    kubo_daemon.stop()?;
    fs::rename(place.join("blocks"), scratch.join("in-place-blocks")).map_err(|e| e.to_string())?;
    tally.check("without Kubo's stores our pin is whole", {
        ours.cli(["dag", "export", "--progress=false", "--offline", &tree])
            .stdout_to(scratch.join("car"))
            .run()
            .map(drop)
    });
    Ok(())
}

/// One flipped bit: that block and the pins above it are told, everything else is taken over.
fn damaged(context: &Context, tally: &mut Tally, scratch: &Scratch) -> Res<()> {
    let kubo = new_kubo(context, &scratch.join("damaged"), "test")?;
    let text = "a block that will be damaged, in a directory that needs it";
    paths::make_dir(&scratch.join("dir"))?;
    paths::write(&scratch.join("dir/good"), "a good one")?;
    paths::write(&scratch.join("dir/bad"), text)?;
    let good = kubo.cli(["add", "-Q", &scratch.join("dir/good").display().to_string()]).text()?;
    let dir = kubo.cli(["add", "-r", "-Q", &scratch.join("dir").display().to_string()]).text()?;
    let file = find_file(&kubo.path.join("blocks"), text.as_bytes())?.ok_or("no file holds the text")?;
    let mut bytes = paths::read(&file)?;
    bytes[20] ^= 1;
    fs::remove_file(&file).map_err(|e| e.to_string())?;
    paths::write(&file, bytes)?;
    let ours = Repo::init(&context.merkury, &scratch.join("ours-damaged"))?;
    let said = migration(&ours, &kubo.path.display().to_string(), &[]).finish()?;
    tally.check("a damaged block: told, with exit code 1", {
        let problems = said.text().lines().filter(|line| line.contains("\"problem\"")).count();
        equal("problems", &(Some(1), 2), &(said.status.code(), problems))
    });
    tally.check("a damaged block: the rest is here", {
        ours.cli(["pin", "ls", "--type=recursive", &good]).run()?;
        let whole = ours.cli(["pin", "ls", "--type=recursive", &dir]).finish()?;
        if whole.status.success() { Err("a pin with a hole was made".to_owned()) } else { Ok(()) }
    });
    Ok(())
}

fn find_file(dir: &Path, part: &[u8]) -> Res<Option<PathBuf>> {
    for name in picture(dir)?.into_keys() {
        let path = dir.join(name);
        if path.is_file() && paths::read(&path)?.windows(part.len()).any(|window| window == part) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn refused(context: &Context, tally: &mut Tally, scratch: &Scratch) -> Res<()> {
    let ours = Repo::init(&context.merkury, &scratch.join("ours-refused"))?;
    for (from, words) in [
        ("/nowhere/at/all", "cannot read"),
        ("/ip4/127.0.0.1/tcp/1", "cannot ask"),
        ("https://example.org", "TLS"),
        ("", "--from is required"),
    ] {
        tally.check(&format!("from {from:?}: refused in words"), {
            let said = migration(&ours, from, &[]).finish()?;
            if said.status.success() || !said.said().contains(words) { Err(said.said()) } else { Ok(()) }
        });
    }
    Ok(())
}

/// Killed again and again in the middle, a migration goes on from where it was.
fn killed(context: &Context, tally: &mut Tally, scratch: &Scratch, rng: &mut Rng) -> Res<()> {
    let kubo = new_kubo(context, &scratch.join("killed"), "test")?;
    let (bytes, kills) = if context.quick { (BIG_BYTES_QUICK, KILLS_QUICK) } else { (BIG_BYTES, KILLS) };
    let file = scratch.join("big");
    paths::write(&file, rng.bytes(bytes))?;
    let shown = file.display().to_string();
    let cid = kubo
        .cli(["add", "-Q", "--pin-name=big", "--chunker=size-32768", &shown])
        .deadline(Duration::from_secs(600))
        .text()?;
    let from = kubo.path.display().to_string();
    let timed = Repo::init(&context.merkury, &scratch.join("ours-timed"))?;
    let whole = clock(|| migrate(&timed, &from, &[]))?;
    let (mut fell_within, mut known) = (0, 0);
    let rounds = kills / 2;
    for round in 0..rounds {
        let ours = Repo::init(&context.merkury, &scratch.join(format!("ours-killed-{round}")))?;
        for _ in 0..2 {
            let child = migration(&ours, &from, &[]).spawn(Stdio::null(), Stdio::null())?;
            thread::sleep(Duration::from_micros(rng.below(whole.as_micros().max(1) as u64)));
            os::signal_group(child.id(), Signal::Kill);
            let (status, _) = os::wait(child.id()).map_err(|e| format!("cannot wait for the killed migration: {e}"))?;
            fell_within += usize::from(!status.success());
        }
        let done = migrate(&ours, &from, &[])?;
        known += number(&done, "BlocksKnown");
        tally.check(&format!("killed, round {round}: then all of it"), {
            equal("problems", &0, &number(&done, "Problems")).and_then(|()| {
                let copy = scratch.join("copy");
                ours.cli(["cat", "--offline", &cid]).stdout_to(&copy).run()?;
                super::content::same_file(&file, &copy)?;
                let pins = ours.cli(["pin", "ls", "--names", "--type=recursive", &cid]).text()?;
                if pins.contains("big") { Ok(()) } else { Err(pins) }
            })
        });
        fs::remove_dir_all(&ours.path).map_err(|e| e.to_string())?;
    }
    say::line(format!("  {fell_within} of {} kills fell within; {known} blocks were not copied again", rounds * 2));
    tally.check("kills fell into the migration", if fell_within > 0 { Ok(()) } else { Err("none did".to_owned()) });
    // One block each repository has from its own start.
    let goes_on = if known > rounds as u64 { Ok(()) } else { Err(format!("{known} blocks known")) };
    tally.check("killed: goes on instead of beginning anew", goes_on);
    Ok(())
}

fn clock<T>(work: impl FnOnce() -> Res<T>) -> Res<Duration> {
    let start = std::time::Instant::now();
    work()?;
    Ok(start.elapsed())
}
