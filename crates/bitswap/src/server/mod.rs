//! The answering side: a wantlist for every peer (`wantlist.rs`), and who waits for which block that is not here yet.
//!
//! Invariants:
//! - Memory per peer is bounded by [`crate::limits::WANTS_PER_PEER_MAX`] and ends with its connection.
//! - When a list is full, wants for absent blocks give way first: a flood of wants we cannot answer never keeps a
//!   peer from getting what we have.
//! - What the store has is asked in memory (`BlockHas`); bytes are read by the shell when a message goes out.

mod ledger;
mod wantlist;

use std::collections::BTreeMap;

use merkury_core::limits::BLOCK_BYTES_MAX;
use merkury_core::{BlockHas, Cid, Multihash};

pub use ledger::Ledger;
pub(crate) use ledger::Ledgers;
pub(crate) use wantlist::Answers;
use wantlist::{Asked, Wantlist};

use crate::limits::INLINE_BYTES_MAX;
use crate::message::{Change, Entry, Protocol, WantKind};
use crate::peers::PeerKey;
use crate::seeded::{Map, Seed};

pub(crate) struct Server {
    seed: Seed,
    peers: BTreeMap<PeerKey, Wantlist>,
    /// Who waits for a block that is not here.
    waiting: Map<Multihash, Vec<(PeerKey, Cid)>>,
    /// Peers that may have something new to be sent.
    pub(crate) touched: Vec<PeerKey>,
}

impl Server {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, peers: BTreeMap::new(), waiting: Map::with_hasher(seed), touched: Vec::new() }
    }

    pub(crate) fn connected(&mut self, key: PeerKey, protocol: Protocol) {
        self.peers.insert(key, Wantlist::new(protocol, self.seed));
    }

    pub(crate) fn set_protocol(&mut self, key: PeerKey, protocol: Protocol) {
        if let Some(list) = self.peers.get_mut(&key) {
            list.protocol = protocol;
        }
    }

    pub(crate) fn disconnected(&mut self, key: PeerKey) {
        if let Some(list) = self.peers.remove(&key) {
            for cid in list.cids() {
                self.unwait(key, &cid);
            }
        }
    }

    /// Takes the changes to a peer's wantlist.
    pub(crate) fn wants_came(&mut self, key: PeerKey, full: bool, entries: Vec<Entry>, store: &dyn BlockHas) {
        if full {
            self.replace(key, &entries);
        }
        for Entry { cid, change } in entries {
            match change {
                Change::Cancel => self.cancel(key, &cid),
                Change::Want { kind, priority, send_dont_have } => {
                    self.add(key, &cid, Asked { kind, priority, send_dont_have }, store);
                }
            }
        }
        self.touched.push(key);
    }

    /// Forgets every want that a whole new wantlist does not have.
    fn replace(&mut self, key: PeerKey, entries: &[Entry]) {
        let Some(list) = self.peers.get(&key) else { return };
        let mut kept = Map::with_hasher(self.seed);
        kept.extend(entries.iter().map(|entry| (&entry.cid, ())));
        for cid in list.cids().into_iter().filter(|cid| !kept.contains_key(cid)) {
            self.cancel(key, &cid);
        }
    }

    fn cancel(&mut self, key: PeerKey, cid: &Cid) {
        if self.peers.get_mut(&key).is_some_and(|list| list.remove(cid)) {
            self.unwait(key, cid);
        }
    }

    fn add(&mut self, key: PeerKey, cid: &Cid, asked: Asked, store: &dyn BlockHas) {
        let Some(list) = self.peers.get_mut(&key) else { return };
        let size = store.size_of(cid).filter(|size| *size <= BLOCK_BYTES_MAX as u64);
        let displaced = match size {
            Some(bytes) if asked.kind == WantKind::Block || bytes <= INLINE_BYTES_MAX => {
                list.add_block(cid, asked, bytes)
            }
            Some(_) => {
                list.add_have(cid);
                None
            }
            None => {
                let was_there = list.contains(cid);
                let (kept, displaced) = list.add_absent(cid, asked);
                if kept && !was_there {
                    self.waiting.entry(cid.hash().clone()).or_default().push((key, cid.clone()));
                } else if !kept && was_there {
                    self.unwait(key, cid);
                }
                displaced
            }
        };
        if let Some(displaced) = displaced {
            self.unwait(key, &displaced);
        }
    }

    /// Blocks came into the store: whoever waits for them gets them.
    pub(crate) fn blocks_added(&mut self, cids: &[Cid], store: &dyn BlockHas) {
        if self.waiting.is_empty() {
            return;
        }
        for cid in cids {
            for (key, wanted) in self.waiting.remove(cid.hash()).unwrap_or_default() {
                let asked = self.peers.get(&key).and_then(|list| list.found(&wanted));
                if let Some(asked) = asked {
                    self.forget_and_add(key, &wanted, asked, store);
                }
            }
        }
    }

    /// Looks for every block that somebody waits for.
    pub(crate) fn recheck(&mut self, store: &dyn BlockHas) {
        let waited_for = self.waiting.values().filter_map(|waiting| waiting.first().map(|(_, cid)| cid));
        let found: Vec<Cid> = waited_for.filter(|cid| store.has(cid)).cloned().collect();
        self.blocks_added(&found, store);
    }

    fn forget_and_add(&mut self, key: PeerKey, cid: &Cid, asked: Asked, store: &dyn BlockHas) {
        if let Some(list) = self.peers.get_mut(&key) {
            list.remove(cid);
        }
        self.add(key, cid, asked, store);
        self.touched.push(key);
    }

    pub(crate) fn has_work(&self, key: PeerKey, with_blocks: bool) -> bool {
        self.peers.get(&key).is_some_and(|list| list.has_presences() || (with_blocks && list.has_blocks()))
    }

    pub(crate) fn take(&mut self, key: PeerKey, with_blocks: bool) -> Answers {
        self.peers.get_mut(&key).map(|list| list.take(with_blocks)).unwrap_or_default()
    }

    /// Bytes of blocks queued for a peer.
    pub(crate) fn queued_bytes(&self, key: PeerKey) -> u64 {
        self.peers.get(&key).map_or(0, Wantlist::queued_bytes)
    }

    /// A message went out; `missing` are blocks the store no longer had.
    pub(crate) fn sent(&mut self, key: PeerKey, blocks: &[(Cid, u64)], missing: &[Cid]) {
        let Some(list) = self.peers.get_mut(&key) else { return };
        for cid in missing {
            list.lost(cid);
            if list.found(cid).is_some() {
                self.waiting.entry(cid.hash().clone()).or_default().push((key, cid.clone()));
            }
        }
        for (cid, _) in blocks {
            list.sent(cid);
        }
    }

    pub(crate) fn send_failed(&mut self, key: PeerKey, blocks: &[(Cid, u64)]) {
        let Some(list) = self.peers.get_mut(&key) else { return };
        for (cid, bytes) in blocks {
            list.unsent(cid, *bytes);
        }
        self.touched.push(key);
    }

    /// What a peer wants of us.
    pub(crate) fn wantlist(&self, key: PeerKey) -> Vec<Cid> {
        self.peers.get(&key).map(Wantlist::cids).unwrap_or_default()
    }

    /// Wants of all peers.
    pub(crate) fn wants_count(&self) -> usize {
        self.peers.values().map(Wantlist::len).sum()
    }

    fn unwait(&mut self, key: PeerKey, cid: &Cid) {
        if let Some(waiting) = self.waiting.get_mut(cid.hash()) {
            waiting.retain(|(other, wanted)| *other != key || wanted != cid);
            if waiting.is_empty() {
                self.waiting.remove(cid.hash());
            }
        }
    }
}
