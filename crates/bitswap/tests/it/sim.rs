//! Whole networks in one thread, from a seed: messages are lost, doubled and late, connections break, peers stall and
//! lie. After a while the network heals; then every want with an honest connected provider must be answered, with the
//! right bytes, once.
//!
//! A failing seed is printed; `SEED=17 cargo test -p merkury-bitswap sim` runs it alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use merkury_bitswap::message::{Change, Presence, WantKind};
use merkury_bitswap::{Action, Config, Engine, Message, OutMessage, Protocol, SendId, SessionId, limits, name_blocks};
use merkury_core::block::CidFormat;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockHas, Cid, Multihash, PeerId};

const SEEDS: u64 = 200;
/// How long the network misbehaves.
const CHAOS: Duration = Duration::from_secs(25);
/// When everything must be answered: chaos, then one full round of searching at its slowest and some timeouts.
const END: Duration = Duration::from_secs(25 + 120);

#[test]
fn networks_from_200_seeds_deliver_everything() {
    if let Some(seed) = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()) {
        Sim::new(seed).run();
        return;
    }
    let run_all = |seeds: std::ops::Range<u64>| {
        for seed in seeds {
            let run = std::panic::catch_unwind(|| Sim::new(seed).run());
            assert!(run.is_ok(), "seed {seed} failed; run it alone with SEED={seed}");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| run_all(0..SEEDS / 2));
        run_all(SEEDS / 2..SEEDS);
    });
}

#[test]
fn a_seed_reproduces() {
    for seed in [3, 77] {
        assert_eq!(Sim::new(seed).run(), Sim::new(seed).run(), "seed {seed}");
    }
}

/// SplitMix64: small, and the same everywhere.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

#[derive(Default)]
struct Store(HashMap<Multihash, Block>);

impl BlockHas for Store {
    fn has(&self, cid: &Cid) -> bool {
        self.0.contains_key(cid.hash())
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.0.get(cid.hash()).map(|block| block.data().len() as u64)
    }
}

/// How a peer that is not honest answers wants.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// Wrong bytes.
    Garbage,
    /// HAVE, and never the block.
    Promise,
    /// Nothing at all.
    Silence,
}

struct Node {
    id: PeerId,
    engine: Engine,
    store: Store,
    lie: Option<Lie>,
    stalled_until: Duration,
    sessions: Vec<SessionId>,
    /// Wants not yet answered, by session.
    wants: BTreeSet<(SessionId, Cid)>,
}

enum Event {
    Arrive { from: usize, to: usize, period: u64, bytes: Bytes },
    Sent { node: usize, id: SendId, missing: Vec<Cid> },
    Failed { node: usize, id: SendId },
    Connect { a: usize, b: usize },
    Disconnect { a: usize, b: usize },
    Want { node: usize, session: SessionId, cid: Cid },
    Cancel { node: usize, session: SessionId, cid: Cid },
    Add { node: usize, block: Block },
    Found { node: usize, session: SessionId, cid: Cid, provider: Option<usize> },
    Stall { node: usize, time: Duration },
    Tick { node: usize },
}

struct Sim {
    rng: Rng,
    now: Duration,
    nodes: Vec<Node>,
    blocks: BTreeMap<Cid, Block>,
    events: BTreeMap<(Duration, u64), Event>,
    next_event: u64,
    /// Open connections, with the number of their period.
    links: BTreeMap<(usize, usize), u64>,
    next_period: u64,
    /// When the last message of a direction arrives: a stream keeps its order.
    last_arrival: BTreeMap<(usize, usize), Duration>,
    protocols: Vec<Protocol>,
    trace: u64,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let count = 3 + rng.below(5) as usize;
        let mut nodes: Vec<Node> = (0..count).map(|at| new_node(seed, at)).collect();
        for node in nodes.iter_mut().skip(2) {
            if rng.chance(30) {
                node.lie = Some([Lie::Garbage, Lie::Promise, Lie::Silence][rng.below(3) as usize]);
            }
        }
        let protocols = (0..count).map(|_| if rng.chance(15) { Protocol::V1_1 } else { Protocol::V1_2 }).collect();
        let mut sim = Self {
            rng,
            now: Duration::ZERO,
            nodes,
            blocks: BTreeMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            links: BTreeMap::new(),
            next_period: 0,
            last_arrival: BTreeMap::new(),
            protocols,
            trace: 0,
        };
        sim.make_blocks();
        sim.make_story();
        sim
    }

    fn make_blocks(&mut self) {
        for number in 0..40 + self.rng.below(120) {
            let size = match self.rng.below(20) {
                0 => 300_000,
                1..=9 => 2_000 + self.rng.below(6_000) as usize,
                _ => 20 + self.rng.below(1_500) as usize,
            };
            let mut data = number.to_le_bytes().to_vec();
            data.resize(size, number as u8);
            let codec = if self.rng.chance(50) { 0x55 } else { 0x70 };
            let block = Block::build(CidFormat::V1, codec, code::SHA2_256, data.into()).expect("sha2-256 is known");
            self.blocks.insert(block.cid().clone(), block);
        }
    }

    /// Who has what from when, who wants what, who connects to whom, and what goes wrong.
    fn make_story(&mut self) {
        let count = self.nodes.len();
        for block in self.blocks.values().cloned().collect::<Vec<_>>() {
            for node in 0..count {
                if node != 1 && self.rng.chance(35) {
                    let at = if self.rng.chance(70) { Duration::ZERO } else { self.rng.millis(0, 20_000) };
                    self.at(at, Event::Add { node, block: block.clone() });
                }
            }
        }
        let cids: Vec<Cid> = self.blocks.keys().cloned().collect();
        for node in 0..2 {
            for _ in 0..1 + self.rng.below(3) {
                let session = self.nodes[node].engine.open_session();
                self.nodes[node].sessions.push(session);
                for cid in &cids {
                    if self.rng.chance(60) {
                        let at = self.rng.millis(1, 10_000);
                        self.at(at, Event::Want { node, session, cid: cid.clone() });
                        if self.rng.chance(8) {
                            let after = self.rng.millis(1, 8_000);
                            self.at(at + after, Event::Cancel { node, session, cid: cid.clone() });
                        }
                    }
                }
            }
        }
        for a in 0..count {
            for b in a + 1..count {
                if self.rng.chance(60) {
                    let at = self.rng.millis(0, 3_000);
                    self.at(at, Event::Connect { a, b });
                }
                while self.rng.chance(40) {
                    let at = self.rng.millis(0, 24_000);
                    self.at(at, Event::Disconnect { a, b });
                    let back = self.rng.millis(10, 5_000);
                    self.at(at + back, Event::Connect { a, b });
                }
            }
        }
        for node in 0..count {
            if self.rng.chance(40) {
                let at = self.rng.millis(0, 20_000);
                let time = self.rng.millis(500, 15_000);
                self.at(at, Event::Stall { node, time });
            }
            self.at(Duration::ZERO, Event::Tick { node });
        }
    }

    fn at(&mut self, time: Duration, event: Event) {
        self.events.insert((time, self.next_event), event);
        self.next_event += 1;
    }

    fn run(mut self) -> u64 {
        while let Some(((time, number), event)) = self.events.pop_first() {
            if time > END || (time > CHAOS && self.nodes.iter().all(|node| node.wants.is_empty())) {
                break;
            }
            self.now = time;
            self.trace = self.trace.wrapping_mul(31).wrapping_add(time.as_nanos() as u64 ^ number);
            self.handle(event);
        }
        self.check_end();
        self.trace
    }

    fn is_chaos(&self) -> bool {
        self.now < CHAOS
    }

    fn handle(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Arrive { from, to, period, bytes } => {
                if self.links.get(&pair(from, to)) == Some(&period) {
                    let stalled_until = self.nodes[to].stalled_until;
                    if stalled_until > now {
                        self.at(stalled_until, Event::Arrive { from, to, period, bytes });
                        return;
                    }
                    self.arrive(from, to, bytes);
                }
            }
            Event::Sent { node, id, missing } => {
                self.nodes[node].engine.sent(id, &missing);
                self.act(node);
            }
            Event::Failed { node, id } => {
                self.nodes[node].engine.send_failed(now, id);
                self.act(node);
            }
            Event::Connect { a, b } => self.connect(a, b),
            Event::Disconnect { a, b } => self.disconnect(a, b),
            Event::Want { node, session, cid } => {
                if !self.nodes[node].store.has(&cid) {
                    self.nodes[node].wants.insert((session, cid.clone()));
                    self.nodes[node].engine.want(session, cid);
                    self.act(node);
                }
            }
            Event::Cancel { node, session, cid } => {
                if self.nodes[node].wants.remove(&(session, cid.clone())) {
                    self.nodes[node].engine.cancel(session, &cid);
                    self.act(node);
                }
            }
            Event::Add { node, block } => {
                self.add(node, block);
                self.act(node);
            }
            Event::Found { node, session, cid, provider } => {
                if let Some(provider) = provider {
                    self.connect(node, provider);
                    let peer = self.nodes[provider].id.clone();
                    self.nodes[node].engine.provider_found(session, &cid, &peer);
                }
                self.nodes[node].engine.search_ended(session, &cid);
                self.act(node);
            }
            Event::Stall { node, time } => self.nodes[node].stalled_until = now + time,
            Event::Tick { node } => {
                if self.nodes[node].engine.is_waiting() {
                    self.nodes[node].engine.tick(now);
                    self.act(node);
                }
                self.at(now + limits::TICK, Event::Tick { node });
            }
        }
    }

    fn add(&mut self, node: usize, block: Block) {
        let node = &mut self.nodes[node];
        let cid = block.cid().clone();
        node.store.0.insert(cid.hash().clone(), block);
        node.engine.blocks_added(&[cid], &node.store);
    }

    fn connect(&mut self, a: usize, b: usize) {
        if self.links.contains_key(&pair(a, b)) {
            return;
        }
        self.links.insert(pair(a, b), self.next_period);
        self.next_period += 1;
        for (node, other) in [(a, b), (b, a)] {
            let (peer, protocol) = (self.nodes[other].id.clone(), self.protocols[other].min(self.protocols[node]));
            let now = self.now;
            self.nodes[node].engine.connected(now, &peer, protocol, false);
        }
        self.act(a);
        self.act(b);
    }

    fn disconnect(&mut self, a: usize, b: usize) {
        if self.links.remove(&pair(a, b)).is_none() {
            return;
        }
        for (node, other) in [(a, b), (b, a)] {
            let peer = self.nodes[other].id.clone();
            self.nodes[node].engine.disconnected(&peer);
            self.act(node);
        }
    }

    fn arrive(&mut self, from: usize, to: usize, bytes: Bytes) {
        let (_, prefix) = Message::decode_length(&bytes).expect("a length").expect("all of it");
        let mut message = Message::decode(&bytes.slice(prefix..)).expect("our own message");
        if let Some(lie) = self.nodes[to].lie {
            self.answer_with_lies(to, from, lie, &message);
            return;
        }
        let blocks = name_blocks(std::mem::take(&mut message.blocks));
        let (now, peer) = (self.now, self.nodes[from].id.clone());
        let node = &mut self.nodes[to];
        node.engine.received(now, &peer, message, blocks, &node.store);
        self.act(to);
    }

    fn answer_with_lies(&mut self, liar: usize, to: usize, lie: Lie, message: &Message) {
        let mut answer = OutMessage::default();
        for entry in &message.entries {
            let Change::Want { kind, .. } = entry.change else { continue };
            match lie {
                Lie::Garbage => {
                    let data = Bytes::from(self.rng.next().to_le_bytes().to_vec());
                    answer
                        .blocks
                        .push(Block::build(CidFormat::V1, 0x55, code::SHA2_256, data).expect("sha2-256 is known"));
                }
                Lie::Promise if kind == WantKind::Have => answer.presences.push((entry.cid.clone(), Presence::Have)),
                Lie::Promise | Lie::Silence => {}
            }
        }
        self.transmit(liar, to, &answer);
    }

    /// Does what an engine asks for, until it asks for no more.
    fn act(&mut self, at: usize) {
        let now = self.now;
        while let Some(action) = self.nodes[at].engine.poll(now) {
            match action {
                Action::Send { peer, id, message } => self.send(at, &peer, id, message),
                Action::Deliver { session, block } => self.deliver(at, session, block),
                Action::FindProviders { session, cid } => self.find(at, session, cid),
                Action::Drop { peer } => {
                    let other = self.index_of(&peer);
                    assert!(self.nodes[other].lie.is_some(), "an honest peer was dropped");
                    self.disconnect(at, other);
                }
            }
        }
        self.check_bounds(at);
    }

    fn send(&mut self, from: usize, peer: &PeerId, id: SendId, message: merkury_bitswap::Outgoing) {
        let to = self.index_of(peer);
        let stored = |cid: &Cid| self.nodes[from].store.0.get(cid.hash()).map(|block| block.with_cid(cid.clone()));
        let mut out = OutMessage {
            full: message.full,
            entries: message.entries,
            presences: message.presences,
            blocks: Vec::new(),
            pending_bytes: message.pending_bytes,
        };
        let mut missing = Vec::new();
        for cid in message.blocks {
            match stored(&cid) {
                Some(block) => out.blocks.push(block.expect("the same hash")),
                None => missing.push(cid),
            }
        }
        let chaos = self.is_chaos();
        let drain = self.rng.millis(1, if chaos { 400 } else { 40 });
        if chaos && self.rng.chance(6) {
            // The stream broke, and we know it. What was written may have arrived all the same.
            if self.rng.chance(50) {
                self.transmit(from, to, &out);
            }
            self.at(self.now + drain, Event::Failed { node: from, id });
            return;
        }
        if !(chaos && self.rng.chance(3)) {
            self.transmit(from, to, &out);
        }
        self.at(self.now + drain, Event::Sent { node: from, id, missing });
    }

    fn transmit(&mut self, from: usize, to: usize, message: &OutMessage) {
        let Some(period) = self.links.get(&pair(from, to)).copied() else { return };
        let protocol = self.protocols[from].min(self.protocols[to]);
        let bytes: Bytes = message.encode(protocol).concat().into();
        let chaos = self.is_chaos();
        let times = if chaos && self.rng.chance(5) { 2 } else { 1 };
        for _ in 0..times {
            let delay = self.rng.millis(1, if chaos { 300 } else { 50 });
            let stall = self.nodes[from].stalled_until;
            let last = self.last_arrival.get(&(from, to)).copied().unwrap_or_default();
            let at = (self.now.max(stall) + delay).max(last);
            self.last_arrival.insert((from, to), at);
            self.at(at, Event::Arrive { from, to, period, bytes: bytes.clone() });
        }
    }

    fn deliver(&mut self, at: usize, session: SessionId, block: Block) {
        assert_eq!(Some(block.data()), self.blocks.get(block.cid()).map(Block::data), "wrong bytes");
        assert!(self.nodes[at].wants.remove(&(session, block.cid().clone())), "delivered what nobody waits for");
        self.add(at, block);
    }

    fn find(&mut self, at: usize, session: SessionId, cid: Cid) {
        let providers: Vec<usize> = (0..self.nodes.len())
            .filter(|node| *node != at && self.nodes[*node].lie.is_none() && self.nodes[*node].store.has(&cid))
            .collect();
        let provider = if providers.is_empty() || (self.is_chaos() && self.rng.chance(30)) {
            None
        } else {
            Some(providers[self.rng.below(providers.len() as u64) as usize])
        };
        let after = self.rng.millis(5, 2_000);
        self.at(self.now + after, Event::Found { node: at, session, cid, provider });
    }

    fn index_of(&self, peer: &PeerId) -> usize {
        self.nodes.iter().position(|node| node.id == *peer).expect("a node of the network")
    }

    fn check_bounds(&self, at: usize) {
        let (stat, peers) = (self.nodes[at].engine.stat(), self.nodes.len());
        assert!(stat.wants_asked <= peers * limits::WANTS_PER_PEER_MAX);
        assert!(stat.wants_served <= peers * limits::WANTS_PER_PEER_MAX);
        assert!(stat.bytes_handed_out <= limits::SEND_BYTES_MAX + 2 * limits::MESSAGE_FILL_BYTES);
    }

    fn check_end(&self) {
        for (at, node) in self.nodes.iter().enumerate() {
            for (session, cid) in &node.wants {
                let provider = (0..self.nodes.len()).find(|other| {
                    self.links.contains_key(&pair(at, *other))
                        && self.nodes[*other].lie.is_none()
                        && self.nodes[*other].store.has(cid)
                });
                let status = node.engine.status(cid);
                assert_eq!(provider, None, "node {at} {session:?} waits for {cid} of a connected peer: {status:?}");
            }
            if node.lie.is_none() && node.wants.is_empty() {
                assert!(!node.engine.is_waiting(), "node {at} waits for nothing it was asked for");
            }
        }
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

fn new_node(seed: u64, at: usize) -> Node {
    Node {
        id: PeerId::from_multihash(Multihash::sha2_256([at as u8 + 1; 32])).expect("a peer id"),
        engine: Engine::new(Config { seed: seed ^ at as u64, serve: true }),
        store: Store::default(),
        lie: None,
        stalled_until: Duration::ZERO,
        sessions: Vec::new(),
        wants: BTreeSet::new(),
    }
}
