//! What one peer wants of us, and what it is to be sent.
//!
//! A want is *absent* (we do not have the block; it is answered when we get it), *queued*, or *sending* (handed out
//! in a message). It is forgotten when it was answered with the block or a HAVE.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use merkury_core::Cid;

use crate::limits::{MESSAGE_FILL_BYTES, MESSAGE_LEAST_BYTES, WANTS_PER_PEER_MAX};
use crate::message::{Presence, Protocol, WantKind};
use crate::seeded::{Map, Seed};

/// Position in the queue: priority, then age.
type Turn = (Reverse<i32>, u64);

#[derive(Clone, Copy, Debug)]
enum Place {
    Absent,
    Queued { turn: Turn, bytes: u64 },
    Sending,
}

#[derive(Clone, Debug)]
struct Want {
    kind: WantKind,
    priority: i32,
    place: Place,
}

/// One want of a message, as the server sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) kind: WantKind,
    pub(super) priority: i32,
    pub(super) send_dont_have: bool,
}

/// What the next message of a peer answers.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// HAVE and DONT_HAVE.
    pub(crate) presences: Vec<(Cid, Presence)>,
    /// Blocks with their sizes.
    pub(crate) blocks: Vec<(Cid, u64)>,
}

/// The wants of one peer: never more than [`WANTS_PER_PEER_MAX`].
pub(super) struct Wantlist {
    pub(super) protocol: Protocol,
    wants: Map<Cid, Want>,
    queue: BTreeMap<Turn, Cid>,
    /// Absent wants, the oldest first; stale entries are skipped.
    absent: VecDeque<Cid>,
    presences: VecDeque<(Cid, Presence)>,
    queued_bytes: u64,
    next_turn: u64,
}

impl Wantlist {
    pub(super) fn new(protocol: Protocol, seed: Seed) -> Self {
        Self {
            protocol,
            wants: Map::with_hasher(seed),
            queue: BTreeMap::new(),
            absent: VecDeque::new(),
            presences: VecDeque::new(),
            queued_bytes: 0,
            next_turn: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.wants.len()
    }

    pub(super) fn cids(&self) -> Vec<Cid> {
        let mut wants: Vec<(Reverse<i32>, &Cid)> =
            self.wants.iter().map(|(cid, want)| (Reverse(want.priority), cid)).collect();
        wants.sort();
        wants.into_iter().map(|(_, cid)| cid.clone()).collect()
    }

    pub(super) fn contains(&self, cid: &Cid) -> bool {
        self.wants.contains_key(cid)
    }

    pub(super) fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    pub(super) fn has_presences(&self) -> bool {
        !self.presences.is_empty()
    }

    pub(super) fn has_blocks(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes a want for a block we have: it will be sent. Returns an absent want that gave way.
    pub(super) fn add_block(&mut self, cid: &Cid, asked: Asked, bytes: u64) -> Option<Cid> {
        if self.wants.get(cid).is_some_and(|want| matches!(want.place, Place::Sending)) {
            return None;
        }
        self.remove(cid);
        let displaced = self.make_room();
        if self.wants.len() >= WANTS_PER_PEER_MAX {
            return displaced;
        }
        let turn = (Reverse(asked.priority), self.next_turn);
        self.next_turn += 1;
        self.queue.insert(turn, cid.clone());
        self.queued_bytes += bytes;
        let want = Want { kind: WantKind::Block, priority: asked.priority, place: Place::Queued { turn, bytes } };
        self.wants.insert(cid.clone(), want);
        displaced
    }

    /// Answers a want for a HAVE.
    pub(super) fn add_have(&mut self, cid: &Cid) {
        let is_owed = self.wants.get(cid).is_some_and(|want| !matches!(want.place, Place::Absent));
        if is_owed {
            return;
        }
        self.remove(cid);
        self.push_presence(cid, Presence::Have);
    }

    /// Keeps a want for a block we do not have, as long as there is room. Returns whether it is kept, and an older
    /// one that gave way.
    pub(super) fn add_absent(&mut self, cid: &Cid, asked: Asked) -> (bool, Option<Cid>) {
        if asked.send_dont_have {
            self.push_presence(cid, Presence::DontHave);
        }
        self.remove(cid);
        let displaced = self.make_room();
        if self.wants.len() >= WANTS_PER_PEER_MAX {
            return (false, displaced);
        }
        let want = Want { kind: asked.kind, priority: asked.priority, place: Place::Absent };
        self.wants.insert(cid.clone(), want);
        self.absent.push_back(cid.clone());
        if self.absent.len() > 2 * WANTS_PER_PEER_MAX {
            let wants = &self.wants;
            self.absent.retain(|cid| wants.get(cid).is_some_and(|want| matches!(want.place, Place::Absent)));
        }
        (true, displaced)
    }

    /// A wanted block is here now. Returns what was asked, if the want was absent.
    pub(super) fn found(&self, cid: &Cid) -> Option<Asked> {
        let want = self.wants.get(cid).filter(|want| matches!(want.place, Place::Absent))?;
        Some(Asked { kind: want.kind, priority: want.priority, send_dont_have: false })
    }

    /// Forgets a want.
    pub(super) fn remove(&mut self, cid: &Cid) -> bool {
        let Some(want) = self.wants.remove(cid) else { return false };
        if let Place::Queued { turn, bytes } = want.place {
            self.queue.remove(&turn);
            self.queued_bytes -= bytes;
        }
        true
    }

    /// The presences and blocks of the next message; blocks only when `with_blocks`.
    pub(super) fn take(&mut self, with_blocks: bool) -> Answers {
        let count = self.presences.len().min(WANTS_PER_PEER_MAX);
        let presences = self.presences.drain(..count).collect();
        let mut blocks = Vec::new();
        let mut total = 0;
        while with_blocks && let Some(entry) = self.queue.first_entry() {
            let cid = entry.get().clone();
            let Some(Want { place: place @ Place::Queued { .. }, .. }) = self.wants.get_mut(&cid) else {
                entry.remove();
                continue;
            };
            let Place::Queued { bytes, .. } = *place else { continue };
            let fits = total + bytes <= MESSAGE_FILL_BYTES || total < MESSAGE_LEAST_BYTES;
            if !blocks.is_empty() && (!fits || blocks.len() >= WANTS_PER_PEER_MAX) {
                break;
            }
            *place = Place::Sending;
            entry.remove();
            self.queued_bytes -= bytes;
            total += bytes;
            blocks.push((cid, bytes));
        }
        Answers { presences, blocks }
    }

    /// A block was sent: the want is answered.
    pub(super) fn sent(&mut self, cid: &Cid) -> bool {
        self.is_sending(cid) && self.remove(cid)
    }

    /// A block that was to be sent is gone from the store: the want waits for it again.
    pub(super) fn lost(&mut self, cid: &Cid) {
        if let Some(want) = self.wants.get_mut(cid)
            && matches!(want.place, Place::Sending)
        {
            want.place = Place::Absent;
            self.absent.push_back(cid.clone());
            self.push_presence(cid, Presence::DontHave);
        }
    }

    /// A message did not arrive: its blocks are queued again.
    pub(super) fn unsent(&mut self, cid: &Cid, bytes: u64) {
        if let Some(want) = self.wants.get(cid)
            && matches!(want.place, Place::Sending)
        {
            let asked = Asked { kind: WantKind::Block, priority: want.priority, send_dont_have: false };
            self.remove(cid);
            self.add_block(cid, asked, bytes);
        }
    }

    fn is_sending(&self, cid: &Cid) -> bool {
        self.wants.get(cid).is_some_and(|want| matches!(want.place, Place::Sending))
    }

    /// Lets the oldest absent want go when the list is full: it costs the peer least.
    fn make_room(&mut self) -> Option<Cid> {
        if self.wants.len() < WANTS_PER_PEER_MAX {
            return None;
        }
        while let Some(cid) = self.absent.pop_front() {
            if self.wants.get(&cid).is_some_and(|want| matches!(want.place, Place::Absent)) {
                self.wants.remove(&cid);
                return Some(cid);
            }
        }
        None
    }

    fn push_presence(&mut self, cid: &Cid, presence: Presence) {
        // A peer that floods us with questions and reads no answers loses answers, not our memory.
        if self.protocol.has_presences() && self.presences.len() < 2 * WANTS_PER_PEER_MAX {
            self.presences.push_back((cid.clone(), presence));
        }
    }
}
