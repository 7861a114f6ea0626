//! One session: wants that belong together, and the peers that turned out to have such blocks.

use std::collections::VecDeque;
use std::time::Duration;

use merkury_core::{Cid, PeerId};

use crate::limits::{REFUSALS_MAX, SEARCH_PAUSE_MAX, SEARCH_PAUSE_MIN, SESSION_PEERS_MAX, TIMEOUTS_MAX};
use crate::peers::PeerKey;

/// Names a session of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u64);

/// A peer of a session.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) key: PeerKey,
    refusals: u32,
    timeouts: u32,
}

/// State of one session. Lists of CIDs may hold stale entries; the want's own state decides.
#[derive(Default)]
pub(super) struct Session {
    /// Wants to ask somebody for, in order.
    pub(super) queue: VecDeque<Cid>,
    /// Wants nobody we know can be asked for.
    pub(super) starved: VecDeque<Cid>,
    /// Wants whose peer lets us wait, with nobody else to ask.
    pub(super) late: VecDeque<Cid>,
    /// Wants this session owns.
    pub(super) owned: usize,
    pub(super) members: Vec<Member>,
    /// Members to be, once they are connected: providers that were found, members that went away.
    pub(super) expected: VecDeque<PeerId>,
    /// Peers that hear of wants nobody is known to have, chosen once per round.
    pub(super) audience: Vec<PeerKey>,
    pub(super) search: Search,
}

/// The search for providers of a session. In one round every needy want is searched for once; then it rests.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Since when a want has had nobody to be asked.
    pub(super) needy_since: Option<Duration>,
    /// What routing is looking for.
    pub(super) running: Vec<Cid>,
    /// How many wants this round has searched for.
    pub(super) searched: usize,
    /// Until when the search rests.
    pub(super) resting: Option<Duration>,
    pause: Duration,
}

impl Default for Search {
    fn default() -> Self {
        Self { needy_since: None, running: Vec::new(), searched: 0, resting: None, pause: SEARCH_PAUSE_MIN }
    }
}

impl Search {
    /// The round is over without success: rest, longer each time.
    pub(super) fn rest(&mut self, now: Duration) {
        self.resting = Some(now + self.pause);
        self.pause = (self.pause * 2).min(SEARCH_PAUSE_MAX);
    }

    /// Nothing is needy: the next search is a new one.
    pub(super) fn calm(&mut self) {
        (self.needy_since, self.searched) = (None, 0);
    }

    /// Blocks come: the next search rests as little as the first.
    pub(super) fn succeed(&mut self) {
        self.pause = SEARCH_PAUSE_MIN;
        self.calm();
    }
}

impl Session {
    /// Drops CIDs that are wanted no more, when they are most of a list.
    pub(super) fn compact(&mut self, is_wanted: impl Fn(&Cid) -> bool) {
        let limit = 64 + 4 * self.owned;
        for list in [&mut self.queue, &mut self.starved, &mut self.late] {
            if list.len() > limit {
                list.retain(&is_wanted);
            }
        }
    }

    pub(super) fn is_member(&self, key: PeerKey) -> bool {
        self.members.iter().any(|member| member.key == key)
    }

    /// Takes a peer in. Returns whether it is new.
    pub(super) fn join(&mut self, key: PeerKey) -> bool {
        if self.is_member(key) || self.members.len() >= SESSION_PEERS_MAX {
            return false;
        }
        self.members.push(Member { key, refusals: 0, timeouts: 0 });
        true
    }

    pub(super) fn leave(&mut self, key: PeerKey) {
        self.members.retain(|member| member.key != key);
        self.audience.retain(|other| *other != key);
    }

    /// Remembers a peer that becomes a member when it connects.
    pub(super) fn expect(&mut self, peer: &PeerId) {
        if !self.expected.contains(peer) {
            self.expected.push_back(peer.clone());
            if self.expected.len() > SESSION_PEERS_MAX {
                self.expected.pop_front();
            }
        }
    }

    pub(super) fn member_sent(&mut self, key: PeerKey) {
        if let Some(member) = self.members.iter_mut().find(|member| member.key == key) {
            (member.refusals, member.timeouts) = (0, 0);
        }
    }

    pub(super) fn member_refused(&mut self, key: PeerKey) {
        self.blame(key, |member| {
            member.refusals += 1;
            member.refusals >= REFUSALS_MAX
        });
    }

    pub(super) fn member_let_wait(&mut self, key: PeerKey) {
        self.blame(key, |member| {
            member.timeouts += 1;
            member.timeouts >= TIMEOUTS_MAX
        });
    }

    fn blame(&mut self, key: PeerKey, too_much: impl Fn(&mut Member) -> bool) {
        self.members.retain_mut(|member| member.key != key || !too_much(member));
    }
}
