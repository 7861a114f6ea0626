//! The wire form: frozen bytes, and what is written is read again.

use bytes::Bytes;
use merkury_bitswap::message::{Change, Entry, Prefix, Presence, WantKind};
use merkury_bitswap::{Message, OutMessage, Protocol, name_blocks};
use merkury_core::block::CidFormat;
use merkury_core::multihash::code;
use merkury_core::{Block, Cid};

fn block(codec: u64, data: &'static [u8]) -> Block {
    Block::build(CidFormat::V1, codec, code::SHA2_256, Bytes::from_static(data)).expect("sha2-256 is known")
}

fn want(cid: &Cid, kind: WantKind) -> Entry {
    Entry { cid: cid.clone(), change: Change::Want { kind, priority: -5, send_dont_have: true } }
}

fn read(message: &OutMessage, protocol: Protocol) -> Message {
    let bytes = Bytes::from(message.encode(protocol).concat());
    let (length, prefix) = Message::decode_length(&bytes).expect("a length").expect("whole");
    assert_eq!(length + prefix, bytes.len());
    Message::decode(&bytes.slice(prefix..)).expect("our own message")
}

fn full_message() -> OutMessage {
    let (a, b) = (block(0x55, b"a"), block(0x70, b"bb"));
    OutMessage {
        full: true,
        entries: vec![
            want(a.cid(), WantKind::Block),
            want(b.cid(), WantKind::Have),
            Entry { cid: b.cid().clone(), change: Change::Cancel },
        ],
        presences: vec![(a.cid().clone(), Presence::Have), (b.cid().clone(), Presence::DontHave)],
        blocks: vec![a, b],
        pending_bytes: 77,
    }
}

#[test]
fn what_is_written_is_read_again() {
    let message = full_message();
    let read = read(&message, Protocol::V1_2);
    assert!(read.full);
    assert_eq!(read.entries, message.entries);
    assert_eq!(read.presences, message.presences);
    assert_eq!(read.pending_bytes, 77);
    assert_eq!(name_blocks(read.blocks), message.blocks);
}

#[test]
fn older_versions_get_no_presences_and_the_oldest_no_prefixes() {
    let message = full_message();
    for protocol in [Protocol::V1_1, Protocol::V1_0] {
        let read = read(&message, protocol);
        assert!(read.presences.is_empty());
        assert_eq!(read.blocks.len(), 2);
        assert!(read.entries.iter().all(|entry| !matches!(entry.change, Change::Want { kind: WantKind::Have, .. })));
    }
    assert!(read(&message, Protocol::V1_0).blocks.iter().all(|raw| raw.prefix == Prefix::V0));
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let cid = Cid::parse("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").expect("a cid");
    let entry =
        Entry { cid: cid.clone(), change: Change::Want { kind: WantKind::Have, priority: 1, send_dont_have: true } };
    let message = OutMessage {
        entries: vec![entry],
        blocks: vec![block(0x55, b"hi")],
        presences: vec![(cid.clone(), Presence::DontHave)],
        pending_bytes: 3,
        ..OutMessage::default()
    };
    let cid = cid.to_bytes();
    let expected = [
        &[0x68, 0x0a, 0x2e, 0x0a, 0x2c][..], // message, wantlist, entry
        &[0x0a, 0x24],
        &cid,
        &[0x10, 0x01, 0x20, 0x01, 0x28, 0x01], // priority, wantType have, sendDontHave
        &[0x22, 0x28, 0x0a, 0x24],             // presence
        &cid,
        &[0x10, 0x01, 0x28, 0x03], // DONT_HAVE; pendingBytes
        &[0x1a, 0x0a, 0x0a, 0x04, 0x01, 0x55, 0x12, 0x20, 0x12, 0x02, b'h', b'i'],
    ]
    .concat();
    assert_eq!(message.encode(Protocol::V1_2).concat(), expected);
}

#[test]
fn an_empty_message_has_a_wantlist() {
    assert_eq!(OutMessage::default().encode(Protocol::V1_2).concat(), [2, 0x0a, 0]);
}

#[test]
fn block_bytes_are_not_copied() {
    let data = Bytes::from(vec![7; 100_000]);
    let block = Block::build(CidFormat::V0, 0x70, code::SHA2_256, data.clone()).expect("sha2-256 is known");
    let parts = OutMessage { blocks: vec![block], ..OutMessage::default() }.encode(Protocol::V1_2);
    assert_eq!(parts[1].as_ptr(), data.as_ptr());
    let bytes = Bytes::from(parts.concat());
    let message = Message::decode(&bytes.slice(3..)).expect("our own message");
    assert!(bytes.as_ptr_range().contains(&message.blocks[0].data.as_ptr()));
}

#[test]
fn blocks_get_the_names_their_prefixes_say() {
    let cid_of = |format, codec, hash| {
        Block::build(format, codec, hash, Bytes::from_static(b"data")).map(|block| block.cid().clone())
    };
    for (format, codec, hash) in [
        (CidFormat::V0, 0x70, code::SHA2_256),
        (CidFormat::V1, 0x71, code::SHA2_256),
        (CidFormat::V1, 0x55, code::BLAKE3),
        (CidFormat::V1, 0x55, code::SHA2_512),
    ] {
        // A hash function may be missing from the core's build; then there is nothing to compare.
        let Ok(cid) = cid_of(format, codec, hash) else { continue };
        let raw = merkury_bitswap::message::RawBlock { prefix: Prefix::of(&cid), data: Bytes::from_static(b"data") };
        let named = name_blocks(vec![raw.clone(), raw]);
        assert_eq!(named.iter().map(Block::cid).collect::<Vec<_>>(), [&cid, &cid]);
    }
}
