//! Blocks from one codec to another: what `dag get` and `dag put` do with values.
//!
//! Values go through as events; nothing here recurses. Memory is bounded by a small multiple of the block: each open
//! list or map holds its finished members as bytes.

use std::iter::Peekable;

use bytes::Bytes;
use merkury_api::ApiError;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::event::{Event, EventError};
use merkury_core::codec::{dag_cbor, dag_json, dag_pb};

type Events<'a> = Peekable<Box<dyn Iterator<Item = Result<Event<'a>, EventError>> + 'a>>;

/// The value inside a block at a path, in another codec. An empty path and the same codec give the block back.
pub fn transcode(block: &Bytes, from: u64, to: u64, path: &[String]) -> Result<Vec<u8>, ApiError> {
    let mut events = events(block, from)?;
    for name in path {
        seek(&mut events, name)?;
    }
    match to {
        code::DAG_CBOR => collect(&mut events, &Cbor),
        code::DAG_JSON => collect(&mut events, &Json),
        code::RAW | code::DAG_PB if to == from && path.is_empty() => Ok(block.to_vec()),
        code::RAW => match next(&mut events)? {
            Event::Bytes(bytes) => Ok(bytes.into_owned()),
            _ => Err(ApiError::invalid("only bytes can be written as raw")),
        },
        other => Err(ApiError::invalid(format!("values cannot be written in codec 0x{other:x}"))),
    }
}

/// Reads a block as a value, and checks it whole.
fn events(block: &Bytes, codec: u64) -> Result<Events<'_>, ApiError> {
    merkury_core::codec::links(codec, block).map_err(|error| ApiError::invalid(error.to_string()))?;
    let events: Box<dyn Iterator<Item = _>> = match codec {
        code::DAG_CBOR => Box::new(dag_cbor::events(block)),
        code::DAG_JSON => Box::new(dag_json::events(block)),
        code::RAW => Box::new(std::iter::once(Ok(Event::Bytes(block.as_ref().into())))),
        code::DAG_PB => Box::new(pb_events(block)?.into_iter().map(Ok)),
        other => {
            return Err(ApiError::invalid(format!("no decoder registered for multicodec code {other} (0x{other:x})")));
        }
    };
    Ok(events.peekable())
}

/// A dag-pb node as the data model sees it: `{Data, Links: [{Hash, Name, Tsize}]}`.
fn pb_events(block: &Bytes) -> Result<Vec<Event<'static>>, ApiError> {
    let node = dag_pb::PbNode::decode(block).map_err(|error| ApiError::invalid(error.to_string()))?;
    let key = |name: &'static str| Event::Key(name.into());
    let mut events = vec![Event::Map];
    if let Some(data) = &node.data {
        events.extend([key("Data"), Event::Bytes(data.to_vec().into())]);
    }
    events.extend([key("Links"), Event::List]);
    for link in &node.links {
        events.extend([Event::Map, key("Hash"), Event::Link(link.cid.clone())]);
        if link.name.is_some() {
            events.extend([key("Name"), Event::Text(link.name_text().into_owned().into())]);
        }
        if let Some(tsize) = link.tsize {
            events.extend([key("Tsize"), Event::Int(tsize.into())]);
        }
        events.push(Event::End);
    }
    events.extend([Event::End, Event::End]);
    Ok(events)
}

fn next<'a>(events: &mut Events<'a>) -> Result<Event<'a>, ApiError> {
    match events.next() {
        Some(event) => event.map_err(|error| ApiError::invalid(error.to_string())),
        None => Err(ApiError::invalid("value ends early")),
    }
}

/// Goes to a member of the list or map that comes next.
fn seek(events: &mut Events<'_>, name: &str) -> Result<(), ApiError> {
    let missing = || ApiError::not_found(format!("key not found: {name:?}"));
    match next(events)? {
        Event::Map => loop {
            match next(events)? {
                Event::Key(key) if key == name => return Ok(()),
                Event::Key(_) => skip(events)?,
                _ => return Err(missing()),
            }
        },
        Event::List => {
            let index: usize = name.parse().map_err(|_| missing())?;
            (0..index).try_for_each(|_| skip(events)).map_err(|_| missing())?;
            if matches!(events.peek(), Some(Ok(Event::End))) { Err(missing()) } else { Ok(()) }
        }
        _ => Err(missing()),
    }
}

/// Passes over one value.
fn skip(events: &mut Events<'_>) -> Result<(), ApiError> {
    let mut open = 0usize;
    loop {
        match next(events)? {
            Event::List | Event::Map => open += 1,
            Event::End if open == 0 => return Err(ApiError::invalid("value ends early")),
            Event::End => open -= 1,
            Event::Key(_) => continue,
            _ => {}
        }
        if open == 0 {
            return Ok(());
        }
    }
}

/// How a codec writes values.
trait Form {
    fn scalar(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), ApiError>;
    fn list(&self, items: Vec<Vec<u8>>) -> Vec<u8>;
    fn map(&self, members: Vec<(String, Vec<u8>)>) -> Vec<u8>;
}

struct Open {
    is_map: bool,
    key: Option<String>,
    members: Vec<(String, Vec<u8>)>,
}

/// Writes the next value.
fn collect(events: &mut Events<'_>, form: &dyn Form) -> Result<Vec<u8>, ApiError> {
    let mut stack: Vec<Open> = Vec::new();
    loop {
        let done = match next(events)? {
            Event::List => {
                stack.push(Open { is_map: false, key: None, members: Vec::new() });
                continue;
            }
            Event::Map => {
                stack.push(Open { is_map: true, key: None, members: Vec::new() });
                continue;
            }
            Event::Key(key) => {
                if let Some(open) = stack.last_mut() {
                    open.key = Some(key.into_owned());
                }
                continue;
            }
            Event::End => {
                let open = stack.pop().ok_or_else(|| ApiError::invalid("value ends early"))?;
                if open.is_map {
                    form.map(open.members)
                } else {
                    form.list(open.members.into_iter().map(|(_, item)| item).collect())
                }
            }
            scalar => {
                let mut out = Vec::new();
                form.scalar(&scalar, &mut out)?;
                out
            }
        };
        match stack.last_mut() {
            None => return Ok(done),
            Some(open) => open.members.push((open.key.take().unwrap_or_default(), done)),
        }
    }
}

struct Cbor;

impl Form for Cbor {
    fn scalar(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), ApiError> {
        match event {
            Event::Null => dag_cbor::put_null(out),
            Event::Bool(value) => dag_cbor::put_bool(*value, out),
            Event::Int(value) => {
                if !dag_cbor::put_int(*value, out) {
                    return Err(ApiError::invalid(format!("{value} is no number of 64 bits")));
                }
            }
            Event::Float(value) => dag_cbor::put_float(*value, out),
            Event::Text(text) => dag_cbor::put_text(text, out),
            Event::Bytes(bytes) => dag_cbor::put_bytes(bytes, out),
            Event::Link(cid) => dag_cbor::put_link(cid, out),
            Event::List | Event::Map | Event::Key(_) | Event::End => {}
        }
        Ok(())
    }

    fn list(&self, items: Vec<Vec<u8>>) -> Vec<u8> {
        let mut out = Vec::new();
        dag_cbor::put_list(items.len(), &mut out);
        items.iter().for_each(|item| out.extend_from_slice(item));
        out
    }

    /// Keys by length, then by bytes: the order of DAG-CBOR.
    fn map(&self, mut members: Vec<(String, Vec<u8>)>) -> Vec<u8> {
        members.sort_by(|(left, _), (right, _)| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
        let mut out = Vec::new();
        dag_cbor::put_map(members.len(), &mut out);
        for (key, value) in &members {
            dag_cbor::put_text(key, &mut out);
            out.extend_from_slice(value);
        }
        out
    }
}

struct Json;

fn json_text(text: &str) -> Result<String, ApiError> {
    serde_json::to_string(text).map_err(|error| ApiError::internal(error.to_string()))
}

impl Form for Json {
    fn scalar(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let text = match event {
            Event::Null => "null".to_owned(),
            Event::Bool(value) => value.to_string(),
            Event::Int(value) => value.to_string(),
            // A whole number keeps its point: without it, it would be read as an integer.
            Event::Float(value) => {
                serde_json::to_string(value).map_err(|error| ApiError::internal(error.to_string()))?
            }
            Event::Text(text) => json_text(text)?,
            Event::Bytes(bytes) => {
                format!("{{\"/\":{{\"bytes\":\"{}\"}}}}", data_encoding::BASE64_NOPAD.encode(bytes))
            }
            Event::Link(cid) => format!("{{\"/\":\"{cid}\"}}"),
            Event::List | Event::Map | Event::Key(_) | Event::End => String::new(),
        };
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn list(&self, items: Vec<Vec<u8>>) -> Vec<u8> {
        [b"[".as_slice(), &items.join(&b','), b"]"].concat()
    }

    /// Keys by bytes: the order of DAG-JSON.
    fn map(&self, mut members: Vec<(String, Vec<u8>)>) -> Vec<u8> {
        members.sort_by(|left, right| left.0.cmp(&right.0));
        let members: Vec<Vec<u8>> = members
            .into_iter()
            .map(|(key, value)| [json_text(&key).unwrap_or_default().as_bytes(), b":", &value].concat())
            .collect();
        [b"{".as_slice(), &members.join(&b','), b"}"].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_to(to: u64, json: &str, path: &[&str]) -> Result<Vec<u8>, String> {
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        transcode(&Bytes::copy_from_slice(json.as_bytes()), code::DAG_JSON, to, &path).map_err(|error| error.message)
    }

    #[test]
    fn json_becomes_cbor_and_comes_back_sorted() {
        let json = r#"{"zz":[1,-2,1.5,null,true],"a":{"/":"bafkqaaa"},"b":{"/":{"bytes":"aGk"}},"":"é\n"}"#;
        let cbor = json_to(code::DAG_CBOR, json, &[]).expect("a value");
        let back = transcode(&cbor.into(), code::DAG_CBOR, code::DAG_JSON, &[]).expect("a value");
        assert_eq!(
            String::from_utf8(back).expect("UTF-8"),
            r#"{"":"é\n","a":{"/":"bafkqaaa"},"b":{"/":{"bytes":"aGk"}},"zz":[1,-2,1.5,null,true]}"#
        );
    }

    #[test]
    fn paths_lead_into_values() {
        let json = r#"{"a":{"x":[{"y":5},[],"t"]},"b":1}"#;
        for (path, wanted) in [
            (&["a", "x", "0", "y"][..], Ok("5")),
            (&["a", "x", "2"], Ok("\"t\"")),
            (&["a", "x", "1"], Ok("[]")),
            (&["b"], Ok("1")),
            (&["a", "x", "3"], Err("key not found: \"3\"")),
            (&["a", "x", "-1"], Err("key not found: \"-1\"")),
            (&["c"], Err("key not found: \"c\"")),
            (&["b", "c"], Err("key not found: \"c\"")),
        ] {
            let found = json_to(code::DAG_JSON, json, path).map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
            assert_eq!(found, wanted.map(str::to_owned).map_err(str::to_owned), "{path:?}");
        }
    }

    #[test]
    fn malformed_blocks_are_errors() {
        for (codec, block) in
            [(code::DAG_CBOR, &b"\x9b\xff"[..]), (code::DAG_JSON, b"[1"), (code::DAG_PB, b"\x0f"), (0x99, b"")]
        {
            assert!(transcode(&Bytes::from_static(block), codec, code::DAG_JSON, &[]).is_err(), "{codec}");
        }
        let deep = "[".repeat(100_000);
        assert!(json_to(code::DAG_CBOR, &deep, &[]).is_err());
    }
}
