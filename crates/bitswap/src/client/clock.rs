//! What time does: late wants move, searches begin, and every so often everything is tried again.

use std::time::Duration;

use merkury_core::Cid;

use super::{Client, ClientAction, Place, SessionId, Want, requeue};
use crate::limits::{PROVIDER_DELAY, SEARCHES_MAX};
use crate::peers::PeerKey;

impl Client {
    pub(crate) fn tick(&mut self, now: Duration) {
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            let overdue = self.peers.get_mut(&key).map(|peer| peer.overdue(now)).unwrap_or_default();
            self.blame_for(now, key, &overdue);
        }
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.search(now, id);
        }
    }

    /// Moves overdue wants to other peers, or marks them late when there is nobody else.
    fn blame_for(&mut self, now: Duration, key: PeerKey, overdue: &[Cid]) {
        // Older versions cannot say DONT_HAVE: silence says it.
        let is_mute = self.peers.get(&key).is_some_and(|peer| !peer.protocol.has_presences());
        let mut blamed = Vec::new();
        for cid in overdue {
            let Some(want) = self.wants.get_mut(cid) else { continue };
            let owner = want.owner;
            self.dirty.insert(owner);
            if want.place != Place::Asked(key) {
                if is_mute {
                    self.give_up_on(key, cid);
                }
                continue;
            }
            if !blamed.contains(&owner) {
                blamed.push(owner);
            }
            let was_late = std::mem::replace(&mut want.late, true);
            if is_mute || self.has_alternative(owner, cid, key) {
                self.take_from(key, cid);
                continue;
            }
            if let Some(peer) = self.peers.get_mut(&key) {
                peer.remind(now, cid);
                self.touched.push(key);
            }
            if let Some(session) = self.sessions.get_mut(&owner).filter(|_| !was_late) {
                session.late.push_back(cid.clone());
            }
        }
        for id in blamed {
            if let Some(session) = self.sessions.get_mut(&id)
                && session.members.len() > 1
            {
                session.member_let_wait(key);
            }
        }
    }

    /// Whether another member can be asked for a block.
    fn has_alternative(&self, id: SessionId, cid: &Cid, not: PeerKey) -> bool {
        let (Some(session), Some(want)) = (self.sessions.get(&id), self.wants.get(cid)) else { return false };
        let willing = |key: PeerKey| key != not && !want.refused.contains(&key);
        let answers = |key: PeerKey| self.peers.get(&key).is_some_and(|peer| !peer.is_stalled());
        session.members.iter().any(|member| willing(member.key) && answers(member.key))
    }

    /// Asks routing for providers when wants have nobody to be asked, and begins a new round after a rest.
    pub(super) fn search(&mut self, now: Duration, id: SessionId) {
        let Some(cid) = self.needy(id) else {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.search.calm();
            }
            return;
        };
        let hopeless = self.wants.get(&cid).is_some_and(|want| !self.somebody_may_answer(&cid, want));
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let since = *session.search.needy_since.get_or_insert(now);
        if !hopeless && now < since + PROVIDER_DELAY {
            return;
        }
        match session.search.resting {
            Some(until) if now < until => {}
            Some(_) => self.begin_round(id),
            None => self.search_round(now, id, cid),
        }
    }

    /// Starts as many searches as may run; ends the round when every needy want had its search.
    fn search_round(&mut self, now: Duration, id: SessionId, first: Cid) {
        let mut next = Some(first);
        while let Some(cid) = next {
            let Some(session) = self.sessions.get_mut(&id) else { return };
            let needy = (session.starved.len() + session.late.len()).max(1);
            let search = &mut session.search;
            if search.searched >= needy {
                if search.running.is_empty() {
                    search.rest(now);
                }
                return;
            }
            if search.running.len() >= SEARCHES_MAX {
                return;
            }
            search.searched += 1;
            for list in [&mut session.starved, &mut session.late] {
                if list.front() == Some(&cid) {
                    list.rotate_left(1);
                }
            }
            if !search.running.contains(&cid) {
                search.running.push(cid.clone());
                self.actions.push_back(ClientAction::FindProviders { session: id, cid });
            }
            next = self.needy(id);
        }
    }

    /// A want of this session that has nobody to be asked: the one that has waited longest.
    fn needy(&mut self, id: SessionId) -> Option<Cid> {
        let session = self.sessions.get_mut(&id).filter(|session| session.owned > 0)?;
        let wants = &self.wants;
        let is = |cid: &Cid, test: fn(&Want) -> bool| wants.get(cid).is_some_and(|want| want.owner == id && test(want));
        for (list, test) in [
            (&mut session.starved, (|want| want.place == Place::Starved) as fn(&Want) -> bool),
            (&mut session.late, |want| want.late),
        ] {
            while list.front().is_some_and(|cid| !is(cid, test)) {
                list.pop_front();
            }
            if let Some(cid) = list.front() {
                return Some(cid.clone());
            }
        }
        if !session.members.is_empty() {
            return None;
        }
        let own = wants.iter().filter(|(_, want)| want.owner == id);
        own.max_by_key(|(_, want)| want.priority).map(|(cid, _)| cid.clone())
    }

    fn somebody_may_answer(&self, cid: &Cid, want: &Want) -> bool {
        !want.late && want.asks.iter().any(|key| self.peers.get(key).is_some_and(|peer| peer.is_waiting(cid)))
    }

    /// Forgets refusals: who did not have a block a while ago may have it now.
    fn begin_round(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.audience.clear();
        (session.search.resting, session.search.searched) = (None, 0);
        for cid in &session.late {
            if let Some(want) = self.wants.get_mut(cid) {
                want.refused.clear();
            }
        }
        for cid in std::mem::take(&mut session.starved).iter().rev() {
            let is_starved = |want: &&mut Want| want.place == Place::Starved && want.owner == id;
            let Some(want) = self.wants.get_mut(cid).filter(is_starved) else { continue };
            want.refused.clear();
            for key in std::mem::take(&mut want.asks) {
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.cancel(cid);
                    self.touched.push(key);
                }
            }
            requeue(want, cid, &mut self.sessions);
        }
        self.dirty.insert(id);
    }
}
