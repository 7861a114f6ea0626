//! Kubo and Merkury exchange content over each transport, in both directions; every byte is compared.

use super::Context;
use super::content::{Contents, Item};
use crate::Res;
use crate::paths::Scratch;
use crate::peer::Program;
use crate::peer::node::Repo;
use crate::say::Tally;
use serde_json::{Value, json};
use std::path::Path;

/// A way for two nodes to talk: what Kubo is told to listen on and to secure with. The other side offers everything.
struct Transport {
    name: &'static str,
    listen: &'static str,
    /// What an address of this transport holds.
    mark: &'static str,
    security: &'static [(&'static str, bool)],
}

const TRANSPORTS: &[Transport] = &[
    Transport {
        name: "TCP, Noise",
        listen: "/ip4/127.0.0.1/tcp/0",
        mark: "/tcp/",
        security: &[("Swarm.Transports.Security.TLS", false)],
    },
    Transport {
        name: "TCP, TLS",
        listen: "/ip4/127.0.0.1/tcp/0",
        mark: "/tcp/",
        security: &[("Swarm.Transports.Security.Noise", false)],
    },
    Transport { name: "QUIC", listen: "/ip4/127.0.0.1/udp/0/quic-v1", mark: "/quic-v1", security: &[] },
];

const ALL_LISTEN: [&str; 2] = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("interop")?;
    let contents = Contents::write(&scratch.join("contents"), context.seed)?;
    let kubo = Repo::init(&context.kubo, &scratch.join("kubo"))?;
    let merkury = Repo::init(&context.merkury, &scratch.join("merkury"))?;
    let kubo_items = contents.add_to(&kubo)?;
    let merkury_items = contents.add_to(&merkury)?;
    for (ours, theirs) in merkury_items.iter().zip(&kubo_items) {
        let name = format!("CID of {}", ours.name);
        tally.check(&name, same_cid(&theirs.cid, &ours.cid));
    }
    for transport in TRANSPORTS {
        let told = transport.for_kubo();
        kubo.configure(&told)?;
        exchange(
            transport,
            &kubo,
            &kubo_items,
            &fetcher(&context.merkury, &scratch, &[listen_all()])?,
            &scratch,
            tally,
        );
        merkury.configure(&[listen_all()])?;
        exchange(transport, &merkury, &merkury_items, &fetcher(&context.kubo, &scratch, &told)?, &scratch, tally);
    }
    import_each_others_cars(context, &kubo_items, &merkury_items, &scratch, tally);
    Ok(())
}

impl Transport {
    fn for_kubo(&self) -> Vec<(&'static str, Value)> {
        // What an earlier transport switched off is switched on again.
        let mut told = vec![
            ("Addresses.Swarm", json!([self.listen])),
            ("Swarm.Transports.Security", json!({})),
            ("Swarm.Transports.Network", json!({})),
        ];
        told.extend(self.security.iter().map(|(key, on)| (*key, json!(on))));
        told
    }
}

fn listen_all() -> (&'static str, Value) {
    ("Addresses.Swarm", json!(ALL_LISTEN))
}

fn same_cid(want: &str, got: &str) -> Res<()> {
    if want == got { Ok(()) } else { Err(format!("Kubo says {want}, we say {got}")) }
}

/// An empty repository, new for every exchange.
fn fetcher(program: &Program, scratch: &Scratch, told: &[(&str, Value)]) -> Res<Repo> {
    let path = scratch.join("fetcher");
    let _ = std::fs::remove_dir_all(&path);
    let repo = Repo::init(program, &path)?;
    repo.configure(told)?;
    Ok(repo)
}

/// The fetcher dials the provider and fetches every item.
fn exchange(transport: &Transport, from: &Repo, items: &[Item], to: &Repo, scratch: &Scratch, tally: &mut Tally) {
    let way = format!("{} to {}, {}", from.program.name, to.program.name, transport.name);
    let connected = || -> Res<_> {
        let provider = from.daemon(&[])?;
        let fetching = to.daemon(&[])?;
        fetching.connect(&provider, transport.mark)?;
        Ok((provider, fetching))
    };
    let (provider, fetching) = match connected() {
        Ok(pair) => pair,
        Err(reason) => {
            tally.check(&format!("{way}: connect"), Err(reason));
            return;
        }
    };
    for item in items {
        tally.check_aloud(&format!("{way}: {}", item.name), || item.fetch_and_compare(to, scratch.path()));
    }
    for daemon in [fetching, provider] {
        let name = format!("{way}: {} stops", daemon.name());
        tally.check(&name, daemon.stop().map(drop));
    }
}

/// Each program imports the CAR that the other exported, and exports the same bytes again.
fn import_each_others_cars(context: &Context, kubo: &[Item], ours: &[Item], scratch: &Scratch, tally: &mut Tally) {
    for (program, items) in [(&context.merkury, kubo), (&context.kubo, ours)] {
        for item in items {
            if let super::content::Kind::Car(car) = &item.kind {
                let name = format!("{} imports the other's CAR", program.name);
                tally.check_aloud(&name, || import(program, item, car, scratch));
            }
        }
    }
}

fn import(program: &Program, item: &Item, car: &Path, scratch: &Scratch) -> Res<()> {
    let repo = fetcher(program, scratch, &[])?;
    let said = repo.cli(["dag", "import", &car.display().to_string()]).text()?;
    if !said.contains(&item.cid) {
        return Err(format!("import does not name the root {}: {said}", item.cid));
    }
    item.fetch_and_compare(&repo, scratch.path())
}
