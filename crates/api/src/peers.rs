//! Connections, this node's identity, and the exchange of blocks.

use std::time::Duration;

use merkury_core::{Cid, PeerId};

use crate::Answer;

/// Who this node is, or what is known of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The peer.
    pub id: PeerId,
    /// Public key as libp2p protobuf; empty when unknown.
    pub public_key: Vec<u8>,
    /// Addresses with `/p2p/ID` at the end, sorted.
    pub addresses: Vec<String>,
    /// Agent as sent on the wire.
    pub agent: String,
    /// Protocols, sorted.
    pub protocols: Vec<String>,
}

/// Which side dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionDirection {
    /// They did.
    Inbound,
    /// We did.
    Outbound,
}

/// What a connected peer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentify {
    /// Public key as libp2p protobuf.
    pub public_key: Vec<u8>,
    /// Addresses it says it has.
    pub addresses: Vec<String>,
    /// Its agent; foreign text, escape before showing.
    pub agent: String,
    /// Its protocols; foreign text.
    pub protocols: Vec<String>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The peer.
    pub peer: PeerId,
    /// Its address, without `/p2p/`.
    pub address: String,
    /// Who dialled.
    pub direction: ConnectionDirection,
    /// Round trip, when measured.
    pub latency: Option<Duration>,
    /// Protocols of open streams.
    pub streams: Vec<String>,
    /// What it says of itself, once it has.
    pub identify: Option<PeerIdentify>,
}

/// A peer with addresses, connected or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// The peer.
    pub peer: PeerId,
    /// Known addresses.
    pub addresses: Vec<String>,
}

/// Counters of the exchange, since start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitswapStat {
    /// Blocks received that were wanted.
    pub blocks_received: u64,
    /// Their bytes.
    pub data_received: u64,
    /// Blocks sent.
    pub blocks_sent: u64,
    /// Their bytes.
    pub data_sent: u64,
    /// Blocks received twice.
    pub dup_blocks_received: u64,
    /// Their bytes.
    pub dup_data_received: u64,
    /// Messages received.
    pub messages_received: u64,
    /// What we want now.
    pub wantlist: Vec<Cid>,
    /// Peers we exchange with.
    pub peers: Vec<PeerId>,
}

/// What went to and from one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The peer.
    pub peer: PeerId,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// Blocks exchanged.
    pub exchanged: u64,
}

/// Peers. On a node without a network each call is an error in Kubo's words ("this command must be run in online
/// mode…"), but for [`Peers::identity`].
pub trait Peers: Send + Sync {
    /// Who this node is.
    fn identity(&self) -> Answer<'_, Identity>;

    /// What is known of another peer: connects when needed.
    fn identify<'a>(&'a self, peer: &'a PeerId) -> Answer<'a, Identity>;

    /// Dials a multiaddr with `/p2p/ID`, or a bare peer id through routing. Returns the peer.
    fn connect<'a>(&'a self, address: &'a str) -> Answer<'a, PeerId>;

    /// Closes connections to a multiaddr or `/p2p/ID`.
    fn disconnect<'a>(&'a self, address: &'a str) -> Answer<'a, ()>;

    /// Open connections.
    fn connections(&self) -> Answer<'_, Vec<ConnectionInfo>>;

    /// Every peer with a known address.
    fn known(&self) -> Answer<'_, Vec<KnownPeer>>;

    /// Addresses we listen on.
    fn listening(&self) -> Answer<'_, Vec<String>>;

    /// Addresses we tell others.
    fn announced(&self) -> Answer<'_, Vec<String>>;

    /// Counters of the exchange.
    fn bitswap_stat(&self) -> Answer<'_, BitswapStat>;

    /// What one peer wants from us; of ourselves: what we want.
    fn wantlist<'a>(&'a self, peer: Option<&'a PeerId>) -> Answer<'a, Vec<Cid>>;

    /// What went to and from one peer.
    fn ledger<'a>(&'a self, peer: &'a PeerId) -> Answer<'a, Ledger>;
}
