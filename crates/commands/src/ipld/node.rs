//! A dag-pb node from a value `{Data, Links: [{Hash, Name, Tsize}]}`.

use merkury_api::ApiError;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::codec::event::Event;
use merkury_core::limits::DAG_PB_LINKS_MAX;

use super::{Events, next};

/// Reads the value and writes the node; links are sorted by name.
pub(super) fn encode(events: &mut Events<'_>) -> Result<Vec<u8>, ApiError> {
    let mut node = PbNode::default();
    let mut has_links = false;
    match next(events)? {
        Event::Map => {}
        Event::Null => {
            let message = "func called on wrong kind: \"AssignNull\" called on a dagpb.PBNode node (kind: map)";
            return Err(ApiError::invalid(format!("{message}, but only makes sense on null")));
        }
        other => open(other, "dagpb.PBNode", "map")?,
    }
    loop {
        match next(events)? {
            Event::End => break,
            Event::Key(key) if key == "Data" => node.data = Some(bytes(next(events)?)?.into()),
            Event::Key(key) if key == "Links" => {
                has_links = true;
                links(events, &mut node)?;
            }
            Event::Key(key) => return Err(no_field("dagpb.PBNode", &key)),
            _ => return Err(ApiError::invalid("value ends early")),
        }
    }
    if !has_links {
        return Err(ApiError::invalid("missing required fields: Links"));
    }
    node.sort_links();
    Ok(node.encode())
}

fn links(events: &mut Events<'_>, node: &mut PbNode) -> Result<(), ApiError> {
    if !matches!(next(events)?, Event::List) {
        return Err(wrong_kind("AssignNode", "dagpb.PBLinks", "list"));
    }
    loop {
        match next(events)? {
            Event::End => return Ok(()),
            Event::Map if node.links.len() < DAG_PB_LINKS_MAX => node.links.push(link(events)?),
            Event::Map => return Err(ApiError::invalid(format!("more than {DAG_PB_LINKS_MAX} links"))),
            _ => return Err(wrong_kind("AssignNode", "dagpb.PBLink", "map")),
        }
    }
}

fn link(events: &mut Events<'_>) -> Result<PbLink, ApiError> {
    let (mut hash, mut name, mut tsize) = (None, None, None);
    loop {
        match next(events)? {
            Event::End => break,
            Event::Key(key) if key == "Hash" => match next(events)? {
                Event::Link(cid) => hash = Some(cid),
                other => return Err(wrong_kind("AsLink", kind(&other), "link")),
            },
            Event::Key(key) if key == "Name" => match next(events)? {
                Event::Text(text) => name = Some(text.into_owned().into()),
                other => return Err(wrong_kind("AsString", kind(&other), "string")),
            },
            Event::Key(key) if key == "Tsize" => match next(events)? {
                Event::Int(value) => {
                    let value = u64::try_from(value);
                    tsize = Some(value.map_err(|_| ApiError::invalid("Link has negative Tsize value"))?);
                }
                other => return Err(wrong_kind("AsInt", kind(&other), "int")),
            },
            Event::Key(key) => return Err(no_field("dagpb.PBLink", &key)),
            _ => return Err(ApiError::invalid("value ends early")),
        }
    }
    let cid = hash.ok_or_else(|| ApiError::invalid("missing required fields: Hash"))?;
    Ok(PbLink { cid, name, tsize })
}

/// The bytes of a value that must be bytes.
pub(super) fn bytes(event: Event<'_>) -> Result<Vec<u8>, ApiError> {
    match event {
        Event::Bytes(bytes) => Ok(bytes.into_owned()),
        other => Err(wrong_kind("AsBytes", kind(&other), "bytes")),
    }
}

/// Something else than bytes where bytes are wanted, in Kubo's words.
pub(super) fn not_bytes(what: &str, kind: &str) -> ApiError {
    let message = format!("func called on wrong kind: \"AsBytes\" called on a {what} node (kind: {kind})");
    ApiError::invalid(format!("{message}, but only makes sense on bytes"))
}

fn open(event: Event<'_>, what: &str, wants: &str) -> Result<(), ApiError> {
    match event {
        Event::Map => Ok(()),
        other => {
            let message = "func called on wrong kind: \"AssignNode\" called on a";
            Err(ApiError::invalid(format!(
                "{message} {what} node (kind: {}), but only makes sense on {wants}",
                kind(&other)
            )))
        }
    }
}

fn kind(event: &Event<'_>) -> &'static str {
    match event {
        Event::Null | Event::Key(_) | Event::End => "null",
        Event::Bool(_) => "bool",
        Event::Int(_) => "int",
        Event::Float(_) => "float",
        Event::Text(_) => "string",
        Event::Bytes(_) => "bytes",
        Event::Link(_) => "link",
        Event::List => "list",
        Event::Map => "map",
    }
}

fn no_field(of: &str, key: &str) -> ApiError {
    ApiError::invalid(format!("invalid key for map {of}: {key:?}: no such field"))
}

fn wrong_kind(asked: &str, has: &str, wants: &str) -> ApiError {
    let message = format!("func called on wrong kind: {asked:?} called on a {has} node (kind: {has})");
    ApiError::invalid(format!("{message}, but only makes sense on {wants}"))
}
