//! Connections and who is behind them: the [`Peers`] handle.
//!
//! Parts: the handle and its plain types here, `commands` (what the host is asked), `state` (connects that wait for
//! their dial), `events` (what ends them).

pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod state;

use std::time::Duration;

use libp2p::Multiaddr;
use merkury_core::{ErrorKind, PeerId};
use tokio::sync::oneshot;

use crate::host::{Command as HostCommand, HostHandle};
use crate::ids::{self, split_peer};
use crate::routing::{Routing, RoutingError};
use commands::Command;

/// How long a connect may take in all: looking the peer up, and dialling.
const CONNECT_WAIT: Duration = Duration::from_secs(60);

/// Who this node is, or what is known of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The peer.
    pub id: PeerId,
    /// Public key as libp2p protobuf; empty when unknown.
    pub public_key: Vec<u8>,
    /// Addresses with `/p2p/ID`, sorted.
    pub addresses: Vec<String>,
    /// Agent; foreign text for other peers.
    pub agent: String,
    /// Protocols, sorted; foreign text for other peers.
    pub protocols: Vec<String>,
}

/// Who dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// They did.
    Inbound,
    /// We did.
    Outbound,
}

/// An open connection.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The peer.
    pub peer: PeerId,
    /// Its address, without `/p2p/`.
    pub address: String,
    /// Who dialled.
    pub direction: Direction,
    /// Last round trip, once measured.
    pub latency: Option<Duration>,
    /// What the peer says of itself, once it has.
    pub identity: Option<Identity>,
}

/// A peer with addresses, connected or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddresses {
    /// The peer.
    pub peer: PeerId,
    /// Its addresses, without `/p2p/`.
    pub addresses: Vec<String>,
}

/// Why something about peers failed; worded as Kubo words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeersError {
    /// The address is none.
    #[error("failed to parse multiaddr {address:?}: {why}")]
    BadAddress {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// An address without `/p2p/ID`.
    #[error("found no ipfs peers at {0}")]
    NoPeerId(String),
    /// The dial failed.
    #[error("failed to dial: failed to dial {peer}: {why}")]
    Dial {
        /// Who was dialled.
        peer: PeerId,
        /// A line for each address that failed.
        why: String,
    },
    /// This node was dialled.
    #[error("failed to dial: dial to self attempted")]
    DialSelf,
    /// No connection to close.
    #[error("conn not found")]
    NotConnected,
    /// Nobody knows where the peer is.
    #[error("failed to find any peer address: {0}")]
    NotFound(String),
    /// It took too long.
    #[error("failed to dial: context deadline exceeded")]
    Timeout,
    /// Too many connects are under way.
    #[error("too many connects are under way")]
    Busy,
    /// The network was shut down.
    #[error("network is shut down")]
    Shutdown,
}

impl PeersError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BadAddress { .. } | Self::NoPeerId(_) | Self::DialSelf => ErrorKind::Invalid,
            Self::Dial { .. } | Self::Shutdown => ErrorKind::Unavailable,
            Self::NotConnected | Self::NotFound(_) => ErrorKind::NotFound,
            Self::Timeout => ErrorKind::Timeout,
            Self::Busy => ErrorKind::Busy,
        }
    }
}

/// The handle to connections. Cheap to clone; all its calls are cancel-safe.
#[derive(Clone, Debug)]
pub struct Peers {
    host: HostHandle,
    routing: Routing,
}

impl Peers {
    pub(crate) fn new(host: HostHandle, routing: Routing) -> Self {
        Self { host, routing }
    }

    /// Connects to a multiaddr with `/p2p/ID`, to `/p2p/ID` or a bare peer id (then it is looked up). Says nothing new
    /// when there is a connection already. The connection is kept through trims: a person asked for it.
    pub async fn connect(&self, address: &str) -> Result<PeerId, PeersError> {
        let (addresses, peer) = parse(address)?;
        self.reach_at(&peer, addresses).await?;
        self.protect(&peer, "user-connect").await;
        Ok(peer)
    }

    /// Connects to a peer by the addresses that are known, or else by looking for them. The connection is like any
    /// other; [`Peers::protect`] keeps it.
    pub async fn reach(&self, peer: &PeerId) -> Result<(), PeersError> {
        self.reach_at(peer, Vec::new()).await
    }

    async fn reach_at(&self, peer: &PeerId, addresses: Vec<Multiaddr>) -> Result<(), PeersError> {
        let wait = async {
            let may_look_up = addresses.is_empty();
            match self.dial(peer, addresses).await {
                Err(PeersError::Dial { .. }) if may_look_up => {
                    let addresses = self.look_up(peer).await?;
                    self.dial(peer, addresses).await
                }
                done => done,
            }
        };
        tokio::time::timeout(CONNECT_WAIT, wait).await.unwrap_or(Err(PeersError::Timeout))
    }

    async fn dial(&self, peer: &PeerId, addresses: Vec<Multiaddr>) -> Result<(), PeersError> {
        let peer = ids::to_libp2p(peer);
        self.ask(|reply| Command::Connect { peer, addresses, reply }).await?
    }

    async fn look_up(&self, peer: &PeerId) -> Result<Vec<Multiaddr>, PeersError> {
        match self.routing.find_peer(peer).await {
            Ok(found) => Ok(found.addresses.iter().filter_map(|text| text.parse().ok()).collect()),
            Err(RoutingError::Shutdown) => Err(PeersError::Shutdown),
            Err(error) => Err(PeersError::NotFound(error.to_string())),
        }
    }

    /// Closes all connections to the peer, or, given a multiaddr before `/p2p/ID`, those to that address.
    pub async fn disconnect(&self, address: &str) -> Result<PeerId, PeersError> {
        let (addresses, peer) = parse(address)?;
        let id = ids::to_libp2p(&peer);
        self.unprotect(&peer, "user-connect").await;
        self.ask(|reply| Command::Disconnect { peer: id, address: addresses.into_iter().next(), reply }).await??;
        Ok(peer)
    }

    /// Open connections.
    pub async fn connections(&self) -> Result<Vec<ConnectionInfo>, PeersError> {
        self.ask(|reply| Command::Connections { reply }).await
    }

    /// Every peer with a known address.
    pub async fn known(&self) -> Result<Vec<PeerAddresses>, PeersError> {
        self.ask(|reply| Command::Known { reply }).await
    }

    /// Addresses we listen on, interface by interface.
    pub async fn listening(&self) -> Result<Vec<String>, PeersError> {
        self.ask(|reply| Command::Listening { reply }).await
    }

    /// Addresses others are told.
    pub async fn announced(&self) -> Result<Vec<String>, PeersError> {
        self.ask(|reply| Command::Announced { reply }).await
    }

    /// Who this node is.
    pub async fn identity(&self) -> Result<Identity, PeersError> {
        self.ask(|reply| Command::Identity { reply }).await
    }

    /// What a connected peer says of itself; waits up to ten seconds for a fresh connection to say it.
    pub async fn identify(&self, peer: &PeerId) -> Result<Identity, PeersError> {
        let id = ids::to_libp2p(peer);
        for _ in 0..100 {
            match self.ask(|reply| Command::Identify { peer: id, reply }).await?? {
                Some(identity) => return Ok(identity),
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        Err(PeersError::Timeout)
    }

    /// Keeps connections to `peer` through trims until [`Peers::unprotect`] with the same tag.
    pub async fn protect(&self, peer: &PeerId, tag: &str) {
        let command = Command::Protect { peer: ids::to_libp2p(peer), tag: tag.into(), on: true };
        self.host.send(HostCommand::Peers(command)).await;
    }

    /// Ends [`Peers::protect`].
    pub async fn unprotect(&self, peer: &PeerId, tag: &str) {
        let command = Command::Protect { peer: ids::to_libp2p(peer), tag: tag.into(), on: false };
        self.host.send(HostCommand::Peers(command)).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, PeersError> {
        let (reply, answer) = oneshot::channel();
        if !self.host.send(HostCommand::Peers(command(reply))).await {
            return Err(PeersError::Shutdown);
        }
        answer.await.map_err(|_| PeersError::Shutdown)
    }
}

/// The addresses (none or one) and the peer of `/…/p2p/ID`, `/p2p/ID` or `ID`.
fn parse(text: &str) -> Result<(Vec<Multiaddr>, PeerId), PeersError> {
    let bad = |why: &str| PeersError::BadAddress { address: text.chars().take(256).collect(), why: why.into() };
    if !text.starts_with('/') {
        let peer = PeerId::parse(text).map_err(|_| bad("must begin with /"))?;
        return Ok((Vec::new(), peer));
    }
    let address: Multiaddr = text.parse().map_err(|error: libp2p::multiaddr::Error| bad(&error.to_string()))?;
    let (address, peer) = split_peer(address);
    let peer = peer.as_ref().and_then(ids::to_core).ok_or_else(|| PeersError::NoPeerId(text.into()))?;
    Ok((if address.is_empty() { Vec::new() } else { vec![address] }, peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_people() {
        let id = "12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8";
        for (text, addresses) in
            [(id.to_owned(), 0), (format!("/p2p/{id}"), 0), (format!("/ip4/127.0.0.1/udp/1/quic-v1/p2p/{id}"), 1)]
        {
            let (parsed, peer) = parse(&text).unwrap();
            assert_eq!((parsed.len(), peer.to_string()), (addresses, id.to_owned()), "{text}");
        }
        for text in ["", "/", "x", "/ip4/127.0.0.1/tcp/1", "/ip4/300.0.0.1/tcp/1", "/p2p/", &"/ip4".repeat(1000)] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, PeersError::BadAddress { .. } | PeersError::NoPeerId(_)), "{text}");
        }
    }
}
