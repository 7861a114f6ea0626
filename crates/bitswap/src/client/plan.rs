//! Who is asked: members with room first, then the best peer we know, then an audience and routing.

use std::time::Duration;

use merkury_core::Cid;

use super::peer::Peer;
use super::{Client, Place, SessionId, Want};
use crate::limits::{BROADCAST_OTHERS_MAX, BROADCAST_USEFUL_MAX, BROADCAST_WANTS_MAX};
use crate::message::WantKind;
use crate::peers::PeerKey;

/// Wants that are looked at beyond one that has to wait for room.
const LOOK_AHEAD: usize = 64;

/// Whom a want can be asked of.
enum Pick {
    Peer(PeerKey),
    /// Somebody could be asked, but not now.
    Wait,
    /// Nobody we know.
    Nobody,
}

impl Client {
    /// Plans every session that changed. Called before anything is sent, so that a burst of wants is planned once.
    pub(crate) fn plan(&mut self, now: Duration) {
        while let Some(id) = self.dirty.pop_first() {
            self.plan_session(now, id);
        }
    }

    fn plan_session(&mut self, now: Duration, id: SessionId) {
        let mut at = 0;
        while at < LOOK_AHEAD {
            let Some(session) = self.sessions.get(&id) else { return };
            let Some(cid) = session.queue.get(at).cloned() else { break };
            let pick = match self.wants.get(&cid) {
                Some(want) if want.owner == id && want.place == Place::Queued => self.pick(id, want),
                _ => {
                    self.unqueue(id, at);
                    continue;
                }
            };
            match pick {
                Pick::Wait if self.nobody_has_room(id) => break,
                Pick::Wait => at += 1,
                Pick::Peer(key) => {
                    self.unqueue(id, at);
                    self.ask(now, key, &cid, WantKind::Block);
                    if let Some(want) = self.wants.get_mut(&cid) {
                        want.place = Place::Asked(key);
                        want.late = false;
                    }
                    if self.sessions.get(&id).is_some_and(|session| session.members.is_empty()) {
                        self.seek(now, id, &cid);
                    }
                }
                Pick::Nobody => {
                    self.unqueue(id, at);
                    if let Some(want) = self.wants.get_mut(&cid) {
                        want.place = Place::Starved;
                    }
                    if let Some(session) = self.sessions.get_mut(&id) {
                        session.starved.push_back(cid.clone());
                    }
                    self.seek(now, id, &cid);
                }
            }
        }
        if self.sessions.get(&id).is_some_and(|session| !session.queue.is_empty()) {
            self.hungry.insert(id);
        }
        self.search(now, id);
    }

    fn unqueue(&mut self, id: SessionId, at: usize) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.queue.remove(at);
        }
    }

    /// Chooses the peer that would have the block here first.
    fn pick(&self, id: SessionId, want: &Want) -> Pick {
        let Some(session) = self.sessions.get(&id) else { return Pick::Nobody };
        let willing = |key: &PeerKey| !want.refused.contains(key);
        let mut best: Option<(f64, PeerKey)> = None;
        let mut somebody = false;
        for key in session.members.iter().map(|member| member.key).filter(willing) {
            let Some(peer) = self.peers.get(&key).filter(|peer| !peer.is_stalled()) else { continue };
            somebody = true;
            if !peer.has_room() {
                continue;
            }
            let doubt = if want.holders.contains(&key) { 1.0 } else { 1.5 };
            let seconds = peer.expected_seconds() * doubt;
            if best.is_none_or(|(least, _)| seconds < least) {
                best = Some((seconds, key));
            }
        }
        match best {
            Some((_, key)) => Pick::Peer(key),
            None if somebody => Pick::Wait,
            None if session.members.is_empty() => self.pick_stranger(want),
            None => Pick::Nobody,
        }
    }

    /// Without members: the peer that was most useful so far, or the only one there is.
    fn pick_stranger(&self, want: &Want) -> Pick {
        let only_one = self.peers.len() == 1;
        let best = self
            .peers
            .iter()
            .filter(|(key, peer)| !want.refused.contains(key) && !peer.is_stalled())
            .filter(|(_, peer)| only_one || peer.is_useful())
            .max_by_key(|(key, peer)| (peer.blocks, peer.haves, std::cmp::Reverse(**key)));
        match best {
            Some((key, peer)) if peer.has_room() => Pick::Peer(*key),
            Some(_) => Pick::Wait,
            None => Pick::Nobody,
        }
    }

    fn nobody_has_room(&self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get(&id) else { return true };
        let has_room = |key: &PeerKey| self.peers.get(key).is_some_and(Peer::has_room);
        if session.members.is_empty() {
            return !self.peers.keys().any(has_room);
        }
        !session.members.iter().any(|member| has_room(&member.key))
    }

    pub(super) fn ask(&mut self, now: Duration, key: PeerKey, cid: &Cid, kind: WantKind) {
        let (Some(peer), Some(want)) = (self.peers.get_mut(&key), self.wants.get_mut(cid)) else { return };
        let displaced = peer.ask(now, cid, kind, want.priority);
        if !want.asks.contains(&key) {
            want.asks.push(key);
        }
        if let Some(displaced) = displaced
            && let Some(want) = self.wants.get_mut(&displaced)
        {
            want.asks.retain(|other| *other != key);
        }
        self.touched.push(key);
    }

    /// Asks the session's audience whether they have a block.
    fn seek(&mut self, now: Duration, id: SessionId, cid: &Cid) {
        if self.sessions.get(&id).is_some_and(|session| session.audience.is_empty()) {
            let audience = self.choose_audience();
            if let Some(session) = self.sessions.get_mut(&id) {
                session.audience = audience;
            }
        }
        let (Some(session), Some(want)) = (self.sessions.get(&id), self.wants.get(cid)) else { return };
        let is_new = |key: &&PeerKey| !want.asks.contains(key) && !want.refused.contains(key);
        let has_few = |key: &&PeerKey| self.peers.get(key).is_some_and(|p| p.asked_count() < BROADCAST_WANTS_MAX);
        let audience: Vec<PeerKey> = session.audience.iter().filter(is_new).filter(has_few).copied().collect();
        for key in audience {
            self.ask(now, key, cid, WantKind::Have);
        }
    }

    /// Peers that were useful or are near, and some of the others in turn.
    fn choose_audience(&mut self) -> Vec<PeerKey> {
        let is_good = |peer: &Peer| peer.near || peer.is_useful();
        let mut audience: Vec<PeerKey> = self
            .peers
            .iter()
            .filter(|(_, peer)| is_good(peer))
            .map(|(key, _)| *key)
            .take(BROADCAST_USEFUL_MAX)
            .collect();
        let others: Vec<PeerKey> = self.peers.iter().filter(|(_, peer)| !is_good(peer)).map(|(key, _)| *key).collect();
        let turn = self.audience_turn.checked_rem(others.len()).unwrap_or(0);
        audience.extend(others.iter().cycle().skip(turn).take(BROADCAST_OTHERS_MAX.min(others.len())));
        self.audience_turn = self.audience_turn.wrapping_add(BROADCAST_OTHERS_MAX);
        audience
    }
}
