//! Streams of our own protocols over the swarm: one behaviour that Bitswap, the DHT client and the gateway share.
//!
//! Parts: [`Streams`] (the handle everybody holds), [`Incoming`] (accepted streams of some protocols), [`PeerWatch`]
//! (who is connected), [`Behaviour`] (what the swarm runs) and its connection handler.
//!
//! ```text
//! let mut incoming = streams.accept(&[BITSWAP_120, BITSWAP_110], 64)?;  // before or after the swarm starts
//! while let Some(InboundStream { peer, protocol, stream }) = incoming.next().await { … }
//!
//! let OpenedStream { protocol, stream } = streams.open(peer, vec![BITSWAP_120, BITSWAP_110]).await?;
//!
//! let mut watch = streams.watch();          // first reports everybody who is connected now
//! while let Some(change) = watch.next().await { … }
//! ```
//!
//! Invariants:
//! - No inbound stream is dropped in silence. A stream that finds its queue full waits inside its upgrade; the swarm
//!   stops taking streams from a connection that has [`NEGOTIATING_MAX`] of them waiting, and the muxer holds the
//!   remote back. After [`ACCEPT_WAIT`] the stream is reset, with a log line.
//! - A protocol is offered only while its [`Incoming`] lives; the remote gets a clean refusal otherwise.
//! - Every [`Streams::open`] ends: with a stream or an error, at most [`OPEN_WAIT`] after the call.
//! - [`PeerWatch`] is never lossy about state: a watcher that sleeps through a disconnect and a reconnect sees both.
//! - How many accepted streams a peer may hold open is bounded by the muxer (see `host`); how long each may stay
//!   silent is the business of the protocol.
//!
//! A stream keeps its connection alive while it is open, also through trims ([`Behaviour::is_in_use`]). Nothing here
//! is durable.

mod behaviour;
mod handler;
mod stream;
#[cfg(test)]
mod tests;
mod upgrade;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use libp2p::{PeerId, StreamProtocol};
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

pub(crate) use behaviour::Behaviour;
pub(crate) use stream::Stream;
pub(crate) use watch::{PeerChange, PeerWatch};

/// How many inbound streams of one connection may negotiate or wait for a place in their queue at a time.
pub(crate) const NEGOTIATING_MAX: usize = 128;
/// How long an inbound stream waits for a place in its protocol's queue. Ten seconds more than a healthy acceptor
/// can ever need; beyond it the acceptor is stuck and the remote must be told.
pub(crate) const ACCEPT_WAIT: Duration = Duration::from_secs(20);
/// How long opening a stream may take in all: waiting for the swarm and for the negotiation.
const OPEN_WAIT: Duration = Duration::from_secs(30);
/// How long the negotiation of one stream may take once there is a connection.
const NEGOTIATE_WAIT: Duration = Duration::from_secs(10);
/// How many calls of [`Streams::open`] may wait for the swarm; further callers wait in `open`.
const COMMANDS_MAX: usize = 256;
/// How many opens one connection works on or keeps waiting.
const OPENING_PER_CONNECTION_MAX: usize = 256;

/// A stream a peer opened to us.
#[derive(Debug)]
pub(crate) struct InboundStream {
    /// Who opened it.
    pub(crate) peer: PeerId,
    /// Which of the accepted protocols was agreed on.
    pub(crate) protocol: StreamProtocol,
    /// The bytes.
    pub(crate) stream: Stream,
}

/// A stream we opened.
#[derive(Debug)]
pub(crate) struct OpenedStream {
    /// Which of the offered protocols the peer chose.
    pub(crate) protocol: StreamProtocol,
    /// The bytes.
    pub(crate) stream: Stream,
}

/// Why a stream could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// No connection. Connecting is the business of [`crate::peers::Peers`].
    #[error("not connected")]
    NotConnected,
    /// The peer speaks none of the offered protocols.
    #[error("peer speaks none of the protocols")]
    Unsupported,
    /// The connection closed or broke meanwhile.
    #[error("connection closed while the stream opened: {0}")]
    Closed(String),
    /// No answer in time.
    #[error("timed out while the stream opened")]
    Timeout,
    /// Too many opens wait for this peer.
    #[error("too many streams are being opened")]
    Busy,
    /// The network was shut down.
    #[error("network is shut down")]
    Shutdown,
}

/// Another part of the program accepts this protocol already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("protocol {0} is accepted elsewhere")]
pub(crate) struct AlreadyAccepted(pub(crate) StreamProtocol);

/// The protocols that are accepted, and where their streams go. Read at each poll of each connection, hence the
/// cheap snapshot.
#[derive(Clone, Debug)]
struct Registry {
    entries: Arc<RwLock<Arc<[Acceptor]>>>,
}

#[derive(Clone, Debug)]
struct Acceptor {
    protocol: StreamProtocol,
    queue: mpsc::Sender<InboundStream>,
}

impl Registry {
    fn snapshot(&self) -> Arc<[Acceptor]> {
        self.entries.read().clone()
    }

    fn clear(&self) {
        *self.entries.write() = Arc::from([]);
    }
}

/// An open on its way from a caller to the behaviour.
#[derive(Debug)]
struct OpenCommand {
    peer: PeerId,
    request: OpenRequest,
}

/// An open on its way to a connection. Dropping it anywhere tells the caller that the connection went away.
#[derive(Debug)]
pub(crate) struct OpenRequest {
    protocols: Vec<StreamProtocol>,
    reply: oneshot::Sender<Result<OpenedStream, OpenError>>,
}

impl OpenRequest {
    fn fail(self, error: OpenError) {
        // A caller that went away does not want to know.
        let _ = self.reply.send(Err(error));
    }
}

/// The handle to streams. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    commands: mpsc::Sender<OpenCommand>,
    registry: Registry,
    connected: watch::ConnectedReader,
}

impl Streams {
    /// The handle and the behaviour that answers it.
    pub(crate) fn new() -> (Self, Behaviour) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let registry = Registry { entries: Arc::new(RwLock::new(Arc::from([]))) };
        let connected = watch::Connected::new();
        let streams = Self { commands, registry: registry.clone(), connected: connected.reader() };
        (streams, Behaviour::new(receiver, registry, connected))
    }

    /// Accepts inbound streams of `protocols` (best first) until the answer is dropped. At most `queue` streams wait
    /// there for the caller; more wait in their connections and hold their peers back.
    pub(crate) fn accept(&self, protocols: &[StreamProtocol], queue: usize) -> Result<Incoming, AlreadyAccepted> {
        let (sender, receiver) = mpsc::channel(queue.max(1));
        let mut entries = self.registry.entries.write();
        let mut next: Vec<Acceptor> = entries.iter().filter(|entry| !entry.queue.is_closed()).cloned().collect();
        for protocol in protocols {
            if next.iter().any(|entry| entry.protocol == *protocol) {
                return Err(AlreadyAccepted(protocol.clone()));
            }
            next.push(Acceptor { protocol: protocol.clone(), queue: sender.clone() });
        }
        *entries = next.into();
        Ok(Incoming { receiver })
    }

    /// Opens a stream to a connected peer with the first of `protocols` it speaks.
    ///
    /// Cancel-safe: dropping the future gives the stream up. Waits while many opens are on their way.
    pub(crate) async fn open(&self, peer: PeerId, protocols: Vec<StreamProtocol>) -> Result<OpenedStream, OpenError> {
        let (reply, answer) = oneshot::channel();
        let command = OpenCommand { peer, request: OpenRequest { protocols, reply } };
        let wait = async {
            self.commands.send(command).await.map_err(|_| OpenError::Shutdown)?;
            answer.await.unwrap_or_else(|_| Err(OpenError::Closed("connection lost".into())))
        };
        tokio::time::timeout(OPEN_WAIT, wait).await.unwrap_or(Err(OpenError::Timeout))
    }

    /// Follows who is connected, starting with everybody who is.
    pub(crate) fn watch(&self) -> PeerWatch {
        self.connected.watch()
    }

    /// Whether there is a connection to `peer` now.
    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains(peer)
    }

    /// Whether `peer` is connected from this machine or its network.
    pub(crate) fn is_near(&self, peer: &PeerId) -> bool {
        self.connected.is_near(peer)
    }
}

/// Accepted streams of some protocols. Dropping it stops accepting.
#[must_use = "a protocol is accepted only while its Incoming lives"]
#[derive(Debug)]
pub(crate) struct Incoming {
    receiver: mpsc::Receiver<InboundStream>,
}

impl Incoming {
    /// The next stream; `None` when the network was shut down. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<InboundStream> {
        self.receiver.recv().await
    }
}
