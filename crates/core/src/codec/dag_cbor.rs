//! DAG-CBOR: CBOR with links in tag 42. Specification: ipld.io `dag-cbor`.
//!
//! [`events`] reads strictly: shortest forms, definite lengths, 64-bit finite floats, text keys, no key twice, no tag
//! but 42, nothing after the value, nesting up to [`IPLD_DEPTH_MAX`]. One freedom is granted, as Kubo does, because
//! old data needs it: keys may come in any order. The `put_*` functions write.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::event::{Event, EventError, Fault, Keys, MapKeys};
use crate::cid::Cid;
use crate::limits::IPLD_DEPTH_MAX;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const LINK_TAG: u64 = 42;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const FLOAT64: u8 = 0xfb;

/// Reads a block step by step. After an error the events end.
pub fn events(block: &[u8]) -> Events<'_> {
    Events { has_links: true, ..plain_events(block) }
}

/// Reads plain CBOR, without links: no tag is allowed.
pub fn plain_events(block: &[u8]) -> Events<'_> {
    Events {
        has_links: false,
        cursor: Cursor { bytes: block, position: 0 },
        stack: Vec::new(),
        keys: Keys::default(),
        state: State::Start,
        texts: Texts::Read,
    }
}

/// The same for a walk along links: texts are passed over, and come as empty ones.
///
/// Blocks whose texts are no UTF-8 are against the specification and exist by the million (Filecoin's); whoever keeps
/// or sends a DAG needs their links, and never their texts.
pub(crate) fn structure(block: &[u8]) -> Events<'_> {
    Events { texts: Texts::PassedOver, ..events(block) }
}

/// The events of a block.
#[derive(Debug)]
pub struct Events<'a> {
    cursor: Cursor<'a>,
    stack: Vec<Frame>,
    keys: Keys,
    state: State,
    texts: Texts,
    has_links: bool,
}

#[derive(Debug, PartialEq)]
enum Texts {
    Read,
    PassedOver,
}

#[derive(Debug, PartialEq)]
enum State {
    Start,
    Inside,
    Ended,
}

#[derive(Debug)]
enum Frame {
    List { left: u64 },
    Map { left: u64, is_value_next: bool, keys: MapKeys },
}

enum Next {
    Value,
    Key,
    End,
}

impl<'a> Events<'a> {
    fn step(&mut self) -> Result<Option<Event<'a>>, Fault> {
        let next = match self.stack.last_mut() {
            None if self.state == State::Start => Next::Value,
            None if self.cursor.is_at_end() => return Ok(None),
            None => return Err(Fault::Trailing),
            Some(Frame::List { left: 0 } | Frame::Map { left: 0, is_value_next: false, .. }) => Next::End,
            Some(Frame::List { left }) => {
                *left -= 1;
                Next::Value
            }
            Some(Frame::Map { is_value_next: is_value_next @ true, .. }) => {
                *is_value_next = false;
                Next::Value
            }
            Some(Frame::Map { left, is_value_next, .. }) => {
                *left -= 1;
                *is_value_next = true;
                Next::Key
            }
        };
        self.state = State::Inside;
        match next {
            Next::Value => self.value(),
            Next::Key => self.key(),
            Next::End => self.end(),
        }
        .map(Some)
    }

    fn value(&mut self) -> Result<Event<'a>, Fault> {
        let first = self.cursor.peek()?;
        let (major, argument) = match first {
            FALSE | TRUE | NULL | FLOAT64 => return self.cursor.simple(first),
            0xe0.. => return Err(Fault::Unsupported(first)),
            _ => self.cursor.head()?,
        };
        Ok(match major {
            UNSIGNED => Event::Int(i128::from(argument)),
            NEGATIVE => Event::Int(-1 - i128::from(argument)),
            BYTES => Event::Bytes(Cow::Borrowed(self.cursor.take(argument)?)),
            TEXT if self.texts == Texts::PassedOver => {
                self.cursor.take(argument)?;
                Event::Text(Cow::Borrowed(""))
            }
            TEXT => Event::Text(Cow::Borrowed(self.cursor.text(argument)?)),
            LIST => {
                self.open(argument, 1)?;
                self.stack.push(Frame::List { left: argument });
                Event::List
            }
            MAP => {
                self.open(argument, 2)?;
                self.stack.push(Frame::Map { left: argument, is_value_next: false, keys: self.keys.open() });
                Event::Map
            }
            TAG if argument == LINK_TAG && self.has_links => Event::Link(self.cursor.link()?),
            _ => return Err(Fault::Tag(argument)),
        })
    }

    // Each entry takes at least a byte (a map's: two), so a larger count is a lie; refuse it before anyone believes it.
    fn open(&self, count: u64, bytes_each: u64) -> Result<(), Fault> {
        if self.stack.len() >= IPLD_DEPTH_MAX {
            return Err(Fault::Depth);
        }
        let bytes_left = (self.cursor.bytes.len() - self.cursor.position) as u64;
        if count > bytes_left / bytes_each { Err(Fault::Claim(count)) } else { Ok(()) }
    }

    fn key(&mut self) -> Result<Event<'a>, Fault> {
        let offset = self.cursor.position;
        let (TEXT, length) = self.cursor.head()? else { return Err(Fault::KeyType) };
        let key = self.cursor.text(length)?;
        if let Some(Frame::Map { keys, .. }) = self.stack.last_mut() {
            let bytes = self.cursor.bytes;
            self.keys.add(keys, offset, |a, b| compare_keys(bytes, a, b))?;
        }
        Ok(Event::Key(Cow::Borrowed(key)))
    }

    fn end(&mut self) -> Result<Event<'a>, Fault> {
        if let Some(Frame::Map { keys, .. }) = self.stack.pop() {
            let bytes = self.cursor.bytes;
            self.keys.close(keys, |a, b| compare_keys(bytes, a, b))?;
        }
        Ok(Event::End)
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, EventError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        match self.step() {
            Ok(Some(event)) => Some(Ok(event)),
            Ok(None) => {
                self.state = State::Ended;
                None
            }
            Err(fault) => {
                self.state = State::Ended;
                Some(Err(EventError { format: "dag-cbor", offset: self.cursor.position, fault }))
            }
        }
    }
}

// The canonical order: shorter keys first.
fn compare_keys(bytes: &[u8], a: u32, b: u32) -> Ordering {
    let key = |offset: u32| {
        let mut cursor = Cursor { bytes, position: offset as usize };
        let read = cursor.head().and_then(|(_, length)| cursor.take(length));
        // Both keys were read before.
        read.unwrap_or_default()
    };
    let (a, b) = (key(a), key(b));
    (a.len(), a).cmp(&(b.len(), b))
}

#[derive(Debug)]
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

    fn take(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(length).map_err(|_| Fault::Truncated)?;
        let end = self.position.checked_add(length).ok_or(Fault::Truncated)?;
        let taken = self.bytes.get(self.position..end).ok_or(Fault::Truncated)?;
        self.position = end;
        Ok(taken)
    }

    fn text(&mut self, length: u64) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.take(length)?).map_err(|_| Fault::Utf8)
    }

    /// A major type and its argument.
    fn head(&mut self) -> Result<(u8, u64), Fault> {
        let first = self.peek()?;
        let (size, least) = match first & 0x1f {
            small @ 0..=23 => {
                self.position += 1;
                return Ok((first >> 5, u64::from(small)));
            }
            24 => (1, 24),
            25 => (2, 1 << 8),
            26 => (4, 1 << 16),
            27 => (8, 1 << 32),
            31 => return Err(Fault::Indefinite),
            _ => return Err(Fault::Unsupported(first)),
        };
        self.position += 1;
        let argument = self.take(size)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        if argument < least { Err(Fault::NotMinimal) } else { Ok((first >> 5, argument)) }
    }

    fn simple(&mut self, first: u8) -> Result<Event<'a>, Fault> {
        self.position += 1;
        Ok(match first {
            FALSE => Event::Bool(false),
            TRUE => Event::Bool(true),
            NULL => Event::Null,
            _ => {
                let bits = self.take(8)?.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
                let float = f64::from_bits(bits);
                if !float.is_finite() {
                    return Err(Fault::Number);
                }
                Event::Float(float)
            }
        })
    }

    fn link(&mut self) -> Result<Cid, Fault> {
        if self.peek()? >> 5 != BYTES {
            return Err(Fault::LinkForm);
        }
        let (_, length) = self.head()?;
        match self.take(length)? {
            [0, cid @ ..] => Ok(Cid::from_bytes(cid)?),
            _ => Err(Fault::LinkForm),
        }
    }
}

fn put_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend([major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(argument.to_be_bytes());
        }
    }
}

/// Appends null.
pub fn put_null(out: &mut Vec<u8>) {
    out.push(NULL);
}

/// Appends true or false.
pub fn put_bool(value: bool, out: &mut Vec<u8>) {
    out.push(if value { TRUE } else { FALSE });
}

/// Appends a whole number; `false`, and nothing appended, when it is outside what CBOR's 64 bits hold.
#[must_use = "the number may be out of range"]
pub fn put_int(value: i128, out: &mut Vec<u8>) -> bool {
    let (major, argument) = if value < 0 { (NEGATIVE, -1 - value) } else { (UNSIGNED, value) };
    let Ok(argument) = u64::try_from(argument) else { return false };
    put_head(major, argument, out);
    true
}

/// Appends a float in 64 bits.
pub fn put_float(value: f64, out: &mut Vec<u8>) {
    out.push(FLOAT64);
    out.extend(value.to_bits().to_be_bytes());
}

/// Appends text; map keys are text too.
pub fn put_text(value: &str, out: &mut Vec<u8>) {
    put_head(TEXT, value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

/// Appends bytes.
pub fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_head(BYTES, value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Appends a link.
pub fn put_link(cid: &Cid, out: &mut Vec<u8>) {
    put_head(TAG, LINK_TAG, out);
    put_head(BYTES, cid.encoded_len() as u64 + 1, out);
    out.push(0);
    cid.encode(out);
}

/// Appends the head of a list, whose values the caller appends next.
pub fn put_list(length: usize, out: &mut Vec<u8>) {
    put_head(LIST, length as u64, out);
}

/// Appends the head of a map, whose keys and values the caller appends next, shorter keys first.
pub fn put_map(length: usize, out: &mut Vec<u8>) {
    put_head(MAP, length as u64, out);
}
