//! Values as bytes: DAG-CBOR, CBOR, DAG-JSON and JSON, exactly as Kubo writes them.

use merkury_api::ApiError;
use merkury_core::codec::dag_cbor;
use merkury_core::codec::event::Event;

use super::{Events, next};

/// How a codec writes values.
pub(super) trait Form {
    /// A value that holds no others.
    fn scalar(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), ApiError>;
    /// A list from its values. `depth` counts the lists and maps around it.
    fn list(&self, items: Vec<Vec<u8>>, depth: usize) -> Vec<u8>;
    /// A map from its keys and values, in the order they were read.
    fn map(&self, members: Vec<(String, Vec<u8>)>, depth: usize) -> Vec<u8>;
}

struct Open {
    is_map: bool,
    key: Option<String>,
    members: Vec<(String, Vec<u8>)>,
}

/// Writes the next value. Nothing recurses; each open list or map holds its finished members as bytes.
pub(super) fn collect(events: &mut Events<'_>, form: &dyn Form) -> Result<Vec<u8>, ApiError> {
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
                    form.map(open.members, stack.len())
                } else {
                    form.list(open.members.into_iter().map(|(_, item)| item).collect(), stack.len())
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

/// DAG-CBOR: links in tag 42, keys by length and then by bytes.
pub(super) struct DagCbor;
/// CBOR: no links, keys as they came.
pub(super) struct Cbor;
/// DAG-JSON: links and bytes in maps of `/`, keys by bytes, no white space.
pub(super) struct DagJson;
/// JSON: neither links nor bytes, keys as they came, one value a line.
pub(super) struct Json;

impl Form for DagCbor {
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

    fn list(&self, items: Vec<Vec<u8>>, _: usize) -> Vec<u8> {
        let mut out = Vec::new();
        dag_cbor::put_list(items.len(), &mut out);
        items.iter().for_each(|item| out.extend_from_slice(item));
        out
    }

    fn map(&self, mut members: Vec<(String, Vec<u8>)>, depth: usize) -> Vec<u8> {
        members.sort_by(|(left, _), (right, _)| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
        Cbor.map(members, depth)
    }
}

impl Form for Cbor {
    fn scalar(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), ApiError> {
        match event {
            Event::Link(_) => Err(ApiError::invalid("cannot Marshal ipld links to CBOR")),
            event => DagCbor.scalar(event, out),
        }
    }

    fn list(&self, items: Vec<Vec<u8>>, depth: usize) -> Vec<u8> {
        DagCbor.list(items, depth)
    }

    fn map(&self, members: Vec<(String, Vec<u8>)>, _: usize) -> Vec<u8> {
        let mut out = Vec::new();
        dag_cbor::put_map(members.len(), &mut out);
        for (key, value) in &members {
            dag_cbor::put_text(key, &mut out);
            out.extend_from_slice(value);
        }
        out
    }
}

impl Form for DagJson {
    fn scalar(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), ApiError> {
        match event {
            Event::Bytes(bytes) => {
                let text = data_encoding::BASE64_NOPAD.encode(bytes);
                out.extend_from_slice(format!("{{\"/\":{{\"bytes\":\"{text}\"}}}}").as_bytes());
            }
            Event::Link(cid) => out.extend_from_slice(format!("{{\"/\":\"{cid}\"}}").as_bytes()),
            event => plain(event, out),
        }
        Ok(())
    }

    fn list(&self, items: Vec<Vec<u8>>, _: usize) -> Vec<u8> {
        [b"[".as_slice(), &items.join(&b','), b"]"].concat()
    }

    fn map(&self, mut members: Vec<(String, Vec<u8>)>, _: usize) -> Vec<u8> {
        members.sort_by(|left, right| left.0.cmp(&right.0));
        let members = members.into_iter().map(|(key, value)| [&quoted(&key), b":".as_slice(), &value].concat());
        [b"{".as_slice(), &members.collect::<Vec<_>>().join(&b','), b"}"].concat()
    }
}

impl Form for Json {
    fn scalar(&self, event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), ApiError> {
        match event {
            Event::Bytes(_) => return Err(ApiError::invalid("cannot marshal IPLD bytes to this codec")),
            Event::Link(_) => return Err(ApiError::invalid("cannot marshal IPLD links to this codec")),
            event => plain(event, out),
        }
        Ok(())
    }

    fn list(&self, items: Vec<Vec<u8>>, depth: usize) -> Vec<u8> {
        lines(b'[', items, b']', depth)
    }

    fn map(&self, members: Vec<(String, Vec<u8>)>, depth: usize) -> Vec<u8> {
        let members = members.into_iter().map(|(key, value)| [&quoted(&key), b": ".as_slice(), &value].concat());
        lines(b'{', members.collect(), b'}', depth)
    }
}

/// One item a line, as deep as it stands; the outermost ends the last line.
fn lines(open: u8, items: Vec<Vec<u8>>, close: u8, depth: usize) -> Vec<u8> {
    let mut out = vec![open];
    let is_empty = items.is_empty();
    for (index, item) in items.into_iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        out.extend(std::iter::repeat_n(b'\t', depth + 1));
        out.extend_from_slice(&item);
    }
    if !is_empty {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b'\t', depth));
    }
    out.push(close);
    if depth == 0 {
        out.push(b'\n');
    }
    out
}

/// Scalars that both kinds of JSON write alike.
fn plain(event: &Event<'_>, out: &mut Vec<u8>) {
    match event {
        Event::Null => out.extend_from_slice(b"null"),
        Event::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Event::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Event::Float(value) => out.extend_from_slice(float(*value).as_bytes()),
        Event::Text(text) => out.extend_from_slice(&quoted(text)),
        _ => {}
    }
}

/// A float as Go's JSON writes it: no exponent from 1e-6 to 1e21, no point when it is whole.
fn float(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

/// Text in quotes, escaped as Kubo does: quotes, backslashes, controls and two line separators.
fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for character in text.chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..' ' | '\u{2028}' | '\u{2029}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        for (value, text) in [
            (1.0, "1"),
            (1e3, "1000"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e300, "1.5e+300"),
            (-0.0, "-0"),
            (5e-324, "5e-324"),
            (12345678901234567890.0, "12345678901234567000"),
        ] {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn text_is_escaped_as_kubo_does() {
        let text = quoted("\u{1}\u{2028}<é>\u{7f}/\\\"\t\n\r\u{8}\u{c}");
        assert_eq!(
            String::from_utf8(text).expect("UTF-8"),
            "\"\\u0001\\u2028<é>\u{7f}/\\\\\\\"\\t\\n\\r\\u0008\\u000c\""
        );
    }
}
