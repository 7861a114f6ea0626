//! Messages of Bitswap 1.0, 1.1 and 1.2: types, reading ([`Message::decode`]) and writing ([`Message::encode`]).
//!
//! The wire form is a protobuf message behind a varint length. Its fields: `wantlist` 1 (entries 1 {block 1, priority
//! 2, cancel 3, wantType 4, sendDontHave 5}, full 2), `blocks` 2 (version 1.0), `payload` 3 {prefix 1, data 2},
//! `blockPresences` 4 {cid 1, type 2}, `pendingBytes` 5.
//!
//! Invariants:
//! - Reading copies nothing: block bytes are slices of the message. Nothing is allocated from a claimed length.
//! - Wants with identity CIDs, with CIDs over 168 bytes or with digests no CID of ours can have are skipped; a block
//!   whose prefix names an unsafe hash, or an over-long block, refuses the whole message.
//! - A written message always has a wantlist field: old Kubo versions crash without one.

mod decode;
mod encode;
mod wire;

use bytes::Bytes;
use merkury_core::multihash::code;
use merkury_core::{Block, Cid, Version};

pub use decode::MessageError;
pub use wire::WireError;

/// A version of the protocol, as negotiated for a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// Blocks without a prefix: CID version 0 only.
    V1_0,
    /// Blocks with a prefix.
    V1_1,
    /// HAVE and DONT_HAVE.
    #[default]
    V1_2,
}

impl Protocol {
    /// Every version, the best first.
    pub const ALL: [Self; 3] = [Self::V1_2, Self::V1_1, Self::V1_0];

    /// The protocol's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1_0 => "/ipfs/bitswap/1.0.0",
            Self::V1_1 => "/ipfs/bitswap/1.1.0",
            Self::V1_2 => "/ipfs/bitswap/1.2.0",
        }
    }

    /// The version of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// Whether peers of this version know HAVE and DONT_HAVE.
    pub fn has_presences(self) -> bool {
        self == Self::V1_2
    }
}

/// What a want asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WantKind {
    /// Whether the peer has the block.
    Have,
    /// The block.
    Block,
}

/// What an entry does to the wantlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Adds a want.
    Want {
        /// What is asked for.
        kind: WantKind,
        /// The higher, the sooner.
        priority: i32,
        /// Whether the peer should say so when it does not have the block.
        send_dont_have: bool,
    },
    /// Takes a want back.
    Cancel,
}

/// One entry of a wantlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The block.
    pub cid: Cid,
    /// What happens to the want.
    pub change: Change,
}

/// Whether the sender has a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// It does.
    Have,
    /// It does not.
    DontHave,
}

/// How a block's CID is made from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// CID version.
    pub version: Version,
    /// Content type.
    pub codec: u64,
    /// Hash function; always one that may name blocks, never identity.
    pub hash_code: u64,
    /// Length of the digest.
    pub digest_bytes: u64,
}

impl Prefix {
    /// The prefix of blocks in version 1.0 messages.
    pub const V0: Self = Self { version: Version::V0, codec: 0x70, hash_code: code::SHA2_256, digest_bytes: 32 };

    /// The prefix of a CID.
    pub fn of(cid: &Cid) -> Self {
        Self {
            version: cid.version(),
            codec: cid.codec(),
            hash_code: cid.hash().code(),
            digest_bytes: cid.hash().digest().len() as u64,
        }
    }
}

/// A block as it came in: bytes nobody has hashed yet. [`crate::name_blocks`] makes blocks of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawBlock {
    /// How to name it.
    pub prefix: Prefix,
    /// The bytes, a slice of the message.
    pub data: Bytes,
}

/// A message that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whether `entries` are the whole wantlist, not a change to it.
    pub full: bool,
    /// Wants and cancels.
    pub entries: Vec<Entry>,
    /// Blocks, not yet hashed.
    pub blocks: Vec<RawBlock>,
    /// HAVE and DONT_HAVE.
    pub presences: Vec<(Cid, Presence)>,
    /// Bytes of blocks the sender still has queued for us.
    pub pending_bytes: u32,
    /// Entries and presences that were not kept: beside the rules, or too many.
    pub skipped: u32,
}

/// A message to write: the same as [`Message`], with verified blocks.
#[derive(Clone, Debug, Default)]
pub struct OutMessage {
    /// Whether `entries` are the whole wantlist.
    pub full: bool,
    /// Wants and cancels.
    pub entries: Vec<Entry>,
    /// Blocks.
    pub blocks: Vec<Block>,
    /// HAVE and DONT_HAVE.
    pub presences: Vec<(Cid, Presence)>,
    /// Bytes of blocks still queued for the receiver.
    pub pending_bytes: u32,
}
