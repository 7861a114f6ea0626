//! Blocks from one codec to another: what `dag get` and `dag put` do with values.
//!
//! Values go through as events; nothing here recurses. Memory is bounded by a small multiple of the block: each open
//! list or map holds its finished members as bytes.

mod node;
mod write;

use std::iter::Peekable;

use bytes::Bytes;
use merkury_api::ApiError;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::event::{Event, EventError, Fault};
use merkury_core::codec::value::{self, Steps};

use write::{Cbor, DagCbor, DagJson, Json, collect};

type Events<'a> = Peekable<Steps<'a>>;

/// The value inside a block at a path, in another codec. An empty path and the same codec give the block back, checked,
/// when the codec has only one way to write a value.
pub fn transcode(block: &Bytes, from: u64, to: u64, path: &[String]) -> Result<Vec<u8>, ApiError> {
    write(checked(block, from)?, block, from, to, path)
}

/// The same for `dag get`: what a dag-pb node leaves out is null in other codecs, as in Kubo.
pub fn show(block: &Bytes, from: u64, to: u64, path: &[String]) -> Result<Vec<u8>, ApiError> {
    let events = checked(block, from)?;
    if from != code::DAG_PB || to == code::DAG_PB {
        return write(events, block, from, to, path);
    }
    let events = value::events_with_absent(from, block).map_err(|error| ApiError::invalid(error.to_string()))?;
    write(events.peekable(), block, from, to, path)
}

fn write(mut events: Events<'_>, block: &Bytes, from: u64, to: u64, path: &[String]) -> Result<Vec<u8>, ApiError> {
    for name in path {
        seek(&mut events, name)?;
    }
    match to {
        code::DAG_CBOR => collect(&mut events, &DagCbor),
        code::CBOR => collect(&mut events, &Cbor),
        code::DAG_JSON => collect(&mut events, &DagJson),
        code::JSON => collect(&mut events, &Json),
        code::RAW => match next(&mut events)? {
            Event::Map if from == code::DAG_PB && path.is_empty() => Err(node::not_bytes("dagpb.PBNode", "map")),
            event => node::bytes(event),
        },
        code::DAG_PB => node::encode(&mut events),
        code::DAG_JOSE | code::GIT_RAW if to == from && path.is_empty() => Ok(block.to_vec()),
        code::DAG_JOSE => Err(ApiError::invalid("invalid JOSE object")),
        code::GIT_RAW => Err(ApiError::invalid("git objects are only stored from git-raw input")),
        other => Err(ApiError::invalid(format!("no encoder registered for multicodec code {other} (0x{other:x})"))),
    }
}

/// Kubo's words for the mistakes people make; ours say where it is.
fn malformed(error: &EventError) -> ApiError {
    let object = if error.format == "dag-json" { "json" } else { "cbor" };
    let message = match &error.fault {
        Fault::Truncated => "unexpected EOF".to_owned(),
        Fault::Trailing => format!("unexpected content after end of {object} object"),
        Fault::Cid(error) => format!("invalid cid: {error}"),
        _ => return ApiError::invalid(error.to_string()),
    };
    ApiError::invalid(message).hint(error.to_string())
}

/// Reads a block as a value, and checks it whole first: half a value is never written.
fn checked(block: &Bytes, codec: u64) -> Result<Events<'_>, ApiError> {
    let invalid = |error: &dyn std::fmt::Display| ApiError::invalid(error.to_string());
    for event in value::events(codec, block).map_err(|error| invalid(&error))? {
        event.map_err(|error| malformed(&error))?;
    }
    Ok(value::events(codec, block).map_err(|error| invalid(&error))?.peekable())
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
    fn plain_json_has_lines_and_keeps_the_order() {
        let json = json_to(code::JSON, r#"{"b":1,"a":[1,{"x":null},[],{}]}"#, &[]).expect("a value");
        let wanted = "{\n\t\"b\": 1,\n\t\"a\": [\n\t\t1,\n\t\t{\n\t\t\t\"x\": null\n\t\t},\n\t\t[],\n\t\t{}\n\t]\n}\n";
        assert_eq!(String::from_utf8(json).expect("UTF-8"), wanted);
        assert!(json_to(code::JSON, r#"{"/":"bafkqaaa"}"#, &[]).is_err());
        assert!(json_to(code::CBOR, r#"{"/":"bafkqaaa"}"#, &[]).is_err());
    }

    #[test]
    fn nodes_are_written_from_values() {
        let json = r#"{"Links":[{"Hash":{"/":"bafkqaaa"},"Name":"b","Tsize":1},{"Hash":{"/":"bafkqaaa"},"Name":"a"}]}"#;
        let node = json_to(code::DAG_PB, json, &[]).expect("a node");
        assert_eq!(node, b"\x12\x09\x0a\x04\x01\x55\x00\x00\x12\x01a\x12\x0b\x0a\x04\x01\x55\x00\x00\x12\x01b\x18\x01");
        for (json, words) in [
            ("{}", "missing required fields: Links"),
            (r#"{"Links":[],"X":1}"#, "invalid key for map dagpb.PBNode: \"X\": no such field"),
            (
                r#"{"Links":[],"Data":1}"#,
                "func called on wrong kind: \"AsBytes\" called on a int node (kind: int), but only makes sense on bytes",
            ),
        ] {
            assert_eq!(json_to(code::DAG_PB, json, &[]), Err(words.to_owned()));
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
