//! Helia and Merkury exchange content over TCP with Noise, in both directions; every byte is compared.
//!
//! Helia runs in Node, in `peers/node/helia-peer.mjs`, and is asked line by line.

use super::Context;
use super::content::{self, Contents, Item, Kind};
use crate::Res;
use crate::exec::Exec;
use crate::os::{self, Signal};
use crate::paths::Scratch;
use crate::peer::install;
use crate::peer::node::Repo;
use crate::say::Tally;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The longest that one request may take: Helia asks for small files one after the other.
const DEADLINE: Duration = Duration::from_secs(180);

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("helia")?;
    let contents = Contents::write(&scratch.join("contents"), context.seed)?;
    let provider = Repo::init(&context.merkury, &scratch.join("provider"))?;
    let items = contents.add_to(&provider)?;
    let name = provider.program.name;

    let daemon = provider.daemon(&[])?;
    let mut helia = Helia::start()?;
    let address = daemon.addresses("/tcp/")?.remove(0);
    helia.ask(json!({"op": "dial", "address": address}))?;
    for item in &items {
        tally.check_aloud(&format!("{name} to helia: {}", item.name), || helia.fetch_and_compare(item, &scratch));
    }
    helia.stop()?;
    tally.check("the provider stops", daemon.stop().map(drop));

    let fetcher = Repo::init(&context.merkury, &scratch.join("fetcher"))?;
    let mut helia = Helia::start()?;
    let items = helia.add(&items)?;
    let daemon = fetcher.daemon(&[])?;
    let addresses = helia.ask(json!({"op": "addresses"}))?;
    let address = addresses[0].as_str().ok_or("Helia listens nowhere")?.to_owned();
    daemon.cli(["swarm", "connect", &address]).run()?;
    for item in &items {
        tally.check_aloud(&format!("helia to {name}: {}", item.name), || {
            item.fetch_and_compare(&fetcher, scratch.path())
        });
    }
    tally.check("the fetcher stops", daemon.stop().map(drop));
    helia.stop()
}

/// A running Helia; dropping it kills it.
struct Helia {
    child: Child,
    stdin: ChildStdin,
    answers: mpsc::Receiver<String>,
}

impl Helia {
    fn start() -> Res<Self> {
        let program = install::node_dir()?.join("helia-peer.mjs");
        let exec = Exec::new(install::node_bin()?).arg(program.display().to_string()).stdin("kept open");
        let mut child = exec.spawn(Stdio::piped(), Stdio::inherit())?;
        let stdin = child.stdin.take().ok_or("Helia has no standard input")?;
        let stdout = child.stdout.take().ok_or("Helia has no standard output")?;
        let (send, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, answers })
    }

    fn ask(&mut self, request: Value) -> Res<Value> {
        writeln!(self.stdin, "{request}").map_err(|e| format!("Helia has ended: {e}"))?;
        let line = self.answers.recv_timeout(DEADLINE).map_err(|_| format!("Helia does not answer {request}"))?;
        let answer: Value = serde_json::from_str(&line).map_err(|e| format!("{e} in {line:?}"))?;
        match answer.get("error") {
            Some(reason) => Err(format!("Helia answers {request} with {reason}")),
            None => Ok(answer["ok"].clone()),
        }
    }

    /// Gives Helia the same content from the same files; its CIDs are its own.
    fn add(&mut self, items: &[Item]) -> Res<Vec<Item>> {
        let mut added = Vec::new();
        for item in items {
            let cid = match &item.kind {
                Kind::Tree(path) => {
                    let answer = self.ask(json!({"op": "add", "path": path, "directory": path.is_dir()}))?;
                    answer.as_str().ok_or("`add` gives no CID")?.to_owned()
                }
                Kind::Car(path) => {
                    self.ask(json!({"op": "import", "path": path}))?;
                    item.cid.clone()
                }
            };
            added.push(Item { cid, ..item.clone() });
        }
        Ok(added)
    }

    fn fetch_and_compare(&mut self, item: &Item, scratch: &Scratch) -> Res<()> {
        let copy = scratch.join(format!("helia {}", item.name.replace(' ', "-")));
        match &item.kind {
            Kind::Tree(original) => {
                self.ask(json!({"op": "fetch", "cid": item.cid, "path": copy}))?;
                if original.is_dir() {
                    content::same_tree(original, &copy)
                } else {
                    content::same_file(original, &copy)
                }
            }
            Kind::Car(original) => {
                self.ask(json!({"op": "export", "cid": item.cid, "path": copy}))?;
                same_blocks(original, &copy)
            }
        }
    }

    fn stop(mut self) -> Res<()> {
        self.ask(json!({"op": "stop"})).map(drop)
    }
}

impl Drop for Helia {
    fn drop(&mut self) {
        os::signal_group(self.child.id(), Signal::Kill);
        let _ = self.child.wait();
    }
}

/// Helia walks a DAG in an order of its own, so the CARs are compared section by section, whatever their order.
fn same_blocks(original: &Path, copy: &Path) -> Res<()> {
    let (mut want, mut got) = (sections(original)?, sections(copy)?);
    want.sort_unstable();
    want.dedup();
    got.sort_unstable();
    got.dedup();
    if want == got {
        Ok(())
    } else {
        Err(format!("{} blocks expected, {} came, or other bytes", want.len(), got.len()))
    }
}

/// The sections of a CAR after its header.
fn sections(car: &Path) -> Res<Vec<Vec<u8>>> {
    let bytes = crate::paths::read(car)?;
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (size, after) = varint(rest).ok_or_else(|| format!("{} is no CAR", car.display()))?;
        let section = after.get(..size).ok_or_else(|| format!("{} ends within a section", car.display()))?;
        found.push(section.to_vec());
        rest = &after[size..];
    }
    if found.is_empty() {
        return Err(format!("{} is empty", car.display()));
    }
    Ok(found.split_off(1))
}

fn varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}
