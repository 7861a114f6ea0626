//! One block seen as a UnixFS node: what it is and what it claims.

use bytes::Bytes;
use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::codec::unixfs::{Kind, UnixFs, UnixFsError};
use merkury_core::{Block, Cid};

use crate::meta::Metadata;

/// Why a block is no UnixFS node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The block is malformed.
    #[error("malformed unixfs node {cid}: {why}")]
    Malformed {
        /// The block.
        cid: Cid,
        /// What is wrong.
        why: Box<UnixFsError>,
    },
    /// The codec is neither dag-pb nor raw.
    #[error("unixfs nodes are dag-pb or raw, {cid} has codec 0x{codec:x}")]
    Codec {
        /// The block.
        cid: Cid,
        /// Its codec.
        codec: u64,
    },
}

impl NodeError {
    /// What kind of failure this is.
    pub fn kind(&self) -> merkury_core::ErrorKind {
        merkury_core::ErrorKind::Invalid
    }
}

/// A node, decoded and checked against itself.
#[derive(Clone, Debug)]
pub enum Node {
    /// A block of plain bytes: a file, or a leaf of one.
    Raw(Bytes),
    /// A dag-pb node with its UnixFS message.
    Pb(PbNode, UnixFs),
}

/// What a node is, for people and surfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeType {
    /// A file.
    File,
    /// A directory, sharded or not.
    Directory,
    /// A symbolic link.
    Symlink,
}

impl Node {
    /// Reads a block.
    pub fn of_block(block: &Block) -> Result<Self, NodeError> {
        match block.cid().codec() {
            codec_code::RAW => Ok(Self::Raw(block.data().clone())),
            codec_code::DAG_PB => match UnixFs::of_block(block.data()) {
                Ok((node, message)) => Ok(Self::Pb(node, message)),
                Err(why) => Err(NodeError::Malformed { cid: block.cid().clone(), why: Box::new(why) }),
            },
            codec => Err(NodeError::Codec { cid: block.cid().clone(), codec }),
        }
    }

    /// What it is; `None` for kinds nobody writes.
    pub fn node_type(&self) -> Option<NodeType> {
        match self {
            Self::Raw(_) => Some(NodeType::File),
            Self::Pb(_, message) => match message.kind {
                Kind::File | Kind::Raw => Some(NodeType::File),
                Kind::Directory | Kind::HamtShard => Some(NodeType::Directory),
                Kind::Symlink => Some(NodeType::Symlink),
                Kind::Metadata => None,
            },
        }
    }

    /// Length of the file as its sizes say; 0 for directories, the target's length for symlinks.
    pub fn file_bytes(&self) -> u64 {
        match self {
            Self::Raw(data) => data.len() as u64,
            Self::Pb(_, message) if message.kind.is_directory() => 0,
            Self::Pb(_, message) => message.content_len(),
        }
    }

    /// Number of links.
    pub fn link_count(&self) -> usize {
        match self {
            Self::Raw(_) => 0,
            Self::Pb(node, _) => node.links.len(),
        }
    }

    /// Mode and time.
    pub fn metadata(&self) -> Metadata {
        match self {
            Self::Raw(_) => Metadata::default(),
            Self::Pb(_, message) => Metadata::of(message),
        }
    }

    /// The target of a symbolic link.
    pub fn symlink_target(&self) -> Option<&Bytes> {
        match self {
            Self::Pb(_, message) if message.kind == Kind::Symlink => message.data.as_ref(),
            _ => None,
        }
    }

    /// Encoded size of the whole DAG as the links claim, for a block of `block_bytes`.
    pub fn cumulative_bytes(&self, block_bytes: usize) -> u64 {
        match self {
            Self::Raw(_) => block_bytes as u64,
            Self::Pb(node, _) => node.cumulative_size(block_bytes),
        }
    }
}
