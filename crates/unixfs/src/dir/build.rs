//! A directory from all its entries, in one pass.

use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::codec::unixfs::{self, Kind, UnixFs, check_file_name};

use super::hamt::{NameHash, fanout_bits};
use super::{DirEntry, DirError, NodeLink};
use crate::build::{DirOptions, NodeSink, SinkError, SizeEstimation};
use crate::meta::Metadata;

/// Writes a directory with these entries, in any order, and returns its link. It becomes a HAMT by the same rule as
/// in Kubo. Two entries of one name are an error.
pub fn build_directory(
    mut entries: Vec<DirEntry>,
    options: &DirOptions,
    meta: &Metadata,
    sink: &mut NodeSink,
) -> Result<NodeLink, DirError> {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in &entries {
        check_file_name(&entry.name).map_err(DirError::Name)?;
    }
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(DirError::Duplicate(pair[0].name_text().into_owned()));
    }
    if needs_hamt(&entries, options, meta) {
        let bits = fanout_bits(options.fanout)?;
        let mut hashed: Vec<_> = entries.into_iter().map(|entry| (NameHash::of(&entry.name), entry)).collect();
        hashed.sort_by_key(|(hash, _)| *hash);
        return build_shard(&hashed, 0, bits, meta, sink);
    }
    Ok(write_basic(entries.iter().map(DirEntry::to_link).collect(), meta, sink)?)
}

/// Writes a symbolic link and returns its link.
pub fn symlink_node(target: &[u8], meta: &Metadata, sink: &mut NodeSink) -> Result<NodeLink, SinkError> {
    let mut message = UnixFs::new(Kind::Symlink);
    message.data = Some(bytes::Bytes::copy_from_slice(target));
    meta.apply(&mut message);
    write_node(message.into_node(Vec::new()), sink)
}

/// Sorts things with names as a directory with these entries holds the names: by name, or by hash in a HAMT.
pub(crate) fn order_of_names<T>(
    entries: &[DirEntry],
    named: &mut [(bytes::Bytes, T)],
    options: &DirOptions,
    meta: &Metadata,
) {
    if named.len() > 1 && needs_hamt(entries, options, meta) {
        named.sort_by_cached_key(|(name, _)| NameHash::of(name));
    } else {
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
}

/// Whether a directory with these entries is a HAMT.
fn needs_hamt(entries: &[DirEntry], options: &DirOptions, meta: &Metadata) -> bool {
    if options.threshold_bytes == 0 {
        return false;
    }
    let too_many = options.links_max.is_some_and(|max| entries.len() > max);
    let size = match options.estimation {
        SizeEstimation::Disabled => 0,
        SizeEstimation::Links => entries.iter().map(DirEntry::link_bytes).sum(),
        SizeEstimation::Block => {
            basic_data_bytes(meta) + entries.iter().map(|entry| entry.to_link().encoded_len()).sum::<usize>()
        }
    };
    too_many || size > options.threshold_bytes
}

/// Bytes that the UnixFS message of a plain directory takes in its block.
pub(super) fn basic_data_bytes(meta: &Metadata) -> usize {
    basic_message(meta).into_node(Vec::new()).encoded_len()
}

fn basic_message(meta: &Metadata) -> UnixFs {
    let mut message = UnixFs::new(Kind::Directory);
    meta.apply(&mut message);
    message
}

/// Writes a plain directory; links are sorted.
pub(super) fn write_basic(links: Vec<PbLink>, meta: &Metadata, sink: &mut NodeSink) -> Result<NodeLink, SinkError> {
    write_node(basic_message(meta).into_node(links), sink)
}

/// Writes one HAMT node from its links in slot order.
pub(super) fn write_shard(
    slots: &[usize],
    links: Vec<PbLink>,
    fanout: usize,
    meta: &Metadata,
    sink: &mut NodeSink,
) -> Result<NodeLink, SinkError> {
    let mut message = UnixFs::new(Kind::HamtShard);
    message.data = unixfs::bitfield(slots.iter().copied(), fanout);
    message.hash_type = Some(unixfs::HASH_MURMUR3_X64_64);
    message.fanout = Some(fanout as u64);
    meta.apply(&mut message);
    write_node(message.into_node(links), sink)
}

fn write_node(node: PbNode, sink: &mut NodeSink) -> Result<NodeLink, SinkError> {
    let encoded = node.encode();
    let tsize = node.cumulative_size(encoded.len());
    Ok(NodeLink { cid: sink.node(encoded)?, tsize })
}

/// The name of a link in a shard: its slot, then the entry's name (nothing for a deeper shard).
pub(super) fn shard_link(slot: usize, fanout: usize, name: &[u8], cid: merkury_core::Cid, tsize: u64) -> PbLink {
    let mut label = unixfs::slot_prefix(slot, fanout).into_bytes();
    label.extend_from_slice(name);
    PbLink::new(cid, label, tsize)
}

/// Builds the shard of `hashed`, which is sorted by hash and agrees in all levels above `level`. The recursion ends
/// with the hash: at most 21 levels.
fn build_shard(
    hashed: &[(NameHash, DirEntry)],
    level: u32,
    bits: u32,
    meta: &Metadata,
    sink: &mut NodeSink,
) -> Result<NodeLink, DirError> {
    let fanout = 1 << bits;
    let mut slots = Vec::new();
    let mut links = Vec::new();
    let mut rest = hashed;
    while let Some((hash, entry)) = rest.first() {
        let slot = hash.slot(level, bits)?;
        let mut count = 1;
        while count < rest.len() && rest[count].0.slot(level, bits)? == slot {
            count += 1;
        }
        let (here, after) = rest.split_at(count);
        rest = after;
        slots.push(slot);
        links.push(if count == 1 {
            shard_link(slot, fanout, &entry.name, entry.cid.clone(), entry.tsize)
        } else {
            let below = build_shard(here, level + 1, bits, &Metadata::default(), sink)?;
            shard_link(slot, fanout, b"", below.cid, below.tsize)
        });
    }
    Ok(write_shard(&slots, links, fanout, meta, sink)?)
}
