//! The daemon: lock, network, servers, the lines other programs wait for, and an orderly end.
//!
//! Order at the start: lock the repository → network → bind → serve → write `api` and `gateway` → `Daemon is ready`.
//! Order at the end: remove those files → stop accepting, let requests finish within the bound → network → store.
//! A second signal ends the process at once; what was acknowledged is durable anyway.

use std::io::Write;
use std::time::Duration;

use merkury_api::{ApiError, Checkup, Node, Reach};
use merkury_commands::version::{self, VersionInfo};
use merkury_http::{Address, serve};
use merkury_node::OpenNode;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::listen;
use crate::surfaces::{self, GATEWAY, RPC, Served};

/// How long the whole stop may take before the process ends anyway.
const STOP_WAIT: Duration = Duration::from_secs(9);

/// How to run.
#[derive(Clone, Debug)]
pub(crate) struct RunOptions {
    /// No network.
    pub(crate) offline: bool,
    /// Text for people instead of Kubo's lines for programs.
    pub(crate) friendly: bool,
    /// Collect garbage by itself.
    pub(crate) enable_gc: bool,
    /// Answer `/ipfs/` and `/ipns/` on the RPC's port too.
    pub(crate) unrestricted_api: bool,
    /// The agent that peers see.
    pub(crate) agent: String,
}

/// Runs until it is told to stop.
pub(crate) async fn run(node: OpenNode, options: RunOptions) -> Result<(), ApiError> {
    let mut signals = Signals::take()?;
    let mut out = Lines { friendly: options.friendly };
    out.version();
    node.lock()?;
    for found in node.start_checkup()? {
        out.damage(&found);
    }
    node.look_after_store(options.enable_gc);
    out.program(&format!("PeerID: {}", node.peer_id()?));
    if options.offline {
        out.program("Swarm not listening, running in offline mode.");
    } else {
        node.go_online(&options.agent).await?;
        out.swarm(&node).await?;
    }
    let (stopping, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    let mut bound: Vec<(&'static str, Address)> = Vec::new();
    for served in surfaces::all(&node, options.unrestricted_api)? {
        bound.extend(start(&node, served, &mut servers, &stopped).await?);
    }
    for (name, address) in &bound {
        out.listening(name, address);
    }
    let of = |name: &str| bound.iter().find(|(of, _)| *of == name).map(|(_, address)| listen::dialable(address));
    let files = node.publish_addresses(
        of(RPC).map(|address| listen::multiaddr(&address)).as_deref(),
        of(GATEWAY).map(|address| listen::url(&address)).as_deref(),
    )?;
    out.ready(&bound);

    tokio::select! {
        () = signals.next() => {}
        () = node.stop_asked() => {}
    }
    out.stopping();
    drop(files);
    // Nobody listens when every server has ended already.
    let _ = stopping.send(true);
    let ended = async {
        while servers.join_next().await.is_some() {}
        node.close().await;
    };
    tokio::select! {
        () = ended => {}
        () = tokio::time::sleep(STOP_WAIT) => tracing::warn!("some work did not end in time and was cut"),
        () = signals.next() => tracing::warn!("stopped at once on a second signal"),
    }
    Ok(())
}

/// Binds and serves one surface on all its addresses.
async fn start(
    node: &OpenNode,
    served: Served,
    servers: &mut JoinSet<()>,
    stopped: &watch::Receiver<bool>,
) -> Result<Vec<(&'static str, Address)>, ApiError> {
    let mut bound = Vec::new();
    for address in node.setting_list(served.addresses)? {
        let listener = listen::bind(&address).await.map_err(|error| error.context(served.name))?;
        bound.push((served.name, listener.address().clone()));
        let mut stopped = stopped.clone();
        let stop = Box::pin(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        });
        servers.spawn(serve(listener, served.surface.clone(), served.limits.clone(), stop));
    }
    Ok(bound)
}

/// The signals that stop a daemon. Taken before anything else is done: a signal during the start must find it.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn take() -> Result<Self, ApiError> {
        let take =
            |kind| signal(kind).map_err(|error| ApiError::internal(format!("cannot listen for signals: {error}")));
        Ok(Self {
            interrupt: take(SignalKind::interrupt())?,
            terminate: take(SignalKind::terminate())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// The lines of a daemon. Programs wait for some of them, so as `ipfs` they are Kubo's.
struct Lines {
    friendly: bool,
}

impl Lines {
    /// A line for programs; people get the same facts in other words.
    fn program(&mut self, line: &str) {
        if !self.friendly {
            self.say(line);
        }
    }

    fn version(&mut self) {
        if self.friendly {
            return self.say(&format!("merkury {}: starting the node", version::MERKURY_VERSION));
        }
        self.say("Initializing daemon...");
        self.say(&VersionInfo::current().block());
    }

    async fn swarm(&mut self, node: &OpenNode) -> Result<(), ApiError> {
        let mut addresses = node.api(Reach::Local).peers.listening().await?;
        addresses.sort();
        for line in swarm_lines(&addresses) {
            self.program(&format!("Swarm listening on {line}"));
        }
        self.program("Run 'ipfs id' to inspect announced and discovered multiaddrs of this node.");
        Ok(())
    }

    fn listening(&mut self, name: &str, address: &Address) {
        self.program(&format!("{name} listening on {}", listen::multiaddr(address)));
        if name == RPC && matches!(address, Address::Tcp(_)) {
            self.program(&format!("WebUI: {}/webui", listen::url(&listen::dialable(address))));
        }
    }

    fn ready(&mut self, bound: &[(&'static str, Address)]) {
        if !self.friendly {
            return self.say("Daemon is ready");
        }
        for (name, address) in bound {
            self.say(&format!("  {name:<15} {}", listen::url(&listen::dialable(address))));
        }
        let gateway = bound.iter().find(|(name, _)| *name == GATEWAY).map(|(_, a)| listen::url(&listen::dialable(a)));
        self.say("The node is ready. In another terminal, type:");
        self.say("  merkury add FILE          add a file; prints its CID");
        self.say("  merkury cat CID           print it, from here or from a peer");
        if let Some(url) = gateway {
            self.say(&format!("  {url}/ipfs/CID    the same in a browser"));
        }
        self.say("Ctrl-C stops the node.");
    }

    /// Damage does not stop the start; what to do about it is told loudly.
    fn damage(&mut self, found: &Checkup) {
        let text = format!("damage: {}: {}\n        what to do: {}\n", found.what, found.found, found.next);
        // Nowhere left to say it when standard error is closed.
        let _ = std::io::stderr().write_all(merkury_commands::text::harmless(&text).as_bytes());
    }

    fn stopping(&mut self) {
        if self.friendly {
            return self.say("Stopping; Ctrl-C again stops at once.");
        }
        self.say("\nReceived interrupt signal, shutting down...");
        self.say("(Hit ctrl-c again to force-shutdown the daemon.)");
    }

    /// Written and flushed at once: a program waits for it. A reader that left is no reason to stop.
    fn say(&mut self, line: &str) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    }
}

/// `127.0.0.1:4001 (TCP+UDP)` for each socket of the listen addresses, as Kubo prints them.
fn swarm_lines(addresses: &[String]) -> Vec<String> {
    let mut sockets: Vec<(String, Vec<&str>)> = Vec::new();
    for address in addresses {
        let mut parts = address.split('/').skip(1);
        let (Some(family), Some(host), Some(transport), Some(port)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let socket = if family == "ip6" { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let transport = if transport == "udp" { "UDP" } else { "TCP" };
        match sockets.iter_mut().find(|(known, _)| *known == socket) {
            Some((_, kinds)) if kinds.contains(&transport) => {}
            Some((_, kinds)) => kinds.push(transport),
            None => sockets.push((socket, vec![transport])),
        }
    }
    let line = |(socket, mut kinds): (String, Vec<&str>)| {
        kinds.sort_unstable();
        format!("{socket} ({})", kinds.join("+"))
    };
    sockets.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swarm_lines_join_transports_of_a_socket() {
        let addresses = ["/ip4/127.0.0.1/udp/4001/quic-v1", "/ip4/127.0.0.1/tcp/4001", "/ip6/::1/tcp/4001"];
        let lines = swarm_lines(&addresses.map(str::to_owned));
        assert_eq!(lines, ["127.0.0.1:4001 (TCP+UDP)", "[::1]:4001 (TCP)"]);
    }
}
