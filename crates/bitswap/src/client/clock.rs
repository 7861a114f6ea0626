//! What time does: late wants move, searches begin, and every so often everything is tried again.

use std::time::Duration;

use merkury_core::Cid;

use super::{Client, ClientAction, Place, SessionId, Want, requeue};
use crate::limits::PROVIDER_DELAY;
use crate::peers::PeerKey;

impl Client {
    pub(crate) fn tick(&mut self, now: Duration) {
        let keys: Vec<PeerKey> = self.peers.keys().copied().collect();
        for key in keys {
            let overdue = self.peers.get_mut(&key).map(|peer| peer.overdue(now)).unwrap_or_default();
            self.blame_for(key, &overdue);
        }
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            self.search(now, id);
        }
    }

    /// Moves overdue wants to other peers, or marks them late when there is nobody else.
    fn blame_for(&mut self, key: PeerKey, overdue: &[Cid]) {
        let mut blamed = Vec::new();
        for cid in overdue {
            let Some(want) = self.wants.get_mut(cid).filter(|want| want.place == Place::Asked(key)) else { continue };
            if !blamed.contains(&want.owner) {
                blamed.push(want.owner);
            }
            let owner = want.owner;
            let was_late = std::mem::replace(&mut want.late, true);
            if self.has_alternative(owner, cid, key) {
                self.take_from(key, cid);
            } else if let Some(session) = self.sessions.get_mut(&owner).filter(|_| !was_late) {
                session.late.push_back(cid.clone());
            }
            self.dirty.insert(owner);
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
        session.members.iter().any(|member| {
            member.key != not && !want.refused.contains(&member.key) && self.peers.contains_key(&member.key)
        })
    }

    /// Asks routing for providers when a want has nobody to be asked, and begins a new round when the last one is old.
    pub(super) fn search(&mut self, now: Duration, id: SessionId) {
        let Some(cid) = self.needy(id) else {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.search.needy_since = None;
            }
            return;
        };
        let hopeless = self.wants.get(&cid).is_some_and(|want| !self.somebody_may_answer(&cid, want));
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let since = *session.search.needy_since.get_or_insert(now);
        let due = hopeless || now >= since + PROVIDER_DELAY;
        if !due || session.search.running.is_some() || now < session.search.next_at {
            return;
        }
        let again = session.search.next_at > Duration::ZERO;
        session.search.running = Some(cid.clone());
        self.actions.push_back(ClientAction::FindProviders { session: id, cid });
        if again {
            self.begin_round(id);
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
        let mut starved = std::mem::take(&mut session.starved);
        // The one that was searched for last goes to the end: others may have other providers.
        starved.rotate_left(1.min(starved.len()));
        for cid in starved.iter().rev() {
            let Some(want) = self.wants.get_mut(cid).filter(|want| want.place == Place::Starved) else { continue };
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
