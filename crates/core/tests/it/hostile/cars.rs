//! Archives. An import that hits an error keeps nothing, so reading an archive here means: every section, verified.

use std::io::Read;

use merkury_core::Block;
use merkury_core::car::CarReader;

use super::Expect::{Accept, Reject};
use super::{check, cid_v1, leaf, multihash, prefixed, sha256, varint};

const SECTIONS: usize = 64;
const BYTES: usize = 4 << 20;

fn import(source: impl Read) -> Result<usize, String> {
    let mut reader = CarReader::new(source, true).map_err(|error| error.to_string())?;
    let mut count = 0;
    loop {
        let batch = reader.next_batch(SECTIONS, BYTES).map_err(|error| error.to_string())?;
        if batch.is_empty() {
            return Ok(count);
        }
        for block in Block::verify_many(batch) {
            block.map_err(|error| error.to_string())?;
            count += 1;
        }
    }
}

fn link(cid: &[u8]) -> Vec<u8> {
    [&[0xd8, 0x2a, 0x58, cid.len() as u8 + 1, 0], cid].concat()
}

fn header(root: &[u8]) -> Vec<u8> {
    prefixed(&[b"\xa2\x65roots\x81", &link(root)[..], b"\x67version\x01"].concat())
}

#[test]
fn archives() {
    let header = header(&leaf());
    let with = |rest: &[u8]| [&header[..], rest].concat();
    let section = |cid: &[u8], data: &[u8]| prefixed(&[cid, data].concat());
    let v2 = |start: u64, size: u64, inner: &[u8]| {
        let numbers: Vec<u8> = [start, size, 0].iter().flat_map(|number| number.to_le_bytes()).collect();
        [b"\x0a\xa1\x67version\x02", &[0; 16][..], &numbers, inner].concat()
    };
    let good = section(&cid_v1(&sha256(b"hello")), b"hello");
    let many_roots = [b"\xa2\x65roots\x9a", &100_000u32.to_be_bytes()[..], &link(&leaf()).repeat(20_000)].concat();
    let inputs = [
        // GHSA-9x4h-8wgm-8xfg.
        ("header_2e40", varint(1 << 40), Reject),
        ("section_2e62", with(&varint(1 << 62)), Reject),
        ("section_1byte", with(&[1, 1]), Reject),
        ("zero_section", with(&[0; 3]), Reject),
        ("wrong_hash", with(&section(&cid_v1(&multihash(0x12, &[0; 32])), b"hello")), Reject),
        ("identity_129", with(&section(&cid_v1(&multihash(0, &[b'A'; 129])), b"")), Reject),
        ("missing_root", with(&[]), Accept),
        ("v2_offsets_wrap", v2(u64::MAX, u64::MAX, &[]), Reject),
        ("roots_claim_over_header", prefixed(&many_roots), Reject),
        // And of our own.
        ("good", with(&good), Accept),
        ("good_v2", v2(51, with(&good).len() as u64, &with(&good)), Accept),
        ("v2_longer_than_the_file", v2(51, with(&good).len() as u64 + 1, &with(&good)), Reject),
        ("v2_in_v2", v2(51, 100, &v2(51, 10, &with(&good))), Reject),
        ("section_claims_128MiB", with(&varint(128 << 20)), Reject),
        ("header_claims_4MiB", varint(4 << 20), Reject),
        ("version_3", prefixed(b"\xa2\x65roots\x80\x67version\x03"), Reject),
        ("no_version", prefixed(b"\xa1\x65roots\x80"), Reject),
        ("empty", vec![], Reject),
    ];
    for (id, input, expect) in inputs {
        check(&format!("car_{id}"), &input, expect, |bytes| import(bytes));
    }
}

#[test]
fn memory_does_not_grow_with_the_archive() {
    // 64 MiB of sections, made on the fly.
    let data = vec![7; 256 << 10];
    let section = prefixed(&[&cid_v1(&sha256(&data))[..], &data].concat());
    let (count, grown) = crate::memory::peak_of(|| {
        let sections = (0..256)
            .fold(Box::new(std::io::empty()) as Box<dyn Read>, |before, _| Box::new(before.chain(&section[..])));
        import(std::io::Cursor::new(header(&leaf())).chain(sections))
    });
    assert_eq!(count, Ok(256));
    assert!(grown < BYTES + (4 << 20), "memory grew by {grown} bytes");
}
