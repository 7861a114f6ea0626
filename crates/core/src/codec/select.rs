//! Names inside a block: `a/b/0` in a document, `Links/0/Hash` in a dag-pb node.

use bytes::Bytes;

use super::event::{Event, EventError};
use super::{CodecError, value};
use crate::cid::Cid;

/// Where names lead inside one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// To a link; what follows it is in another block.
    Link {
        /// Where it points.
        cid: Cid,
        /// How many names led to it.
        used: usize,
    },
    /// To a value inside the block that is no link.
    Inside,
    /// Nowhere.
    Missing {
        /// Which name was not found.
        at: usize,
        /// Why.
        why: Miss,
    },
}

/// Why a name leads nowhere. The words are Kubo's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// The map has no such key, the list no such place.
    #[error("key not found: {0:?}")]
    Key(String),
    /// A list has numbers.
    #[error("invalid segment for lookup on a list: {0:?}: strconv.ParseInt: parsing {0:?}: invalid syntax")]
    NoNumber(String),
    /// The value holds no others.
    #[error(
        "func called on wrong kind: \"LookupBySegment\" called on a {0} node (kind: {0}), but only makes sense on map or list"
    )]
    Scalar(&'static str),
}

/// Follows names from the top of a block, up to the first link. Keys of maps are names, places in lists are decimal
/// numbers. The block is read as far as needed.
pub fn select(codec: u64, block: &Bytes, names: &[String]) -> Result<Selected, CodecError> {
    Ok(follow(value::events(codec, block)?, names)?)
}

fn follow<'a>(
    mut events: impl Iterator<Item = Result<Event<'a>, EventError>>,
    names: &[String],
) -> Result<Selected, EventError> {
    let mut used = 0;
    let mut value = events.next().transpose()?;
    loop {
        let name = names.get(used);
        let found = match (value, name) {
            (Some(Event::Link(cid)), _) if used > 0 => return Ok(Selected::Link { cid, used }),
            (_, None) => return Ok(Selected::Inside),
            (Some(Event::Map), Some(name)) => value_of_key(&mut events, name)?.ok_or_else(|| Miss::Key(name.clone())),
            (Some(Event::List), Some(name)) => in_list(&mut events, name)?,
            (other, Some(_)) => Err(Miss::Scalar(other.as_ref().map_or("null", kind_of))),
        };
        match found {
            Ok(found) => value = Some(found),
            Err(why) => return Ok(Selected::Missing { at: used, why }),
        }
        used += 1;
    }
}

fn kind_of(event: &Event<'_>) -> &'static str {
    match event {
        Event::Bool(_) => "bool",
        Event::Int(_) => "int",
        Event::Float(_) => "float",
        Event::Text(_) | Event::Key(_) => "string",
        Event::Bytes(_) => "bytes",
        Event::Link(_) => "link",
        Event::Null | Event::List | Event::Map | Event::End => "null",
    }
}

/// A value in the list that has just begun. A negative place is a key that nothing has, without a name even.
fn in_list<'a>(
    events: &mut impl Iterator<Item = Result<Event<'a>, EventError>>,
    name: &str,
) -> Result<Result<Event<'a>, Miss>, EventError> {
    match name.parse::<i64>() {
        Err(_) => Ok(Err(Miss::NoNumber(name.to_owned()))),
        Ok(negative) if negative < 0 => Ok(Err(Miss::Key(String::new()))),
        Ok(place) => Ok(value_at(events, place.unsigned_abs())?.ok_or_else(|| Miss::Key(name.to_owned()))),
    }
}

/// The first event of a key's value in the map that has just begun.
fn value_of_key<'a>(
    events: &mut impl Iterator<Item = Result<Event<'a>, EventError>>,
    name: &str,
) -> Result<Option<Event<'a>>, EventError> {
    while let Some(Event::Key(key)) = events.next().transpose()? {
        let value = events.next().transpose()?;
        if key == name {
            return Ok(value);
        }
        skip(events, value.as_ref())?;
    }
    Ok(None)
}

/// The first event of the value at a place in the list that has just begun.
fn value_at<'a>(
    events: &mut impl Iterator<Item = Result<Event<'a>, EventError>>,
    mut left: u64,
) -> Result<Option<Event<'a>>, EventError> {
    while let Some(value) = events.next().transpose()?.filter(|value| *value != Event::End) {
        if left == 0 {
            return Ok(Some(value));
        }
        left -= 1;
        skip(events, Some(&value))?;
    }
    Ok(None)
}

/// Passes over the rest of a value whose first event was seen.
fn skip<'a>(
    events: &mut impl Iterator<Item = Result<Event<'a>, EventError>>,
    first: Option<&Event<'a>>,
) -> Result<(), EventError> {
    let mut open = usize::from(matches!(first, Some(Event::Map | Event::List)));
    while open > 0 {
        match events.next().transpose()? {
            Some(Event::Map | Event::List) => open += 1,
            Some(Event::End) | None => open -= 1,
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{code, dag_cbor};
    use super::*;

    const CID: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

    fn cbor() -> Bytes {
        let mut out = Vec::new();
        dag_cbor::put_map(2, &mut out);
        dag_cbor::put_text("a", &mut out);
        dag_cbor::put_list(3, &mut out);
        dag_cbor::put_list(1, &mut out);
        dag_cbor::put_null(&mut out);
        dag_cbor::put_link(&Cid::parse(CID).expect("a cid"), &mut out);
        dag_cbor::put_bool(true, &mut out);
        dag_cbor::put_text("b", &mut out);
        dag_cbor::put_map(1, &mut out);
        dag_cbor::put_text("c", &mut out);
        dag_cbor::put_link(&Cid::parse(CID).expect("a cid"), &mut out);
        out.into()
    }

    #[test]
    fn names_lead_somewhere() {
        let cid = Cid::parse(CID).expect("a cid");
        let missing = |at, key: &str| Selected::Missing { at, why: Miss::Key(key.into()) };
        let json = format!(r#"{{"a":[[null],{{"/":"{CID}"}},true],"b":{{"c":{{"/":"{CID}"}}}}}}"#);
        for (codec, block) in [(code::DAG_CBOR, cbor()), (code::DAG_JSON, Bytes::from(json))] {
            for (path, expected) in [
                ("", Selected::Inside),
                ("a", Selected::Inside),
                ("a/0/0", Selected::Inside),
                ("a/1", Selected::Link { cid: cid.clone(), used: 2 }),
                ("a/1/x/y", Selected::Link { cid: cid.clone(), used: 2 }),
                ("b/c", Selected::Link { cid: cid.clone(), used: 2 }),
                ("a/2", Selected::Inside),
                ("a/2/x", Selected::Missing { at: 2, why: Miss::Scalar("bool") }),
                ("a/3", missing(1, "3")),
                ("a/-1", missing(1, "")),
                ("a/x", Selected::Missing { at: 1, why: Miss::NoNumber("x".into()) }),
                ("b/d", missing(1, "d")),
                ("c", missing(0, "c")),
            ] {
                let names: Vec<String> = path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
                assert_eq!(select(codec, &block, &names), Ok(expected), "0x{codec:x} {path}");
            }
        }
    }

    #[test]
    fn damaged_blocks_are_errors() {
        let whole = cbor();
        let names = ["b".to_owned(), "c".to_owned()];
        for length in 0..whole.len() - 1 {
            let cut = select(code::DAG_CBOR, &whole.slice(..length), &names);
            assert!(!matches!(cut, Ok(Selected::Link { .. } | Selected::Inside)), "{length}: {cut:?}");
        }
        assert!(select(0x99, &Bytes::new(), &names).is_err());
    }
}
