//! The network: the only crate that names libp2p.
//!
//! Parts: [`Net`] (start, handles, shutdown), [`config`] (plain settings), [`peers`] (connections), [`routing`] (two
//! DHTs, announcing), [`streams`] (streams of our own protocols), and inside the host: one task that owns the swarm.
//!
//! Ways through: a connect goes `peers::Peers::connect` → `peers/commands.rs` → the swarm → `peers/events.rs`; a
//! look-up goes `routing::Routing::find_providers` → `routing/commands.rs` → `routing/dht.rs` → `routing/events.rs`;
//! a Bitswap stream goes `streams::Streams::open` → `streams/behaviour.rs` → `streams/handler.rs`.
//!
//! Invariants:
//! - The start waits for no peer, no name and no answer of the network.
//! - Every queue, table and wait is bounded; the numbers stand beside what they bound and in
//!   `docs/internals/network.md`.
//! - Public functions that start something return boxed futures: the swarm is compiled once, here.
//!
//! A crash loses nothing but the address book and the announcements under way.

pub mod config;
pub mod exchange;
mod host;
#[cfg(test)]
mod hostile_tests;
pub(crate) mod ids;
pub mod peers;
mod ping;
pub mod routing;
pub(crate) mod streams;

use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use merkury_core::{BoxFuture, ErrorKind};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::NetConfig;
pub use host::starter::{PeerMemory, RememberedPeer};

use exchange::{Exchange, LocalBlocks};
use host::actor::Host;
use peers::Peers;
use routing::Routing;
use routing::provide::{ProvideSource, Providing};
use streams::Streams;

/// How long the start waits for the listeners to say where they listen.
const LISTEN_WAIT: Duration = Duration::from_secs(2);
/// How long a shutdown waits for its tasks.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(5);

/// What the network needs from the rest of the node. All of it is optional.
#[derive(Clone, Default)]
pub struct NetDeps {
    /// Peers of earlier runs.
    pub memory: Option<Arc<dyn PeerMemory>>,
    /// What is announced again and again.
    pub provide: Option<Arc<dyn ProvideSource>>,
    /// The blocks peers are served from.
    pub blocks: Option<Arc<dyn LocalBlocks>>,
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The private key is none we can use.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// No address to listen on could be had, or the system refused something else.
    #[error("cannot start the network: {0}")]
    Io(#[from] std::io::Error),
}

impl StartError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Key(_) => ErrorKind::Invalid,
            Self::Io(_) => ErrorKind::Unavailable,
        }
    }
}

/// The running network.
pub struct Net {
    peers: Peers,
    routing: Routing,
    providing: Providing,
    exchange: Exchange,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Net {
    /// Starts the network; must be called inside a Tokio runtime. Returns once it is known where we listen (at most
    /// two seconds), whatever the network does.
    pub fn start(config: NetConfig, deps: NetDeps) -> BoxFuture<'static, Result<Self, StartError>> {
        Box::pin(start(config, deps))
    }

    /// Connections.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Who has what, and where.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// Blocks from and to peers.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Announcing what this node has.
    pub fn providing(&self) -> &Providing {
        &self.providing
    }

    /// Stops: closes connections and remembers peers. At most five seconds.
    pub fn shutdown(&self) -> BoxFuture<'_, ()> {
        self.shutdown.cancel();
        self.tasks.close();
        Box::pin(async {
            if tokio::time::timeout(SHUTDOWN_WAIT, self.tasks.wait()).await.is_err() {
                tracing::warn!("the network took too long to stop");
            }
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn start(config: NetConfig, deps: NetDeps) -> Result<Net, StartError> {
    let key = Keypair::from_protobuf_encoding(&config.key).map_err(|error| StartError::Key(error.to_string()))?;
    let (streams, behaviour) = Streams::new();
    let (handle, commands) = host::HostHandle::new();
    let (host, mut settled) = Host::new(&config, key, behaviour, deps.memory.clone())?;
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(host.run(commands, shutdown.clone()));
    if let Some(memory) = deps.memory {
        let handle = handle.clone();
        tasks.spawn(async move {
            if let Ok(peers) = tokio::task::spawn_blocking(move || memory.load()).await {
                handle.send(host::Command::Remembered(peers)).await;
            }
        });
    }
    let routing = Routing::new(handle.clone());
    let peers = Peers::new(handle, routing.clone());
    // Nobody else accepts pings: the streams are new.
    if let Ok(pings) = ping::accept(&streams) {
        tasks.spawn(ping::answer(pings, shutdown.clone()));
    }
    let exchange = Exchange::start(streams, routing.clone(), peers.clone(), deps.blocks, &shutdown, &tasks);
    let (providing, provider) = Providing::start(routing.clone(), deps.provide, shutdown.clone());
    tasks.spawn(provider);
    // Too late is no failure: a slow interface only appears later.
    let _ = tokio::time::timeout(LISTEN_WAIT, settled.wait_for(|settled| *settled)).await;
    Ok(Net { peers, routing, providing, exchange, shutdown, tasks })
}
