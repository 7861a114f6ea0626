//! The frame around the content of a leaf, so that content can be read from disk to its final place in the block.

use super::Kind;
use crate::codec::protobuf;

/// The bytes before and after the content in a leaf that is a DAG-PB node: prefix, content, suffix make the block.
#[derive(Clone, Copy, Debug)]
pub struct LeafFrame {
    prefix: ([u8; LEAF_PREFIX_BYTES_MAX], u8),
    suffix: ([u8; LEAF_SUFFIX_BYTES_MAX], u8),
}

/// Longest [`LeafFrame::prefix`]: node tag and length, type, content tag and length.
pub const LEAF_PREFIX_BYTES_MAX: usize = 1 + 10 + 2 + 1 + 10;
/// Longest [`LeafFrame::suffix`]: file size.
pub const LEAF_SUFFIX_BYTES_MAX: usize = 1 + 10;

impl LeafFrame {
    /// The frame of a leaf of `kind` ([`Kind::File`] in all of Kubo's layouts but trickle, [`Kind::Raw`] there) with
    /// `content_bytes` of content and neither mode nor time.
    pub fn new(kind: Kind, content_bytes: usize) -> Self {
        let mut suffix = Vec::with_capacity(LEAF_SUFFIX_BYTES_MAX);
        protobuf::put_varint_field(3, content_bytes as u64, &mut suffix);
        let mut inner = Vec::with_capacity(LEAF_PREFIX_BYTES_MAX);
        protobuf::put_varint_field(1, kind as u64, &mut inner);
        if content_bytes > 0 {
            protobuf::put_bytes_head(2, content_bytes, &mut inner);
        }
        let mut prefix = Vec::with_capacity(LEAF_PREFIX_BYTES_MAX);
        protobuf::put_bytes_head(1, inner.len() + content_bytes + suffix.len(), &mut prefix);
        prefix.extend_from_slice(&inner);
        Self { prefix: padded(&prefix), suffix: padded(&suffix) }
    }

    /// What stands before the content.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix.0[..usize::from(self.prefix.1)]
    }

    /// What stands after the content.
    pub fn suffix(&self) -> &[u8] {
        &self.suffix.0[..usize::from(self.suffix.1)]
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> ([u8; N], u8) {
    let mut array = [0; N];
    array[..bytes.len()].copy_from_slice(bytes);
    (array, bytes.len() as u8)
}
