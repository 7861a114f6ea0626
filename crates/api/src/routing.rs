//! Who has what, and where.

use std::time::{Duration, SystemTime};

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

/// How new content is announced at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FastProvide {
    /// The roots.
    pub root: bool,
    /// Every block below them too, as far as the strategy takes them.
    pub dag: bool,
    /// Wait until that is done.
    pub wait: bool,
    /// The roots are pinned.
    pub pinned: bool,
    /// The roots are in the mutable file system.
    pub mfs: bool,
}

/// What announcing does, and did since the start of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvideStat {
    /// `Provide.DHT.SweepEnabled` is off: Kubo shows other numbers then.
    pub legacy: bool,
    /// Somebody could be told.
    pub online: bool,
    /// CIDs that wait.
    pub waiting: u64,
    /// Announcements being made.
    pub working: u64,
    /// Whether a cycle over everything is under way.
    pub cycle: bool,
    /// CIDs that a cycle starts from: every block, or the roots of pins.
    pub scheduled: u64,
    /// CIDs announced.
    pub made: u64,
    /// CIDs announced by cycles.
    pub made_in_cycles: u64,
    /// Announcements that reached nobody.
    pub failed: u64,
    /// Peers told, summed over all announcements.
    pub records: u64,
    /// Peers in the routing table.
    pub peers: u64,
    /// Most announcements at a time.
    pub workers: u64,
    /// Since the start of the node.
    pub uptime: Duration,
    /// Between the starts of cycles; zero for none.
    pub interval: Duration,
    /// When the current or last cycle started.
    pub cycle_started: Option<SystemTime>,
    /// When the last one ended.
    pub cycle_ended: Option<SystemTime>,
    /// Cycles that came to their end.
    pub cycles: u64,
    /// How long they took in all.
    pub cycles_took: Duration,
    /// How long the last one took.
    pub last_cycle_took: Duration,
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

    /// Announces new content as its writer asks and the strategy allows. Nothing on a node that announces nothing.
    fn fast_provide(&self, roots: Vec<Cid>, how: FastProvide) -> Answer<'_, ()>;

    /// Queues CIDs, or every local block below them, for announcing; each is told when it is queued. A root that is not
    /// here is an error.
    fn provide_once(&self, cids: Vec<Cid>, recursive: bool) -> ItemStream<Cid>;

    /// Announces everything that the strategy takes, and returns when that is done. Refused unless
    /// `Provide.DHT.SweepEnabled` is off, as in Kubo.
    fn reprovide(&self) -> Answer<'_, ()>;

    /// Forgets what waits to be announced. Returns how many CIDs that were.
    fn clear_provide_queue(&self) -> Answer<'_, u64>;

    /// What announcing does.
    fn provide_stat(&self) -> Answer<'_, ProvideStat>;
}
