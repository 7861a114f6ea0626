//! What the host is asked about peers, each with its reply. A reply nobody waits for is dropped.

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

use super::{ConnectionInfo, Direction, Identity, PeerAddresses, PeersError};
use crate::host::actor::Host;
use crate::host::connections::Identify;
use crate::host::dial_words;
use crate::ids::{split_peer, to_core, with_peer};

type Reply<T> = oneshot::Sender<T>;

#[derive(Debug)]
pub(crate) enum Command {
    Connect { peer: PeerId, addresses: Vec<Multiaddr>, reply: Reply<Result<(), PeersError>> },
    Disconnect { peer: PeerId, address: Option<Multiaddr>, reply: Reply<Result<(), PeersError>> },
    Connections { reply: Reply<Vec<ConnectionInfo>> },
    Known { reply: Reply<Vec<PeerAddresses>> },
    Listening { reply: Reply<Vec<String>> },
    Announced { reply: Reply<Vec<String>> },
    Identity { reply: Reply<Identity> },
    Identify { peer: PeerId, reply: Reply<Result<Option<Identity>, PeersError>> },
    Protect { peer: PeerId, tag: String, on: bool },
}

pub(crate) fn handle(host: &mut Host, command: Command) {
    match command {
        Command::Connect { peer, addresses, reply } => connect(host, peer, addresses, reply),
        Command::Disconnect { peer, address, reply } => drop(reply.send(disconnect(host, peer, address))),
        Command::Connections { reply } => drop(reply.send(connections(host))),
        Command::Known { reply } => drop(reply.send(known(host))),
        Command::Listening { reply } => drop(reply.send(host.swarm.listeners().map(Multiaddr::to_string).collect())),
        Command::Announced { reply } => drop(reply.send(host.announced.iter().map(Multiaddr::to_string).collect())),
        Command::Identity { reply } => drop(reply.send(identity(host))),
        Command::Identify { peer, reply } => drop(reply.send(identify(host, &peer))),
        Command::Protect { peer, tag, on } => {
            let connections = &mut host.swarm.behaviour_mut().connections;
            if on { connections.protect(peer, tag) } else { connections.unprotect(&peer, &tag) }
        }
    }
}

fn connect(host: &mut Host, peer: PeerId, addresses: Vec<Multiaddr>, reply: Reply<Result<(), PeersError>>) {
    if host.swarm.behaviour().connections.get(&peer).is_some() {
        let _ = reply.send(Ok(()));
        return;
    }
    if peer == *host.swarm.local_peer_id() {
        let _ = reply.send(Err(PeersError::DialSelf));
        return;
    }
    // Several dials to one peer may run at a time: each caller brings addresses of its own.
    let opts = DialOpts::peer_id(peer)
        .condition(PeerCondition::Disconnected)
        .addresses(addresses)
        .extend_addresses_through_behaviour()
        .build();
    let dial = opts.connection_id();
    if let Err(reply) = host.peers.wait_for(dial, peer, reply) {
        let _ = reply.send(Err(PeersError::Busy));
        return;
    }
    if let Err(error) = host.swarm.dial(opts) {
        host.peers.finish_dial(dial, dial_words(&error));
    }
}

fn disconnect(host: &mut Host, peer: PeerId, address: Option<Multiaddr>) -> Result<(), PeersError> {
    let connected = host.swarm.behaviour().connections.get(&peer).ok_or(PeersError::NotConnected)?;
    let chosen: Vec<_> = connected
        .connections
        .iter()
        .filter(|connection| {
            let remote = split_peer(connection.endpoint.get_remote_address().clone()).0;
            address.as_ref().is_none_or(|address| *address == remote)
        })
        .map(|connection| connection.id)
        .collect();
    if chosen.is_empty() {
        return Err(PeersError::NotConnected);
    }
    for id in chosen {
        host.swarm.close_connection(id);
    }
    Ok(())
}

fn connections(host: &Host) -> Vec<ConnectionInfo> {
    let mut list = Vec::new();
    for (id, connected) in host.swarm.behaviour().connections.iter() {
        let Some(peer) = to_core(id) else { continue };
        for connection in &connected.connections {
            list.push(ConnectionInfo {
                peer: peer.clone(),
                address: split_peer(connection.endpoint.get_remote_address().clone()).0.to_string(),
                direction: if connection.endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound },
                latency: connection.latency,
                identity: connected.identify.as_ref().and_then(|identify| told(id, identify)),
            });
        }
    }
    list
}

fn known(host: &Host) -> Vec<PeerAddresses> {
    let texts = |addresses: &[Multiaddr]| addresses.iter().map(Multiaddr::to_string).collect();
    let entry = |(peer, addresses): (&PeerId, &[Multiaddr])| {
        Some(PeerAddresses { peer: to_core(peer)?, addresses: texts(addresses) })
    };
    host.swarm.behaviour().connections.book.iter().filter_map(entry).collect()
}

fn identity(host: &Host) -> Identity {
    let public = host.key.public();
    let id = public.to_peer_id();
    let mut addresses: Vec<String> =
        host.announced.iter().map(|address| with_peer(address.clone(), id).to_string()).collect();
    addresses.sort();
    Identity {
        id: to_core(&id).expect("an id made from a key is a peer id"),
        public_key: public.encode_protobuf(),
        addresses,
        agent: host.agent.clone(),
        protocols: crate::host::behaviour::protocols(host.swarm.behaviour()),
    }
}

fn identify(host: &Host, peer: &PeerId) -> Result<Option<Identity>, PeersError> {
    let connected = host.swarm.behaviour().connections.get(peer).ok_or(PeersError::NotConnected)?;
    Ok(connected.identify.as_ref().and_then(|identify| told(peer, identify)))
}

/// What a peer says of itself, as plain data.
fn told(peer: &PeerId, identify: &Identify) -> Option<Identity> {
    let mut addresses: Vec<String> =
        identify.addresses.iter().map(|address| with_peer(address.clone(), *peer).to_string()).collect();
    addresses.sort();
    let mut protocols = identify.protocols.clone();
    protocols.sort();
    Some(Identity {
        id: to_core(peer)?,
        public_key: identify.public_key.clone(),
        addresses,
        agent: identify.agent.clone(),
        protocols,
    })
}
