//! What the client knows of one connected peer: what was asked of it, how much it may still be asked, how fast it is.
//!
//! Invariants:
//! - `asked` mirrors the wantlist this peer keeps for us (once `told`), and never has more than
//!   [`WANTS_PER_PEER_MAX`] entries.
//! - `outstanding_bytes` is the sum of `reserved` over waiting wants for blocks.
//! - A cancel is kept only for a want the peer was told of; so a peer that reads nothing costs bounded memory.

use std::collections::VecDeque;
use std::time::Duration;

use merkury_core::Cid;

use crate::limits::{
    RECENT_MAX, WANT_TIMEOUT_MAX, WANT_TIMEOUT_MIN, WANTS_PER_PEER_MAX, WINDOW_BYTES_MAX, WINDOW_BYTES_MIN,
    WINDOW_BYTES_START,
};
use crate::message::{Change, Entry, Protocol, WantKind};
use crate::seeded::{Map, Seed, Set};

/// Size a block is taken to have before the peer has sent one: Kubo's chunk.
const BLOCK_BYTES_GUESS: f64 = 256.0 * 1024.0;
/// Speed a peer is taken to have before it was measured, in bytes a second.
const RATE_GUESS: f64 = 20e6;
/// Round-trip time a peer is taken to have before it was measured.
const RTT_GUESS: f64 = 0.02;
/// Shortest time over which a speed is measured.
const RATE_SPAN: Duration = Duration::from_millis(50);

/// A want at a peer.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) kind: WantKind,
    priority: i32,
    /// Whether a message with this want was handed out.
    told: bool,
    /// When it was handed out.
    at: Duration,
    /// Bytes of the window it takes.
    reserved: u64,
    /// Whether an answer is still expected. A DONT_HAVE leaves the want at the peer: it answers when it gets the block.
    waiting: bool,
}

/// A connected peer.
pub(super) struct Peer {
    pub(super) protocol: Protocol,
    /// On our machine or network, or a friend from the configuration: always worth a question.
    pub(super) near: bool,
    /// Blocks it has sent that we wanted.
    pub(super) blocks: u64,
    /// HAVEs it has sent.
    pub(super) haves: u64,
    /// Blocks nobody asked it for.
    pub(super) lies: u32,
    asked: Map<Cid, Asked>,
    /// Wants to tell, in order; stale entries are skipped.
    untold: VecDeque<Cid>,
    /// Wants to take back.
    cancels: Vec<Cid>,
    /// The next message carries the whole wantlist: the first one, and the one after a failed send.
    resync: bool,
    /// Wants for blocks by the time they were told; stale entries are skipped.
    by_age: VecDeque<(Cid, Duration)>,
    /// Wants with a DONT_HAVE, the oldest first; stale entries are skipped.
    refused: VecDeque<Cid>,
    recent: Recent,
    outstanding_bytes: u64,
    outstanding: usize,
    window_floor: u64,
    block_bytes: f64,
    rate: Option<f64>,
    rtt_min: Option<f64>,
    measured_from: Duration,
    measured_bytes: u64,
    last_block_at: Duration,
    /// Whether it lets us wait and has answered nothing since.
    stalled: bool,
}

impl Peer {
    pub(super) fn new(protocol: Protocol, near: bool, seed: Seed) -> Self {
        Self {
            protocol,
            near,
            blocks: 0,
            haves: 0,
            lies: 0,
            asked: Map::with_hasher(seed),
            untold: VecDeque::new(),
            cancels: Vec::new(),
            resync: true,
            by_age: VecDeque::new(),
            refused: VecDeque::new(),
            recent: Recent { set: Set::with_hasher(seed), order: VecDeque::new() },
            outstanding_bytes: 0,
            outstanding: 0,
            window_floor: WINDOW_BYTES_START,
            block_bytes: BLOCK_BYTES_GUESS,
            rate: None,
            rtt_min: None,
            measured_from: Duration::ZERO,
            measured_bytes: 0,
            last_block_at: Duration::ZERO,
            stalled: false,
        }
    }

    /// Whether it was ever of use.
    pub(super) fn is_useful(&self) -> bool {
        self.blocks + self.haves > 0
    }

    /// How many wants it keeps for us, or will.
    pub(super) fn asked_count(&self) -> usize {
        self.asked.len()
    }

    pub(super) fn asked(&self) -> impl Iterator<Item = &Cid> {
        self.asked.keys()
    }

    /// Whether this want is at the peer and unanswered.
    pub(super) fn is_waiting(&self, cid: &Cid) -> bool {
        self.asked.get(cid).is_some_and(|asked| asked.waiting)
    }

    /// Whether another block may be asked for now.
    pub(super) fn has_room(&self) -> bool {
        let full = self.asked.len() >= WANTS_PER_PEER_MAX && self.refused.is_empty();
        !full && (self.outstanding == 0 || self.outstanding_bytes + self.block_bytes as u64 <= self.window())
    }

    /// Whether it owes us blocks and has stopped answering: nothing more is asked of it.
    pub(super) fn is_stalled(&self) -> bool {
        self.stalled && self.outstanding > 0
    }

    /// It answered. Returns whether it had stalled.
    pub(super) fn answered(&mut self) -> bool {
        std::mem::take(&mut self.stalled)
    }

    /// Bytes that may be outstanding: twice the product of bandwidth and delay, within limits.
    pub(super) fn window(&self) -> u64 {
        let product = 2.0 * self.rate.unwrap_or(0.0) * self.rtt_min.unwrap_or(0.0);
        if self.window_floor < WINDOW_BYTES_START {
            return self.window_floor;
        }
        (product as u64).clamp(WINDOW_BYTES_START, WINDOW_BYTES_MAX)
    }

    /// Seconds until one more block would be here.
    pub(super) fn expected_seconds(&self) -> f64 {
        (self.outstanding_bytes as f64 + self.block_bytes) / self.rate.unwrap_or(RATE_GUESS)
            + self.rtt_min.unwrap_or(RTT_GUESS)
    }

    /// How long an answer may take before the want goes to somebody else.
    pub(super) fn timeout(&self) -> Duration {
        let (Some(rate), Some(rtt)) = (self.rate, self.rtt_min) else { return WANT_TIMEOUT_MAX };
        let seconds = 4.0 * rtt + 2.0 * self.outstanding_bytes as f64 / rate.max(1.0);
        Duration::try_from_secs_f64(seconds).unwrap_or(WANT_TIMEOUT_MAX).clamp(WANT_TIMEOUT_MIN, WANT_TIMEOUT_MAX)
    }

    /// Asks for a block, or whether the peer has it. An older, weaker question for the same block is replaced.
    /// Returns a want that had to be taken back to stay within the peer's limit.
    pub(super) fn ask(&mut self, now: Duration, cid: &Cid, kind: WantKind, priority: i32) -> Option<Cid> {
        let kind = if self.protocol.has_presences() { kind } else { WantKind::Block };
        if let Some(asked) = self.asked.get(cid)
            && asked.waiting
            && asked.kind >= kind
        {
            return None;
        }
        self.release(cid);
        let displaced = (self.asked.len() >= WANTS_PER_PEER_MAX).then(|| self.displace()).flatten();
        let reserved = if kind == WantKind::Block { self.block_bytes as u64 } else { 0 };
        if kind == WantKind::Block {
            if self.outstanding == 0 {
                (self.measured_from, self.measured_bytes) = (now, 0);
            }
            self.outstanding += 1;
            self.outstanding_bytes += reserved;
        }
        self.asked.insert(cid.clone(), Asked { kind, priority, told: false, at: now, reserved, waiting: true });
        self.untold.push_back(cid.clone());
        displaced
    }

    /// Takes a want back.
    pub(super) fn cancel(&mut self, cid: &Cid) {
        self.release(cid);
        if let Some(asked) = self.asked.remove(cid)
            && asked.told
        {
            self.recent.push(cid);
            if !self.resync {
                self.cancels.push(cid.clone());
            }
        }
    }

    /// The peer sent the block. Returns whether it had been asked for it.
    pub(super) fn block_came(&mut self, now: Duration, cid: &Cid, bytes: usize) -> bool {
        self.measured_bytes += bytes as u64;
        self.last_block_at = now;
        self.block_bytes += (bytes as f64 - self.block_bytes) / 8.0;
        let Some(asked) = self.asked.get(cid) else {
            return self.recent.set.contains(cid);
        };
        self.note_rtt(asked.at, now);
        self.release(cid);
        self.asked.remove(cid);
        self.recent.push(cid);
        self.measure(now);
        if self.window_floor < WINDOW_BYTES_START {
            // Trust comes back with every block that came in time.
            self.window_floor = (self.window_floor + bytes as u64 / 4).min(WINDOW_BYTES_START);
        }
        true
    }

    /// The peer has the block. Returns whether that was asked.
    pub(super) fn have_came(&mut self, now: Duration, cid: &Cid) -> bool {
        match self.asked.get(cid) {
            Some(asked) if asked.kind == WantKind::Have => {
                self.note_rtt(asked.at, now);
                // The peer forgets a want for a HAVE once it is answered.
                self.asked.remove(cid);
                self.recent.push(cid);
                true
            }
            Some(_) => true,
            None => false,
        }
    }

    /// The peer does not have the block. Returns whether that was news.
    pub(super) fn dont_have_came(&mut self, now: Duration, cid: &Cid) -> bool {
        if !self.is_waiting(cid) {
            return false;
        }
        if let Some(asked) = self.asked.get(cid) {
            self.note_rtt(asked.at, now);
        }
        self.release(cid);
        self.refused.push_back(cid.clone());
        if self.refused.len() > 2 * WANTS_PER_PEER_MAX {
            let asked = &self.asked;
            self.refused.retain(|cid| asked.get(cid).is_some_and(|asked| !asked.waiting));
        }
        true
    }

    /// Wants for blocks whose answer is overdue; each is named once, and again after another timeout.
    pub(super) fn overdue(&mut self, now: Duration) -> Vec<Cid> {
        let timeout = self.timeout();
        let mut overdue = Vec::new();
        while let Some((cid, told_at)) = self.by_age.front() {
            let current = self.asked.get_mut(cid).filter(|asked| asked.waiting && asked.told && asked.at == *told_at);
            if current.is_some() && now < *told_at + timeout {
                break;
            }
            let current = current.map(|asked| asked.at = now).is_some();
            if let Some((cid, _)) = self.by_age.pop_front()
                && current
            {
                overdue.push(cid);
            }
        }
        self.by_age.extend(overdue.iter().map(|cid| (cid.clone(), now)));
        if !overdue.is_empty() {
            self.window_floor = (self.window_floor / 2).max(WINDOW_BYTES_MIN);
            self.stalled = now >= self.last_block_at + timeout;
        }
        overdue
    }

    /// Tells a want once more when the peer has sent nothing for a while: a message may be lost with its stream.
    pub(super) fn remind(&mut self, now: Duration, cid: &Cid) {
        if now < self.last_block_at + self.timeout() {
            return;
        }
        if let Some(asked) = self.asked.get_mut(cid)
            && asked.told
        {
            asked.told = false;
            self.untold.push_back(cid.clone());
        }
    }

    /// Whether there is something to tell this peer.
    pub(super) fn has_changes(&self) -> bool {
        (self.resync && !self.asked.is_empty()) || !self.cancels.is_empty() || !self.untold.is_empty()
    }

    /// The changes to tell, and whether they are the whole wantlist.
    pub(super) fn take_changes(&mut self, now: Duration) -> (bool, Vec<Entry>) {
        let full = self.resync;
        if full {
            self.resync = false;
            self.cancels.clear();
            self.untold = self.asked.keys().cloned().collect();
            self.asked.values_mut().for_each(|asked| asked.told = false);
            let asked = &self.asked;
            let priority = |cid: &Cid| asked.get(cid).map_or(0, |asked| asked.priority);
            self.untold.make_contiguous().sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| a.cmp(b)));
        }
        let mut entries: Vec<Entry> = self.cancels.drain(..).map(|cid| Entry { cid, change: Change::Cancel }).collect();
        for cid in std::mem::take(&mut self.untold) {
            let Some(asked) = self.asked.get_mut(&cid).filter(|asked| !asked.told) else { continue };
            (asked.told, asked.at) = (true, now);
            if asked.kind == WantKind::Block && asked.waiting {
                self.by_age.push_back((cid.clone(), now));
            }
            let (kind, priority) = (asked.kind, asked.priority);
            entries.push(Entry { cid, change: Change::Want { kind, priority, send_dont_have: true } });
        }
        (full, entries)
    }

    /// A message to this peer was lost: everything is told again.
    pub(super) fn tell_again(&mut self) {
        self.resync = true;
        self.cancels.clear();
    }

    /// Gives back the room a waiting want takes in the window.
    fn release(&mut self, cid: &Cid) {
        if let Some(asked) = self.asked.get_mut(cid)
            && asked.waiting
        {
            asked.waiting = false;
            if asked.kind == WantKind::Block {
                self.outstanding -= 1;
                self.outstanding_bytes -= asked.reserved;
            }
        }
    }

    /// Takes the oldest refused want back, to make room.
    fn displace(&mut self) -> Option<Cid> {
        while let Some(cid) = self.refused.pop_front() {
            if self.asked.get(&cid).is_some_and(|asked| !asked.waiting) {
                self.cancel(&cid);
                return Some(cid);
            }
        }
        None
    }

    fn note_rtt(&mut self, told_at: Duration, now: Duration) {
        let sample = now.saturating_sub(told_at).as_secs_f64();
        // The least seen is the path's; it drifts up slowly, so that a changed path is noticed.
        self.rtt_min = Some(self.rtt_min.map_or(sample, |least| sample.min(least * 1.001 + 1e-6)));
    }

    fn measure(&mut self, now: Duration) {
        let span = now.saturating_sub(self.measured_from);
        if span >= RATE_SPAN {
            let sample = self.measured_bytes as f64 / span.as_secs_f64();
            self.rate = Some(self.rate.map_or(sample, |rate| rate + (sample - rate) * 0.3));
            (self.measured_from, self.measured_bytes) = (now, 0);
        }
    }
}

/// The last wants that were answered or taken back.
struct Recent {
    set: Set<Cid>,
    order: VecDeque<Cid>,
}

impl Recent {
    fn push(&mut self, cid: &Cid) {
        if self.set.insert(cid.clone()) {
            self.order.push_back(cid.clone());
            if self.order.len() > RECENT_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.set.remove(&oldest);
            }
        }
    }
}
