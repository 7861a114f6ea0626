//! From the bytes of a message to verified blocks. A pure function for a worker thread: hashing is most of what
//! receiving costs.
//!
//! A Bitswap block comes without its CID, only with the recipe for it. So there is no claim to check: the name is
//! computed, and wrong bytes are simply a block nobody wants. The engine sees that and counts it against the peer.

use std::collections::BTreeMap;

use bytes::Bytes;
use merkury_core::block::CidFormat;
use merkury_core::{Block, Cid, Multihash, Version, hash};

use crate::message::{Prefix, RawBlock};

/// Blocks up to this size are copied out of their message, so that a kept block does not keep the message too.
const COPY_BYTES_MAX: usize = 16 * 1024;

/// Hashes the blocks of one or more messages side by side and names them.
///
/// The answer has the order of the input, without the blocks whose hash function is not known here.
pub fn name_blocks(raw: Vec<RawBlock>) -> Vec<Block> {
    let mut by_prefix: BTreeMap<Prefix, (Vec<usize>, Vec<Bytes>)> = BTreeMap::new();
    let count = raw.len();
    for (position, RawBlock { prefix, data }) in raw.into_iter().enumerate() {
        let data = if data.len() <= COPY_BYTES_MAX && count > 1 { Bytes::copy_from_slice(&data) } else { data };
        let (positions, datas) = by_prefix.entry(prefix).or_default();
        positions.push(position);
        datas.push(data);
    }
    let mut named: Vec<(usize, Block)> = Vec::with_capacity(count);
    for (prefix, (positions, datas)) in by_prefix {
        named.extend(positions.into_iter().zip(name_group(prefix, datas)).filter_map(|(at, block)| Some((at, block?))));
    }
    named.sort_by_key(|(position, _)| *position);
    named.into_iter().map(|(_, block)| block).collect()
}

fn name_group(prefix: Prefix, datas: Vec<Bytes>) -> Vec<Option<Block>> {
    let format = match prefix.version {
        Version::V0 => CidFormat::V0,
        Version::V1 => CidFormat::V1,
    };
    let count = datas.len();
    let usual_length = hash::digest(prefix.hash_code, &[]).map(|hash| hash.digest().len() as u64);
    if usual_length == Ok(prefix.digest_bytes) {
        return match Block::build_many(format, prefix.codec, prefix.hash_code, datas) {
            Ok(blocks) => blocks.into_iter().map(Some).collect(),
            Err(_) => vec![None; count],
        };
    }
    datas.into_iter().map(|data| name_short(prefix, data)).collect()
}

/// A block whose digest is shorter than its function's usual length.
fn name_short(prefix: Prefix, data: Bytes) -> Option<Block> {
    let whole = hash::digest(prefix.hash_code, &data).ok()?;
    let digest = whole.digest().get(..usize::try_from(prefix.digest_bytes).ok()?)?;
    let cid = Cid::v1(prefix.codec, Multihash::new(prefix.hash_code, digest).ok()?);
    Block::verify(cid, data).ok()
}
