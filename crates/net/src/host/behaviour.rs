//! The one behaviour of the one swarm. Everything that is generic in libp2p meets here and nowhere else.

use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::kad::Mode;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{PeerId, identify, mdns, ping};

use super::connections::Connections;
use crate::config::{DhtMode, NetConfig};
use crate::routing::dht::{Dht, LAN, Scope, WAN};
use crate::streams;

/// Protocol family, as Kubo says it.
const PROTOCOL_VERSION: &str = "ipfs/0.1.0";
/// How often a peer is asked again who it is; changes are pushed at once.
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(3600);
/// How often each connection is pinged, which also keeps its latency fresh.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// How long an answer to a ping may take.
const PING_WAIT: Duration = Duration::from_secs(20);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    // First, so that its refusals spare the others the work.
    pub(crate) connections: Connections,
    // Before `ping`, whose inbound half it takes over: see `crate::ping`.
    pub(crate) streams: streams::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) wan: Toggle<Dht>,
    pub(crate) lan: Toggle<Dht>,
}

pub(super) fn build(config: &NetConfig, key: &Keypair, streams: streams::Behaviour) -> Behaviour {
    let local = key.public().to_peer_id();
    // What others are told of our addresses is decided by `Announced`; raw listen addresses are hidden.
    let identify = identify::Config::new(PROTOCOL_VERSION.into(), key.public())
        .with_agent_version(config.agent.clone())
        .with_interval(IDENTIFY_INTERVAL)
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    Behaviour {
        connections: Connections::new(config.connections.clone()),
        streams,
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_WAIT)),
        mdns: build_mdns(config, local).into(),
        wan: build_wan(config, local).into(),
        lan: build_lan(config, local).into(),
    }
}

fn build_mdns(config: &NetConfig, local: PeerId) -> Option<mdns::tokio::Behaviour> {
    if !config.mdns {
        return None;
    }
    match mdns::tokio::Behaviour::new(mdns::Config::default(), local) {
        Ok(mdns) => Some(mdns),
        Err(error) => {
            tracing::warn!(%error, "peers on the local network cannot be discovered");
            None
        }
    }
}

fn build_wan(config: &NetConfig, local: PeerId) -> Option<Dht> {
    let mode = match config.dht {
        DhtMode::Off => return None,
        DhtMode::Client => Some(Mode::Client),
        DhtMode::Server => Some(Mode::Server),
        DhtMode::Auto => None,
    };
    Some(Dht::new(local, WAN, Scope::Wan { private_too: config.dht_private_on_wan }, mode))
}

fn build_lan(config: &NetConfig, local: PeerId) -> Option<Dht> {
    let scope = Scope::Lan { loopback_too: config.dht_loopback_on_lan };
    (config.dht != DhtMode::Off).then(|| Dht::new(local, LAN, scope, Some(Mode::Server)))
}

/// The protocols this node speaks, sorted.
pub(crate) fn protocols(behaviour: &Behaviour) -> Vec<String> {
    let mut protocols: Vec<String> = ["/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0"].map(String::from).to_vec();
    protocols.extend(behaviour.streams.accepted().into_iter().map(|protocol| protocol.to_string()));
    let dhts = [(behaviour.wan.as_ref(), WAN), (behaviour.lan.as_ref(), LAN)];
    for (dht, protocol) in dhts {
        if dht.is_some_and(Dht::is_server) {
            protocols.push(protocol.to_string());
        }
    }
    protocols.sort();
    protocols
}
