//! One Kademlia DHT: `libp2p-kad` with what it lacks for two networks in one swarm.
//!
//! The WAN and the LAN DHT are the same protocol with different names and different ideas of a good address. This
//! wrapper lets each see only addresses of its [`Scope`]: what it tells others of us, what enters its routing table,
//! and what it dials. It also carries out the addresses of providers and of looked-for peers, which libp2p-kad knows
//! only while a query runs.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::kad::{
    self, BucketInserts, Caching, GetClosestPeersError, GetClosestPeersOk, GetProvidersOk, GetRecordOk, Mode, QueryId,
    QueryResult, RecordKey, RoutingUpdate, StoreInserts,
};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};

use super::diversity::{self, Member};
use super::store::{PROVIDER_TTL, Providers};
use crate::host::addresses::{Reach, reach};

pub(crate) const WAN: StreamProtocol = StreamProtocol::new("/ipfs/kad/1.0.0");
pub(crate) const LAN: StreamProtocol = StreamProtocol::new("/ipfs/lan/kad/1.0.0");

/// A look-up ends after this long with what it has.
const QUERY_WAIT: Duration = Duration::from_secs(60);
/// Peers asked at a time in one look-up; Kubo's concurrency.
const PARALLEL: NonZeroUsize = NonZeroUsize::new(10).expect("ten is not zero");
/// Refused values after which a connection is closed. libp2p-kad leaves the stream of a refused value open until its
/// connection ends, and serves no more than 32 streams of one.
const REFUSED_VALUES_MAX: u32 = 16;
/// Addresses of one peer that enter the routing table.
const TABLE_ADDRESSES_MAX: usize = 8;

/// Which addresses belong to a DHT.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    /// Public ones; all of them in test networks.
    Wan { private_too: bool },
    /// Private ones; loopback in test networks.
    Lan { loopback_too: bool },
}

impl Scope {
    pub(crate) fn allows(self, address: &Multiaddr) -> bool {
        match (self, reach(address)) {
            (_, Reach::Nowhere) => false,
            (Self::Wan { .. }, Reach::Public) => true,
            (Self::Wan { private_too }, _) => private_too,
            (Self::Lan { .. }, Reach::Private) => true,
            (Self::Lan { loopback_too }, Reach::Loopback) => loopback_too,
            // A public address of a peer on our own network is as good as its private one.
            (Self::Lan { .. }, Reach::Public) => true,
        }
    }

    /// Whether a peer with these addresses belongs into the routing table.
    fn admits(self, addresses: &[Multiaddr]) -> bool {
        match self {
            Self::Wan { .. } => addresses.iter().any(|address| self.allows(address)),
            Self::Lan { loopback_too } => addresses.iter().any(|address| match reach(address) {
                Reach::Private => true,
                Reach::Loopback => loopback_too,
                _ => false,
            }),
        }
    }
}

/// What the host hears from a DHT.
#[derive(Debug)]
pub(crate) enum DhtEvent {
    /// Providers with the addresses named beside them, maybe none.
    Providers { query: QueryId, found: Vec<(PeerId, Vec<Multiaddr>)> },
    /// The looked-for peer has these addresses. Repeated while the query goes on.
    Peer { peer: PeerId, addresses: Vec<Multiaddr> },
    /// A query for the closest peers ended.
    Closest { query: QueryId, peers: Vec<(PeerId, Vec<Multiaddr>)> },
    /// An announcement ended; how many peers answered on the way to it.
    Provided { query: QueryId, asked: u32 },
    /// A peer, or this node, has this value.
    Value { query: QueryId, value: Vec<u8> },
    /// Any other query ended.
    Ended { query: QueryId },
}

pub(crate) struct Dht {
    inner: kad::Behaviour<Providers>,
    local: kad::KBucketKey<PeerId>,
    scope: Scope,
    protocol: StreamProtocol,
    /// Peers whose addresses are looked for.
    wanted: HashSet<PeerId>,
    /// Whether an answer came since the last look at `wanted`.
    news: bool,
    /// Refused values by connection.
    refused: HashMap<ConnectionId, u32>,
    /// Connections with too many of them.
    closing: Vec<(PeerId, ConnectionId)>,
}

impl Dht {
    pub(crate) fn new(local: PeerId, protocol: StreamProtocol, scope: Scope, mode: Option<Mode>) -> Self {
        let mut config = kad::Config::new(protocol.clone());
        config
            .set_query_timeout(QUERY_WAIT)
            .set_parallelism(PARALLEL)
            .set_record_filtering(StoreInserts::Unfiltered)
            .set_kbucket_inserts(BucketInserts::Manual)
            .set_caching(Caching::Disabled)
            .set_replication_interval(None)
            .set_publication_interval(None)
            .set_provider_publication_interval(None)
            .set_provider_record_ttl(Some(PROVIDER_TTL))
            // The host refreshes the table itself, and only one that has peers.
            .set_periodic_bootstrap_interval(None);
        let mut inner = kad::Behaviour::with_config(local, Providers::new(local), config);
        inner.set_mode(mode);
        Self {
            inner,
            local: local.into(),
            scope,
            protocol,
            wanted: HashSet::new(),
            news: false,
            refused: HashMap::new(),
            closing: Vec::new(),
        }
    }

    /// A peer told us its protocols and addresses: it enters the table if it serves this DHT, and leaves it if not.
    /// Says whether it is in the table now.
    pub(crate) fn on_identified(&mut self, peer: PeerId, protocols: &[String], addresses: &[Multiaddr]) -> bool {
        if !protocols.iter().any(|protocol| protocol == self.protocol.as_ref()) {
            self.inner.remove_peer(&peer);
            return false;
        }
        if !self.scope.admits(addresses) {
            return false;
        }
        if matches!(self.scope, Scope::Wan { private_too: false }) && !self.is_diverse(peer, addresses) {
            tracing::debug!(%peer, "not taken into the routing table: too many of its address range are there");
            return false;
        }
        let mut entered = false;
        for address in addresses.iter().filter(|address| self.scope.allows(address)).take(TABLE_ADDRESSES_MAX) {
            entered |= matches!(self.inner.add_address(&peer, address.clone()), RoutingUpdate::Success);
        }
        entered
    }

    fn is_diverse(&mut self, peer: PeerId, addresses: &[Multiaddr]) -> bool {
        let local = self.local;
        let bucket_of = |peer: PeerId| local.distance(&kad::KBucketKey::from(peer)).ilog2();
        let members: Vec<Member> = self
            .inner
            .kbuckets()
            .flat_map(|bucket| {
                let members = bucket.iter().map(|entry| (*entry.node.key.preimage(), entry.node.value.first().clone()));
                members.collect::<Vec<_>>()
            })
            .map(|(peer, address)| Member { peer, bucket: bucket_of(peer), address })
            .collect();
        diversity::admits(&members, peer, bucket_of(peer), addresses)
    }

    pub(crate) fn find_providers(&mut self, key: &[u8]) -> QueryId {
        self.inner.get_providers(RecordKey::new(&key))
    }

    pub(crate) fn find_closest(&mut self, key: Vec<u8>) -> QueryId {
        self.inner.get_closest_peers(key)
    }

    /// Looks for a peer; its addresses come as [`DhtEvent::Peer`] before the query ends, if anybody knows them.
    pub(crate) fn find_peer(&mut self, peer: PeerId) -> QueryId {
        self.wanted.insert(peer);
        self.news = true;
        self.inner.get_closest_peers(peer)
    }

    pub(crate) fn forget_wanted(&mut self, peer: &PeerId) {
        self.wanted.remove(peer);
    }

    /// Announces us as provider. The record is kept here too, so that who asks us learns of us.
    pub(crate) fn provide(&mut self, key: &[u8]) -> Option<QueryId> {
        self.inner.start_providing(RecordKey::new(&key)).ok()
    }

    /// Looks for values of a key; each comes as [`DhtEvent::Value`], checked by nobody yet.
    pub(crate) fn get_value(&mut self, key: &[u8]) -> QueryId {
        self.inner.get_record(RecordKey::new(&key))
    }

    /// Leaves a value with the peers nearest to its key, and keeps it here for who asks us.
    pub(crate) fn put_value(&mut self, key: &[u8], value: Vec<u8>) -> Option<QueryId> {
        let record = kad::Record::new(RecordKey::new(&key), value);
        let query = self.inner.put_record(record, kad::Quorum::One).ok()?;
        if self.table_size() > 0 {
            return Some(query);
        }
        // Kept, and nobody to ask.
        self.cancel(&query);
        None
    }

    pub(crate) fn cancel(&mut self, query: &QueryId) {
        if let Some(mut query) = self.inner.query_mut(query) {
            query.finish();
        }
    }

    /// Refreshes the table, if there is anybody to ask.
    pub(crate) fn refresh(&mut self) {
        if self.table_size() > 0 {
            let _ = self.inner.bootstrap();
        }
    }

    pub(crate) fn table_size(&mut self) -> usize {
        self.inner.kbuckets().map(|bucket| bucket.num_entries()).sum()
    }

    pub(crate) fn is_server(&self) -> bool {
        self.inner.mode() == Mode::Server
    }

    /// Addresses in the table and in running queries, of this scope.
    fn addresses_of(&mut self, peer: PeerId) -> Vec<Multiaddr> {
        let id = ConnectionId::new_unchecked(0);
        let known = self.inner.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer);
        let mut known = known.unwrap_or_default();
        known.retain(|address| self.scope.allows(address));
        known.dedup();
        known
    }

    fn on_event(&mut self, event: kad::Event) -> Option<DhtEvent> {
        match event {
            kad::Event::OutboundQueryProgressed { id, result, stats, step } => {
                self.on_result(id, result, stats.num_successes(), step.last)
            }
            _ => None,
        }
    }

    fn on_result(&mut self, query: QueryId, result: QueryResult, asked: u32, last: bool) -> Option<DhtEvent> {
        match result {
            QueryResult::GetProviders(Ok(GetProvidersOk::FoundProviders { providers, .. })) => {
                // The query still runs: its addresses can be read now, and not later.
                let found = providers.into_iter().map(|peer| (peer, self.addresses_of(peer))).collect();
                Some(DhtEvent::Providers { query, found })
            }
            QueryResult::GetClosestPeers(
                Ok(GetClosestPeersOk { key, peers }) | Err(GetClosestPeersError::Timeout { key, peers }),
            ) => {
                if let Ok(wanted) = PeerId::from_bytes(&key) {
                    self.wanted.remove(&wanted);
                }
                let peers = peers.into_iter().map(|info| (info.peer_id, info.addrs)).collect();
                Some(DhtEvent::Closest { query, peers })
            }
            QueryResult::GetRecord(Ok(GetRecordOk::FoundRecord(found))) => {
                Some(DhtEvent::Value { query, value: found.record.value })
            }
            QueryResult::PutRecord(_) | QueryResult::StartProviding(_) => Some(DhtEvent::Provided { query, asked }),
            _ if last => Some(DhtEvent::Ended { query }),
            _ => None,
        }
    }

    fn next_wanted(&mut self) -> Option<DhtEvent> {
        if !std::mem::take(&mut self.news) {
            return None;
        }
        let wanted: Vec<PeerId> = self.wanted.iter().copied().collect();
        for peer in wanted {
            let addresses = self.addresses_of(peer);
            if !addresses.is_empty() {
                self.wanted.remove(&peer);
                self.news = !self.wanted.is_empty();
                return Some(DhtEvent::Peer { peer, addresses });
            }
        }
        None
    }
}

impl NetworkBehaviour for Dht {
    type ConnectionHandler = THandler<kad::Behaviour<Providers>>;
    type ToSwarm = DhtEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.inner.handle_pending_inbound_connection(id, local, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        Ok(peer.map(|peer| self.addresses_of(peer)).unwrap_or_default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            // Others learn of us by the announced addresses, which come as external ones; raw listen addresses do
            // not count.
            FromSwarm::NewListenAddr(_) | FromSwarm::ExpiredListenAddr(_) | FromSwarm::NewExternalAddrCandidate(_) => {}
            FromSwarm::ExternalAddrConfirmed(event) if !self.scope.allows(event.addr) => {}
            event => {
                if let FromSwarm::ConnectionClosed(closed) = &event {
                    self.refused.remove(&closed.connection_id);
                }
                self.inner.on_swarm_event(event);
            }
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.news = !self.wanted.is_empty();
        let before = self.inner.store_mut().values_refused();
        self.inner.on_connection_handler_event(peer, id, event);
        if self.inner.store_mut().values_refused() > before {
            let refused = self.refused.entry(id).or_default();
            *refused += 1;
            if *refused == REFUSED_VALUES_MAX {
                self.closing.push((peer, id));
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<DhtEvent, THandlerInEvent<Self>>> {
        if let Some((peer_id, id)) = self.closing.pop() {
            return Poll::Ready(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) });
        }
        loop {
            if let Some(event) = self.next_wanted() {
                return Poll::Ready(ToSwarm::GenerateEvent(event));
            }
            match self.inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(ToSwarm::GenerateEvent(event)) => {
                    if let Some(event) = self.on_event(event) {
                        return Poll::Ready(ToSwarm::GenerateEvent(event));
                    }
                }
                Poll::Ready(other) => {
                    return Poll::Ready(other.map_out(|_| unreachable!("events are taken out above")));
                }
            }
        }
    }
}
