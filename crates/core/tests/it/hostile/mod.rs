//! Inputs made to break decoders. Each has an id, the bytes, and what must happen; the reasons are advisories and
//! specifications named beside them.

mod cars;
mod content;
mod files;

use crate::memory::peak_of;

/// What must happen to an input.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// It decodes.
    Accept,
    /// A typed error.
    Reject,
    /// Either, while memory grows by less than so many bytes.
    Bounded(usize),
}

/// Whatever a decoder does with an input, it holds no more than this and a small multiple of the input.
const SPARE_BYTES: usize = 1 << 20;

fn check<T, E: std::fmt::Display>(id: &str, input: &[u8], expect: Expect, decode: impl FnOnce(&[u8]) -> Result<T, E>) {
    let (answer, grown) = peak_of(|| decode(input).map(drop));
    match (expect, &answer) {
        (Expect::Accept, Ok(())) | (Expect::Reject, Err(_)) | (Expect::Bounded(_), _) => {}
        (Expect::Accept, Err(error)) => panic!("{id}: must be accepted, but: {error}"),
        (Expect::Reject, Ok(())) => panic!("{id}: must be rejected"),
    }
    let limit = match expect {
        Expect::Bounded(limit) => limit,
        _ => SPARE_BYTES + 6 * input.len(),
    };
    assert!(grown < limit, "{id}: memory grew by {grown} bytes");
}

// ---- encoders, independent of the ones under test ----

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        out.push(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return out;
        }
    }
}

fn prefixed(data: &[u8]) -> Vec<u8> {
    [varint(data.len() as u64), data.to_vec()].concat()
}

fn pb_int(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn pb_bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), prefixed(value)].concat()
}

fn multihash(code: u64, digest: &[u8]) -> Vec<u8> {
    [varint(code), prefixed(digest)].concat()
}

/// A raw CID of version 1.
fn cid_v1(multihash: &[u8]) -> Vec<u8> {
    [&[1, 0x55], multihash].concat()
}

fn sha256(data: &[u8]) -> Vec<u8> {
    use sha2::Digest as _;
    multihash(0x12, &sha2::Sha256::digest(data))
}

fn leaf() -> Vec<u8> {
    cid_v1(&sha256(b"leaf"))
}

fn pb_link(cid: &[u8], name: &[u8], tsize: u64) -> Vec<u8> {
    pb_bytes(2, &[pb_bytes(1, cid), pb_bytes(2, name), pb_int(3, tsize)].concat())
}
