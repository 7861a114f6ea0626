//! The IPLD data model as a stream of events: what the DAG-CBOR and DAG-JSON readers say, one value at a time.
//!
//! Readers never build a tree and never recurse: open lists and maps lie on a stack of at most [`IPLD_DEPTH_MAX`]
//! frames, so that a block of two million nulls costs nothing but time, and a block of a million open lists is refused
//! early. Keys of open maps are remembered by their offset (four bytes) to find the same key twice.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::cid::{Cid, CidError};
use crate::limits::IPLD_DEPTH_MAX;

/// One step through a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number of 64 bits, signed or not.
    Int(i128),
    /// A number with a fraction; finite.
    Float(f64),
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A link.
    Link(Cid),
    /// A list begins; its values follow, then [`Event::End`].
    List,
    /// A map begins; keys and values follow in turn, then [`Event::End`].
    Map,
    /// A key of the innermost map; its value follows.
    Key(Cow<'a, str>),
    /// The innermost list or map ends.
    End,
}

/// Why bytes are not a value, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {format} at byte {offset}: {fault}")]
pub struct EventError {
    /// `dag-cbor` or `dag-json`.
    pub format: &'static str,
    /// Offset in the block.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes end inside a value.
    #[error("ends early")]
    Truncated,
    /// Bytes after the value.
    #[error("content after the end of the value")]
    Trailing,
    /// Lists and maps nest too deeply.
    #[error("nested deeper than {IPLD_DEPTH_MAX} levels")]
    Depth,
    /// A list or map claims more values than there are bytes.
    #[error("claims {0} entries, more than there are bytes")]
    Claim(u64),
    /// A number or length that has a shorter form.
    #[error("number or length is not in its shortest form")]
    NotMinimal,
    /// Lists, maps and strings of unknown length are not allowed.
    #[error("indefinite length")]
    Indefinite,
    /// A CBOR simple value or number form that the data model does not have.
    #[error("value 0x{0:02x} is not in the data model")]
    Unsupported(u8),
    /// A tag other than 42.
    #[error("tag {0} is not allowed")]
    Tag(u64),
    /// A link that is not a byte string with a leading zero.
    #[error("link is not a byte string with a leading zero")]
    LinkForm,
    /// A link whose CID is malformed.
    #[error("invalid cid in link: {0}")]
    Cid(#[from] CidError),
    /// Not a number, infinite, or outside 64 bits.
    #[error("number out of range")]
    Number,
    /// Text that is not UTF-8.
    #[error("text is not utf-8")]
    Utf8,
    /// A key that is not text.
    #[error("map key is not text")]
    KeyType,
    /// A key twice in one map.
    #[error("duplicate map key")]
    DuplicateKey,
    /// A byte that no JSON value has here.
    #[error("unexpected byte 0x{0:02x}")]
    Unexpected(u8),
    /// A malformed escape in JSON text.
    #[error("malformed escape")]
    Escape,
    /// Bytes in DAG-JSON that are not base 64.
    #[error("bytes are not base 64")]
    Base64,
}

/// Offsets of the keys of all open maps, in one array; a frame knows where its keys begin.
#[derive(Debug, Default)]
pub(super) struct Keys {
    offsets: Vec<u32>,
}

/// The keys of one open map.
#[derive(Clone, Copy, Debug)]
pub(super) struct MapKeys {
    first: usize,
    ascending: bool,
}

impl Keys {
    pub(super) fn open(&self) -> MapKeys {
        MapKeys { first: self.offsets.len(), ascending: true }
    }

    /// Notes a key of the innermost map. `compare` orders two keys by their offsets; any total order does, the one in
    /// which keys usually come is the fastest.
    pub(super) fn add(
        &mut self,
        map: &mut MapKeys,
        offset: usize,
        compare: impl Fn(u32, u32) -> Ordering,
    ) -> Result<(), Fault> {
        let offset = u32::try_from(offset).map_err(|_| Fault::Truncated)?;
        if let Some(&last) = self.offsets.get(map.first..).and_then(<[u32]>::last) {
            match compare(last, offset) {
                Ordering::Less => {}
                Ordering::Equal => return Err(Fault::DuplicateKey),
                Ordering::Greater => map.ascending = false,
            }
        }
        self.offsets.push(offset);
        Ok(())
    }

    /// Forgets the keys of the innermost map, after checking those that did not ascend.
    pub(super) fn close(&mut self, map: MapKeys, compare: impl Fn(u32, u32) -> Ordering) -> Result<(), Fault> {
        if let (false, Some(own)) = (map.ascending, self.offsets.get_mut(map.first..)) {
            own.sort_unstable_by(|&a, &b| compare(a, b));
            if own.windows(2).any(|pair| compare(pair[0], pair[1]).is_eq()) {
                return Err(Fault::DuplicateKey);
            }
        }
        self.offsets.truncate(map.first);
        Ok(())
    }
}
