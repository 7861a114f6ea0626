//! What the DHTs report, and what it means for the look-ups under way.

use std::time::SystemTime;

use libp2p::kad::QueryId;
use libp2p::{Multiaddr, PeerId};

use super::dht::DhtEvent;
use super::state::{Goal, end};
use super::values::validate;
use super::{Found, RoutingError, Which};
use crate::host::actor::Host;

/// Valid values after which a look-up for the best one ends; Kubo's `--dht-record-count`.
const VALUES_WANTED: usize = 16;

pub(crate) fn handle(host: &mut Host, which: Which, event: DhtEvent) {
    match event {
        DhtEvent::Providers { query, found } => on_providers(host, (which, query), found),
        DhtEvent::Peer { peer, addresses } => on_peer(host, peer, addresses),
        DhtEvent::Closest { query, peers } => on_closest(host, (which, query), peers),
        DhtEvent::Provided { query, asked } => {
            if let Some((_, Goal::Provide { asked: sum, .. })) = host.routing.goal_mut((which, query)) {
                *sum = sum.saturating_add(asked);
            }
            host.routing.on_query_end((which, query));
        }
        DhtEvent::Value { query, value } => on_value(host, (which, query), value),
        DhtEvent::Ended { query } => host.routing.on_query_end((which, query)),
    }
}

fn on_providers(host: &mut Host, query: (Which, QueryId), found: Vec<Found>) {
    let local = *host.swarm.local_peer_id();
    let book = &mut host.swarm.behaviour_mut().connections.book;
    let Some((id, Goal::Providers { found: sink, left, seen })) = host.routing.goal_mut(query) else { return };
    for (peer, addresses) in found {
        // This node names itself only if somebody else has to be told; its caller knows what is here.
        if *left == 0 || peer == local || !seen.insert(peer) {
            continue;
        }
        book.add(peer, addresses);
        // The channel has room for all that may be delivered.
        if sink.try_send(Ok((peer, book.addresses(&peer)))).is_err() {
            *left = 0;
            break;
        }
        *left -= 1;
    }
    if *left == 0 {
        end(host, id);
    }
}

/// Keeps the best valid value; after enough of them the look-up ends.
fn on_value(host: &mut Host, query: (Which, QueryId), value: Vec<u8>) {
    let Some((id, Goal::Value { key, best, seen, .. })) = host.routing.goal_mut(query) else { return };
    match validate(key, &value, SystemTime::now()) {
        Ok(rank) => {
            *seen += 1;
            if best.as_ref().is_none_or(|(have, _)| *have < rank) {
                *best = Some((rank, value));
            }
        }
        Err(error) => tracing::debug!(%error, "a peer answered with a value that is not valid"),
    }
    if *seen >= VALUES_WANTED
        && let Some(Goal::Value { reply, best, .. }) = end(host, id)
    {
        let _ = reply.send(best.map(|(_, value)| value).ok_or(RoutingError::NotFound));
    }
}

fn on_peer(host: &mut Host, peer: PeerId, addresses: Vec<Multiaddr>) {
    host.swarm.behaviour_mut().connections.book.add(peer, addresses);
    let known = host.swarm.behaviour().connections.book.addresses(&peer);
    if known.is_empty() {
        return;
    }
    for id in host.routing.looking_for(&peer) {
        if let Some(Goal::Peer { reply, .. }) = end(host, id) {
            let _ = reply.send(Ok(known.clone()));
        }
    }
}

fn on_closest(host: &mut Host, query: (Which, QueryId), peers: Vec<Found>) {
    match host.routing.goal_mut(query) {
        Some((_, Goal::Closest { found, .. })) => {
            let new: Vec<Found> =
                peers.into_iter().filter(|(peer, _)| !found.iter().any(|(known, _)| known == peer)).collect();
            found.extend(new);
        }
        Some((_, Goal::Peer { peer, .. })) => {
            let wanted = *peer;
            if let Some((_, addresses)) = peers.into_iter().find(|(peer, _)| *peer == wanted) {
                on_peer(host, wanted, addresses);
            }
        }
        _ => {}
    }
    host.routing.on_query_end(query);
}
