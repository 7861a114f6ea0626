//! CIDs, DAG-CBOR, DAG-JSON and DAG-PB.

use bytes::Bytes;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::{Cid, codec};

use super::Expect::{self, Accept, Bounded, Reject};
use super::{check, cid_v1, leaf, multihash, pb_bytes, pb_link, sha256, varint};

const MIB: usize = 1 << 20;
const IDENTITY: u64 = 0;

#[test]
fn cids() {
    // A CID that names a block: well-formed and with a hash that IPFS allows.
    fn name_of_block(bytes: &[u8]) -> Result<(), String> {
        let cid = Cid::from_bytes(bytes).map_err(|error| error.to_string())?;
        cid.hash().check_secure().map_err(|error| error.to_string())
    }
    let good = sha256(b"x");
    let inputs: Vec<(&str, Vec<u8>, Expect)> = vec![
        ("identity_128", cid_v1(&multihash(IDENTITY, &[b'B'; 128])), Accept),
        // IPIP-512, GHSA-9x4h-8wgm-8xfg.
        ("identity_129", cid_v1(&multihash(IDENTITY, &[b'A'; 129])), Reject),
        ("identity_claims_2e60", cid_v1(&[vec![0], varint(1 << 60), vec![b'x']].concat()), Reject),
        ("sha256_trunc16", cid_v1(&multihash(0x12, &[0; 16])), Reject),
        ("sha256_33", cid_v1(&multihash(0x12, &[0; 33])), Reject),
        ("blake3_129", cid_v1(&multihash(0x1e, &[0; 129])), Reject),
        ("murmur3", cid_v1(&multihash(0x22, &[0; 8])), Reject),
        ("shake128", cid_v1(&multihash(0x18, &[0; 32])), Reject),
        ("blake2b_40bit", cid_v1(&multihash(0xb205, &[0; 5])), Reject),
        ("trailing", [cid_v1(&good), b"garbage".to_vec()].concat(), Reject),
        ("nonminimal_varint", [&[0x81, 0x00, 0x55], &good[..]].concat(), Reject),
        ("varint_10x80", vec![0x80; 20], Reject),
        ("v2", [&[2, 0x55], &good[..]].concat(), Reject),
    ];
    for (id, input, expect) in inputs {
        check(&format!("cid_{id}"), &input, expect, name_of_block);
    }
    let text = [b"b".to_vec(), vec![b'a'; MIB]].concat();
    check("cid_text_1MiB", &text, Reject, |text| Cid::parse(&String::from_utf8_lossy(text)));
}

#[test]
fn dag_cbor() {
    let claim = |head: u8, count: u64| [&[head], &count.to_be_bytes()[..]].concat();
    let nested = |unit: &[u8], times: usize| [unit.repeat(times), vec![0xf6]].concat();
    let nulls = 2 * MIB - 5;
    let inputs: Vec<(&str, Vec<u8>, Expect)> = vec![
        ("depth_1024", nested(&[0x81], 1024), Accept),
        ("depth_1025", nested(&[0x81], 1025), Reject),
        // CVE-2026-42328.
        ("depth_1Mi_lists", nested(&[0x81], MIB), Reject),
        ("depth_300k_maps", nested(&[0xa1, 0x61, 0x61], 300_000), Reject),
        // CVE-2026-35480.
        ("list_2e62", claim(0x9b, 1 << 62), Reject),
        ("map_2e62", claim(0xbb, 1 << 62), Reject),
        ("bytes_2e40", claim(0x5b, 1 << 40), Reject),
        ("nested_hints", nested(&[0x9a, 0x10, 0, 0, 0], 100), Reject),
        ("2MiB_nulls", [&[0x9a], &(nulls as u32).to_be_bytes()[..], &vec![0xf6; nulls]].concat(), Bounded(8 * MIB)),
        ("indef_list", vec![0x9f, 0xf6, 0xff], Reject),
        ("undefined", vec![0xf7], Reject),
        ("nan", vec![0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], Reject),
        ("tag0", vec![0xc0, 0x60], Reject),
        ("nonminimal_int", vec![0x18, 0x01], Reject),
        ("dup_keys", b"\xa2\x61a\x01\x61a\x02".to_vec(), Reject),
        ("int_key", vec![0xa1, 0x01, 0x01], Reject),
        // Its value is refused (see `codecs`); its links are needed to keep and send what others have made.
        ("bad_utf8", vec![0x61, 0xff], Accept),
        ("trailing", vec![0xf6, 0xf6], Reject),
        ("tag42_no_zero", vec![0xd8, 0x2a, 0x41, 0x01], Reject),
        ("tag42_text", b"\xd8\x2a\x61a".to_vec(), Reject),
    ];
    for (id, input, expect) in inputs {
        check(&format!("cbor_{id}"), &input, expect, |block| codec::links(code::DAG_CBOR, block));
    }
    check("json_depth_1Mi", &vec![b'['; MIB], Reject, |block| codec::links(code::DAG_JSON, block));
}

#[test]
fn many_unsorted_keys_stay_small() {
    // Keys that descend, so that every one is remembered and sorted.
    let count = 300_000u32;
    let mut block = vec![0xba];
    block.extend(count.to_be_bytes());
    for key in (0..count).rev() {
        block.extend([0x65]);
        block.extend(format!("{:05x}", key).bytes());
        block.push(0xf6);
    }
    check("cbor_unsorted_keys", &block, Bounded(8 * MIB), |block| codec::links(code::DAG_CBOR, block));
}

#[test]
fn dag_pb() {
    let inputs: Vec<(&str, Vec<u8>, Expect)> = vec![
        // CVE-2022-2584.
        ("link_no_hash", pb_bytes(2, &pb_bytes(2, b"n")), Reject),
        ("len_overflow", [&[0x12], &[0xff; 9][..], &[1]].concat(), Reject),
        ("hash_over_buf", vec![0x12, 0x04, 0x0a, 0xff, 0x01], Reject),
        ("dup_data", [pb_bytes(1, b"a"), pb_bytes(1, b"b")].concat(), Reject),
        ("tsize_u64max", pb_link(&leaf(), b"f", u64::MAX), Accept),
        ("bad_wiretype", vec![0x0f], Reject),
        ("40k_links", pb_link(&leaf(), b"x", 0).repeat(40_000), Bounded(32 * MIB)),
    ];
    for (id, input, expect) in inputs {
        let block = Bytes::from(input);
        check(&format!("pb_{id}"), &block, expect, |_| PbNode::decode(&block));
        check(&format!("pb_{id} (links)"), &block, expect, |block| codec::links(code::DAG_PB, block));
    }
}
