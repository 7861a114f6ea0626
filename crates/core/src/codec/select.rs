//! Names inside a document: `a/b/0` in a DAG-CBOR or DAG-JSON block.

use super::event::{Event, EventError};
use super::{CodecError, code, dag_cbor, dag_json};
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
    /// Nowhere: there is no such key or place.
    Missing {
        /// Which name was not found.
        at: usize,
    },
}

/// Follows `names` from the top of a block, up to the first link. Keys of maps are names, places in lists are decimal
/// numbers. The block is read as far as needed.
pub fn select(codec: u64, block: &[u8], names: &[String]) -> Result<Selected, CodecError> {
    match codec {
        code::DAG_CBOR => Ok(follow(dag_cbor::events(block), names)?),
        code::DAG_JSON => Ok(follow(dag_json::events(block), names)?),
        other => Err(CodecError::UnknownCodec(other)),
    }
}

fn follow<'a>(
    mut events: impl Iterator<Item = Result<Event<'a>, EventError>>,
    names: &[String],
) -> Result<Selected, EventError> {
    let mut used = 0;
    let mut value = events.next().transpose()?;
    loop {
        let name = names.get(used);
        value = match (value, name) {
            (Some(Event::Link(cid)), _) if used > 0 => return Ok(Selected::Link { cid, used }),
            (_, None) => return Ok(Selected::Inside),
            (Some(Event::Map), Some(name)) => value_of_key(&mut events, name)?,
            (Some(Event::List), Some(name)) => value_at(&mut events, name)?,
            (_, Some(_)) => None,
        };
        if value.is_none() {
            return Ok(Selected::Missing { at: used });
        }
        used += 1;
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
    place: &str,
) -> Result<Option<Event<'a>>, EventError> {
    let Ok(mut left) = place.parse::<usize>() else { return Ok(None) };
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
    use super::*;

    const CID: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

    fn cbor() -> Vec<u8> {
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
        out
    }

    #[test]
    fn names_lead_somewhere() {
        let cid = Cid::parse(CID).expect("a cid");
        let json = format!(r#"{{"a":[[null],{{"/":"{CID}"}},true],"b":{{"c":{{"/":"{CID}"}}}}}}"#);
        for (codec, block) in [(code::DAG_CBOR, cbor()), (code::DAG_JSON, json.into_bytes())] {
            for (path, expected) in [
                ("", Selected::Inside),
                ("a", Selected::Inside),
                ("a/0/0", Selected::Inside),
                ("a/1", Selected::Link { cid: cid.clone(), used: 2 }),
                ("a/1/x/y", Selected::Link { cid: cid.clone(), used: 2 }),
                ("b/c", Selected::Link { cid: cid.clone(), used: 2 }),
                ("a/2", Selected::Inside),
                ("a/2/x", Selected::Missing { at: 2 }),
                ("a/3", Selected::Missing { at: 1 }),
                ("a/-1", Selected::Missing { at: 1 }),
                ("a/x", Selected::Missing { at: 1 }),
                ("b/d", Selected::Missing { at: 1 }),
                ("c", Selected::Missing { at: 0 }),
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
            let cut = select(code::DAG_CBOR, &whole[..length], &names);
            assert!(!matches!(cut, Ok(Selected::Link { .. } | Selected::Inside)), "{length}: {cut:?}");
        }
        assert!(select(code::RAW, b"", &names).is_err());
    }
}
