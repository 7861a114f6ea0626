//! What peers say: blocks, HAVE, DONT_HAVE, and providers that routing found.

use std::time::Duration;

use merkury_core::cid::codec_code::{DAG_CBOR, DAG_PB, RAW};
use merkury_core::{Block, Cid, PeerId};

use super::{Client, ClientAction, Place, SessionId, requeue, requeue_starved};
use crate::limits::LIES_MAX;
use crate::message::{Presence, Protocol};
use crate::peers::PeerKey;

impl Client {
    pub(crate) fn block_came(&mut self, now: Duration, key: PeerKey, block: Block) {
        let bytes = block.data().len();
        self.stat.blocks_received += 1;
        self.stat.bytes_received += bytes as u64;
        let block = self.as_wanted(key, block);
        let cid = block.cid().clone();
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let was_asked = peer.block_came(now, &cid, bytes);
        if peer.answered() {
            self.woke(key);
        }
        let Some(want) = self.forget(&cid, Some(key)) else {
            self.nobody_waits(key, was_asked, bytes);
            return;
        };
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.blocks += 1;
        }
        for id in std::iter::once(want.owner).chain(want.watchers) {
            self.welcome(id, key);
            if let Some(session) = self.sessions.get_mut(&id) {
                session.member_sent(key);
                session.search.succeed();
            }
            self.actions.push_back(ClientAction::Deliver { session: id, block: block.clone() });
        }
    }

    /// A block nobody waits for: late, or never asked for.
    fn nobody_waits(&mut self, key: PeerKey, was_asked: bool, bytes: usize) {
        if was_asked {
            self.stat.duplicate_blocks += 1;
            self.stat.duplicate_bytes += bytes as u64;
        } else {
            self.stat.unwanted_blocks += 1;
            self.lied(key);
        }
    }

    /// A peer that had stalled answers again: its sessions may ask it for what nobody else could be asked for.
    fn woke(&mut self, key: PeerKey) {
        for (id, session) in self.sessions.iter_mut().filter(|(_, session)| session.is_member(key)) {
            requeue_starved(&mut self.wants, *id, session);
            self.dirty.insert(*id);
        }
    }

    /// Counts a block nobody asked for, or a malformed message.
    pub(crate) fn lied(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.lies += 1;
        if peer.lies == LIES_MAX {
            self.actions.push_back(ClientAction::Ban { peer: key });
        }
    }

    /// Peers of version 1.0 send no prefix: the block may be wanted under another CID of the same hash.
    fn as_wanted(&self, key: PeerKey, block: Block) -> Block {
        let is_old = self.peers.get(&key).is_some_and(|peer| peer.protocol == Protocol::V1_0);
        if !is_old || self.wants.contains_key(block.cid()) {
            return block;
        }
        [DAG_PB, RAW, DAG_CBOR]
            .into_iter()
            .map(|codec| Cid::v1(codec, block.cid().hash().clone()))
            .find(|cid| self.wants.contains_key(cid))
            .and_then(|cid| block.with_cid(cid).ok())
            .unwrap_or(block)
    }

    pub(crate) fn presence_came(&mut self, now: Duration, key: PeerKey, cid: &Cid, presence: Presence) {
        match presence {
            Presence::Have => self.have_came(now, key, cid),
            Presence::DontHave => self.dont_have_came(now, key, cid),
        }
    }

    fn have_came(&mut self, now: Duration, key: PeerKey, cid: &Cid) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        let Some(want) = self.wants.get_mut(cid) else { return };
        if !peer.have_came(now, cid) {
            return;
        }
        peer.haves += 1;
        if !peer.is_waiting(cid) {
            want.asks.retain(|other| *other != key);
        }
        let interested: Vec<SessionId> = std::iter::once(want.owner).chain(want.watchers.iter().copied()).collect();
        self.has_it(key, cid);
        for id in interested {
            self.welcome(id, key);
            self.dirty.insert(id);
        }
    }

    fn dont_have_came(&mut self, now: Duration, key: PeerKey, cid: &Cid) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        if !peer.dont_have_came(now, cid) {
            return;
        }
        if peer.answered() {
            self.woke(key);
        }
        self.room_came();
        let Some(want) = self.wants.get_mut(cid) else { return };
        want.holders.retain(|other| *other != key);
        if !want.refused.contains(&key) {
            want.refused.push(key);
        }
        let owner = want.owner;
        if want.place == Place::Asked(key) {
            requeue(want, cid, &mut self.sessions);
            if let Some(session) = self.sessions.get_mut(&owner) {
                session.member_refused(key);
            }
        }
        self.dirty.insert(owner);
    }

    /// Takes a want away from a peer that owes its block, and queues it again.
    pub(super) fn take_from(&mut self, key: PeerKey, cid: &Cid) {
        self.give_up_on(key, cid);
        if let Some(want) = self.wants.get_mut(cid) {
            requeue(want, cid, &mut self.sessions);
            self.dirty.insert(want.owner);
        }
    }

    /// Takes a want back from a peer that does not answer; it counts as a refusal.
    pub(super) fn give_up_on(&mut self, key: PeerKey, cid: &Cid) {
        self.room_came();
        let Some(want) = self.wants.get_mut(cid) else { return };
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.cancel(cid);
            self.touched.push(key);
        }
        want.asks.retain(|other| *other != key);
        want.holders.retain(|other| *other != key);
        if !want.refused.contains(&key) {
            want.refused.push(key);
        }
    }

    /// Routing says that this peer has the block. It becomes a member now or when it connects.
    pub(crate) fn provider_found(&mut self, id: SessionId, cid: &Cid, peer: &PeerId, key: Option<PeerKey>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let Some(key) = key else {
            session.expect(peer);
            return;
        };
        self.has_it(key, cid);
        self.welcome(id, key);
    }

    /// Somebody has a block: who else was asked for it in vain need not be waited for.
    fn has_it(&mut self, key: PeerKey, cid: &Cid) {
        let Some(want) = self.wants.get_mut(cid) else { return };
        want.refused.retain(|other| *other != key);
        if !want.holders.contains(&key) {
            want.holders.push(key);
        }
        self.dirty.insert(want.owner);
        match want.place {
            Place::Starved => requeue(want, cid, &mut self.sessions),
            Place::Asked(other) if want.late && other != key => self.take_from(other, cid),
            Place::Queued | Place::Asked(_) => {}
        }
    }

    pub(crate) fn search_ended(&mut self, id: SessionId, cid: &Cid) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.search.running.retain(|other| other != cid);
            self.dirty.insert(id);
        }
    }

    /// Takes a peer into a session; what nobody could be asked for can be asked of it.
    fn welcome(&mut self, id: SessionId, key: PeerKey) {
        if let Some(session) = self.sessions.get_mut(&id)
            && session.join(key)
        {
            requeue_starved(&mut self.wants, id, session);
            self.dirty.insert(id);
        }
    }
}
