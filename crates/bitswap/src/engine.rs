//! The whole exchange: peers, messages in and out, and whose turn it is to be sent something.
//!
//! One message at a time is put together per peer, from its wants (client), the presences it asked for and the blocks
//! it is owed (server). Peers take turns; a peer has at most [`SENDS_PER_PEER_MAX`] messages handed out, and all of
//! them together at most [`SEND_BYTES_MAX`] block bytes, so that a peer that reads slowly slows only itself.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use merkury_core::{Block, BlockHas, Cid, PeerId};

use crate::client::{Client, ClientAction, SessionId};
use crate::limits::{BAN_TIME, BANS_MAX, SEND_BYTES_MAX, SEND_PAUSE_MAX, SENDS_PER_PEER_MAX};
use crate::message::{Entry, Message, Presence, Protocol};
use crate::peers::PeerKey;
use crate::seeded::{Map, Seed};
use crate::server::{Answers, Ledger, Ledgers, Server};
use crate::stat::{Stat, WantStatus};

/// How an engine behaves.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Seeds the order of hash maps: random in a node, fixed in a simulation.
    pub seed: u64,
    /// Whether peers are served blocks.
    pub serve: bool,
}

/// Names a message that was handed out, until it is reported sent or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(u64);

/// A message to send: the shell reads the blocks from the store, encodes and writes.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Whether `entries` are our whole wantlist.
    pub full: bool,
    /// Wants and cancels.
    pub entries: Vec<Entry>,
    /// HAVE and DONT_HAVE.
    pub presences: Vec<(Cid, Presence)>,
    /// Blocks to read and send, in order.
    pub blocks: Vec<Cid>,
    /// Bytes of blocks that are queued behind this message.
    pub pending_bytes: u32,
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Action {
    /// Send a message, then report [`Engine::sent`] or [`Engine::send_failed`].
    Send {
        /// To whom.
        peer: PeerId,
        /// For the report.
        id: SendId,
        /// What.
        message: Outgoing,
    },
    /// Give a block to whoever waits for it in a session. Each want is answered once.
    Deliver {
        /// The session.
        session: SessionId,
        /// The block, verified.
        block: Block,
    },
    /// Ask routing who has a block; report each with [`Engine::provider_found`], then [`Engine::search_ended`].
    FindProviders {
        /// For the report.
        session: SessionId,
        /// The block.
        cid: Cid,
    },
    /// Close the connection to a peer that sent what nobody asked for, again and again.
    Drop {
        /// The peer.
        peer: PeerId,
    },
}

struct Link {
    peer: PeerId,
    handed_out: usize,
    /// Whether it is in `ready`.
    is_ready: bool,
    failures: u32,
    /// After a failure: not before this time.
    pause_until: Duration,
}

struct Sending {
    key: PeerKey,
    blocks: Vec<(Cid, u64)>,
    bytes: u64,
}

/// The exchange as a state machine: events and time in, [`Action`]s out.
///
/// Times are distances from a moment the caller chooses once; they never go back.
pub struct Engine {
    config: Config,
    client: Client,
    server: Server,
    keys: Map<PeerId, PeerKey>,
    links: BTreeMap<PeerKey, Link>,
    ready: VecDeque<PeerKey>,
    sending: BTreeMap<SendId, Sending>,
    sending_bytes: u64,
    banned: VecDeque<(PeerId, Duration)>,
    dropped: VecDeque<PeerId>,
    ledgers: Ledgers,
    stat: Stat,
    next_key: u64,
    next_send: u64,
}

impl Engine {
    /// An engine without peers.
    pub fn new(config: Config) -> Self {
        let seed = Seed(config.seed);
        Self {
            config,
            client: Client::new(seed),
            server: Server::new(seed),
            keys: Map::with_hasher(seed),
            links: BTreeMap::new(),
            ready: VecDeque::new(),
            sending: BTreeMap::new(),
            sending_bytes: 0,
            banned: VecDeque::new(),
            dropped: VecDeque::new(),
            ledgers: Ledgers::new(seed),
            stat: Stat::default(),
            next_key: 0,
            next_send: 0,
        }
    }

    /// A peer can be reached. `near`: on this machine or network, or configured as a friend; such peers always hear
    /// what we look for. Does nothing when the peer is known already.
    pub fn connected(&mut self, now: Duration, peer: &PeerId, protocol: Protocol, near: bool) {
        if self.keys.contains_key(peer) {
            return;
        }
        self.banned.retain(|(_, until)| now < *until);
        if self.banned.iter().any(|(banned, _)| banned == peer) {
            self.dropped.push_back(peer.clone());
            return;
        }
        let key = PeerKey(self.next_key);
        self.next_key += 1;
        self.keys.insert(peer.clone(), key);
        let link =
            Link { peer: peer.clone(), handed_out: 0, is_ready: false, failures: 0, pause_until: Duration::ZERO };
        self.links.insert(key, link);
        self.client.connected(key, peer, protocol, near);
        self.server.connected(key, protocol);
    }

    /// A stream showed which version a peer speaks.
    pub fn set_protocol(&mut self, peer: &PeerId, protocol: Protocol) {
        if let Some(key) = self.keys.get(peer) {
            self.client.set_protocol(*key, protocol);
            self.server.set_protocol(*key, protocol);
        }
    }

    /// The last connection to a peer ended. Messages handed out for it need no report.
    pub fn disconnected(&mut self, peer: &PeerId) {
        let Some(key) = self.keys.remove(peer) else { return };
        self.links.remove(&key);
        self.client.disconnected(key, peer);
        self.server.disconnected(key);
        self.sending.retain(|_, sending| {
            if sending.key == key {
                self.sending_bytes -= sending.bytes;
            }
            sending.key != key
        });
    }

    /// Opens a session: wants of one purpose, which learn together who has such blocks.
    pub fn open_session(&mut self) -> SessionId {
        self.client.open_session()
    }

    /// Gives up every want of a session.
    pub fn close_session(&mut self, session: SessionId) {
        self.client.close_session(session);
    }

    /// Wants a block. It is delivered once, whenever it comes, until cancelled.
    pub fn want(&mut self, session: SessionId, cid: Cid) {
        self.client.want(session, cid);
    }

    /// Gives up a want.
    pub fn cancel(&mut self, session: SessionId, cid: &Cid) {
        self.client.cancel(session, cid);
    }

    /// Takes a message whose blocks were named by [`crate::name_blocks`]. `message.blocks` is ignored.
    pub fn received(
        &mut self,
        now: Duration,
        peer: &PeerId,
        message: Message,
        blocks: Vec<Block>,
        store: &dyn BlockHas,
    ) {
        let Some(key) = self.keys.get(peer).copied() else { return };
        self.stat.messages_received += 1;
        if !blocks.is_empty() {
            let bytes = blocks.iter().map(|block| block.data().len() as u64).sum();
            self.ledgers.received(peer, blocks.len() as u64, bytes);
        }
        for block in blocks {
            self.client.block_came(now, key, block);
        }
        for (cid, presence) in &message.presences {
            self.client.presence_came(now, key, cid, *presence);
        }
        if self.config.serve && (message.full || !message.entries.is_empty()) {
            self.server.wants_came(key, message.full, message.entries, store);
        }
    }

    /// A peer sent something that is no message.
    pub fn malformed(&mut self, peer: &PeerId) {
        if let Some(key) = self.keys.get(peer) {
            self.client.lied(*key);
        }
    }

    /// A message was written. `missing`: blocks of it that the store did not have any more.
    pub fn sent(&mut self, id: SendId, missing: &[Cid]) {
        let Some(Sending { key, blocks, .. }) = self.end_send(id) else { return };
        let sent = blocks.iter().filter(|(cid, _)| !missing.contains(cid));
        let (count, bytes) = sent.fold((0, 0), |(count, bytes), (_, size)| (count + 1, bytes + size));
        self.stat.messages_sent += 1;
        self.stat.blocks_sent += count;
        self.stat.bytes_sent += bytes;
        self.server.sent(key, &blocks, missing);
        if let Some(link) = self.links.get_mut(&key) {
            link.failures = 0;
            if count > 0 {
                self.ledgers.sent(&link.peer, count, bytes);
            }
        }
        self.mark_ready(key);
    }

    /// A message could not be written. Everything in it is sent again, after a pause that grows.
    pub fn send_failed(&mut self, now: Duration, id: SendId) {
        let Some(Sending { key, blocks, .. }) = self.end_send(id) else { return };
        if let Some(link) = self.links.get_mut(&key) {
            link.failures += 1;
            let pause = Duration::from_millis(50 << link.failures.min(8));
            link.pause_until = now + pause.min(SEND_PAUSE_MAX);
        }
        self.client.send_failed(key);
        self.server.send_failed(key, &blocks);
    }

    fn end_send(&mut self, id: SendId) -> Option<Sending> {
        let sending = self.sending.remove(&id)?;
        self.sending_bytes -= sending.bytes;
        if let Some(link) = self.links.get_mut(&sending.key) {
            link.handed_out -= 1;
        }
        Some(sending)
    }

    /// Blocks came into the store by whatever way: peers that wait for them are answered.
    pub fn blocks_added(&mut self, cids: &[Cid], store: &dyn BlockHas) {
        self.server.blocks_added(cids, store);
    }

    /// As [`Engine::blocks_added`], when the caller has lost track of which blocks came.
    pub fn blocks_may_be_added(&mut self, store: &dyn BlockHas) {
        self.server.recheck(store);
    }

    /// Routing says that a peer has the block of a search. The shell connects to it, if it is not connected.
    pub fn provider_found(&mut self, session: SessionId, cid: &Cid, peer: &PeerId) {
        self.client.provider_found(session, cid, peer, self.keys.get(peer).copied());
    }

    /// A search for providers is over, with or without success.
    pub fn search_ended(&mut self, session: SessionId, cid: &Cid) {
        self.client.search_ended(session, cid);
    }

    /// Lets time pass: to be called every [`crate::limits::TICK`] while [`Engine::is_waiting`].
    pub fn tick(&mut self, now: Duration) {
        self.client.tick(now);
        let paused: Vec<PeerKey> = self
            .links
            .iter()
            .filter(|(_, link)| link.failures > 0 && now >= link.pause_until)
            .map(|(key, _)| *key)
            .collect();
        for key in paused {
            self.mark_ready(key);
        }
    }

    /// Whether time matters: something is wanted, or a failed send is to be tried again.
    pub fn is_waiting(&self) -> bool {
        self.client.is_waiting() || self.links.values().any(|link| link.failures > 0)
    }

    /// The next thing to do, or `None` until something happens. Call it until then after every event.
    pub fn poll(&mut self, now: Duration) -> Option<Action> {
        self.client.plan(now);
        if let Some(peer) = self.dropped.pop_front() {
            return Some(Action::Drop { peer });
        }
        while let Some(action) = self.client.actions.pop_front() {
            match action {
                ClientAction::Deliver { session, block } => return Some(Action::Deliver { session, block }),
                ClientAction::FindProviders { session, cid } => return Some(Action::FindProviders { session, cid }),
                ClientAction::Ban { peer } => {
                    if let Some(peer) = self.ban(now, peer) {
                        return Some(Action::Drop { peer });
                    }
                }
            }
        }
        self.next_send(now)
    }

    fn ban(&mut self, now: Duration, key: PeerKey) -> Option<PeerId> {
        let peer = self.links.get(&key)?.peer.clone();
        self.disconnected(&peer);
        self.banned.push_back((peer.clone(), now + BAN_TIME));
        if self.banned.len() > BANS_MAX {
            self.banned.pop_front();
        }
        self.client.plan(now);
        Some(peer)
    }

    fn mark_ready(&mut self, key: PeerKey) {
        if let Some(link) = self.links.get_mut(&key)
            && !link.is_ready
        {
            link.is_ready = true;
            self.ready.push_back(key);
        }
    }

    /// Puts together a message for the peer whose turn it is.
    fn next_send(&mut self, now: Duration) -> Option<Action> {
        for key in std::mem::take(&mut self.client.touched).into_iter().chain(std::mem::take(&mut self.server.touched))
        {
            self.mark_ready(key);
        }
        let with_blocks = self.sending_bytes < SEND_BYTES_MAX;
        for _ in 0..self.ready.len() {
            let key = self.ready.pop_front()?;
            let Some(link) = self.links.get_mut(&key) else { continue };
            link.is_ready = false;
            let may_send = link.handed_out < SENDS_PER_PEER_MAX && now >= link.pause_until;
            if may_send && (self.client.has_changes(key) || self.server.has_work(key, with_blocks)) {
                let action = self.send(now, key, with_blocks);
                // To the end of the line: everybody gets a message before this peer gets another.
                self.mark_ready(key);
                return action;
            }
            if may_send && self.server.has_work(key, true) {
                // Blocks only, and no room for them until another message is through.
                self.mark_ready(key);
            }
        }
        None
    }

    fn send(&mut self, now: Duration, key: PeerKey, with_blocks: bool) -> Option<Action> {
        let (full, entries) = self.client.take_changes(now, key);
        let Answers { presences, blocks } = self.server.take(key, with_blocks);
        let bytes = blocks.iter().map(|(_, bytes)| bytes).sum();
        let link = self.links.get_mut(&key)?;
        link.handed_out += 1;
        let id = SendId(self.next_send);
        self.next_send += 1;
        let message = Outgoing {
            full,
            entries,
            presences,
            blocks: blocks.iter().map(|(cid, _)| cid.clone()).collect(),
            pending_bytes: u32::try_from(self.server.queued_bytes(key)).unwrap_or(u32::MAX),
        };
        self.sending_bytes += bytes;
        self.sending.insert(id, Sending { key, blocks, bytes });
        Some(Action::Send { peer: link.peer.clone(), id, message })
    }

    /// Counters and sizes, for `bitswap stat`.
    pub fn stat(&self) -> Stat {
        let client = self.client.stat;
        Stat {
            blocks_received: client.blocks_received,
            bytes_received: client.bytes_received,
            duplicate_blocks_received: client.duplicate_blocks,
            duplicate_bytes_received: client.duplicate_bytes,
            unwanted_blocks_received: client.unwanted_blocks,
            wants_asked: self.client.asked_count(),
            wants_served: self.server.wants_count(),
            bytes_handed_out: self.sending_bytes,
            ..self.stat.clone()
        }
    }

    /// Whether a peer is connected and not dropped.
    pub fn is_connected(&self, peer: &PeerId) -> bool {
        self.keys.contains_key(peer)
    }

    /// Connected peers.
    pub fn peers(&self) -> Vec<PeerId> {
        self.links.values().map(|link| link.peer.clone()).collect()
    }

    /// Blocks we want, in the order in which they were wanted.
    pub fn wantlist(&self) -> Vec<Cid> {
        self.client.wantlist()
    }

    /// Where a want stands; `None` when the block is not wanted.
    pub fn status(&self, cid: &Cid) -> Option<WantStatus> {
        self.client.status(cid)
    }

    /// Blocks a peer wants of us.
    pub fn wantlist_of(&self, peer: &PeerId) -> Vec<Cid> {
        self.keys.get(peer).map(|key| self.server.wantlist(*key)).unwrap_or_default()
    }

    /// The account of a peer.
    pub fn ledger(&self, peer: &PeerId) -> Ledger {
        self.ledgers.get(peer)
    }
}
