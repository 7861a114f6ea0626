//! DAG-JOSE: signed and encrypted objects as DAG-CBOR. Specification: ipld.io `dag-jose`.
//!
//! A signed object's payload is the bytes of a CID, and that is a link. An encrypted object hides its links.

use super::dag_cbor;
use super::event::{Event, EventError};
use crate::cid::{Cid, CidError};

/// Why a block is not a signed or encrypted object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Malformed dag-cbor.
    #[error(transparent)]
    Cbor(#[from] EventError),
    /// Neither payload nor ciphertext at the top.
    #[error("dag-jose object has neither payload nor ciphertext")]
    Form,
    /// The payload is not a CID.
    #[error("dag-jose payload is not a cid: {0}")]
    Payload(#[from] CidError),
}

/// The object as a value: bytes as base 64 text, and the payload of a signed object as `link` too.
pub fn events(block: &[u8]) -> Result<Vec<Event<'static>>, JoseError> {
    let mut events = Vec::new();
    let payload = links(block)?.into_iter().next();
    for event in dag_cbor::events(block) {
        let event = match event? {
            Event::Bytes(bytes) => Event::Text(data_encoding::BASE64URL_NOPAD.encode(&bytes).into()),
            Event::Text(text) => Event::Text(text.into_owned().into()),
            Event::Key(key) => Event::Key(key.into_owned().into()),
            Event::Null => Event::Null,
            Event::Bool(value) => Event::Bool(value),
            Event::Int(value) => Event::Int(value),
            Event::Float(value) => Event::Float(value),
            Event::Link(cid) => Event::Link(cid),
            Event::List => Event::List,
            Event::Map => Event::Map,
            Event::End => Event::End,
        };
        events.push(event);
        if let (1, Some(cid)) = (events.len(), &payload) {
            events.extend([Event::Key("link".into()), Event::Link(cid.clone())]);
        }
    }
    Ok(events)
}

/// The links of a block: the payload of a signed object, and links in its open parts.
pub fn links(block: &[u8]) -> Result<Vec<Cid>, JoseError> {
    let mut links = Vec::new();
    let mut depth = 0usize;
    let mut is_known = false;
    let mut is_payload = false;
    for event in dag_cbor::events(block) {
        match event? {
            Event::Map | Event::List => depth += 1,
            Event::End => depth = depth.saturating_sub(1),
            Event::Key(key) if depth == 1 => {
                is_payload = key == "payload";
                is_known |= is_payload || key == "ciphertext";
                continue;
            }
            Event::Bytes(bytes) if is_payload && depth == 1 => links.push(Cid::from_bytes(&bytes)?),
            Event::Link(cid) => links.push(cid),
            _ => {}
        }
        is_payload = false;
    }
    if is_known { Ok(links) } else { Err(JoseError::Form) }
}
