//! Single stories of the engine, each a rule that once broke in somebody's Bitswap.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use merkury_bitswap::message::{Change, Entry, Presence, WantKind};
use merkury_bitswap::{Action, Config, Engine, Message, Outgoing, Protocol, SendId, SessionId, limits};
use merkury_core::block::CidFormat;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockHas, Cid, Multihash, PeerId};

#[derive(Default)]
struct Store(HashMap<Cid, u64>);

impl Store {
    fn with(blocks: &[Block]) -> Self {
        Self(blocks.iter().map(|block| (block.cid().clone(), block.data().len() as u64)).collect())
    }
}

impl BlockHas for Store {
    fn has(&self, cid: &Cid) -> bool {
        self.0.contains_key(cid)
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.0.get(cid).copied()
    }
}

/// An engine and what it did.
struct Test {
    engine: Engine,
    store: Store,
    now: Duration,
    sent: Vec<(PeerId, SendId, Outgoing)>,
    delivered: Vec<(SessionId, Cid)>,
    searched: Vec<(SessionId, Cid)>,
    dropped: Vec<PeerId>,
}

impl Test {
    fn new(store: Store, peers: &[u8]) -> Self {
        let mut test = Self {
            engine: Engine::new(Config { seed: 7, serve: true }),
            store,
            now: Duration::from_secs(1),
            sent: Vec::new(),
            delivered: Vec::new(),
            searched: Vec::new(),
            dropped: Vec::new(),
        };
        for number in peers {
            test.engine.connected(test.now, &peer(*number), Protocol::V1_2, false);
        }
        test
    }

    /// Takes every action; messages are reported sent when `confirm`.
    fn act(&mut self, confirm: bool) {
        while let Some(action) = self.engine.poll(self.now) {
            match action {
                Action::Send { peer, id, message } => {
                    if confirm {
                        self.engine.sent(id, &[]);
                    }
                    self.sent.push((peer, id, message));
                }
                Action::Deliver { session, block } => self.delivered.push((session, block.cid().clone())),
                Action::FindProviders { session, cid } => self.searched.push((session, cid)),
                Action::Drop { peer } => self.dropped.push(peer),
            }
        }
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 4 {
            self.now += limits::TICK;
            self.engine.tick(self.now);
            self.act(true);
        }
    }

    fn receive(&mut self, from: u8, message: Message, blocks: &[Block]) {
        self.now += Duration::from_millis(1);
        self.engine.received(self.now, &peer(from), message, blocks.to_vec(), &self.store);
        self.act(true);
    }

    fn presence(&mut self, from: u8, cid: &Cid, presence: Presence) {
        self.receive(from, Message { presences: vec![(cid.clone(), presence)], ..Message::default() }, &[]);
    }

    /// Who was asked for a block, and how, in order; forgets it.
    fn asked(&mut self, cid: &Cid) -> Vec<(PeerId, Change)> {
        let sent = std::mem::take(&mut self.sent);
        let entries = sent
            .into_iter()
            .flat_map(|(peer, _, message)| message.entries.into_iter().map(move |entry| (peer.clone(), entry)));
        entries.filter(|(_, entry)| entry.cid == *cid).map(|(peer, entry)| (peer, entry.change)).collect()
    }
}

fn peer(number: u8) -> PeerId {
    PeerId::from_multihash(Multihash::sha2_256([number; 32])).expect("a peer id")
}

fn block(number: u64, bytes: usize) -> Block {
    let mut data = number.to_le_bytes().to_vec();
    data.resize(bytes.max(8), 1);
    Block::build(CidFormat::V1, 0x55, code::SHA2_256, Bytes::from(data)).expect("sha2-256 is known")
}

fn wants(cids: impl IntoIterator<Item = Cid>, kind: WantKind) -> Message {
    let change = Change::Want { kind, priority: 1, send_dont_have: true };
    Message { entries: cids.into_iter().map(|cid| Entry { cid, change }).collect(), ..Message::default() }
}

fn is_want_block(change: &Change) -> bool {
    matches!(change, Change::Want { kind: WantKind::Block, .. })
}

#[test]
fn the_only_peer_is_asked_for_the_block_at_once() {
    let mut test = Test::new(Store::default(), &[1]);
    let (session, wanted) = (test.engine.open_session(), block(1, 100));
    test.engine.want(session, wanted.cid().clone());
    test.act(true);
    let asked = test.asked(wanted.cid());
    assert!(asked.len() == 1 && is_want_block(&asked[0].1));
    test.receive(1, Message::default(), std::slice::from_ref(&wanted));
    assert_eq!(test.delivered, [(session, wanted.cid().clone())]);
    assert!(!test.engine.is_waiting());
    assert!(test.asked(wanted.cid()).is_empty(), "who sent the block needs no cancel");
}

#[test]
fn many_strangers_are_asked_whether_they_have_it_and_one_for_the_block() {
    let mut test = Test::new(Store::default(), &[1, 2, 3]);
    let (session, wanted) = (test.engine.open_session(), block(1, 100));
    test.engine.want(session, wanted.cid().clone());
    test.act(true);
    assert!(test.asked(wanted.cid()).iter().all(|(_, change)| !is_want_block(change)));
    test.presence(2, wanted.cid(), Presence::Have);
    test.presence(3, wanted.cid(), Presence::Have);
    let asked = test.asked(wanted.cid());
    assert!(asked.len() == 1 && asked[0].0 == peer(2) && is_want_block(&asked[0].1));
    test.receive(2, Message::default(), std::slice::from_ref(&wanted));
    assert!(test.asked(wanted.cid()).contains(&(peer(1), Change::Cancel)), "who was told is told to forget it");
}

#[test]
fn routing_is_asked_at_once_without_peers_and_after_refusals() {
    let mut test = Test::new(Store::default(), &[]);
    let (session, wanted) = (test.engine.open_session(), block(1, 100));
    test.engine.want(session, wanted.cid().clone());
    test.act(true);
    assert_eq!(test.searched, [(session, wanted.cid().clone())]);

    let mut test = Test::new(Store::default(), &[1, 2]);
    let session = test.engine.open_session();
    test.engine.want(session, wanted.cid().clone());
    test.act(true);
    test.presence(1, wanted.cid(), Presence::DontHave);
    assert!(test.searched.is_empty());
    test.presence(2, wanted.cid(), Presence::DontHave);
    assert_eq!(test.searched, [(session, wanted.cid().clone())]);
}

#[test]
fn routing_is_asked_when_nobody_answers_for_a_second() {
    let mut test = Test::new(Store::default(), &[1, 2]);
    let session = test.engine.open_session();
    test.engine.want(session, block(1, 100).cid().clone());
    test.act(true);
    assert!(test.searched.is_empty());
    test.wait(2);
    assert_eq!(test.searched.len(), 1);
}

#[test]
fn a_want_moves_from_a_peer_that_promised_within_five_seconds() {
    let mut test = Test::new(Store::default(), &[1, 2]);
    let (session, wanted) = (test.engine.open_session(), block(1, 100));
    test.engine.want(session, wanted.cid().clone());
    test.act(true);
    test.presence(1, wanted.cid(), Presence::Have);
    test.presence(2, wanted.cid(), Presence::Have);
    test.asked(wanted.cid());
    test.wait(6);
    let asked = test.asked(wanted.cid());
    assert!(asked.contains(&(peer(1), Change::Cancel)));
    assert!(asked.iter().any(|(to, change)| *to == peer(2) && is_want_block(change)));
}

#[test]
fn a_refusal_moves_a_want_at_once() {
    let mut test = Test::new(Store::default(), &[1, 2]);
    let (session, wanted) = (test.engine.open_session(), block(1, 100));
    test.engine.want(session, wanted.cid().clone());
    test.act(true);
    test.presence(1, wanted.cid(), Presence::Have);
    test.presence(2, wanted.cid(), Presence::Have);
    test.asked(wanted.cid());
    test.presence(1, wanted.cid(), Presence::DontHave);
    let asked = test.asked(wanted.cid());
    assert!(asked.iter().any(|(to, change)| *to == peer(2) && is_want_block(change)));
}

#[test]
fn a_peer_is_dropped_after_three_blocks_nobody_asked_for() {
    let mut test = Test::new(Store::default(), &[1]);
    for number in 0..3 {
        assert!(test.dropped.is_empty());
        test.receive(1, Message::default(), &[block(number, 50)]);
    }
    assert_eq!(test.dropped, [peer(1)]);
    assert_eq!(test.engine.stat().unwanted_blocks_received, 3);
    // It may not come back soon.
    test.engine.connected(test.now, &peer(1), Protocol::V1_2, false);
    test.act(true);
    assert_eq!(test.dropped.len(), 2);
}

#[test]
fn a_late_block_is_a_duplicate_not_a_lie() {
    let mut test = Test::new(Store::default(), &[1]);
    let session = test.engine.open_session();
    for number in 0..5 {
        let wanted = block(number, 50);
        test.engine.want(session, wanted.cid().clone());
        test.act(true);
        test.engine.cancel(session, wanted.cid());
        test.act(true);
        test.receive(1, Message::default(), &[wanted]);
    }
    assert_eq!(test.engine.stat().duplicate_blocks_received, 5);
    assert!(test.dropped.is_empty());
}

#[test]
fn a_failed_send_is_sent_again() {
    let mut test = Test::new(Store::default(), &[1]);
    let (session, wanted) = (test.engine.open_session(), block(1, 100));
    test.engine.want(session, wanted.cid().clone());
    test.act(false);
    let (_, id, _) = test.sent.pop().expect("a message");
    test.engine.send_failed(test.now, id);
    test.act(true);
    assert!(test.sent.is_empty(), "not without a pause");
    test.wait(1);
    assert!(test.sent[0].2.full);
    assert!(is_want_block(&test.asked(wanted.cid())[0].1));
}

#[test]
fn storms_of_wants_and_cancels_leave_nothing() {
    let mut test = Test::new(Store::default(), &[1, 2, 3]);
    let session = test.engine.open_session();
    for round in 0..200 {
        for number in 0..50 {
            test.engine.want(session, block(number, 50).cid().clone());
        }
        if round % 3 == 0 {
            test.act(round % 2 == 0);
        }
        for number in 0..50 {
            test.engine.cancel(session, block(number, 50).cid());
        }
    }
    test.act(true);
    assert!(test.engine.wantlist().is_empty());
    assert_eq!(test.engine.stat().wants_asked, 0);
}

#[test]
fn messages_are_filled_and_peers_take_turns() {
    let blocks: Vec<Block> = (0..64).map(|number| block(number, 256 * 1024)).collect();
    let small = block(99, 5_000);
    let mut store = Store::with(&blocks);
    store.0.insert(small.cid().clone(), 5_000);
    let mut test = Test::new(store, &[1, 2]);
    let all = blocks.iter().map(|block| block.cid().clone());
    test.engine.received(test.now, &peer(1), wants(all, WantKind::Block), Vec::new(), &test.store);
    test.engine.received(test.now, &peer(2), wants([small.cid().clone()], WantKind::Block), Vec::new(), &test.store);
    test.act(true);
    assert_eq!(test.sent[0].2.blocks.len(), 4);
    assert_eq!(test.sent[1].2.blocks, [small.cid().clone()], "the second message is the other peer's");
    assert_eq!(test.sent.len(), 64 / 4 + 1);
    assert_eq!(test.engine.ledger(&peer(1)).blocks_sent, 64);
}

#[test]
fn a_peer_that_does_not_read_gets_two_messages_and_no_more() {
    let blocks: Vec<Block> = (0..64).map(|number| block(number, 256 * 1024)).collect();
    let mut test = Test::new(Store::with(&blocks), &[1]);
    let all = blocks.iter().map(|block| block.cid().clone());
    test.engine.received(test.now, &peer(1), wants(all, WantKind::Block), Vec::new(), &test.store);
    test.act(false);
    assert_eq!(test.sent.len(), limits::SENDS_PER_PEER_MAX);
}

#[test]
fn wants_for_a_have_get_small_blocks_and_have_for_large_ones() {
    let (small, large, absent) = (block(1, 1_000), block(2, 2_000), block(3, 100));
    let mut test = Test::new(Store::with(&[small.clone(), large.clone()]), &[1]);
    let all = [&small, &large, &absent].map(|block| block.cid().clone());
    test.receive(1, wants(all, WantKind::Have), &[]);
    let message = &test.sent[0].2;
    assert_eq!(message.blocks, [small.cid().clone()]);
    let presences = [(large.cid().clone(), Presence::Have), (absent.cid().clone(), Presence::DontHave)];
    assert_eq!(message.presences, presences);
}

#[test]
fn a_flood_of_wants_we_cannot_answer_does_not_hide_one_we_can() {
    let real = block(1, 5_000);
    let mut test = Test::new(Store::with(std::slice::from_ref(&real)), &[1]);
    let absent = (100..100 + limits::WANTS_PER_PEER_MAX as u64 * 2).map(|number| block(number, 10).cid().clone());
    test.receive(1, wants(absent, WantKind::Block), &[]);
    test.receive(1, wants([real.cid().clone()], WantKind::Block), &[]);
    assert!(test.sent.iter().any(|(_, _, message)| message.blocks == [real.cid().clone()]));
}

#[test]
fn a_block_that_comes_later_is_sent_without_being_asked_again() {
    let (late, kept) = (block(1, 5_000), block(2, 5_000));
    let mut test = Test::new(Store::default(), &[1]);
    test.receive(1, wants([late.cid().clone()], WantKind::Block), &[]);
    test.receive(1, wants([kept.cid().clone()], WantKind::Have), &[]);
    test.sent.clear();
    test.store = Store::with(&[late.clone(), kept.clone()]);
    test.engine.blocks_added(&[late.cid().clone(), kept.cid().clone()], &test.store);
    test.act(true);
    assert_eq!(test.sent[0].2.blocks, [late.cid().clone()]);
    assert_eq!(test.sent[0].2.presences, [(kept.cid().clone(), Presence::Have)]);
}

#[test]
fn one_block_answers_every_session_that_waits_for_it() {
    let mut test = Test::new(Store::default(), &[1]);
    let (one, two, wanted) = (test.engine.open_session(), test.engine.open_session(), block(1, 100));
    test.engine.want(one, wanted.cid().clone());
    test.engine.want(two, wanted.cid().clone());
    test.act(true);
    test.engine.close_session(one);
    test.act(true);
    test.receive(1, Message::default(), std::slice::from_ref(&wanted));
    assert_eq!(test.delivered, [(two, wanted.cid().clone())]);
}

#[test]
fn a_large_session_asks_for_a_window_not_for_everything() {
    let mut test = Test::new(Store::default(), &[1]);
    let session = test.engine.open_session();
    for number in 0..5_000 {
        test.engine.want(session, block(number, 9).cid().clone());
    }
    test.act(true);
    let window = limits::WINDOW_BYTES_START / (256 * 1024);
    assert_eq!(test.engine.stat().wants_asked as u64, window);
    // Small blocks come: the window holds many more of them, but never more than a peer keeps.
    for number in 0..400 {
        test.receive(1, Message::default(), &[block(number, 9)]);
    }
    let asked = test.engine.stat().wants_asked;
    assert!(asked > 500 && asked <= limits::WANTS_PER_PEER_MAX, "{asked}");
}

#[test]
fn two_peers_share_a_session_and_nothing_is_asked_for_twice() {
    let mut test = Test::new(Store::default(), &[1, 2]);
    let session = test.engine.open_session();
    let blocks: Vec<Block> = (0..200).map(|number| block(number, 10_000)).collect();
    test.engine.want(session, blocks[0].cid().clone());
    test.act(true);
    for number in [1, 2] {
        test.presence(number, blocks[0].cid(), Presence::Have);
    }
    for block in &blocks[1..] {
        test.engine.want(session, block.cid().clone());
    }
    test.act(true);
    let mut sent_by = [0, 0];
    while !test.sent.is_empty() {
        for (to, _, message) in std::mem::take(&mut test.sent) {
            let number = if to == peer(1) { 1 } else { 2 };
            let is_asked = |block: &&Block| {
                message.entries.iter().any(|entry| entry.cid == *block.cid() && is_want_block(&entry.change))
            };
            let answer: Vec<Block> = blocks.iter().filter(is_asked).cloned().collect();
            sent_by[usize::from(number) - 1] += answer.len();
            if !answer.is_empty() {
                test.receive(number, Message::default(), &answer);
            }
        }
    }
    assert_eq!(test.delivered.len(), 200);
    assert_eq!(sent_by[0] + sent_by[1], 200, "each block is asked of one peer");
    assert!(sent_by.iter().all(|count| *count > 40), "{sent_by:?}");
    assert_eq!(test.engine.stat().duplicate_blocks_received, 0);
}
