//! Writing messages to peers.

use bytes::Bytes;
use merkury_core::varint;
use merkury_core::{Cid, Version};

use super::wire::{put_bytes_head, put_number, put_varint, varint_len};
use super::{Change, Entry, OutMessage, Prefix, Presence, Protocol, WantKind};

impl OutMessage {
    /// The message with its length prefix, as parts to write one after another. Block bytes are not copied.
    ///
    /// Version 1.0 and 1.1 have no presences: they are left out. Version 1.0 has no prefixes: its receiver takes
    /// every block for CID version 0.
    pub fn encode(&self, protocol: Protocol) -> Vec<Bytes> {
        let head = self.encode_head(protocol);
        let block_heads: Vec<Vec<u8>> = self.blocks.iter().map(|block| block_head(block, protocol)).collect();
        let body_bytes = head.len()
            + block_heads.iter().map(Vec::len).sum::<usize>()
            + self.blocks.iter().map(|block| block.data().len()).sum::<usize>();

        let mut parts = Vec::with_capacity(1 + 2 * self.blocks.len());
        let mut small = Vec::with_capacity(head.len() + 16);
        put_varint(body_bytes as u64, &mut small);
        small.extend_from_slice(&head);
        for (block, head) in self.blocks.iter().zip(block_heads) {
            small.extend_from_slice(&head);
            parts.push(Bytes::from(std::mem::take(&mut small)));
            parts.push(block.data().clone());
        }
        if !small.is_empty() {
            parts.push(Bytes::from(small));
        }
        parts
    }

    /// Everything but the blocks.
    fn encode_head(&self, protocol: Protocol) -> Vec<u8> {
        let mut wantlist = Vec::new();
        let mut scratch = Vec::new();
        for entry in &self.entries {
            scratch.clear();
            put_entry(entry, protocol, &mut scratch);
            put_bytes_head(1, scratch.len(), &mut wantlist);
            wantlist.extend_from_slice(&scratch);
        }
        put_number(2, u64::from(self.full), &mut wantlist);

        let mut head = Vec::with_capacity(wantlist.len() + 16 + self.presences.len() * 48);
        put_bytes_head(1, wantlist.len(), &mut head);
        head.extend_from_slice(&wantlist);
        if protocol.has_presences() {
            for (cid, presence) in &self.presences {
                scratch.clear();
                put_cid(cid, &mut scratch);
                put_number(2, u64::from(*presence == Presence::DontHave), &mut scratch);
                put_bytes_head(4, scratch.len(), &mut head);
                head.extend_from_slice(&scratch);
            }
            put_number(5, u64::from(self.pending_bytes.min(i32::MAX as u32)), &mut head);
        }
        head
    }
}

impl Prefix {
    /// Appends the binary form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(u64::from(self.version == Version::V1), out);
        put_varint(self.codec, out);
        put_varint(self.hash_code, out);
        put_varint(self.digest_bytes, out);
    }
}

fn put_cid(cid: &Cid, out: &mut Vec<u8>) {
    put_bytes_head(1, cid.encoded_len(), out);
    cid.encode(out);
}

fn put_entry(entry: &Entry, protocol: Protocol, out: &mut Vec<u8>) {
    put_cid(&entry.cid, out);
    match entry.change {
        Change::Cancel => put_number(3, 1, out),
        Change::Want { kind, priority, send_dont_have } => {
            // int32 is written sign-extended to 64 bits.
            put_number(2, i64::from(priority) as u64, out);
            if protocol.has_presences() {
                put_number(4, u64::from(kind == WantKind::Have), out);
                put_number(5, u64::from(send_dont_have), out);
            }
        }
    }
}

/// Everything of a block's field that comes before its bytes.
fn block_head(block: &merkury_core::Block, protocol: Protocol) -> Vec<u8> {
    let data_bytes = block.data().len();
    let mut out = Vec::with_capacity(32);
    if protocol == Protocol::V1_0 {
        put_bytes_head(2, data_bytes, &mut out);
        return out;
    }
    let mut prefix = Vec::with_capacity(12);
    Prefix::of(block.cid()).encode(&mut prefix);
    let inner = 1 + varint::encoded_len(prefix.len() as u64) + prefix.len() + 1 + varint_len(data_bytes as u64);
    put_bytes_head(3, inner + data_bytes, &mut out);
    put_bytes_head(1, prefix.len(), &mut out);
    out.extend_from_slice(&prefix);
    put_bytes_head(2, data_bytes, &mut out);
    out
}
