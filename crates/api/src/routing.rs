//! Who has what, and where.

use merkury_core::{Cid, PeerId};

use crate::{Answer, ItemStream};

/// A peer and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddresses {
    /// The peer.
    pub peer: PeerId,
    /// Its addresses, without `/p2p/`.
    pub addresses: Vec<String>,
}

/// What a look-up tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoutingEvent {
    /// This peer is asked.
    Asking(PeerId),
    /// This peer answered with closer ones.
    Answered {
        /// Who answered.
        peer: PeerId,
        /// What it named.
        closer: Vec<PeerAddresses>,
    },
    /// A provider of the content.
    Provider(PeerAddresses),
    /// The peer that was looked for.
    Peer(PeerAddresses),
    /// A record was left with this peer.
    Stored(PeerId),
    /// Something failed on the way; the look-up goes on.
    Failed {
        /// Who failed, if one peer did.
        peer: Option<PeerId>,
        /// How.
        why: String,
    },
}

/// Routing. On a node without a network each call is an error in Kubo's words.
pub trait Routing: Send + Sync {
    /// Providers of a CID, at most `count`.
    fn find_providers(&self, cid: Cid, count: usize) -> ItemStream<RoutingEvent>;

    /// Addresses of a peer.
    fn find_peer(&self, peer: PeerId) -> ItemStream<RoutingEvent>;

    /// Announces that this node has these DAGs: the roots, or every block below with `recursive`. A block that is
    /// not here is an error.
    fn provide(&self, cids: Vec<Cid>, recursive: bool) -> ItemStream<RoutingEvent>;

    /// Waits for nothing: puts CIDs into the announce queue.
    fn provide_later(&self, cids: Vec<Cid>) -> Answer<'_, ()>;
}
