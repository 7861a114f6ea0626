//! The address book: where peers may be found. Bounded, in memory; the least recently used peer leaves first.

use std::collections::{BTreeMap, HashMap};

use libp2p::{Multiaddr, PeerId};

use super::addresses::is_served;

/// Peers in the book: a few thousand is what a busy DHT server meets in an hour.
const PEERS_MAX: usize = 8192;
/// Addresses of one peer; more only serve to flood us.
pub(crate) const ADDRESSES_MAX: usize = 16;
/// Longest binary address kept: a relayed QUIC address with certificate hashes has about 200 bytes.
const ADDRESS_BYTES_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Book {
    peers: HashMap<PeerId, Entry>,
    by_use: BTreeMap<u64, PeerId>,
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    used: u64,
    addresses: Vec<Multiaddr>,
}

impl Book {
    /// Notes addresses (without `/p2p/`). Those there is no transport for are left out; the newest displace the oldest.
    pub(crate) fn add(&mut self, peer: PeerId, addresses: impl IntoIterator<Item = Multiaddr>) {
        let mut addresses = addresses.into_iter().filter(|address| address.len() <= ADDRESS_BYTES_MAX);
        let mut kept = self.peers.remove(&peer);
        let mut list = match kept.take() {
            Some(entry) => {
                self.by_use.remove(&entry.used);
                entry.addresses
            }
            None => Vec::new(),
        };
        // A flood of addresses costs no more than what may be kept.
        for address in addresses.by_ref().take(ADDRESSES_MAX * 2) {
            let (address, owner) = crate::ids::split_peer(address);
            if owner.is_some_and(|owner| owner != peer) || !is_served(&address) {
                continue;
            }
            list.retain(|known| *known != address);
            list.push(address);
            if list.len() > ADDRESSES_MAX {
                list.remove(0);
            }
        }
        if list.is_empty() {
            return;
        }
        self.clock += 1;
        self.by_use.insert(self.clock, peer);
        self.peers.insert(peer, Entry { used: self.clock, addresses: list });
        if self.peers.len() > PEERS_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.peers.remove(&oldest);
        }
    }

    /// An address failed: it goes, unless it is the last one.
    pub(crate) fn failed(&mut self, peer: &PeerId, address: &Multiaddr) {
        if let Some(entry) = self.peers.get_mut(peer)
            && entry.addresses.len() > 1
        {
            entry.addresses.retain(|known| known != address);
        }
    }

    /// Newest first.
    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.peers.get(peer).map(|entry| entry.addresses.iter().rev().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&PeerId, &[Multiaddr])> {
        self.peers.iter().map(|(peer, entry)| (peer, &entry.addresses[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(port: usize) -> Multiaddr {
        format!("/ip4/1.2.3.4/tcp/{port}").parse().unwrap()
    }

    #[test]
    fn an_address_flood_is_bounded_and_the_newest_stay() {
        let (mut book, peer) = (Book::default(), PeerId::random());
        book.add(peer, (1..=20).map(tcp));
        book.add(peer, [tcp(99)]);
        let kept = book.addresses(&peer);
        assert_eq!(kept.len(), ADDRESSES_MAX);
        assert_eq!(kept[0], tcp(99));
    }

    #[test]
    fn a_peer_flood_is_bounded_and_the_recently_used_stay() {
        let (mut book, kept) = (Book::default(), PeerId::random());
        book.add(kept, [tcp(1)]);
        for _ in 0..PEERS_MAX - 1 {
            book.add(PeerId::random(), [tcp(1)]);
        }
        book.add(kept, [tcp(2)]);
        for _ in 0..100 {
            book.add(PeerId::random(), [tcp(1)]);
        }
        assert_eq!(book.iter().count(), PEERS_MAX);
        assert_eq!(book.addresses(&kept).len(), 2);
    }

    #[test]
    fn useless_addresses_are_not_kept() {
        let (mut book, peer) = (Book::default(), PeerId::random());
        let foreign = tcp(1).with_p2p(PeerId::random()).unwrap();
        book.add(peer, ["/ip4/1.2.3.4/udp/1/webrtc-direct".parse().unwrap(), foreign]);
        assert_eq!(book.iter().count(), 0);
    }
}
