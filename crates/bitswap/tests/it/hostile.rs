//! Bytes no honest peer sends: each gets a typed error, or its bad part is left out, within bounded memory.

use bytes::Bytes;
use merkury_bitswap::limits::{ENTRIES_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX, WANTS_PER_PEER_MAX};
use merkury_bitswap::message::Change;
use merkury_bitswap::{Config, Engine, Message, MessageError, Protocol};
use merkury_core::multihash::code;
use merkury_core::{BlockHas, Cid, Multihash, PeerId};
use proptest::prelude::*;
use std::time::Duration;

const RAW: u64 = 0x55;

/// A store without blocks.
struct Empty;

impl BlockHas for Empty {
    fn has(&self, _: &Cid) -> bool {
        false
    }

    fn size_of(&self, _: &Cid) -> Option<u64> {
        None
    }
}

fn varint(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    merkury_core::varint::encode(value, &mut out);
    out
}

fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(field: u64, value: i64) -> Vec<u8> {
    let mut out = varint(field << 3);
    let mut value = value as u64;
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn want(cid: &[u8], priority: i64) -> Vec<u8> {
    field(1, &[field(1, cid), number(2, priority), number(4, 0), number(5, 1)].concat())
}

fn block(prefix: &[u8], data: &[u8]) -> Vec<u8> {
    field(3, &[field(1, prefix), field(2, data)].concat())
}

fn cid(number: u32) -> Cid {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_le_bytes());
    Cid::v1(RAW, Multihash::sha2_256(digest))
}

fn decode(bytes: Vec<u8>) -> Result<Message, MessageError> {
    Message::decode(&Bytes::from(bytes))
}

fn engine_with(peer: &PeerId) -> Engine {
    let mut engine = Engine::new(Config { seed: 1, serve: true });
    engine.connected(Duration::ZERO, peer, Protocol::V1_2, false);
    engine
}

fn some_peer() -> PeerId {
    PeerId::from_multihash(Multihash::sha2_256([9; 32])).expect("a peer id")
}

#[test]
fn lengths_are_refused_before_anything_is_allocated() {
    assert_eq!(Message::decode_length(&varint(MESSAGE_BYTES_MAX as u64)), Ok(Some((MESSAGE_BYTES_MAX, 4))));
    let over = MESSAGE_BYTES_MAX as u64 + 1;
    assert_eq!(Message::decode_length(&varint(over)), Err(MessageError::TooLong(over)));
    let huge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01];
    assert!(matches!(Message::decode_length(&huge), Err(MessageError::Length(_))));
    assert_eq!(Message::decode_length(&[0x80]), Ok(None));
}

#[test]
fn empty_messages_and_messages_without_wantlist_are_fine() {
    assert_eq!(decode(Vec::new()), Ok(Message::default()));
    let message = decode(block(b"\x01\x55\x12\x20", b"hi")).expect("boxo#961");
    assert_eq!(message.blocks.len(), 1);
}

#[test]
fn a_flood_of_wants_keeps_1024_and_ends_with_the_connection() {
    let wants: Vec<u8> = (0..50_000).flat_map(|i| want(&cid(i).to_bytes(), 1)).collect();
    let message = decode(field(1, &wants)).expect("well-formed");
    assert_eq!(message.entries.len(), ENTRIES_PER_MESSAGE_MAX);
    assert_eq!(message.skipped as usize, 50_000 - ENTRIES_PER_MESSAGE_MAX);

    let peer = some_peer();
    let mut engine = engine_with(&peer);
    for _ in 0..3 {
        engine.received(Duration::ZERO, &peer, message.clone(), Vec::new(), &Empty);
    }
    assert_eq!(engine.wantlist_of(&peer).len(), WANTS_PER_PEER_MAX);
    engine.disconnected(&peer);
    assert_eq!(engine.stat().wants_served, 0);
}

#[test]
fn a_flood_of_presences_is_cut_and_leaves_nothing() {
    let one = |i| field(4, &[field(1, &cid(i).to_bytes()), number(2, 0)].concat());
    let message = decode((0..80_000).flat_map(one).collect()).expect("well-formed");
    assert_eq!(message.presences.len(), ENTRIES_PER_MESSAGE_MAX);
    let peer = some_peer();
    let mut engine = engine_with(&peer);
    engine.received(Duration::ZERO, &peer, message, Vec::new(), &Empty);
    assert_eq!(engine.stat().wants_asked, 0);
    assert!(engine.poll(Duration::ZERO).is_none());
}

#[test]
fn wants_nobody_can_answer_are_skipped_and_the_rest_is_kept() {
    let identity = Cid::v1(RAW, Multihash::new(code::IDENTITY, &[b'x'; 20]).expect("short"));
    let long = [&[1, RAW as u8, 0x1e][..], &varint(164), &[0; 164]].concat();
    assert_eq!(long.len(), 169);
    let long_digest = [&[1, RAW as u8, 0x1e][..], &varint(130), &[0; 130]].concat();
    let wants =
        [want(&identity.to_bytes(), 1), want(&long, 1), want(&long_digest, 1), want(&cid(7).to_bytes(), 1)].concat();
    let message = decode(field(1, &wants)).expect("the connection is kept");
    assert_eq!(message.skipped, 3);
    assert_eq!(message.entries.iter().map(|entry| &entry.cid).collect::<Vec<_>>(), [&cid(7)]);
}

#[test]
fn priorities_are_signed() {
    let message = decode(field(1, &want(&cid(1).to_bytes(), i64::from(i32::MIN)))).expect("well-formed");
    assert!(matches!(message.entries[0].change, Change::Want { priority: i32::MIN, .. }));
    let peer = some_peer();
    let mut engine = engine_with(&peer);
    engine.received(Duration::ZERO, &peer, message, Vec::new(), &Empty);
    assert_eq!(engine.wantlist_of(&peer), [cid(1)]);
}

#[test]
fn prefixes_that_name_no_safe_hash_refuse_the_message() {
    for prefix in [
        &b"\x01\x55\x00\xff\x7f"[..], // identity, 16 KiB
        b"\x01\x55\x12\x08",          // sha2-256 cut to 8 bytes
        b"\x01\x55\xd5\x01\x10",      // md5
        b"\x00\x55\x12\x20",          // version 0 of raw
        b"\x02\x55\x12\x20",          // version 2
        b"\x01\x55\x12",              // cut
        b"\x01\x55\x12\x20\x00",      // more than a prefix
        b"",
    ] {
        assert!(decode(block(prefix, &[b'x'; 2_000])).is_err(), "{prefix:x?}");
    }
}

#[test]
fn blocks_over_two_mebibytes_refuse_the_message() {
    let data = vec![0; 2 * 1024 * 1024 + 1];
    assert_eq!(decode(block(b"\x01\x55\x12\x20", &data)), Err(MessageError::BlockTooLarge(data.len())));
    assert!(decode(block(b"\x01\x55\x12\x20", &data[1..])).is_ok());
    let many: Vec<u8> = (0..5_000).flat_map(|_| block(b"\x01\x55\x12\x20", b"")).collect();
    assert_eq!(decode(many), Err(MessageError::TooManyBlocks));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(bytes.clone());
        let _ = decode(field(1, &bytes));
        let _ = decode(field(1, &field(1, &bytes)));
        let _ = decode(block(&bytes, b"data"));
        let _ = decode(field(4, &bytes));
        let _ = Message::decode_length(&bytes);
    }
}
