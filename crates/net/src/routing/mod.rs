//! Who has what, and where: the [`Routing`] handle over the WAN and the LAN DHT.
//!
//! Parts: the handle here; `dht` (one Kademlia network), `store` (provider records of others), `diversity` (who may
//! enter the public routing table), `commands`, `state` and `events` (look-ups under way), [`provide`] (announcing
//! what this node has).
//!
//! Both networks are asked at once; answers of either are delivered as they come. Values that others
//! leave here (IPNS records, public keys) are kept only after `values` has checked them.

pub(crate) mod commands;
pub(crate) mod dht;
mod diversity;
pub(crate) mod events;
pub mod provide;
pub(crate) mod state;
pub(crate) mod store;
mod values;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use libp2p::Multiaddr;
use merkury_core::{BoxFuture, Cid, ErrorKind, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::host::{Command as HostCommand, HostHandle};
use crate::ids;
use crate::peers::PeerAddresses;
use commands::Command;

/// Most providers one look-up delivers.
pub const PROVIDERS_MAX: usize = 1024;
/// Providers named without an address that are looked up at a time.
const RESOLVING_MAX: usize = 16;

/// One of the two DHTs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    Wan,
    Lan,
}

/// Why routing failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoutingError {
    /// The configuration turns the DHT off.
    #[error("routing is off")]
    Off,
    /// Nobody to ask.
    #[error("failed to find any peer in table")]
    NoPeers,
    /// Nobody knows.
    #[error("routing: not found")]
    NotFound,
    /// Too many look-ups are under way.
    #[error("too many look-ups are under way")]
    Busy,
    /// The network was shut down.
    #[error("network is shut down")]
    Shutdown,
}

impl RoutingError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Off | Self::NoPeers | Self::Shutdown => ErrorKind::Unavailable,
            Self::NotFound => ErrorKind::NotFound,
            Self::Busy => ErrorKind::Busy,
        }
    }
}

/// State of one DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhtStatus {
    /// Whether we answer others.
    pub server: bool,
    /// Peers in the routing table.
    pub peers: usize,
}

/// State of routing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutingStatus {
    /// The public DHT, unless off.
    pub wan: Option<DhtStatus>,
    /// The DHT of the local network, unless off.
    pub lan: Option<DhtStatus>,
    /// Look-ups under way.
    pub lookups: usize,
}

impl RoutingStatus {
    /// Whether there is anybody to ask.
    pub fn has_peers(&self) -> bool {
        [self.wan, self.lan].into_iter().flatten().any(|dht| dht.peers > 0)
    }
}

/// The handle to routing. Cheap to clone. Dropping an answer ends its look-up.
#[derive(Clone, Debug)]
pub struct Routing {
    host: HostHandle,
}

impl Routing {
    pub(crate) fn new(host: HostHandle) -> Self {
        Self { host }
    }

    /// Looks for at most `count` providers (0: up to [`PROVIDERS_MAX`]) of a CID. They can be dialled by id alone:
    /// their addresses are in the address book when they come out of the stream.
    pub fn find_providers(&self, cid: &Cid, count: usize) -> Providers {
        let count = if count == 0 { PROVIDERS_MAX } else { count.min(PROVIDERS_MAX) };
        let (found, receiver) = mpsc::channel(count);
        let command = Command::FindProviders { key: cid.hash().to_bytes(), count, found };
        let host = self.host.clone();
        let sending: BoxFuture<'static, bool> = Box::pin(async move { host.send(HostCommand::Routing(command)).await });
        Providers { routing: self.clone(), sending: Some(sending), receiver, resolving: FuturesUnordered::new() }
    }

    /// Looks for the addresses of a peer. A connected or well-known one is answered at once.
    pub async fn find_peer(&self, peer: &PeerId) -> Result<PeerAddresses, RoutingError> {
        let wanted = ids::to_libp2p(peer);
        let addresses = self.ask(|reply| Command::FindPeer { peer: wanted, reply }).await??;
        Ok(PeerAddresses { peer: peer.clone(), addresses: texts(&addresses) })
    }

    /// Announces that this node has the block. Returns how many peers took part.
    pub async fn provide(&self, cid: &Cid) -> Result<u32, RoutingError> {
        let key = cid.hash().to_bytes();
        self.ask(|reply| Command::Provide { key, reply }).await?
    }

    /// The best value of a key (`/ipns/…`, `/pk/…`) that peers or this node have. It is valid for its key now.
    pub async fn get_value(&self, key: Vec<u8>) -> Result<Vec<u8>, RoutingError> {
        self.ask(|reply| Command::GetValue { key, reply }).await?
    }

    /// Leaves a value with the peers nearest to its key. Returns how many peers took part. [`RoutingError::NoPeers`]
    /// when there is nobody; it is kept here all the same, for who asks.
    pub async fn put_value(&self, key: Vec<u8>, value: Vec<u8>) -> Result<u32, RoutingError> {
        self.ask(|reply| Command::PutValue { key, value, reply }).await?
    }

    /// The peers closest to a key (a multihash or the bytes of a peer id), nearest first.
    pub async fn closest_peers(&self, key: Vec<u8>) -> Result<Vec<PeerAddresses>, RoutingError> {
        let found = self.ask(|reply| Command::Closest { key, reply }).await??;
        Ok(found.into_iter().filter_map(|(peer, addresses)| plain(peer, &addresses)).collect())
    }

    /// How routing stands.
    pub async fn status(&self) -> Result<RoutingStatus, RoutingError> {
        self.ask(|reply| Command::Status { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, RoutingError> {
        let (reply, answer) = oneshot::channel();
        if !self.host.send(HostCommand::Routing(command(reply))).await {
            return Err(RoutingError::Shutdown);
        }
        answer.await.map_err(|_| RoutingError::Shutdown)
    }
}

fn texts(addresses: &[Multiaddr]) -> Vec<String> {
    addresses.iter().map(|address| ids::split_peer(address.clone()).0.to_string()).collect()
}

fn plain(peer: libp2p::PeerId, addresses: &[Multiaddr]) -> Option<PeerAddresses> {
    Some(PeerAddresses { peer: ids::to_core(&peer)?, addresses: texts(addresses) })
}

/// A provider as the host finds it.
pub(crate) type Found = (libp2p::PeerId, Vec<Multiaddr>);

/// Providers as they are found. Dropping it ends the look-up.
#[must_use = "a look-up runs only while its Providers is read"]
pub struct Providers {
    routing: Routing,
    sending: Option<BoxFuture<'static, bool>>,
    receiver: mpsc::Receiver<Result<Found, RoutingError>>,
    /// Providers that came without an address, being looked up.
    resolving: FuturesUnordered<BoxFuture<'static, PeerAddresses>>,
}

impl Providers {
    /// The next provider; `None` when everybody was asked or enough were found. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<PeerAddresses, RoutingError>> {
        if let Some(sending) = &mut self.sending {
            let sent = sending.await;
            self.sending = None;
            if !sent {
                return Some(Err(RoutingError::Shutdown));
            }
        }
        loop {
            tokio::select! {
                Some(resolved) = self.resolving.next(), if !self.resolving.is_empty() => return Some(Ok(resolved)),
                found = self.receiver.recv(), if self.resolving.len() < RESOLVING_MAX => match found {
                    None if self.resolving.is_empty() => return None,
                    None => return self.resolving.next().await.map(Ok),
                    Some(Err(error)) => return Some(Err(error)),
                    Some(Ok((peer, addresses))) => {
                        let Some(provider) = plain(peer, &addresses) else { continue };
                        if !provider.addresses.is_empty() {
                            return Some(Ok(provider));
                        }
                        let routing = self.routing.clone();
                        self.resolving.push(Box::pin(async move {
                            // Without addresses the provider is still worth naming: it may dial us.
                            routing.find_peer(&provider.peer).await.unwrap_or(provider)
                        }));
                    }
                },
            }
        }
    }
}
