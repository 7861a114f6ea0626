//! The signed part: a DAG-CBOR map of five known names, and whatever else its writer put there.

use std::collections::BTreeMap;

use super::RecordError;
use crate::codec::dag_cbor::{self, put_bytes, put_int, put_map, put_text};
use crate::codec::event::Event;

/// The map. Values other than bytes and whole numbers are known by name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signed(BTreeMap<String, Value>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Bytes(Vec<u8>),
    Int(i128),
    Other,
}

impl Signed {
    /// Reads the map. What lies deeper in it is passed over: it is somebody's own data.
    pub(super) fn decode(data: &[u8]) -> Result<Self, RecordError> {
        let malformed = |why: String| RecordError::Malformed(why);
        let mut fields = BTreeMap::new();
        let mut key = None;
        let mut depth = 0usize;
        for event in dag_cbor::events(data) {
            let event = event.map_err(|error| malformed(error.to_string()))?;
            match event {
                Event::Map if depth == 0 => depth = 1,
                _ if depth == 0 => return Err(malformed("the data is no map".into())),
                Event::End => depth -= 1,
                Event::Key(name) if depth == 1 => key = Some(name.into_owned()),
                _ if depth > 1 => depth += usize::from(matches!(event, Event::Map | Event::List)),
                value => {
                    depth += usize::from(matches!(value, Event::Map | Event::List));
                    let value = match value {
                        Event::Bytes(bytes) => Value::Bytes(bytes.into_owned()),
                        Event::Int(number) => Value::Int(number),
                        _ => Value::Other,
                    };
                    fields.extend(key.take().map(|name| (name, value)));
                }
            }
        }
        Ok(Self(fields))
    }

    fn get(&self, name: &str) -> Result<&Value, RecordError> {
        self.0.get(name).ok_or_else(|| RecordError::Malformed(format!("key not found: {name:?}")))
    }

    pub(super) fn bytes(&self, name: &str) -> Result<&[u8], RecordError> {
        match self.get(name)? {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(RecordError::Malformed(format!("{name} is not bytes"))),
        }
    }

    pub(super) fn number(&self, name: &str) -> Result<i64, RecordError> {
        match self.get(name)? {
            Value::Int(number) => {
                i64::try_from(*number).map_err(|_| RecordError::Malformed(format!("{name} is out of range")))
            }
            _ => Err(RecordError::Malformed(format!("{name} is not a number"))),
        }
    }

    /// A number without a sign. Go writes those over 2^63 as negative ones.
    pub(super) fn unsigned(&self, name: &str) -> Result<u64, RecordError> {
        match self.get(name)? {
            Value::Int(number) => match (u64::try_from(*number), i64::try_from(*number)) {
                (Ok(number), _) => Ok(number),
                (_, Ok(number)) => Ok(number.cast_unsigned()),
                _ => Err(RecordError::Malformed(format!("{name} is out of range"))),
            },
            _ => Err(RecordError::Malformed(format!("{name} is not a number"))),
        }
    }
}

/// Writes the map; shorter names first, as DAG-CBOR wants it.
pub(super) fn encode(value: &[u8], ends: &[u8], sequence: u64, ttl_nanos: i64) -> Vec<u8> {
    let mut out = Vec::new();
    let int = |number: i64, out: &mut Vec<u8>| {
        let fits = put_int(number.into(), out);
        debug_assert!(fits, "64 bits always fit");
    };
    put_map(5, &mut out);
    put_text("TTL", &mut out);
    int(ttl_nanos, &mut out);
    put_text("Value", &mut out);
    put_bytes(value, &mut out);
    put_text("Sequence", &mut out);
    int(sequence.cast_signed(), &mut out);
    put_text("Validity", &mut out);
    put_bytes(ends, &mut out);
    put_text("ValidityType", &mut out);
    int(0, &mut out);
    out
}
