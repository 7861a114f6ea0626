//! Who is connected, for those who must know without missing a change and without a queue that can grow.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use libp2p::PeerId;
use parking_lot::Mutex;
use tokio::sync::watch;

/// A peer came or went. Several connections to one peer count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerChange {
    /// The first connection is there.
    Connected(PeerId),
    /// The last connection is gone; streams on it are dead.
    Disconnected(PeerId),
}

/// The connected peers, each with the number of the connection period it is in: a peer that left and came back has
/// another number, so that a watcher who looked away still learns of both. Held by the behaviour alone: watchers end
/// when it is dropped.
#[derive(Debug)]
pub(super) struct Connected {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

/// What handles hold of [`Connected`].
#[derive(Clone, Debug)]
pub(super) struct ConnectedReader {
    state: Arc<Mutex<State>>,
    changed: watch::Receiver<()>,
}

#[derive(Debug, Default)]
struct State {
    peers: HashMap<PeerId, u64>,
    /// Those of them on this machine or its network.
    near: HashSet<PeerId>,
    periods: u64,
}

impl Connected {
    pub(super) fn new() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(()) }
    }

    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.state.lock().peers.contains_key(peer)
    }

    pub(super) fn insert(&self, peer: PeerId) {
        let mut state = self.state.lock();
        state.periods = state.periods.wrapping_add(1);
        let period = state.periods;
        state.peers.insert(peer, period);
        drop(state);
        self.changed.send_replace(());
    }

    /// Says, before [`Connected::insert`], that the peer is on this machine or its network.
    pub(super) fn mark_near(&self, peer: PeerId) {
        self.state.lock().near.insert(peer);
    }

    pub(super) fn remove(&self, peer: &PeerId) {
        let mut state = self.state.lock();
        state.peers.remove(peer);
        state.near.remove(peer);
        drop(state);
        self.changed.send_replace(());
    }

    pub(super) fn reader(&self) -> ConnectedReader {
        ConnectedReader { state: self.state.clone(), changed: self.changed.subscribe() }
    }
}

impl ConnectedReader {
    pub(super) fn contains(&self, peer: &PeerId) -> bool {
        self.state.lock().peers.contains_key(peer)
    }

    pub(super) fn is_near(&self, peer: &PeerId) -> bool {
        self.state.lock().near.contains(peer)
    }

    pub(super) fn watch(&self) -> PeerWatch {
        let mut changed = self.changed.clone();
        changed.mark_changed();
        PeerWatch { state: self.state.clone(), changed, seen: HashMap::new(), ready: VecDeque::new() }
    }
}

/// A reader of [`PeerChange`]s. Its memory is bounded by the number of connections.
#[derive(Debug)]
pub(crate) struct PeerWatch {
    state: Arc<Mutex<State>>,
    changed: watch::Receiver<()>,
    seen: HashMap<PeerId, u64>,
    ready: VecDeque<PeerChange>,
}

impl PeerWatch {
    /// The next change; `None` when the network was shut down and everything was reported. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<PeerChange> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            self.changed.changed().await.ok()?;
            self.compare();
        }
    }

    fn compare(&mut self) {
        let now = self.state.lock().peers.clone();
        for (peer, period) in &self.seen {
            if now.get(peer) != Some(period) {
                self.ready.push_back(PeerChange::Disconnected(*peer));
            }
        }
        for (peer, period) in &now {
            if self.seen.get(peer) != Some(period) {
                self.ready.push_back(PeerChange::Connected(*peer));
            }
        }
        self.seen = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_that_looked_away_sees_both_ends() {
        let (connected, peer) = (Connected::new(), PeerId::random());
        connected.insert(peer);
        let mut watch = connected.reader().watch();
        assert_eq!(watch.next().await, Some(PeerChange::Connected(peer)));
        connected.remove(&peer);
        connected.insert(peer);
        assert_eq!(watch.next().await, Some(PeerChange::Disconnected(peer)));
        assert_eq!(watch.next().await, Some(PeerChange::Connected(peer)));
    }

    #[tokio::test]
    async fn a_short_visit_nobody_saw_is_no_change() {
        let (connected, first, second) = (Connected::new(), PeerId::random(), PeerId::random());
        let mut watch = connected.reader().watch();
        connected.insert(first);
        connected.remove(&first);
        connected.insert(second);
        assert_eq!(watch.next().await, Some(PeerChange::Connected(second)));
    }
}
