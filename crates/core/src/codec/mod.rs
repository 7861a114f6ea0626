//! Codecs, and the links in a block whatever its codec.
//!
//! Parts: [`links`] answers "where does this block lead" without building a tree; [`dag_pb`] and [`unixfs`] are the
//! nodes of files and directories; [`dag_cbor`] and [`dag_json`] stream [`event`]s; [`dag_jose`] and [`git_raw`] know
//! the links of theirs; [`value`] reads a block of any codec; [`select`] follows names inside one; [`name`] maps codec numbers and names; [`protobuf`]
//! is the wire form below dag-pb, UnixFS and other messages.
//!
//! Invariant: a decoder's memory is bounded by a small multiple of the block, its stack by a constant.

use crate::cid::codec_code as code;
use crate::{Cid, ErrorKind};

pub mod dag_cbor;
pub mod dag_jose;
pub mod dag_json;
pub mod dag_pb;
pub mod event;
pub mod git_raw;
pub mod name;
pub mod protobuf;
pub mod select;
pub mod unixfs;
pub mod value;

use event::Event;

/// Why a block's links cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Malformed dag-pb.
    #[error(transparent)]
    DagPb(#[from] dag_pb::PbError),
    /// Malformed dag-cbor or dag-json.
    #[error(transparent)]
    Value(#[from] event::EventError),
    /// Malformed dag-jose.
    #[error(transparent)]
    DagJose(#[from] dag_jose::JoseError),
    /// A malformed Git object.
    #[error(transparent)]
    Git(#[from] git_raw::GitError),
    /// A codec whose links we cannot read.
    #[error("no decoder registered for multicodec code {0} (0x{0:x})")]
    UnknownCodec(u64),
}

impl CodecError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// The CIDs a block links to, in the order in which they stand, repeated ones repeated.
///
/// The whole block is checked: a malformed block is an error, not a shorter list. Raw blocks, keys, plain CBOR and
/// plain JSON have no links and are not looked at.
pub fn links(codec: u64, block: &[u8]) -> Result<Vec<Cid>, CodecError> {
    match codec {
        code::RAW | code::LIBP2P_KEY | code::CBOR | code::JSON => Ok(Vec::new()),
        code::DAG_PB => Ok(dag_pb::links(block).map(|link| link.map(|link| link.cid)).collect::<Result<_, _>>()?),
        code::DAG_CBOR => Ok(links_of_events(dag_cbor::structure(block))?),
        code::DAG_JSON => Ok(links_of_events(dag_json::events(block))?),
        code::DAG_JOSE => Ok(dag_jose::links(block)?),
        code::GIT_RAW => Ok(git_raw::links(block)?),
        other => Err(CodecError::UnknownCodec(other)),
    }
}

fn links_of_events<'a>(
    events: impl Iterator<Item = Result<Event<'a>, event::EventError>>,
) -> Result<Vec<Cid>, event::EventError> {
    events
        .filter_map(|event| match event {
            Ok(Event::Link(cid)) => Some(Ok(cid)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .collect()
}
