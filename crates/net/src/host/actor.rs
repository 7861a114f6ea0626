//! The loop of the host: shutdown, events of the swarm, commands, and a slow tick. It only routes.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, mdns, ping};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::addresses::{Announced, listenable};
use super::behaviour::{Behaviour, BehaviourEvent};
use super::connections::Identify;
use super::starter::{PeerMemory, REMEMBERED_MAX, RememberedPeer, Starter};
use super::{Command, behaviour, book, dial_words, transport};
use crate::config::NetConfig;
use crate::routing::Which;
use crate::{peers, routing, streams};

/// Connections without streams are kept this long; trims, pings and the other side end them earlier.
const IDLE_WAIT: Duration = Duration::from_secs(24 * 3600);
/// How often the slow work is looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often the DHT tables are refreshed (Kubo's interval).
const REFRESH_INTERVAL: Duration = Duration::from_secs(600);
/// How often the connections are compared with the high water (Kubo's silence period).
const TRIM_INTERVAL: Duration = Duration::from_secs(10);
/// How often peers are remembered.
const REMEMBER_INTERVAL: Duration = Duration::from_secs(600);
/// So many pings in a row must fail before a connection counts as dead.
const PINGS_FAILED_MAX: u32 = 2;
/// Protocols of one peer that are kept; Kubo has about thirty.
const PROTOCOLS_MAX: usize = 128;
/// Longest text of a peer about itself that is kept.
const FOREIGN_TEXT_MAX: usize = 256;

/// The task that owns the swarm.
pub(crate) struct Host {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) key: Keypair,
    pub(crate) agent: String,
    pub(crate) announced: BTreeSet<Multiaddr>,
    announce: Announced,
    /// Listeners without an address yet.
    unsettled: HashSet<ListenerId>,
    /// Says when every listener has an address or has failed.
    settled: watch::Sender<bool>,
    starter: Starter,
    memory: Option<Arc<dyn PeerMemory>>,
    pub(crate) peers: peers::state::State,
    pub(crate) routing: routing::state::State,
    next_refresh: Instant,
    next_trim: Instant,
    next_remember: Instant,
}

impl Host {
    /// Makes the swarm and starts listening. Fails when a list of addresses was given and none could be had.
    pub(crate) fn new(
        config: &NetConfig,
        key: Keypair,
        streams: streams::Behaviour,
        memory: Option<Arc<dyn PeerMemory>>,
    ) -> io::Result<(Self, watch::Receiver<bool>)> {
        let local = key.public().to_peer_id();
        let transport = transport::build(&key, &config.transports)?;
        let behaviour = behaviour::build(config, &key, streams);
        let swarm_config = libp2p::swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(IDLE_WAIT)
            .with_max_negotiating_inbound_streams(streams::NEGOTIATING_MAX)
            .with_smart_dial();
        let mut swarm = Swarm::new(transport, behaviour, local, swarm_config);
        let unsettled = listen(&mut swarm, &config.listen)?;
        let now = Instant::now();
        let starter = Starter::new(&config.bootstrap, &config.peering, local, now);
        for peer in starter.peering() {
            swarm.behaviour_mut().connections.protect(peer, "peering".into());
        }
        let (settled, watch) = watch::channel(unsettled.is_empty());
        let mut host = Self {
            swarm,
            key,
            agent: config.agent.clone(),
            announced: BTreeSet::new(),
            announce: Announced::new(&config.announce),
            unsettled,
            settled,
            starter,
            memory,
            peers: peers::state::State::default(),
            routing: routing::state::State::default(),
            next_refresh: now + REFRESH_INTERVAL,
            next_trim: now + TRIM_INTERVAL,
            next_remember: now + REMEMBER_INTERVAL,
        };
        host.announce();
        Ok((host, watch))
    }

    /// Runs until `shutdown`.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>, shutdown: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(command) = commands.recv() => self.on_command(command),
                _ = tick.tick() => self.on_tick(Instant::now()),
            }
        }
        if let Some(saving) = self.remember() {
            // A save that fails loses only the list of good peers.
            let _ = saving.await;
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Peers(command) => peers::commands::handle(self, command),
            Command::Routing(command) => routing::commands::handle(self, command),
            Command::Remembered(peers) => {
                let local = *self.swarm.local_peer_id();
                self.starter.add_remembered(peers, local, Instant::now());
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(event),
            SwarmEvent::Behaviour(BehaviourEvent::Mdns(event)) => self.on_mdns(event),
            SwarmEvent::Behaviour(BehaviourEvent::Wan(event)) => routing::events::handle(self, Which::Wan, event),
            SwarmEvent::Behaviour(BehaviourEvent::Lan(event)) => routing::events::handle(self, Which::Lan, event),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => peers::events::on_connected(self, &peer_id),
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                tracing::debug!(peer = ?peer_id, error = dial_words(&error), "dial failed");
                peers::events::on_dial_failed(self, connection_id, &error);
            }
            SwarmEvent::NewListenAddr { listener_id, .. } => self.on_listening(Some(listener_id)),
            SwarmEvent::ExpiredListenAddr { .. } => self.on_listening(None),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                if let Err(error) = reason {
                    tracing::warn!(%error, "a listener closed");
                }
                self.on_listening(Some(listener_id));
            }
            SwarmEvent::ListenerError { error, .. } => tracing::debug!(%error, "listener error"),
            _ => {}
        }
    }

    fn on_tick(&mut self, now: Instant) {
        let local = *self.swarm.local_peer_id();
        let connections = &self.swarm.behaviour().connections;
        let due = self.starter.due(now, connections.peer_count(), |peer| connections.get(peer).is_some());
        for (peer, addresses) in due.into_iter().filter(|(peer, _)| *peer != local) {
            self.dial_unasked(peer, addresses);
        }
        routing::state::on_tick(self);
        if now >= self.next_refresh {
            self.next_refresh = now + REFRESH_INTERVAL;
            let behaviour = self.swarm.behaviour_mut();
            for dht in [behaviour.wan.as_mut(), behaviour.lan.as_mut()].into_iter().flatten() {
                dht.refresh();
            }
        }
        if now >= self.next_trim {
            self.next_trim = now + TRIM_INTERVAL;
            self.trim(now);
        }
        if now >= self.next_remember {
            self.next_remember = now + REMEMBER_INTERVAL;
            // Runs by itself; the next save or the shutdown follows it.
            drop(self.remember());
        }
    }

    fn trim(&mut self, now: Instant) {
        let behaviour = self.swarm.behaviour();
        let surplus = behaviour.connections.surplus(now, |peer| behaviour.streams.is_in_use(peer));
        if !surplus.is_empty() {
            tracing::debug!(peers = surplus.len(), "connections trimmed");
        }
        for peer in surplus {
            // One that has left meanwhile is what we want.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// A dial nobody waits for.
    fn dial_unasked(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) {
        let opts = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        if let Err(error) = self.swarm.dial(opts) {
            tracing::debug!(%peer, error = dial_words(&error), "dial not started");
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        match event {
            identify::Event::Received { peer_id, info, .. } | identify::Event::Pushed { peer_id, info, .. } => {
                let identify = Identify {
                    public_key: info.public_key.encode_protobuf(),
                    agent: clip(&info.agent_version),
                    protocols: protocols(&info.protocols),
                    addresses: bounded(info.listen_addrs),
                };
                self.on_identified(peer_id, identify);
            }
            identify::Event::Error { peer_id, error, .. } => {
                tracing::debug!(peer = %peer_id, %error, "identify failed")
            }
            identify::Event::Sent { .. } => {}
        }
    }

    fn on_identified(&mut self, peer: PeerId, identify: Identify) {
        let behaviour = self.swarm.behaviour_mut();
        behaviour.connections.book.add(peer, identify.addresses.iter().cloned());
        let mut valued = false;
        for dht in [behaviour.wan.as_mut(), behaviour.lan.as_mut()].into_iter().flatten() {
            valued |= dht.on_identified(peer, &identify.protocols, &identify.addresses);
        }
        behaviour.connections.set_valued(peer, valued);
        if let Some(connected) = behaviour.connections.get_mut(&peer) {
            connected.identify = Some(identify);
        }
    }

    fn on_ping(&mut self, event: ping::Event) {
        let connections = &mut self.swarm.behaviour_mut().connections;
        let Some(connection) = connections.connection_mut(&event.peer, event.connection) else { return };
        match event.result {
            Ok(latency) => {
                connection.latency = Some(latency);
                connection.pings_failed = 0;
            }
            Err(ping::Failure::Unsupported) => {}
            Err(error) => {
                connection.pings_failed += 1;
                if connection.pings_failed >= PINGS_FAILED_MAX {
                    tracing::debug!(peer = %event.peer, %error, "connection closed: pings fail");
                    self.swarm.close_connection(event.connection);
                }
            }
        }
    }

    fn on_mdns(&mut self, event: mdns::Event) {
        let mdns::Event::Discovered(found) = event else { return };
        for (peer, address) in found {
            let connections = &mut self.swarm.behaviour_mut().connections;
            connections.book.add(peer, [address]);
            if connections.get(&peer).is_none() {
                self.dial_unasked(peer, Vec::new());
            }
        }
    }

    fn on_listening(&mut self, listener: Option<ListenerId>) {
        if let Some(listener) = listener {
            self.unsettled.remove(&listener);
        }
        self.announce();
        self.settled.send_replace(self.unsettled.is_empty());
    }

    /// Brings what others are told in line with what we listen on.
    fn announce(&mut self) {
        let wanted = self.announce.select(self.swarm.listeners());
        if wanted == self.announced {
            return;
        }
        for gone in self.announced.difference(&wanted) {
            self.swarm.remove_external_address(gone);
        }
        for new in wanted.difference(&self.announced).cloned().collect::<Vec<_>>() {
            self.swarm.add_external_address(new);
        }
        self.announced = wanted;
        let connected: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        self.swarm.behaviour_mut().identify.push(connected);
    }

    /// Saves the peers that are good to know, on a blocking thread.
    fn remember(&mut self) -> Option<tokio::task::JoinHandle<()>> {
        let memory = self.memory.clone()?;
        let peers = self.good_peers();
        if peers.is_empty() {
            return None;
        }
        Some(tokio::task::spawn_blocking(move || memory.save(peers)))
    }

    /// Connected peers we dialled or that told where they listen.
    fn good_peers(&self) -> Vec<RememberedPeer> {
        let connections = &self.swarm.behaviour().connections;
        let with_addresses = connections.iter().filter_map(|(peer, _)| {
            let addresses: Vec<String> = connections.book.addresses(peer).iter().map(Multiaddr::to_string).collect();
            let peer = crate::ids::to_core(peer)?;
            (!addresses.is_empty()).then_some(RememberedPeer { peer, addresses })
        });
        with_addresses.take(REMEMBERED_MAX).collect()
    }
}

/// Listens on all addresses that can be had.
fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[String]) -> io::Result<HashSet<ListenerId>> {
    let (mut listeners, mut failure) = (HashSet::new(), None);
    for address in listenable(addresses) {
        match swarm.listen_on(address.clone()) {
            Ok(listener) => {
                listeners.insert(listener);
            }
            Err(error) => {
                tracing::warn!(%address, %error, "cannot listen");
                failure = Some(format!("cannot listen on {address}: {error}"));
            }
        }
    }
    match failure {
        Some(failure) if listeners.is_empty() => Err(io::Error::other(failure)),
        _ => Ok(listeners),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(FOREIGN_TEXT_MAX).collect()
}

fn protocols(protocols: &[libp2p::StreamProtocol]) -> Vec<String> {
    protocols.iter().take(PROTOCOLS_MAX).map(|protocol| clip(protocol.as_ref())).collect()
}

fn bounded(addresses: Vec<Multiaddr>) -> Vec<Multiaddr> {
    addresses.into_iter().take(book::ADDRESSES_MAX).map(|address| crate::ids::split_peer(address).0).collect()
}
