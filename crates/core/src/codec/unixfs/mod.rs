//! The UnixFS message inside a DAG-PB node's data. Specification: specs.ipfs.tech `unixfs`; bytes: as Kubo writes them.
//!
//! Parts: [`UnixFs`] decodes and encodes the message alone; [`UnixFs::of_node`] also checks it against the node's
//! links ([`check`](UnixFs::check)), which is what readers want; [`HamtShard`] is the checked view of a shard;
//! [`LeafFrame`] gives the bytes around the content of a leaf, so that a builder reads content to its final place.
//!
//! Invariants:
//! - What decodes and holds no unknown fields encodes to the same bytes if Kubo wrote it: fields ascend, `None` is not
//!   written, an empty payload is.
//! - Content, targets and bitfields are slices of the block.
//! - Sizes in the message are claims. [`check`](UnixFs::check) proves that they agree with each other, never that
//!   the children have them.

use bytes::Bytes;

use crate::codec::dag_pb::{self, PbError, PbLink, PbNode};
use crate::codec::protobuf::{self, Reader, WireError, WireType};
use crate::limits::{DAG_PB_LINKS_MAX, SYMLINK_BYTES_MAX};

mod hamt;
mod leaf;

pub use hamt::{HamtEntry, HamtShard, HamtSlots, bitfield, slot_prefix};
pub use leaf::{LEAF_PREFIX_BYTES_MAX, LEAF_SUFFIX_BYTES_MAX, LeafFrame};

/// Multicodec number of the only hash function of sharded directories: the lower half of MurmurHash3 x64 128.
pub const HASH_MURMUR3_X64_64: u64 = 0x22;

const NANOS_MAX: u32 = 999_999_999;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A piece of a file, from before files were used for that too.
    Raw = 0,
    /// A directory in one node.
    Directory = 1,
    /// A file or a piece of one.
    File = 2,
    /// A MIME type for a file; reserved, unused.
    Metadata = 3,
    /// A symbolic link.
    Symlink = 4,
    /// A directory, or a part of one, in a hash array mapped trie.
    HamtShard = 5,
}

impl Kind {
    fn from_number(number: u64) -> Result<Self, UnixFsError> {
        Ok(match number {
            0 => Self::Raw,
            1 => Self::Directory,
            2 => Self::File,
            3 => Self::Metadata,
            4 => Self::Symlink,
            5 => Self::HamtShard,
            other => return Err(UnixFsError::UnknownType(other)),
        })
    }

    /// Whether nodes of this kind hold entries.
    pub fn is_directory(self) -> bool {
        matches!(self, Self::Directory | Self::HamtShard)
    }

    /// Whether nodes of this kind hold bytes of a file.
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Raw)
    }
}

/// A time of modification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mtime {
    /// Seconds since 1970, or before.
    pub seconds: i64,
    /// Nanoseconds after that, below a thousand million. Zero is not written.
    pub nanos: u32,
}

/// A UnixFS message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixFs {
    /// What the node is.
    pub kind: Kind,
    /// Content of a file, target of a symlink, bitfield of a shard. `None` and empty are written differently.
    pub data: Option<Bytes>,
    /// Claimed length of a file.
    pub file_size: Option<u64>,
    /// Claimed length of the part of the file behind each link.
    pub block_sizes: Vec<u64>,
    /// Hash function of a shard.
    pub hash_type: Option<u64>,
    /// Slots of a shard.
    pub fanout: Option<u64>,
    /// POSIX permissions; the twelve lowest bits have a meaning, the others are kept.
    pub mode: Option<u32>,
    /// Time of modification.
    pub mtime: Option<Mtime>,
}

/// Why a node is not a UnixFS node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnixFsError {
    /// The node around the message is malformed.
    #[error(transparent)]
    Node(#[from] PbError),
    /// The node has no message.
    #[error("dag-pb node without unixfs data (proto: required field ipfs.boxo.ipld.unixfs.pb.Data.Type not set)")]
    NoData,
    /// The message is not protobuf.
    #[error("malformed unixfs message: {0}")]
    Wire(#[from] WireError),
    /// A field has the wrong wire type.
    #[error("unixfs field {0} has the wrong wire type")]
    WireType(u32),
    /// The type is missing.
    #[error("unixfs message without type")]
    NoType,
    /// A type that does not exist.
    #[error("unrecognized unixfs type {0}")]
    UnknownType(u64),
    /// The time is without seconds or has nanoseconds out of range.
    #[error("invalid modification time")]
    Mtime,
    /// Links and sizes of a file do not belong together.
    #[error("file node has {links} links but {sizes} block sizes")]
    BlockSizes {
        /// Number of links.
        links: usize,
        /// Number of sizes.
        sizes: usize,
    },
    /// More sizes than a node can have links.
    #[error("more than {DAG_PB_LINKS_MAX} block sizes")]
    TooManySizes,
    /// The sizes of a file are out of range or do not add up.
    #[error("declared file size {declared} does not match its parts")]
    FileSize {
        /// What the message says.
        declared: u64,
    },
    /// A name that no directory entry can have.
    #[error("directory entry name {0:?} is not allowed")]
    EntryName(String),
    /// The fan-out of a shard is not a power of two from 8 to 1024.
    #[error("hamt fan-out {0} is not allowed")]
    Fanout(u64),
    /// The hash function of a shard is not murmur3.
    #[error("hamt hash function 0x{0:x} is not supported")]
    HashType(u64),
    /// The bitfield of a shard has a wrong length.
    #[error("hamt bitfield of {bytes} bytes for a fan-out of {fanout}")]
    BitfieldLength {
        /// Length of the bitfield.
        bytes: usize,
        /// Slots.
        fanout: usize,
    },
    /// A shard has not one link per bit.
    #[error("hamt bitfield has {bits} bits set for {links} links")]
    BitfieldCount {
        /// Bits set.
        bits: usize,
        /// Links.
        links: usize,
    },
    /// The name of a shard's link does not begin with its slot.
    #[error("hamt link name {name:?} does not begin with slot {slot:X}")]
    SlotPrefix {
        /// The name, shortened.
        name: String,
        /// The slot.
        slot: usize,
    },
    /// A symlink with links, without target or with one that is too long.
    #[error("malformed symlink")]
    Symlink,
}

impl UnixFs {
    /// A message of a kind, nothing else set.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            data: None,
            file_size: None,
            block_sizes: Vec::new(),
            hash_type: None,
            fanout: None,
            mode: None,
            mtime: None,
        }
    }

    /// Reads a message. As protobuf demands, unknown fields are passed over and of a field that stands twice the last
    /// counts. Content is a slice of `message`.
    pub fn decode(message: &Bytes) -> Result<Self, UnixFsError> {
        let mut reader = Reader::new(message);
        let mut kind = None;
        let mut read = Self::new(Kind::Raw);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Varint) => kind = Some(Kind::from_number(reader.varint()?)?),
                (2, WireType::Bytes) => read.data = Some(message.slice_ref(reader.bytes()?)),
                (3, WireType::Varint) => read.file_size = Some(reader.varint()?),
                (4, WireType::Varint) => push_size(&mut read.block_sizes, reader.varint()?)?,
                (4, WireType::Bytes) => read_packed(reader.bytes()?, &mut read.block_sizes)?,
                (5, WireType::Varint) => read.hash_type = Some(reader.varint()?),
                (6, WireType::Varint) => read.fanout = Some(reader.varint()?),
                (7, WireType::Varint) => read.mode = Some(reader.varint()? as u32),
                (8, WireType::Bytes) => read.mtime = Some(read_mtime(reader.bytes()?)?),
                (field @ 1..=8, _) => return Err(UnixFsError::WireType(field)),
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        read.kind = kind.ok_or(UnixFsError::NoType)?;
        Ok(read)
    }

    /// Reads the message of a node and checks it against the node's links.
    pub fn of_node(node: &PbNode) -> Result<Self, UnixFsError> {
        let message = Self::decode(node.data.as_ref().ok_or(UnixFsError::NoData)?)?;
        message.check(&node.links)?;
        Ok(message)
    }

    /// Reads a whole block: the node and its checked message.
    pub fn of_block(block: &Bytes) -> Result<(PbNode, Self), UnixFsError> {
        let node = PbNode::decode(block)?;
        let message = Self::of_node(&node)?;
        Ok((node, message))
    }

    /// Writes the message.
    pub fn encode(&self) -> Vec<u8> {
        let data = self.data.as_ref().map_or(0, |data| data.len());
        let mut out = Vec::with_capacity(64 + data + self.block_sizes.len() * 6);
        protobuf::put_varint_field(1, self.kind as u64, &mut out);
        if let Some(data) = &self.data {
            protobuf::put_bytes_field(2, data, &mut out);
        }
        if let Some(file_size) = self.file_size {
            protobuf::put_varint_field(3, file_size, &mut out);
        }
        for &size in &self.block_sizes {
            protobuf::put_varint_field(4, size, &mut out);
        }
        for (field, value) in [(5, self.hash_type), (6, self.fanout), (7, self.mode.map(u64::from))] {
            if let Some(value) = value {
                protobuf::put_varint_field(field, value, &mut out);
            }
        }
        if let Some(mtime) = self.mtime {
            protobuf::put_bytes_field(8, &encode_mtime(mtime), &mut out);
        }
        out
    }

    /// The node of this message and these links.
    pub fn into_node(self, links: Vec<PbLink>) -> PbNode {
        PbNode { links, data: Some(self.encode().into()) }
    }

    /// Whether message and links belong together; which rules apply depends on the kind.
    ///
    /// Files: one size per link, sizes add up to the declared size and fit 63 bits. Directories: names as
    /// [`check_entry_name`] wants them; names twice are allowed, the first counts. Shards: see [`HamtShard`].
    /// Symlinks: a target, no links.
    pub fn check(&self, links: &[PbLink]) -> Result<(), UnixFsError> {
        match self.kind {
            Kind::File | Kind::Raw => self.check_file(links),
            Kind::Directory => links.iter().try_for_each(|link| check_entry_name(link.name_bytes())),
            Kind::HamtShard => HamtShard::new(self, links).map(drop),
            Kind::Symlink => {
                let length = self.data.as_ref().map_or(0, |target| target.len());
                let is_good = links.is_empty() && (1..=SYMLINK_BYTES_MAX).contains(&length);
                if is_good { Ok(()) } else { Err(UnixFsError::Symlink) }
            }
            Kind::Metadata => Ok(()),
        }
    }

    /// Length of the file below this node as its sizes say; content and parts added up. Only after a check is it
    /// known to fit.
    pub fn content_len(&self) -> u64 {
        let inline = self.data.as_ref().map_or(0, |data| data.len()) as u64;
        self.block_sizes.iter().fold(inline, |sum, &size| sum.saturating_add(size))
    }

    /// Permissions without the bits that have no meaning; `None` when nothing, or zero, is stored.
    pub fn permissions(&self) -> Option<u32> {
        self.mode.map(|mode| mode & 0o7777).filter(|&mode| mode != 0)
    }

    fn check_file(&self, links: &[PbLink]) -> Result<(), UnixFsError> {
        if self.block_sizes.len() != links.len() {
            return Err(UnixFsError::BlockSizes { links: links.len(), sizes: self.block_sizes.len() });
        }
        let content_len = self.content_len();
        let declared = self.file_size.unwrap_or(content_len);
        if declared != content_len || content_len > i64::MAX as u64 {
            return Err(UnixFsError::FileSize { declared });
        }
        Ok(())
    }
}

/// Refuses names that no directory may hold: the empty name, names with a zero byte, `.` and `..`. Slashes are let
/// through, so that such a directory can be listed; no path reaches the entry, and [`check_file_name`] keeps it from
/// leaving.
pub fn check_entry_name(name: &[u8]) -> Result<(), UnixFsError> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&0) {
        return Err(UnixFsError::EntryName(shorten(name)));
    }
    Ok(())
}

/// Refuses names that a file system cannot hold as one name: what [`check_entry_name`] refuses, and slashes. Whatever
/// writes entries out (`get`, tar, mounts) asks this first.
pub fn check_file_name(name: &[u8]) -> Result<(), UnixFsError> {
    check_entry_name(name)?;
    if name.contains(&b'/') { Err(UnixFsError::EntryName(shorten(name))) } else { Ok(()) }
}

fn shorten(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned()
}

fn read_packed(packed: &[u8], sizes: &mut Vec<u64>) -> Result<(), UnixFsError> {
    let mut reader = Reader::new(packed);
    while !reader.is_empty() {
        push_size(sizes, reader.varint()?)?;
    }
    Ok(())
}

// A node has one size per link, so more sizes than links can be are malformed; the bound keeps memory small.
fn push_size(sizes: &mut Vec<u64>, size: u64) -> Result<(), UnixFsError> {
    if sizes.len() == DAG_PB_LINKS_MAX {
        return Err(UnixFsError::TooManySizes);
    }
    sizes.push(size);
    Ok(())
}

fn read_mtime(message: &[u8]) -> Result<Mtime, UnixFsError> {
    let mut reader = Reader::new(message);
    let (mut seconds, mut nanos) = (None, None);
    while !reader.is_empty() {
        match reader.tag()? {
            (1, WireType::Varint) => seconds = Some(reader.varint()? as i64),
            (2, WireType::Fixed32) => nanos = Some(reader.fixed32()?),
            (1..=2, _) => return Err(UnixFsError::Mtime),
            (_, wire_type) => reader.skip(wire_type)?,
        }
    }
    if nanos.is_some_and(|nanos| nanos == 0 || nanos > NANOS_MAX) {
        return Err(UnixFsError::Mtime);
    }
    Ok(Mtime { seconds: seconds.ok_or(UnixFsError::Mtime)?, nanos: nanos.unwrap_or(0) })
}

fn encode_mtime(mtime: Mtime) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    protobuf::put_varint_field(1, mtime.seconds as u64, &mut out);
    if mtime.nanos > 0 {
        out.push(2 << 3 | 5);
        out.extend_from_slice(&mtime.nanos.to_le_bytes());
    }
    out
}

/// The message of a block, without its links and without checking them against each other: for questions that only
/// need kind, mode or time.
pub fn message_of_block(block: &Bytes) -> Result<UnixFs, UnixFsError> {
    UnixFs::decode(&dag_pb::data(block)?.ok_or(UnixFsError::NoData)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cid;

    fn link(name: &'static str) -> PbLink {
        let leaf = Cid::parse("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").expect("a cid");
        PbLink::new(leaf, name, 0)
    }

    #[test]
    fn sizes_of_a_file_must_add_up() {
        let mut file = UnixFs::new(Kind::File);
        file.block_sizes = vec![3, 4];
        file.data = Some(Bytes::from_static(b"xy"));
        let links = [link(""), link("")];
        assert_eq!(file.check(&links), Ok(()), "no declared size");
        file.file_size = Some(9);
        assert_eq!(file.check(&links), Ok(()));
        file.file_size = Some(8);
        assert_eq!(file.check(&links), Err(UnixFsError::FileSize { declared: 8 }));
        assert_eq!(file.check(&links[..1]), Err(UnixFsError::BlockSizes { links: 1, sizes: 2 }));
        file.block_sizes = vec![u64::MAX, u64::MAX];
        file.file_size = Some(u64::MAX);
        assert_eq!(file.check(&links), Err(UnixFsError::FileSize { declared: u64::MAX }));
    }

    #[test]
    fn names_that_leave_a_directory() {
        for name in ["", ".", "..", "a\0"] {
            assert!(UnixFs::new(Kind::Directory).check(&[link(name)]).is_err(), "{name:?}");
        }
        for name in ["a/b", "/a", "..", "../x", "a/../b", "a/."] {
            assert!(check_file_name(name.as_bytes()).is_err(), "{name:?}");
        }
        for name in ["...", "con", "a\\b", "<b></b>", "\u{202e}txt"] {
            assert_eq!(UnixFs::new(Kind::Directory).check(&[link(name)]), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn protobuf_freedom_is_granted() {
        let packed = Bytes::from_static(&[0x08, 1, 0x22, 2, 3, 4, 0x4a, 0, 0x08, 2, 0x18, 9, 0x18, 7]);
        let read = UnixFs::decode(&packed).expect("packed sizes, an unknown field, fields twice");
        assert_eq!((read.kind, read.file_size, read.block_sizes), (Kind::File, Some(7), vec![3, 4]));
        assert_eq!(UnixFs::decode(&Bytes::new()), Err(UnixFsError::NoType));
        assert_eq!(UnixFs::decode(&Bytes::from_static(&[8, 6])), Err(UnixFsError::UnknownType(6)));
        assert_eq!(UnixFs::decode(&Bytes::from_static(&[8, 2, 0x10, 0])), Err(UnixFsError::WireType(2)));
    }

    #[test]
    fn times_out_of_range() {
        for mtime in [&[0x15, 1, 0, 0, 0][..], &[8, 1, 0x15, 0, 0, 0, 0], &[8, 1, 0x15, 0, 0xca, 0x9a, 0x3b]] {
            let mut message = vec![8, 2, 0x42, mtime.len() as u8];
            message.extend_from_slice(mtime);
            assert_eq!(UnixFs::decode(&message.into()), Err(UnixFsError::Mtime), "{mtime:?}");
        }
    }
}
