//! Any block as a value of the IPLD data model: the one door for whoever looks inside blocks without caring for codecs.
//!
//! Raw bytes are bytes. A dag-pb node is `{Links: [{Hash, Name, Tsize}], Data}`. Plain JSON and CBOR have no links: a map
//! that looks like one is a map, a tag is an error. Signed and encrypted objects show their bytes as base 64 text and the
//! payload of a signature as a link, as their specification wants. Git objects show their fields as Kubo does.

use bytes::Bytes;

use super::event::{Event, EventError};
use super::{CodecError, code, dag_cbor, dag_jose, dag_json, dag_pb, git_raw};

/// The steps through a value.
pub type Steps<'a> = Box<dyn Iterator<Item = Result<Event<'a>, EventError>> + Send + 'a>;

/// Reads a block step by step. Codecs that are not read as they stand (dag-pb, dag-jose, git-raw) are checked whole first;
/// the others are checked as far as they are read.
pub fn events(codec: u64, block: &Bytes) -> Result<Steps<'_>, CodecError> {
    Ok(match codec {
        code::RAW => Box::new(std::iter::once(Ok(Event::Bytes(block.as_ref().into())))),
        code::DAG_CBOR => Box::new(dag_cbor::events(block)),
        code::DAG_JSON => Box::new(dag_json::events(block)),
        code::CBOR => Box::new(dag_cbor::plain_events(block)),
        code::JSON => Box::new(dag_json::plain_events(block)),
        code::DAG_PB => ready(node_events(&dag_pb::PbNode::decode(block)?, false)),
        code::DAG_JOSE => ready(dag_jose::events(block)?),
        code::GIT_RAW => ready(git_raw::events(block)?),
        other => return Err(CodecError::UnknownCodec(other)),
    })
}

fn ready(events: Vec<Event<'_>>) -> Steps<'_> {
    Box::new(events.into_iter().map(Ok))
}

/// Reads a block as [`events`] does, but shows what a dag-pb node leaves out as null, as Kubo's `dag get` does.
pub fn events_with_absent(codec: u64, block: &Bytes) -> Result<Steps<'_>, CodecError> {
    match codec {
        code::DAG_PB => Ok(ready(node_events(&dag_pb::PbNode::decode(block)?, true))),
        codec => events(codec, block),
    }
}

fn node_events(node: &dag_pb::PbNode, absent: bool) -> Vec<Event<'static>> {
    let key = |name: &'static str| Event::Key(name.into());
    let mut events = vec![Event::Map, key("Links"), Event::List];
    for link in &node.links {
        events.extend([Event::Map, key("Hash"), Event::Link(link.cid.clone())]);
        if link.name.is_some() {
            events.extend([key("Name"), Event::Text(link.name_text().into_owned().into())]);
        } else if absent {
            events.extend([key("Name"), Event::Null]);
        }
        if let Some(tsize) = link.tsize {
            events.extend([key("Tsize"), Event::Int(tsize.into())]);
        } else if absent {
            events.extend([key("Tsize"), Event::Null]);
        }
        events.push(Event::End);
    }
    events.push(Event::End);
    if let Some(data) = &node.data {
        events.extend([key("Data"), Event::Bytes(data.to_vec().into())]);
    } else if absent {
        events.extend([key("Data"), Event::Null]);
    }
    events.push(Event::End);
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(codec: u64, block: &[u8]) -> Result<Vec<Event<'static>>, String> {
        let block = Bytes::copy_from_slice(block);
        let own = |event: Event<'_>| match event {
            Event::Text(text) => Event::Text(text.into_owned().into()),
            Event::Key(text) => Event::Key(text.into_owned().into()),
            Event::Bytes(bytes) => Event::Bytes(bytes.into_owned().into()),
            Event::Null => Event::Null,
            Event::Bool(value) => Event::Bool(value),
            Event::Int(value) => Event::Int(value),
            Event::Float(value) => Event::Float(value),
            Event::Link(cid) => Event::Link(cid),
            Event::List => Event::List,
            Event::Map => Event::Map,
            Event::End => Event::End,
        };
        let events = events(codec, &block).map_err(|error| error.to_string())?;
        events.map(|event| event.map(own).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn plain_codecs_have_no_links() {
        let link = br#"{"/":"bafkqaaa"}"#;
        assert!(matches!(shape(code::DAG_JSON, link).as_deref(), Ok([Event::Link(_)])));
        assert!(matches!(
            shape(code::JSON, link).as_deref(),
            Ok([Event::Map, Event::Key(_), Event::Text(_), Event::End])
        ));
        let mut cbor = Vec::new();
        dag_cbor::put_link(&crate::Cid::parse("bafkqaaa").expect("a cid"), &mut cbor);
        assert!(matches!(shape(code::DAG_CBOR, &cbor).as_deref(), Ok([Event::Link(_)])));
        assert!(shape(code::CBOR, &cbor).is_err());
    }

    #[test]
    fn every_codec_with_a_decoder_reads_and_refuses() {
        for codec in
            [code::DAG_CBOR, code::DAG_JSON, code::CBOR, code::JSON, code::DAG_PB, code::DAG_JOSE, code::GIT_RAW]
        {
            assert!(shape(codec, b"\xff\xff").is_err(), "{codec}");
        }
        assert_eq!(shape(code::RAW, b"x"), Ok(vec![Event::Bytes(b"x".to_vec().into())]));
        assert!(shape(0x99, b"").is_err());
    }

    #[test]
    fn git_objects_show_their_fields() {
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let body = format!("tree {tree}\nauthor A U <a@b> 15 +0200\ncommitter C <c@d> 16 -0130\n\nmsg\n");
        let block = [format!("commit {}\0", body.len()).as_bytes(), body.as_bytes()].concat();
        let events = shape(code::GIT_RAW, &block).expect("a commit");
        assert!(events.contains(&Event::Text("a@b".into())) && events.contains(&Event::Text("-0130".into())));
        assert!(events.contains(&Event::Text("msg\n".into())));
        assert_eq!(events.iter().filter(|event| matches!(event, Event::Link(_))).count(), 1);
    }
}
