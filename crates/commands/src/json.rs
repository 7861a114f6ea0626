//! JSON as Go writes it: `<`, `>`, `&`, U+2028 and U+2029 inside strings are escaped, each value ends with a newline.

use std::io;

use bytes::Bytes;
use merkury_api::ApiError;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// A value as one line.
pub fn line<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, ApiError> {
    let mut bytes = write(value, CompactFormatter)?;
    bytes.push(b'\n');
    Ok(bytes.into())
}

/// A value over several lines, indented by `indent`.
pub fn pretty<T: Serialize + ?Sized>(value: &T, indent: &str) -> Result<Vec<u8>, ApiError> {
    write(value, PrettyFormatter::with_indent(indent.as_bytes()))
}

fn write<T: Serialize + ?Sized, F: Formatter>(value: &T, inner: F) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::with_capacity(128);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, GoStrings { inner });
    value.serialize(&mut serializer).map_err(|error| ApiError::internal(format!("cannot write JSON: {error}")))?;
    Ok(bytes)
}

/// Wraps a formatter and escapes inside strings what Go escapes.
struct GoStrings<F> {
    inner: F,
}

fn escape_of(character: char) -> Option<&'static [u8]> {
    Some(match character {
        '<' => b"\\u003c",
        '>' => b"\\u003e",
        '&' => b"\\u0026",
        '\u{2028}' => b"\\u2028",
        '\u{2029}' => b"\\u2029",
        _ => return None,
    })
}

macro_rules! pass_on {
    ($($name:ident ( $($arg:ident : $kind:ty),* );)*) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W, $($arg: $kind),*) -> io::Result<()> {
            self.inner.$name(writer, $($arg),*)
        })*
    };
}

impl<F: Formatter> Formatter for GoStrings<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        // Nearly all is plain: both separators begin with this byte.
        if !rest.bytes().any(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)) {
            return writer.write_all(rest.as_bytes());
        }
        while let Some((at, character, escape)) =
            rest.char_indices().find_map(|(at, character)| escape_of(character).map(|escape| (at, character, escape)))
        {
            writer.write_all(&rest.as_bytes()[..at])?;
            writer.write_all(escape)?;
            rest = &rest[at + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    pass_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }
}

/// Go's `omitempty` for `serde(skip_serializing_if)`: the type's zero is left out.
pub fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        let text = "a<b>&\u{2028}\u{2029}\"\\\n\u{1}é";
        assert_eq!(
            line(&text).expect("text is JSON"),
            Bytes::from_static(b"\"a\\u003cb\\u003e\\u0026\\u2028\\u2029\\\"\\\\\\n\\u0001\xc3\xa9\"\n")
        );
    }

    #[test]
    fn pretty_form_indents_with_tabs_as_id_does() {
        let value = serde_json::json!({"ID": "x", "Addresses": [], "Empty": {}});
        let text = String::from_utf8(pretty(&value, "\t").expect("JSON")).expect("UTF-8");
        assert_eq!(text, "{\n\t\"ID\": \"x\",\n\t\"Addresses\": [],\n\t\"Empty\": {}\n}");
    }
}
