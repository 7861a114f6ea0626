//! Short names for connected peers: a key is never used twice, so a stale one is harmless.

/// Names one connection period of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerKey(pub(crate) u64);
