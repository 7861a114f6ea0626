//! What the host is asked about routing, each with its reply.

use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::dht::Dht;
use super::state::{Goal, Task};
use super::{DhtStatus, Found, RoutingError, RoutingStatus, Which};
use crate::host::actor::Host;
use crate::host::behaviour::Behaviour;

type Reply<T> = oneshot::Sender<Result<T, RoutingError>>;

#[derive(Debug)]
pub(crate) enum Command {
    FindProviders { key: Vec<u8>, count: usize, found: mpsc::Sender<Result<Found, RoutingError>> },
    FindPeer { peer: PeerId, reply: Reply<Vec<Multiaddr>> },
    Closest { key: Vec<u8>, reply: Reply<Vec<Found>> },
    Provide { key: Vec<u8>, reply: Reply<u32> },
    GetValue { key: Vec<u8>, reply: Reply<Vec<u8>> },
    PutValue { key: Vec<u8>, value: Vec<u8>, reply: Reply<u32> },
    Status { reply: oneshot::Sender<RoutingStatus> },
}

pub(crate) fn handle(host: &mut Host, command: Command) {
    match command {
        Command::FindProviders { key, count, found } => {
            let task = Task::new(Goal::Providers { found, left: count, seen: Default::default() });
            start(host, task, |dht| Some(dht.find_providers(&key)));
        }
        Command::FindPeer { peer, reply } => find_peer(host, peer, reply),
        Command::Closest { key, reply } => {
            let task = Task::new(Goal::Closest { reply, found: Vec::new() });
            start(host, task, |dht| Some(dht.find_closest(key.clone())));
        }
        Command::Provide { key, reply } => {
            let task = Task::new(Goal::Provide { reply, asked: 0 });
            start(host, task, |dht| if dht.table_size() > 0 { dht.provide(&key) } else { None });
        }
        Command::GetValue { key, reply } => {
            let task = Task::new(Goal::Value { reply, key: key.clone(), best: None, seen: 0 });
            start(host, task, |dht| Some(dht.get_value(&key)));
        }
        Command::PutValue { key, value, reply } => {
            let task = Task::new(Goal::Provide { reply, asked: 0 });
            start(host, task, |dht| dht.put_value(&key, value.clone()));
        }
        Command::Status { reply } => drop(reply.send(status(host))),
    }
}

fn find_peer(host: &mut Host, peer: PeerId, reply: Reply<Vec<Multiaddr>>) {
    let connections = &host.swarm.behaviour().connections;
    let known = connections.book.addresses(&peer);
    if connections.get(&peer).is_some() && !known.is_empty() {
        let _ = reply.send(Ok(known));
        return;
    }
    let task = Task::new(Goal::Peer { peer, reply, known });
    start(host, task, |dht| Some(dht.find_peer(peer)));
}

/// Starts a query in each DHT there is. A task without any ends at once.
fn start(host: &mut Host, task: Task, query: impl Fn(&mut Dht) -> Option<libp2p::kad::QueryId>) {
    if !host.routing.has_room() {
        return task.fail(RoutingError::Busy);
    }
    let mut queries = Vec::new();
    let behaviour = host.swarm.behaviour_mut();
    let mut off = true;
    for (which, dht) in both(behaviour) {
        off = false;
        queries.extend(query(dht).map(|id| (which, id)));
    }
    match queries {
        _ if off => task.fail(RoutingError::Off),
        queries if queries.is_empty() => task.fail(RoutingError::NoPeers),
        queries => host.routing.insert(task, queries),
    }
}

pub(super) fn both(behaviour: &mut Behaviour) -> impl Iterator<Item = (Which, &mut Dht)> {
    let wan = behaviour.wan.as_mut().map(|dht| (Which::Wan, dht));
    let lan = behaviour.lan.as_mut().map(|dht| (Which::Lan, dht));
    wan.into_iter().chain(lan)
}

fn status(host: &mut Host) -> RoutingStatus {
    let mut status = RoutingStatus { lookups: host.routing.len(), ..RoutingStatus::default() };
    for (which, dht) in both(host.swarm.behaviour_mut()) {
        let state = Some(DhtStatus { server: dht.is_server(), peers: dht.table_size() });
        match which {
            Which::Wan => status.wan = state,
            Which::Lan => status.lan = state,
        }
    }
    status
}
