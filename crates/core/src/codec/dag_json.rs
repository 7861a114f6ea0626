//! DAG-JSON: JSON with links as `{"/":"cid"}` and bytes as `{"/":{"bytes":"base 64"}}`. Specification: ipld.io
//! `dag-json`.
//!
//! [`events`] reads as Kubo does: white space is allowed, keys come in any order but none twice, a map that only looks
//! like a link because it has more keys is a map. Nesting up to [`IPLD_DEPTH_MAX`].

use std::borrow::Cow;

use super::event::{Event, EventError, Fault, Keys, MapKeys};
use crate::cid::Cid;
use crate::limits::IPLD_DEPTH_MAX;

/// Reads a block step by step. After an error the events end.
pub fn events(block: &[u8]) -> Events<'_> {
    Events { has_links: true, ..plain_events(block) }
}

/// Reads plain JSON, without links and bytes: a map that looks like one is a map.
pub fn plain_events(block: &[u8]) -> Events<'_> {
    Events {
        has_links: false,
        cursor: Cursor { bytes: block, position: 0 },
        stack: Vec::new(),
        keys: Keys::default(),
        state: State::Value,
    }
}

/// The events of a block.
#[derive(Debug)]
pub struct Events<'a> {
    cursor: Cursor<'a>,
    stack: Vec<Frame>,
    keys: Keys,
    state: State,
    has_links: bool,
}

#[derive(Debug)]
enum Frame {
    List,
    Map(MapKeys),
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
enum State {
    Value,
    /// A value or the end of the list that just began.
    FirstValue,
    /// A key or the end of the map that just began.
    FirstKey,
    /// A comma or the end of the innermost list or map, or of the block.
    AfterValue,
    Ended,
}

impl<'a> Events<'a> {
    fn step(&mut self) -> Result<Option<Event<'a>>, Fault> {
        self.cursor.skip_space();
        match self.state {
            State::Value => self.value().map(Some),
            State::FirstValue if self.cursor.peek()? == b']' => self.end().map(Some),
            State::FirstValue => self.value().map(Some),
            State::FirstKey if self.cursor.peek()? == b'}' => self.end().map(Some),
            State::FirstKey => self.key().map(Some),
            State::AfterValue => self.after_value(),
            State::Ended => Ok(None),
        }
    }

    fn after_value(&mut self) -> Result<Option<Event<'a>>, Fault> {
        let (close, is_map) = match self.stack.last() {
            None if self.cursor.is_at_end() => {
                self.state = State::Ended;
                return Ok(None);
            }
            None => return Err(Fault::Trailing),
            Some(Frame::List) => (b']', false),
            Some(Frame::Map(_)) => (b'}', true),
        };
        if self.cursor.peek()? == close {
            return self.end().map(Some);
        }
        self.cursor.expect(b',')?;
        self.cursor.skip_space();
        if is_map { self.key().map(Some) } else { self.value().map(Some) }
    }

    fn value(&mut self) -> Result<Event<'a>, Fault> {
        let first = self.cursor.peek()?;
        if matches!(first, b'[' | b'{') && self.stack.len() >= IPLD_DEPTH_MAX {
            return Err(Fault::Depth);
        }
        self.state = State::AfterValue;
        match first {
            b'[' => {
                self.cursor.position += 1;
                self.stack.push(Frame::List);
                self.state = State::FirstValue;
                Ok(Event::List)
            }
            b'{' => {
                self.cursor.position += 1;
                if self.has_links
                    && let Some(special) = self.cursor.link_or_bytes()?
                {
                    return Ok(special);
                }
                self.stack.push(Frame::Map(self.keys.open()));
                self.state = State::FirstKey;
                Ok(Event::Map)
            }
            b'"' => self.cursor.text().map(Event::Text),
            b't' => self.cursor.word(b"true", Event::Bool(true)),
            b'f' => self.cursor.word(b"false", Event::Bool(false)),
            b'n' => self.cursor.word(b"null", Event::Null),
            b'-' | b'0'..=b'9' => self.cursor.number(),
            other => Err(Fault::Unexpected(other)),
        }
    }

    fn key(&mut self) -> Result<Event<'a>, Fault> {
        let offset = self.cursor.position;
        if self.cursor.peek()? != b'"' {
            return Err(Fault::KeyType);
        }
        let key = self.cursor.text()?;
        self.cursor.skip_space();
        self.cursor.expect(b':')?;
        if let Some(Frame::Map(keys)) = self.stack.last_mut() {
            let bytes = self.cursor.bytes;
            self.keys.add(keys, offset, |a, b| key_at(bytes, a).cmp(&key_at(bytes, b)))?;
        }
        self.state = State::Value;
        Ok(Event::Key(key))
    }

    fn end(&mut self) -> Result<Event<'a>, Fault> {
        self.cursor.position += 1;
        if let Some(Frame::Map(keys)) = self.stack.pop() {
            let bytes = self.cursor.bytes;
            self.keys.close(keys, |a, b| key_at(bytes, a).cmp(&key_at(bytes, b)))?;
        }
        self.state = State::AfterValue;
        Ok(Event::End)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, EventError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose().map(|step| {
            step.map_err(|fault| {
                self.state = State::Ended;
                EventError { format: "dag-json", offset: self.cursor.position, fault }
            })
        })
    }
}

fn key_at(bytes: &[u8], offset: u32) -> Cow<'_, str> {
    // The key was read before.
    Cursor { bytes, position: offset as usize }.text().unwrap_or_default()
}

#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    fn peek(&self) -> Result<u8, Fault> {
        self.bytes.get(self.position).copied().ok_or(Fault::Truncated)
    }

    fn skip_space(&mut self) {
        while let Ok(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.position += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        match self.peek()? {
            found if found == byte => {
                self.position += 1;
                Ok(())
            }
            found => Err(Fault::Unexpected(found)),
        }
    }

    /// Passes over white space and `byte`, if that is what comes.
    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        self.expect(byte).is_ok()
    }

    fn word(&mut self, word: &[u8], event: Event<'a>) -> Result<Event<'a>, Fault> {
        for &byte in word {
            self.expect(byte)?;
        }
        Ok(event)
    }

    /// After an opening brace: a link or bytes, when the map is nothing else. Otherwise the cursor stays.
    fn link_or_bytes(&mut self) -> Result<Option<Event<'a>>, Fault> {
        let mut ahead = *self;
        ahead.skip_space();
        // The cheap look first: most maps begin with another key.
        if !matches!(ahead.bytes.get(ahead.position..), Some([b'"', b'/' | b'\\', ..])) {
            return Ok(None);
        }
        if ahead.text()? != "/" || !ahead.accept(b':') {
            return Ok(None);
        }
        ahead.skip_space();
        let event = match ahead.peek()? {
            b'"' => {
                let text = ahead.text()?;
                if !ahead.accept(b'}') {
                    return Ok(None);
                }
                Event::Link(Cid::parse(&text)?)
            }
            b'{' => match ahead.bytes_map()? {
                Some(text) if ahead.accept(b'}') => Event::Bytes(Cow::Owned(decode_base64(&text)?)),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        *self = ahead;
        Ok(Some(event))
    }

    /// `{"bytes":"…"}`: the text.
    fn bytes_map(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        self.position += 1;
        self.skip_space();
        if self.peek()? != b'"' || self.text()? != "bytes" || !self.accept(b':') {
            return Ok(None);
        }
        self.skip_space();
        if self.peek()? != b'"' {
            return Ok(None);
        }
        let text = self.text()?;
        Ok(self.accept(b'}').then_some(text))
    }

    fn number(&mut self) -> Result<Event<'a>, Fault> {
        let start = self.position;
        let _ = self.expect(b'-');
        if self.expect(b'0').is_err() {
            self.digits()?;
        }
        let mut is_float = false;
        if self.expect(b'.').is_ok() {
            is_float = true;
            self.digits()?;
        }
        if let Ok(b'e' | b'E') = self.peek() {
            is_float = true;
            self.position += 1;
            if let Ok(b'+' | b'-') = self.peek() {
                self.position += 1;
            }
            self.digits()?;
        }
        let text = self.bytes.get(start..self.position).and_then(|text| std::str::from_utf8(text).ok());
        let text = text.ok_or(Fault::Number)?;
        if is_float {
            let float: f64 = text.parse().map_err(|_| Fault::Number)?;
            return if float.is_finite() { Ok(Event::Float(float)) } else { Err(Fault::Number) };
        }
        let int: i128 = text.parse().map_err(|_| Fault::Number)?;
        let fits = (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&int);
        if fits { Ok(Event::Int(int)) } else { Err(Fault::Number) }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let first = self.peek()?;
        if !first.is_ascii_digit() {
            return Err(Fault::Unexpected(first));
        }
        while self.peek().is_ok_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
        }
        Ok(())
    }

    /// Text in quotes; borrowed unless it has escapes.
    fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.expect(b'"')?;
        let mut owned: Option<Vec<u8>> = None;
        let mut start = self.position;
        loop {
            let byte = self.peek()?;
            match byte {
                b'"' | b'\\' => {
                    let run = self.bytes.get(start..self.position).unwrap_or_default();
                    self.position += 1;
                    if byte == b'"' {
                        return finish_text(owned, run);
                    }
                    let text = owned.get_or_insert_default();
                    text.extend_from_slice(run);
                    let escaped = self.escape()?;
                    text.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    start = self.position;
                }
                0..0x20 => return Err(Fault::Unexpected(byte)),
                _ => self.position += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let kind = self.peek()?;
        self.position += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex4()?;
                let code = match high {
                    0xd800..0xdc00 => {
                        self.word(b"\\u", Event::Null).map_err(|_| Fault::Escape)?;
                        let low = self.hex4()?;
                        if !(0xdc00..0xe000).contains(&low) {
                            return Err(Fault::Escape);
                        }
                        0x1_0000 + ((high - 0xd800) << 10 | (low - 0xdc00))
                    }
                    other => other,
                };
                char::from_u32(code).ok_or(Fault::Escape)?
            }
            _ => return Err(Fault::Escape),
        })
    }

    fn hex4(&mut self) -> Result<u32, Fault> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16).ok_or(Fault::Escape)?;
            code = code << 4 | digit;
            self.position += 1;
        }
        Ok(code)
    }
}

fn finish_text(owned: Option<Vec<u8>>, last_run: &[u8]) -> Result<Cow<'_, str>, Fault> {
    match owned {
        None => std::str::from_utf8(last_run).map(Cow::Borrowed).map_err(|_| Fault::Utf8),
        Some(mut text) => {
            text.extend_from_slice(last_run);
            String::from_utf8(text).map(Cow::Owned).map_err(|_| Fault::Utf8)
        }
    }
}

fn decode_base64(text: &str) -> Result<Vec<u8>, Fault> {
    // Written without padding; read with it too, as Kubo does.
    let bare = text.trim_end_matches('=');
    data_encoding::BASE64_NOPAD.decode(bare.as_bytes()).map_err(|_| Fault::Base64)
}
