//! The asking side: sessions, wants, and which peer is asked for what.
//!
//! Parts: `session.rs` (members, search state), `peer.rs` (what was asked of a peer, its window and speed), `plan.rs`
//! (who is asked), `answers.rs` (blocks, HAVE, DONT_HAVE), `clock.rs` (timeouts, searches).
//!
//! A want is in one place at a time:
//! - *queued* in its session, until a member has room in its window;
//! - *asked*: one peer was asked for the block. With no member known, the best peer there is gets the question for
//!   the block at once (no round trip for a HAVE), and others are asked whether they have it;
//! - *starved*: nobody we know can be asked. The audience is asked for HAVEs, and routing for providers: at once when
//!   nobody is left to answer, after a second otherwise.
//!
//! Invariants:
//! - At most one peer owes us the block of a want, so duplicates come only from peers that were given up too early.
//! - A want ends by its block, or by the last interested session giving up; then every peer that was told of it is
//!   told to forget it.

mod answers;
mod clock;
mod peer;
mod plan;
mod session;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use merkury_core::{Block, Cid, PeerId};

use crate::message::{Entry, Protocol};
use crate::peers::PeerKey;
use crate::seeded::{Map, Seed};
use crate::stat::WantStatus;
use peer::Peer;
use session::Session;
pub use session::SessionId;

/// Where a want is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Queued,
    Starved,
    Asked(PeerKey),
}

/// A block somebody here waits for.
struct Want {
    owner: SessionId,
    watchers: Vec<SessionId>,
    place: Place,
    priority: i32,
    /// Peers that keep this want for us, whether they owe the block, a HAVE or nothing.
    asks: Vec<PeerKey>,
    /// Peers that said DONT_HAVE or let us wait, in this round.
    refused: Vec<PeerKey>,
    /// Peers that said HAVE.
    holders: Vec<PeerKey>,
    /// Whether the peer that was asked let us wait too long, with nobody else to ask.
    late: bool,
}

/// What the client wants done.
pub(crate) enum ClientAction {
    Deliver { session: SessionId, block: Block },
    FindProviders { session: SessionId, cid: Cid },
    Ban { peer: PeerKey },
}

/// Counters of the asking side.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClientStat {
    pub(crate) blocks_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) duplicate_blocks: u64,
    pub(crate) duplicate_bytes: u64,
    pub(crate) unwanted_blocks: u64,
}

pub(crate) struct Client {
    seed: Seed,
    wants: Map<Cid, Want>,
    sessions: BTreeMap<SessionId, Session>,
    peers: BTreeMap<PeerKey, Peer>,
    /// Sessions to plan again before anything is sent.
    dirty: BTreeSet<SessionId>,
    /// Sessions with wants that wait for room at a peer. Room is shared, so any answer may be what they wait for.
    hungry: BTreeSet<SessionId>,
    /// Peers that may have something new to be told.
    pub(crate) touched: Vec<PeerKey>,
    pub(crate) actions: VecDeque<ClientAction>,
    pub(crate) stat: ClientStat,
    next_session: u64,
    next_priority: i32,
    /// Where the next choice of an audience begins, so that every peer gets its turn.
    audience_turn: usize,
}

impl Client {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            seed,
            wants: Map::with_hasher(seed),
            sessions: BTreeMap::new(),
            peers: BTreeMap::new(),
            dirty: BTreeSet::new(),
            hungry: BTreeSet::new(),
            touched: Vec::new(),
            actions: VecDeque::new(),
            stat: ClientStat::default(),
            next_session: 0,
            next_priority: i32::MAX,
            audience_turn: 0,
        }
    }

    pub(crate) fn open_session(&mut self) -> SessionId {
        let id = SessionId(self.next_session);
        self.next_session += 1;
        self.sessions.insert(id, Session::default());
        id
    }

    pub(crate) fn close_session(&mut self, id: SessionId) {
        let concerned: Vec<Cid> = self
            .wants
            .iter()
            .filter(|(_, want)| want.owner == id || want.watchers.contains(&id))
            .map(|(cid, _)| cid.clone())
            .collect();
        for cid in concerned {
            self.cancel(id, &cid);
        }
        self.sessions.remove(&id);
        self.dirty.remove(&id);
        self.hungry.remove(&id);
    }

    pub(crate) fn want(&mut self, id: SessionId, cid: Cid) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if let Some(want) = self.wants.get_mut(&cid) {
            if want.owner != id && !want.watchers.contains(&id) {
                want.watchers.push(id);
            }
            return;
        }
        let want = Want {
            owner: id,
            watchers: Vec::new(),
            place: Place::Queued,
            priority: self.next_priority,
            asks: Vec::new(),
            refused: Vec::new(),
            holders: Vec::new(),
            late: false,
        };
        self.next_priority = if self.next_priority > 1 { self.next_priority - 1 } else { i32::MAX };
        session.queue.push_back(cid.clone());
        session.owned += 1;
        self.wants.insert(cid, want);
        self.dirty.insert(id);
    }

    pub(crate) fn cancel(&mut self, id: SessionId, cid: &Cid) {
        let Some(want) = self.wants.get_mut(cid) else { return };
        if want.owner != id {
            want.watchers.retain(|watcher| *watcher != id);
            return;
        }
        if want.watchers.is_empty() {
            self.forget(cid, None);
            return;
        }
        let heir = want.watchers.remove(0);
        want.owner = heir;
        want.late = false;
        if !matches!(want.place, Place::Asked(_)) {
            want.place = Place::Queued;
        }
        if let Some(session) = self.sessions.get_mut(&id) {
            session.owned -= 1;
        }
        if let Some(session) = self.sessions.get_mut(&heir) {
            session.owned += 1;
            session.queue.push_back(cid.clone());
        }
        self.dirty.insert(heir);
    }

    /// Ends a want: every peer that keeps it is told to forget it, except the one that answered it.
    fn forget(&mut self, cid: &Cid, answered_by: Option<PeerKey>) -> Option<Want> {
        let want = self.wants.remove(cid)?;
        self.room_came();
        for key in &want.asks {
            if Some(*key) != answered_by
                && let Some(peer) = self.peers.get_mut(key)
            {
                peer.cancel(cid);
                self.touched.push(*key);
            }
        }
        if let Some(session) = self.sessions.get_mut(&want.owner) {
            session.owned -= 1;
            session.compact(|cid| self.wants.get(cid).is_some_and(|other| other.owner == want.owner));
            self.dirty.insert(want.owner);
        }
        Some(want)
    }

    /// Some peer may have room again: whoever waits for that is planned again.
    fn room_came(&mut self) {
        self.dirty.append(&mut self.hungry);
    }

    pub(crate) fn connected(&mut self, key: PeerKey, id: &PeerId, protocol: Protocol, near: bool) {
        self.peers.insert(key, Peer::new(protocol, near, self.seed));
        for (session_id, session) in &mut self.sessions {
            if session.owned == 0 {
                continue;
            }
            if session.expected.contains(id) {
                session.expected.retain(|other| other != id);
                session.join(key);
                requeue_starved(&mut self.wants, *session_id, session);
            } else if session.members.is_empty() || !session.starved.is_empty() {
                // Somebody new to ask for what is being looked for.
                session.audience.push(key);
                requeue_starved(&mut self.wants, *session_id, session);
            }
            self.dirty.insert(*session_id);
        }
    }

    pub(crate) fn set_protocol(&mut self, key: PeerKey, protocol: Protocol) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.protocol = protocol;
        }
    }

    pub(crate) fn disconnected(&mut self, key: PeerKey, id: &PeerId) {
        let Some(peer) = self.peers.remove(&key) else { return };
        self.room_came();
        for cid in peer.asked() {
            let Some(want) = self.wants.get_mut(cid) else { continue };
            want.asks.retain(|other| *other != key);
            if want.place == Place::Asked(key) {
                requeue(want, cid, &mut self.sessions);
                self.dirty.insert(want.owner);
            }
        }
        for (session_id, session) in &mut self.sessions {
            if session.is_member(key) {
                session.expect(id);
                self.dirty.insert(*session_id);
            }
            session.leave(key);
        }
    }

    pub(crate) fn has_changes(&self, key: PeerKey) -> bool {
        self.peers.get(&key).is_some_and(Peer::has_changes)
    }

    pub(crate) fn take_changes(&mut self, now: Duration, key: PeerKey) -> (bool, Vec<Entry>) {
        self.peers.get_mut(&key).map(|peer| peer.take_changes(now)).unwrap_or_default()
    }

    pub(crate) fn send_failed(&mut self, key: PeerKey) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.tell_again();
            self.touched.push(key);
        }
    }

    /// Whether time matters now.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.wants.is_empty()
    }

    /// Every wanted block, in the order in which they were wanted.
    pub(crate) fn wantlist(&self) -> Vec<Cid> {
        let mut wants: Vec<(i32, &Cid)> = self.wants.iter().map(|(cid, want)| (want.priority, cid)).collect();
        wants.sort_by(|a, b| b.cmp(a));
        wants.into_iter().map(|(_, cid)| cid.clone()).collect()
    }

    /// Where a want stands, for people who wait for it.
    pub(crate) fn status(&self, cid: &Cid) -> Option<WantStatus> {
        let want = self.wants.get(cid)?;
        let session = self.sessions.get(&want.owner)?;
        let waiting = |key: &&PeerKey| self.peers.get(key).is_some_and(|peer| peer.is_waiting(cid));
        Some(WantStatus {
            is_assigned: matches!(want.place, Place::Asked(_)),
            is_late: want.late,
            peers_waiting: want.asks.iter().filter(waiting).count(),
            peers_refused: want.refused.len(),
            peers_connected: self.peers.len(),
            session_peers: session.members.len(),
            is_searching: !session.search.running.is_empty(),
        })
    }

    /// How many wants all peers together keep for us.
    pub(crate) fn asked_count(&self) -> usize {
        self.peers.values().map(Peer::asked_count).sum()
    }
}

/// Puts a want back to the front of its session's queue.
fn requeue(want: &mut Want, cid: &Cid, sessions: &mut BTreeMap<SessionId, Session>) {
    want.place = Place::Queued;
    want.late = false;
    if let Some(session) = sessions.get_mut(&want.owner) {
        session.queue.push_front(cid.clone());
    }
}

/// Lets a session try its starved wants again.
fn requeue_starved(wants: &mut Map<Cid, Want>, id: SessionId, session: &mut Session) {
    for cid in std::mem::take(&mut session.starved).into_iter().rev() {
        if let Some(want) = wants.get_mut(&cid)
            && want.place == Place::Starved
            && want.owner == id
        {
            want.place = Place::Queued;
            session.queue.push_front(cid);
        }
    }
}
