//! Whom to dial without being asked: bootstrap peers, peers remembered from earlier runs, peers to stay connected to.
//!
//! Unreachable ones cost a dial each, ever more seldom. None of them is needed: a node without any starts, serves its
//! local content, and finds others by mDNS or when they come.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use crate::ids::split_peer;

/// With fewer peers than this, bootstrap and remembered peers are dialled (Kubo's threshold).
const PEERS_ENOUGH: usize = 4;
/// Dials started at once, so that a long list does not crowd out the dials of others.
const DIALS_AT_ONCE: usize = 8;
/// Wait before the second dial of the same peer; doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(15);
/// Longest wait between two dials of a bootstrap or remembered peer.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// Longest wait between two dials of a peer we are to stay connected to.
const PEERING_RETRY_MAX: Duration = Duration::from_secs(60);
/// Remembered peers wait this long, so that the configured ones come first.
const REMEMBERED_DELAY: Duration = Duration::from_secs(2);
/// Entries of each kind.
const ENTRIES_MAX: usize = 256;
/// How many peers are worth remembering.
pub(crate) const REMEMBERED_MAX: usize = 64;

/// A peer that was good to know, for the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedPeer {
    /// The peer.
    pub peer: merkury_core::PeerId,
    /// Where it was, without `/p2p/`.
    pub addresses: Vec<String>,
}

/// Keeps peers over restarts. Called from blocking threads. Losing it costs nothing but time.
pub trait PeerMemory: Send + Sync {
    /// The peers of the last run, best first.
    fn load(&self) -> Vec<RememberedPeer>;
    /// Replaces them.
    fn save(&self, peers: Vec<RememberedPeer>);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Peering,
    Bootstrap,
    Remembered,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    next: Instant,
    wait: Duration,
}

/// The list of whom to dial, and when.
#[derive(Debug)]
pub(crate) struct Starter {
    entries: Vec<Entry>,
}

impl Starter {
    pub(crate) fn new(bootstrap: &[String], peering: &[String], local: PeerId, now: Instant) -> Self {
        let mut starter = Self { entries: Vec::new() };
        let built_in = || merkury_core::bootstrap::PEERS.iter().map(|address| (*address).to_owned()).collect();
        let expanded: Vec<String> =
            bootstrap.iter().flat_map(|text| if text == "auto" { built_in() } else { vec![text.clone()] }).collect();
        starter.add_texts(Kind::Peering, peering, local, now);
        starter.add_texts(Kind::Bootstrap, &expanded, local, now);
        starter
    }

    fn add_texts(&mut self, kind: Kind, texts: &[String], local: PeerId, now: Instant) {
        let mut peers: BTreeMap<PeerId, Vec<Multiaddr>> = BTreeMap::new();
        for text in texts {
            match text.parse::<Multiaddr>().map(split_peer) {
                Ok((address, Some(peer))) => {
                    let addresses = peers.entry(peer).or_default();
                    if !address.is_empty() {
                        addresses.push(address);
                    }
                }
                _ => tracing::warn!(address = text, "not dialled at start: no multiaddr with /p2p/ID"),
            }
        }
        for (peer, addresses) in peers {
            self.add(kind, peer, addresses, local, now);
        }
    }

    fn add(&mut self, kind: Kind, peer: PeerId, addresses: Vec<Multiaddr>, local: PeerId, next: Instant) {
        let same = self.entries.iter().filter(|entry| entry.kind == kind).count();
        if peer != local && same < ENTRIES_MAX && !self.entries.iter().any(|entry| entry.peer == peer) {
            self.entries.push(Entry { kind, peer, addresses, next, wait: RETRY_FIRST });
        }
    }

    pub(crate) fn add_remembered(&mut self, peers: Vec<RememberedPeer>, local: PeerId, now: Instant) {
        for remembered in peers.into_iter().take(REMEMBERED_MAX) {
            let addresses = remembered.addresses.iter().filter_map(|text| text.parse().ok()).collect();
            let peer = crate::ids::to_libp2p(&remembered.peer);
            self.add(Kind::Remembered, peer, addresses, local, now + REMEMBERED_DELAY);
        }
    }

    /// Peers that must stay connected.
    pub(crate) fn peering(&self) -> impl Iterator<Item = PeerId> {
        self.entries.iter().filter(|entry| entry.kind == Kind::Peering).map(|entry| entry.peer)
    }

    /// Who is to be dialled now, with addresses.
    pub(crate) fn due(
        &mut self,
        now: Instant,
        peers: usize,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        // Kinds are ordered by how much they matter.
        self.entries.sort_by_key(|entry| entry.kind);
        for entry in &mut self.entries {
            if is_connected(&entry.peer) {
                entry.wait = RETRY_FIRST;
                continue;
            }
            let needed = entry.kind == Kind::Peering || peers < PEERS_ENOUGH;
            if !needed || now < entry.next || due.len() >= DIALS_AT_ONCE {
                continue;
            }
            let longest = if entry.kind == Kind::Peering { PEERING_RETRY_MAX } else { RETRY_MAX };
            entry.next = now + entry.wait;
            entry.wait = (entry.wait * 2).min(longest);
            due.push((entry.peer, entry.addresses.clone()));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(peer: &PeerId) -> String {
        format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}")
    }

    #[test]
    fn the_public_list_parses() {
        let starter = Starter::new(&["auto".into()], &[], PeerId::random(), Instant::now());
        assert_eq!(starter.entries.len(), 6);
        assert!(starter.entries.iter().all(|entry| !entry.addresses.is_empty()));
    }

    #[test]
    fn unreachable_peers_are_dialled_ever_more_seldom() {
        let (start, peer) = (Instant::now(), PeerId::random());
        let mut starter = Starter::new(&[text(&peer)], &[], PeerId::random(), start);
        let dials = (0..3600).filter(|second| {
            let now = start + Duration::from_secs(*second);
            !starter.due(now, 0, |_| false).is_empty()
        });
        assert_eq!(dials.count(), 11);
    }

    #[test]
    fn with_enough_peers_only_peering_is_dialled() {
        let (now, friend, other) = (Instant::now(), PeerId::random(), PeerId::random());
        let mut starter = Starter::new(&[text(&other)], &[text(&friend)], PeerId::random(), now);
        let due: Vec<PeerId> = starter.due(now, PEERS_ENOUGH, |_| false).into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(due, [friend]);
        assert!(starter.due(now + RETRY_MAX, 0, |_| true).is_empty());
    }
}
