//! Blocks printed by Kubo 0.43.1 (`ipfs add …`, `ipfs block get`): reading and writing them gives the same bytes.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use merkury_core::block::CidFormat;
use merkury_core::car::{self, CarReader};
use merkury_core::cid::codec_code::DAG_PB;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind, LeafFrame, Mtime, UnixFs, bitfield, slot_prefix};
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, Cid};

fn block(cid: &str, hex: &str) -> Bytes {
    let data = Bytes::from(HEXLOWER.decode(hex.as_bytes()).expect("hex"));
    let cid = Cid::parse(cid).expect("a cid");
    assert_eq!(Block::build(CidFormat::V0, DAG_PB, SHA2_256, data.clone()).expect("a block").cid(), &cid);
    data
}

/// Reads, checks and writes the block again.
fn same(cid: &str, hex: &str) -> (PbNode, UnixFs) {
    let data = block(cid, hex);
    let (node, message) = UnixFs::of_block(&data).expect("well-formed");
    assert_eq!(message.clone().into_node(node.links.clone()).encode(), data, "{cid}");
    (node, message)
}

#[test]
fn small_files() {
    let (_, empty) = same("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", "0a0408021800");
    assert_eq!((empty.kind, empty.data, empty.file_size), (Kind::File, None, Some(0)));
    let (_, hello) = same("QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o", "0a120802120c68656c6c6f20776f726c640a180c");
    assert_eq!(hello.data.as_deref(), Some(&b"hello world\n"[..]));
    assert_eq!(hello.content_len(), 12);
}

#[test]
fn leaf_frames_make_the_same_blocks() {
    for (content, hex) in [(&b""[..], "0a0408021800"), (b"hello world\n", "0a120802120c68656c6c6f20776f726c640a180c")] {
        let frame = LeafFrame::new(Kind::File, content.len());
        let built = [frame.prefix(), content, frame.suffix()].concat();
        assert_eq!(HEXLOWER.encode(&built), hex);
    }
    let content = vec![7; 262_144];
    let frame = LeafFrame::new(Kind::Raw, content.len());
    let mut message = UnixFs::new(Kind::Raw);
    message.file_size = Some(content.len() as u64);
    message.data = Some(content.clone().into());
    assert_eq!([frame.prefix(), &content, frame.suffix()].concat(), message.into_node(vec![]).encode());
}

#[test]
fn mode_and_time() {
    let (_, message) = same(
        "Qmeh2mRFLLdPQ8KHiDPmmno4ZAztixW1UM3zwaPYwDEifB",
        "0a220802120c68656c6c6f20776f726c640a180c38a003420b08a5bbb5f0051580756928",
    );
    assert_eq!(message.permissions(), Some(0o640));
    assert_eq!(message.mtime, Some(Mtime { seconds: 1_577_934_245, nanos: 678_000_000 }));
}

#[test]
fn a_file_of_three_chunks_with_wrapped_and_raw_leaves() {
    let (node, message) = same(
        "QmRGw3jDTE2Bu51tEYn2JoyQq3ApDaJm8DpRxM68WqK7fU",
        "122a0a221220328f549938f9ca71d855f81335f36dafa2a8ba0e8ec8595c583e08e2f70995f81200188e8010122a0a221220328f549938f9ca71d855f81335f36dafa2a8ba0e8ec8595c583e08e2f70995f81200188e8010122a0a221220ab3208dea47ba401f53f98bd43dabc7fe9c40c67f7e483923c1cfd41a3bbcc45120018cecf040a12080218c0cf24208080102080801020c0cf04",
    );
    assert_eq!((node.links.len(), message.content_len()), (3, 600_000));
    let (node, _) = same(
        "QmScR7DNBuv6TFYQCicgtu3yXwxVzUKrCt98pbkUCw6Ngn",
        "122c0a24015512208a39d2abd3999ab73c34db2476849cddf303ce389b35826850f9a700589b4a90120018808010122c0a24015512208a39d2abd3999ab73c34db2476849cddf303ce389b35826850f9a700589b4a90120018808010122c0a24015512207b2f04e83023d52cfd751171662cad5bcc30c73ca9a0c5b5ec2f438a6af7f747120018c0cf040a12080218c0cf24208080102080801020c0cf04",
    );
    assert_eq!(node.links[0].cid.to_string(), "bafkreiekhhjkxu4ztk3tyng3er3ijhg56mb44oe3gwbgquhzu4afrg2ksa");
}

#[test]
fn a_directory() {
    let (node, message) = same(
        "QmbajSfwwYjjkrxo4pDChxw67fit9nKZ6znd7pUXDbQVVr",
        "12290a22122046d44814b9c5af141c3aaab7c05dc5e844ead5f91f12858b021eba45768b4c0e120168181412290a22122003c84274dabc31c76032e66f494976c644102f6205f4529f83eab18d3ce461bf12016c1807122b0a221220b731e557afff399287ecd80dcf4a8bee70247086bafbd7049c0609100df9a877120373756218350a020801",
    );
    let names: Vec<_> = node.links.iter().map(|link| link.name_text()).collect();
    assert_eq!(names, ["h", "l", "sub"]);
    assert_eq!(message.kind, Kind::Directory);
    let mut mixed = node.clone();
    mixed.links.reverse();
    mixed.sort_links();
    assert_eq!(mixed, node);
}

#[test]
fn a_sharded_directory() {
    let (node, message) = same(
        "QmPjyfhRpxqGq3GpBdu18wyUcg3UjJcYEbvEzUJyCQ1VE6",
        "122c0a2212203a3b47400e796fe0032835ad0da7c666ac13f91430acae9245e3ca97083410f2120431416632180a122c0a221220dfca93aa592fe26a1f66a61378ae3aaa610fa7cba1b1dbf0857cf2eff70782b6120433446633180a122c0a221220209508ffff59bbe5350193d8ffb36744487b1a7775bb2cc9fe77ec6397e9225f120435306636180a122c0a221220a6dd0d092ce51c4894db43dbc020de0827eb2034846121173dff3b0735025787120436306635180a122c0a221220b183fce1f72405091b61c43075fc8dcd4b614f9bca96fd49d25f7d48c647b6c0120439466637180a122c0a221220e869b02d681e0c1e9bddb43512ec8d9fba3d27068c3840ae5f7601ec5ac98769120444376631180a122c0a2212209d5ae77030ce7d806696a0cc4e9bce7ff13a57998d113277e39dc08d48a5a5b2120444456638180a122c0a2212202896e5a8be2a253ad2094898430c9221da3523808afa57b29ae222124ef221c8120444466634180a0a250805121cc08000000000000080000000000000010001000020000000040000002822308002",
    );
    let shard = HamtShard::new(&message, &node.links).expect("a shard");
    assert_eq!((shard.fanout(), shard.prefix_len()), (256, 2));
    let slots: Vec<usize> = (0..256).filter(|&slot| shard.link(slot).is_some()).collect();
    assert_eq!(slots, [0x1a, 0x3d, 0x50, 0x60, 0x9f, 0xd7, 0xde, 0xdf]);
    assert_eq!(shard.link(0x1a).map(|(entry, _)| entry), Some(HamtEntry::Entry(b"f2")));
    assert_eq!(bitfield(slots, 256), message.data);
    assert_eq!(
        (slot_prefix(0x1a, 256), slot_prefix(3, 1024), slot_prefix(7, 8)),
        ("1A".into(), "003".into(), "7".into())
    );
}

/// `ipfs dag export` of the directory above.
#[test]
fn an_archive() {
    let bytes = HEXLOWER.decode(ARCHIVE.as_bytes()).expect("hex");
    let mut reader = CarReader::new(&bytes[..], false).expect("a header");
    let mut again = car::header(reader.roots());
    let batch = reader.next_batch(100, 1 << 20).expect("sections");
    assert!(reader.next_batch(100, 1 << 20).expect("the end").is_empty());
    for block in Block::verify_many(batch) {
        let block = block.expect("as its name says");
        again.extend(car::section_head(block.cid(), block.data().len()));
        again.extend_from_slice(block.data());
    }
    assert_eq!(again, bytes);
}

const ARCHIVE: &str = "38a265726f6f747381d82a5823001220c4c369fbba10858957563dce58a154ead22ddd4dd4e3af4bea3ab4bb035e19b16776657273696f6e01a9011220c4c369fbba10858957563dce58a154ead22ddd4dd4e3af4bea3ab4bb035e19b112290a22122046d44814b9c5af141c3aaab7c05dc5e844ead5f91f12858b021eba45768b4c0e120168181412290a22122003c84274dabc31c76032e66f494976c644102f6205f4529f83eab18d3ce461bf12016c1807122b0a221220b731e557afff399287ecd80dcf4a8bee70247086bafbd7049c0609100df9a877120373756218350a02080136122046d44814b9c5af141c3aaab7c05dc5e844ead5f91f12858b021eba45768b4c0e0a120802120c68656c6c6f20776f726c640a180c29122003c84274dabc31c76032e66f494976c644102f6205f4529f83eab18d3ce461bf0a050804120168511220b731e557afff399287ecd80dcf4a8bee70247086bafbd7049c0609100df9a87712290a221220bfccda787baba32b59c78450ac3d20b633360b43992c77289f9ed46d843561e612016518060a020801281220bfccda787baba32b59c78450ac3d20b633360b43992c77289f9ed46d843561e60a0408021800";
