//! Peer ids and addresses between the core's types and libp2p's.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use merkury_core::PeerId;

/// The core's peer id. `None` for an id no libp2p key has (a hash of another length), which a connection cannot have.
pub(crate) fn to_core(peer: &libp2p::PeerId) -> Option<PeerId> {
    PeerId::from_bytes(&peer.to_bytes()).ok()
}

/// libp2p's peer id.
pub(crate) fn to_libp2p(peer: &PeerId) -> libp2p::PeerId {
    // Both sides accept the same two hash functions with the same lengths.
    libp2p::PeerId::from_bytes(&peer.to_bytes()).expect("a core peer id is a libp2p peer id")
}

/// Splits `/…/p2p/ID` into address and peer; an address without peer keeps `None`.
pub(crate) fn split_peer(mut address: Multiaddr) -> (Multiaddr, Option<libp2p::PeerId>) {
    match address.pop() {
        Some(Protocol::P2p(peer)) => (address, Some(peer)),
        Some(other) => (address.with(other), None),
        None => (address, None),
    }
}

/// The address with `/p2p/ID` at its end, once.
pub(crate) fn with_peer(address: Multiaddr, peer: libp2p::PeerId) -> Multiaddr {
    split_peer(address).0.with(Protocol::P2p(peer))
}
