//! The connections there are, the limits on them, and the address book that dials draw from.
//!
//! Invariants:
//! - At most [`PENDING_INBOUND_MAX`] handshakes of others at a time, [`PENDING_PER_IP_MAX`] from one address.
//! - Never more than the hard limit of connections, nor more than [`PER_PEER_MAX`] to one peer.
//! - Above the high water, unprotected peers past their grace without open streams are let go down to the low water: peers that serve our
//!   routing table last, among the others the youngest first, because an old connection is the likeliest to last.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour, THandlerInEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use super::addresses::{Reach, ip_of, reach};
use super::book::Book;
use crate::config::ConnectionLimits;

/// Handshakes of others that may be under way.
pub(crate) const PENDING_INBOUND_MAX: usize = 256;
/// Of these, from one IP address that is not this machine.
pub(crate) const PENDING_PER_IP_MAX: usize = 8;
/// Of these, from this machine: test networks run many nodes on it.
const PENDING_LOOPBACK_MAX: usize = 128;
/// Dials that may be under way. Look-ups dial in bursts; beyond this they are refused and try other peers.
const PENDING_OUTBOUND_MAX: usize = 256;
/// Connections to one peer: a TCP and a QUIC one from each side, with room for addresses that change.
pub(crate) const PER_PEER_MAX: usize = 8;
/// Peers that may be protected at a time.
const PROTECTED_MAX: usize = 4096;

/// A limit that refused a connection.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum LimitReached {
    #[error("too many handshakes are under way")]
    PendingInbound,
    #[error("too many handshakes from one address are under way")]
    PendingPerIp,
    #[error("too many dials are under way")]
    PendingOutbound,
    #[error("too many connections")]
    Total,
    #[error("too many connections to one peer")]
    PerPeer,
}

/// What the host knows of a connected peer.
#[derive(Debug)]
pub(crate) struct Connected {
    since: Instant,
    pub(crate) connections: Vec<Connection>,
    pub(crate) identify: Option<Identify>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) endpoint: ConnectedPoint,
    pub(crate) latency: Option<Duration>,
    pub(crate) pings_failed: u32,
}

/// What a peer says of itself, within bounds.
#[derive(Clone, Debug)]
pub(crate) struct Identify {
    pub(crate) public_key: Vec<u8>,
    pub(crate) agent: String,
    pub(crate) protocols: Vec<String>,
    pub(crate) addresses: Vec<Multiaddr>,
}

pub(crate) struct Connections {
    pub(crate) book: Book,
    limits: ConnectionLimits,
    pending_inbound: HashMap<ConnectionId, Option<IpAddr>>,
    pending_outbound: HashSet<ConnectionId>,
    connected: HashMap<PeerId, Connected>,
    count: usize,
    protected: HashMap<PeerId, BTreeSet<String>>,
    valued: HashSet<PeerId>,
}

impl Connections {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self {
            book: Book::default(),
            limits,
            pending_inbound: HashMap::new(),
            pending_outbound: HashSet::new(),
            connected: HashMap::new(),
            count: 0,
            protected: HashMap::new(),
            valued: HashSet::new(),
        }
    }

    pub(crate) fn get(&self, peer: &PeerId) -> Option<&Connected> {
        self.connected.get(peer)
    }

    pub(crate) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut Connected> {
        self.connected.get_mut(peer)
    }

    pub(crate) fn connection_mut(&mut self, peer: &PeerId, id: ConnectionId) -> Option<&mut Connection> {
        self.connected.get_mut(peer)?.connections.iter_mut().find(|connection| connection.id == id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerId, &Connected)> {
        self.connected.iter()
    }

    pub(crate) fn peer_count(&self) -> usize {
        self.connected.len()
    }

    /// Keeps the connection to `peer` through trims until [`Connections::unprotect`] with the same tag.
    pub(crate) fn protect(&mut self, peer: PeerId, tag: String) {
        if self.protected.len() < PROTECTED_MAX || self.protected.contains_key(&peer) {
            self.protected.entry(peer).or_default().insert(tag);
        }
    }

    pub(crate) fn unprotect(&mut self, peer: &PeerId, tag: &str) {
        if let Some(tags) = self.protected.get_mut(peer) {
            tags.remove(tag);
            if tags.is_empty() {
                self.protected.remove(peer);
            }
        }
    }

    /// A peer in our routing table is let go after the others.
    pub(crate) fn set_valued(&mut self, peer: PeerId, valued: bool) {
        if valued {
            self.valued.insert(peer);
        } else {
            self.valued.remove(&peer);
        }
    }

    /// The peers a trim lets go now.
    pub(crate) fn surplus(&self, now: Instant, is_in_use: impl Fn(&PeerId) -> bool) -> Vec<PeerId> {
        if self.count <= self.limits.high as usize {
            return Vec::new();
        }
        let mut candidates: Vec<(&PeerId, &Connected)> = self
            .connected
            .iter()
            .filter(|(peer, connected)| {
                let is_young = now.saturating_duration_since(connected.since) < self.limits.grace;
                !is_young && !self.protected.contains_key(*peer) && !is_in_use(peer)
            })
            .collect();
        candidates.sort_by_key(|(peer, connected)| (self.valued.contains(peer), std::cmp::Reverse(connected.since)));
        let mut excess = self.count.saturating_sub(self.limits.low as usize);
        let mut surplus = Vec::new();
        for (peer, connected) in candidates {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(connected.connections.len());
            surplus.push(*peer);
        }
        surplus
    }

    fn check_pending_inbound(&self, ip: Option<IpAddr>, loopback: bool) -> Result<(), LimitReached> {
        if self.pending_inbound.len() >= PENDING_INBOUND_MAX {
            return Err(LimitReached::PendingInbound);
        }
        let same = self.pending_inbound.values().filter(|other| ip.is_some() && **other == ip).count();
        let limit = if loopback { PENDING_LOOPBACK_MAX } else { PENDING_PER_IP_MAX };
        if same >= limit { Err(LimitReached::PendingPerIp) } else { Ok(()) }
    }

    fn check_established(&self, peer: &PeerId) -> Result<(), LimitReached> {
        if self.count >= self.limits.hard as usize {
            return Err(LimitReached::Total);
        }
        let same = self.connected.get(peer).map_or(0, |connected| connected.connections.len());
        if same >= PER_PEER_MAX { Err(LimitReached::PerPeer) } else { Ok(()) }
    }

    fn on_established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let connection = Connection { id, endpoint: endpoint.clone(), latency: None, pings_failed: 0 };
        let connected = self.connected.entry(peer).or_insert_with(|| Connected {
            since: Instant::now(),
            connections: Vec::new(),
            identify: None,
        });
        connected.connections.push(connection);
        self.count += 1;
    }

    fn on_closed(&mut self, peer: &PeerId, id: ConnectionId) {
        self.count = self.count.saturating_sub(1);
        if let Some(connected) = self.connected.get_mut(peer) {
            connected.connections.retain(|connection| connection.id != id);
            if connected.connections.is_empty() {
                self.connected.remove(peer);
                self.valued.remove(peer);
            }
        }
    }
}

impl NetworkBehaviour for Connections {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let ip = ip_of(remote);
        self.check_pending_inbound(ip, reach(remote) == Reach::Loopback).map_err(ConnectionDenied::new)?;
        self.pending_inbound.insert(id, ip);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.pending_inbound.remove(&id);
        self.check_established(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.pending_outbound.len() >= PENDING_OUTBOUND_MAX {
            return Err(ConnectionDenied::new(LimitReached::PendingOutbound));
        }
        self.pending_outbound.insert(id);
        Ok(peer.map(|peer| self.book.addresses(&peer)).unwrap_or_default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        self.pending_outbound.remove(&id);
        self.check_established(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                for address in event.failed_addresses {
                    self.book.failed(&event.peer_id, &crate::ids::split_peer(address.clone()).0);
                }
                self.on_established(event.peer_id, event.connection_id, event.endpoint);
            }
            FromSwarm::ConnectionClosed(event) => self.on_closed(&event.peer_id, event.connection_id),
            FromSwarm::AddressChange(event) => {
                if let Some(connection) = self.connection_mut(&event.peer_id, event.connection_id) {
                    connection.endpoint = event.new.clone();
                }
            }
            FromSwarm::DialFailure(event) => {
                self.pending_outbound.remove(&event.connection_id);
                if let (Some(peer), DialError::Transport(failures)) = (event.peer_id, event.error) {
                    for (address, _) in failures {
                        self.book.failed(&peer, &crate::ids::split_peer(address.clone()).0);
                    }
                }
            }
            FromSwarm::ListenFailure(event) => {
                self.pending_inbound.remove(&event.connection_id);
            }
            FromSwarm::NewExternalAddrOfPeer(event) => self.book.add(event.peer_id, [event.addr.clone()]),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, never: Infallible) {
        match never {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbound() -> ConnectedPoint {
        let address: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().unwrap();
        ConnectedPoint::Listener { local_addr: address.clone(), send_back_addr: address }
    }

    fn with_peers(low: u32, high: u32, count: usize) -> (Connections, Vec<PeerId>) {
        let limits = ConnectionLimits { low, high, grace: Duration::ZERO, hard: 64 };
        let mut connections = Connections::new(limits);
        let peers: Vec<PeerId> = (0..count).map(|_| PeerId::random()).collect();
        for (index, peer) in peers.iter().enumerate() {
            connections.on_established(*peer, ConnectionId::new_unchecked(index), &inbound());
        }
        (connections, peers)
    }

    #[tokio::test]
    async fn a_trim_spares_the_protected_and_lets_the_valued_go_last() {
        let (mut connections, peers) = with_peers(2, 5, 6);
        connections.protect(peers[5], "bitswap".into());
        connections.set_valued(peers[4], true);
        let surplus = connections.surplus(Instant::now(), |_| false);
        assert_eq!(surplus, [peers[3], peers[2], peers[1], peers[0]]);
    }

    #[tokio::test]
    async fn nothing_is_trimmed_up_to_the_high_water_or_within_grace() {
        let (connections, _) = with_peers(2, 6, 6);
        assert!(connections.surplus(Instant::now(), |_| false).is_empty());
        let (mut connections, _) = with_peers(2, 5, 6);
        connections.limits.grace = Duration::from_secs(3600);
        assert!(connections.surplus(Instant::now(), |_| false).is_empty());
    }

    #[tokio::test]
    async fn pending_handshakes_are_bounded_by_address_and_in_all() {
        let (mut connections, _) = with_peers(2, 6, 0);
        let (local, mut admitted) = ("/ip4/9.9.9.9/tcp/1".parse().unwrap(), 0);
        for index in 0..2 * PENDING_PER_IP_MAX {
            let remote = "/ip4/1.2.3.4/tcp/1".parse().unwrap();
            let id = ConnectionId::new_unchecked(index);
            admitted += usize::from(connections.handle_pending_inbound_connection(id, &local, &remote).is_ok());
        }
        assert_eq!(admitted, PENDING_PER_IP_MAX);
        for index in 100..100 + 2 * PENDING_INBOUND_MAX {
            let remote = format!("/ip4/1.2.{}.{}/tcp/1", index / 250 + 10, index % 250 + 1).parse().unwrap();
            let id = ConnectionId::new_unchecked(index);
            admitted += usize::from(connections.handle_pending_inbound_connection(id, &local, &remote).is_ok());
        }
        assert_eq!(admitted, PENDING_INBOUND_MAX);
    }

    #[tokio::test]
    async fn connections_to_one_peer_and_in_all_are_bounded() {
        let (mut connections, peers) = with_peers(2, 6, 1);
        for index in 1..PER_PEER_MAX {
            connections.on_established(peers[0], ConnectionId::new_unchecked(index), &inbound());
        }
        assert!(matches!(connections.check_established(&peers[0]), Err(LimitReached::PerPeer)));
        let (connections, _) = with_peers(2, 6, 64);
        assert!(matches!(connections.check_established(&PeerId::random()), Err(LimitReached::Total)));
    }
}
