//! A private DHT on loopback of three Kubo and three Merkury nodes: what is added on any is found by its CID on any other.

use super::Context;
use super::content::same_bytes;
use crate::Res;
use crate::exec;
use crate::paths::{self, Scratch};
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::Tally;
use serde_json::json;
use std::time::Duration;

const NODES_OF_EACH: usize = 3;
/// How long a record may take to be where it can be found.
const FOUND_WITHIN: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("dht")?;
    tally.check_aloud("our daemon with its default configuration starts and stops without the public network", || {
        starts_alone(context, &scratch)
    });
    let nodes = start_all(context, &scratch)?;
    let mut rng = Rng::new(context.seed);
    let mut contents = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let bytes = rng.bytes(600_000 + number);
        let file = scratch.join("content");
        paths::write(&file, &bytes)?;
        let cid = node.cli(["add", "-Q", "--cid-version=1", &file.display().to_string()]).text()?;
        contents.push((cid, bytes));
    }
    for (from, (cid, bytes)) in contents.iter().enumerate() {
        let provider = nodes[from].peer_id()?;
        for (at, node) in nodes.iter().enumerate().filter(|(at, _)| *at != from) {
            let way = format!("{} {from} to {} {at}", nodes[from].name(), node.name());
            tally.check(&format!("{way}: findprovs"), find_provider(node, cid, &provider));
            tally.check_aloud(&format!("{way}: cat by CID"), || {
                let got = node.cli(["cat", cid]).run()?.stdout;
                same_bytes(bytes, &got)
            });
        }
    }
    for (at, node) in nodes.iter().enumerate() {
        let other = &nodes[(at + NODES_OF_EACH) % nodes.len()];
        tally.check(&format!("{} {at}: findpeer {}", node.name(), other.name()), find_peer(node, other));
    }
    for node in nodes {
        tally.check("stops", node.stop().map(drop));
    }
    Ok(())
}

fn starts_alone(context: &Context, scratch: &Scratch) -> Res<()> {
    let repo = Repo { program: context.merkury.clone(), path: scratch.join("alone") };
    paths::make_dir(&repo.path)?;
    repo.cli(["init"]).run()?;
    repo.configure(&[
        ("Addresses.API", json!("/ip4/127.0.0.1/tcp/0")),
        ("Addresses.Gateway", json!("/ip4/127.0.0.1/tcp/0")),
        ("Addresses.Swarm", json!(["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"])),
    ])?;
    let daemon = repo.daemon(&[])?;
    daemon.peer_id()?;
    daemon.stop().map(drop)
}

/// Starts the nodes; each knows only the first as bootstrap peer, and no other connection is made by hand.
fn start_all(context: &Context, scratch: &Scratch) -> Res<Vec<Daemon>> {
    let mut nodes: Vec<Daemon> = Vec::new();
    for number in 0..2 * NODES_OF_EACH {
        let program = if number % 2 == 0 { &context.kubo } else { &context.merkury };
        let repo = Repo::init(program, &scratch.join(format!("node-{number}")))?;
        let bootstrap = match nodes.first() {
            Some(first) => first.addresses("/tcp/")?,
            None => Vec::new(),
        };
        repo.configure(&[
            ("Bootstrap", json!(bootstrap)),
            ("Routing.Type", json!("dht")),
            ("Routing.LoopbackAddressesOnLanDHT", json!(true)),
        ])?;
        nodes.push(repo.daemon(&[])?);
    }
    for node in &nodes[1..] {
        exec::wait_for(&format!("{} has met its bootstrap peer", node.name()), FOUND_WITHIN, || {
            let peers = node.rpc("swarm/peers")?.json()?;
            Ok(peers["Peers"].as_array().is_some_and(|peers| !peers.is_empty()).then_some(()))
        })?;
    }
    Ok(nodes)
}

fn find_provider(node: &Daemon, cid: &str, provider: &str) -> Res<()> {
    exec::wait_for(&format!("`routing findprovs {cid}` names {provider}"), FOUND_WITHIN, || {
        let said = node.cli(["routing", "findprovs", cid]).deadline(FOUND_WITHIN).finish()?;
        Ok(said.text().lines().any(|line| line.trim() == provider).then_some(()))
    })
}

fn find_peer(node: &Daemon, other: &Daemon) -> Res<()> {
    let id = other.peer_id()?;
    let said = node.cli(["routing", "findpeer", &id]).text()?;
    if said.contains("/127.0.0.1/") || said.contains("/ip4/127.0.0.1") {
        return Ok(());
    }
    Err(format!("`routing findpeer {id}` says {said:?}"))
}
