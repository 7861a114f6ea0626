//! What the DHTs report, and what it means for the look-ups under way.

use libp2p::kad::QueryId;
use libp2p::{Multiaddr, PeerId};

use super::dht::DhtEvent;
use super::state::{Goal, end};
use super::{Found, Which};
use crate::host::actor::Host;

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
