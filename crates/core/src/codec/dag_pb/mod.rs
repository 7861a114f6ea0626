//! DAG-PB: protobuf nodes with links. Specification: ipld.io `dag-pb`; behaviour: what Kubo's decoder accepts.
//!
//! Parts: [`links`] walks the links of a block without building anything; [`PbNode`] is the whole node, whose data is
//! a slice of the block it came from; [`PbNode::encode`] writes links before data as every IPFS implementation does;
//! [`Scan`] finds one link among many without decoding the others.
//!
//! Accepted beyond the canonical form, because old data has it and Kubo reads it: data before links, links without
//! name or size. Refused: a link without a hash, fields out of order or twice, a second run of links, other fields and
//! wire types, bytes after a link's CID, more than [`DAG_PB_LINKS_MAX`] links.
//!
//! Names are bytes. Old nodes hold names that are not UTF-8; Kubo keeps them, so does this type, and a node that was
//! read encodes to the same names. [`PbLink::name_text`] is for people.

mod scan;

use std::borrow::Cow;

use bytes::Bytes;

use crate::cid::{Cid, CidError};
use crate::codec::protobuf::{self, Reader, WireError, WireType};
use crate::limits::DAG_PB_LINKS_MAX;

pub use scan::Scan;

const NODE_DATA: u8 = 1;
const NODE_LINKS: u8 = 2;
const LINK_HASH: u8 = 1;
const LINK_NAME: u8 = 2;
const LINK_TSIZE: u8 = 3;

/// A link to another block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PbLink {
    /// The block it leads to.
    pub cid: Cid,
    /// Its name; bytes, because old data is not always UTF-8. UnixFS files use the empty name.
    pub name: Option<Bytes>,
    /// Claimed size of everything below the link. Foreign: never size a buffer by it.
    pub tsize: Option<u64>,
}

impl PbLink {
    /// A link as UnixFS writes it: always with name and size.
    pub fn new(cid: Cid, name: impl Into<Bytes>, tsize: u64) -> Self {
        Self { cid, name: Some(name.into()), tsize: Some(tsize) }
    }

    /// The name's bytes; a link without name has the empty name.
    pub fn name_bytes(&self) -> &[u8] {
        self.name.as_deref().unwrap_or_default()
    }

    /// The name as text; bytes that are not UTF-8 become the replacement character.
    pub fn name_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.name_bytes())
    }

    fn message_len(&self) -> usize {
        protobuf::bytes_field_len(self.cid.encoded_len())
            + self.name.as_ref().map_or(0, |name| protobuf::bytes_field_len(name.len()))
            + self.tsize.map_or(0, |tsize| 1 + protobuf::varint_len(tsize))
    }

    /// How many bytes the link adds to its node.
    pub fn encoded_len(&self) -> usize {
        protobuf::bytes_field_len(self.message_len())
    }
}

/// A link in place, borrowed from the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRef<'a> {
    /// The block it leads to.
    pub cid: Cid,
    /// Its name's bytes.
    pub name: Option<&'a [u8]>,
    /// Claimed size of everything below the link.
    pub tsize: Option<u64>,
}

impl LinkRef<'_> {
    /// The link with its name as a slice of `block`, from which it was read.
    pub fn owned(self, block: &Bytes) -> PbLink {
        PbLink { cid: self.cid, name: self.name.map(|name| block.slice_ref(name)), tsize: self.tsize }
    }
}

/// A DAG-PB node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PbNode {
    /// The links in the order of the block.
    pub links: Vec<PbLink>,
    /// The payload. `None` and empty are different blocks.
    pub data: Option<Bytes>,
}

/// Why bytes are not a DAG-PB node, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed dag-pb node at byte {offset}: {fault}")]
pub struct PbError {
    /// Offset in the block; for faults inside a link, of the link's end.
    pub offset: usize,
    /// What is wrong there.
    pub fault: PbFault,
}

/// What is wrong with a DAG-PB node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PbFault {
    /// Not protobuf.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A field that DAG-PB does not have, or of another wire type.
    #[error("unexpected field {0}")]
    UnexpectedField(u32),
    /// A field twice.
    #[error("field {0} stands twice")]
    Duplicate(u8),
    /// A link's fields are not in the order hash, name, size.
    #[error("field {0} is out of order")]
    Order(u8),
    /// A link without hash.
    #[error("link without hash")]
    NoHash,
    /// The hash of a link is no CID.
    #[error("invalid cid in link: {0}")]
    Cid(#[from] CidError),
    /// Too many links.
    #[error("more than {DAG_PB_LINKS_MAX} links")]
    TooManyLinks,
}

impl PbNode {
    /// Reads a block. Data and names are slices of `block`, not copies.
    pub fn decode(block: &Bytes) -> Result<Self, PbError> {
        let mut node = Self::default();
        for part in parts(block) {
            match part? {
                Part::Link(link) => node.links.push(link.owned(block)),
                Part::Data(data) => node.data = Some(block.slice_ref(data)),
            }
        }
        Ok(node)
    }

    /// Writes the node: links in the order given, then data. Directories sort their links by name first
    /// ([`PbNode::sort_links`]).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        for link in &self.links {
            encode_link(link, &mut out);
        }
        if let Some(data) = &self.data {
            protobuf::put_bytes_field(NODE_DATA, data, &mut out);
        }
        out
    }

    /// How many bytes [`PbNode::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        let data = self.data.as_ref().map_or(0, |data| protobuf::bytes_field_len(data.len()));
        self.links.iter().map(PbLink::encoded_len).sum::<usize>() + data
    }

    /// Sorts links by the bytes of their names, equal names in the order they stood, as Kubo does before it encodes.
    pub fn sort_links(&mut self) {
        self.links.sort_by(|a, b| a.name_bytes().cmp(b.name_bytes()));
    }

    /// Own size plus the claimed sizes of all links, as Kubo's `Tsize` of a link to this node; saturating.
    pub fn cumulative_size(&self, block_bytes: usize) -> u64 {
        self.links.iter().fold(block_bytes as u64, |sum, link| sum.saturating_add(link.tsize.unwrap_or_default()))
    }
}

/// Appends one link of a node.
pub fn encode_link(link: &PbLink, out: &mut Vec<u8>) {
    protobuf::put_bytes_head(NODE_LINKS, link.message_len(), out);
    protobuf::put_bytes_head(LINK_HASH, link.cid.encoded_len(), out);
    link.cid.encode(out);
    if let Some(name) = &link.name {
        protobuf::put_bytes_field(LINK_NAME, name, out);
    }
    if let Some(tsize) = link.tsize {
        protobuf::put_varint_field(LINK_TSIZE, tsize, out);
    }
}

/// Walks the links of a block in order, checking all of it. After an error the walk ends.
pub fn links(block: &[u8]) -> impl Iterator<Item = Result<LinkRef<'_>, PbError>> {
    parts(block).filter_map(|part| match part {
        Ok(Part::Link(link)) => Some(Ok(link)),
        Ok(Part::Data(_)) => None,
        Err(error) => Some(Err(error)),
    })
}

/// The data of a block, without building its links; the whole block is checked.
pub fn data(block: &Bytes) -> Result<Option<Bytes>, PbError> {
    let mut found = None;
    for part in parts(block) {
        if let Part::Data(data) = part? {
            found = Some(block.slice_ref(data));
        }
    }
    Ok(found)
}

/// A field of a node: a link's message, not looked into, or the data.
enum Field<'a> {
    Link(&'a [u8]),
    Data(&'a [u8]),
}

/// Walks the fields of a node in order, checking their order and number.
struct Fields<'a> {
    reader: Reader<'a>,
    has_data: bool,
    link_count: usize,
    last_was_link: bool,
}

impl<'a> Fields<'a> {
    fn new(block: &'a [u8]) -> Self {
        Self { reader: Reader::new(block), has_data: false, link_count: 0, last_was_link: false }
    }

    fn next(&mut self) -> Result<Option<Field<'a>>, PbFault> {
        if self.reader.is_empty() {
            return Ok(None);
        }
        let (field, wire_type) = self.reader.tag()?;
        if wire_type != WireType::Bytes {
            return Err(PbFault::UnexpectedField(field));
        }
        let value = match field {
            1 | 2 => self.reader.bytes()?,
            other => return Err(PbFault::UnexpectedField(other)),
        };
        if field == u32::from(NODE_DATA) {
            if std::mem::replace(&mut self.has_data, true) {
                return Err(PbFault::Duplicate(NODE_DATA));
            }
            self.last_was_link = false;
            return Ok(Some(Field::Data(value)));
        }
        if self.link_count > 0 && !self.last_was_link {
            return Err(PbFault::Duplicate(NODE_LINKS));
        }
        self.last_was_link = true;
        self.link_count += 1;
        if self.link_count > DAG_PB_LINKS_MAX {
            return Err(PbFault::TooManyLinks);
        }
        Ok(Some(Field::Link(value)))
    }

    fn error(&self, fault: PbFault) -> PbError {
        PbError { offset: self.reader.position(), fault }
    }
}

enum Part<'a> {
    Link(LinkRef<'a>),
    Data(&'a [u8]),
}

fn parts(block: &[u8]) -> Parts<'_> {
    Parts { fields: Fields::new(block), failed: false }
}

struct Parts<'a> {
    fields: Fields<'a>,
    failed: bool,
}

impl<'a> Parts<'a> {
    fn read(&mut self) -> Result<Option<Part<'a>>, PbFault> {
        Ok(match self.fields.next()? {
            None => None,
            Some(Field::Data(data)) => Some(Part::Data(data)),
            Some(Field::Link(message)) => Some(Part::Link(read_link(message)?)),
        })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, PbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let part = self.read().transpose()?;
        self.failed = part.is_err();
        Some(part.map_err(|fault| self.fields.error(fault)))
    }
}

fn read_link(message: &[u8]) -> Result<LinkRef<'_>, PbFault> {
    let mut reader = Reader::new(message);
    let (mut cid, mut name, mut tsize) = (None, None, None);
    let mut last = 0;
    while !reader.is_empty() {
        let (field, wire_type) = reader.tag()?;
        let number = match (field, wire_type) {
            (1, WireType::Bytes) => LINK_HASH,
            (2, WireType::Bytes) => LINK_NAME,
            (3, WireType::Varint) => LINK_TSIZE,
            _ => return Err(PbFault::UnexpectedField(field)),
        };
        if number == last {
            return Err(PbFault::Duplicate(number));
        }
        if number < last {
            return Err(PbFault::Order(number));
        }
        last = number;
        match number {
            LINK_HASH => cid = Some(Cid::from_bytes(reader.bytes()?)?),
            LINK_NAME => name = Some(reader.bytes()?),
            _ => tsize = Some(reader.varint()?),
        }
    }
    Ok(LinkRef { cid: cid.ok_or(PbFault::NoHash)?, name, tsize })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf() -> Cid {
        Cid::parse("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").expect("a cid")
    }

    fn fault(bytes: &[u8]) -> PbFault {
        PbNode::decode(&Bytes::copy_from_slice(bytes)).expect_err("malformed").fault
    }

    #[test]
    fn data_is_a_slice_of_the_block() {
        let node = PbNode { links: vec![PbLink::new(leaf(), "a", 5)], data: Some(Bytes::from_static(b"payload")) };
        let block = Bytes::from(node.encode());
        assert_eq!(block.len(), node.encoded_len());
        let read = PbNode::decode(&block).expect("round trip");
        assert_eq!(read, node);
        let data = read.data.expect("data");
        assert!(block.as_ptr_range().contains(&data.as_ptr()));
        assert_eq!(super::data(&block).expect("data alone"), Some(data));
    }

    #[test]
    fn an_empty_node_and_an_empty_payload_differ() {
        assert_eq!(PbNode::decode(&Bytes::new()), Ok(PbNode::default()));
        assert_eq!(PbNode { links: vec![], data: Some(Bytes::new()) }.encode(), [0x0a, 0x00]);
    }

    #[test]
    fn old_forms_that_kubo_reads_are_read() {
        let link = PbLink { cid: leaf(), name: None, tsize: None };
        let mut bytes = vec![0x0a, 1, b'x'];
        encode_link(&link, &mut bytes);
        let node = PbNode::decode(&bytes.into()).expect("data before links");
        assert_eq!(node, PbNode { links: vec![link], data: Some(Bytes::from_static(b"x")) });
        let named = PbNode { links: vec![PbLink::new(leaf(), &b"\xff\xfe"[..], 0)], data: None };
        let read = PbNode::decode(&named.encode().into()).expect("a name that is not UTF-8");
        assert_eq!(read, named);
        assert_eq!(read.links[0].name_text(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn strictness() {
        assert_eq!(fault(&[0x0a, 0, 0x0a, 0]), PbFault::Duplicate(NODE_DATA));
        assert_eq!(fault(&[0x12, 2, 0x12, 0]), PbFault::NoHash);
        assert_eq!(fault(&[0x12, 4, 0x12, 0, 0x0a, 0]), PbFault::Order(LINK_HASH));
        assert_eq!(fault(&[0x12, 4, 0x18, 0, 0x18, 0]), PbFault::Duplicate(LINK_TSIZE));
        assert_eq!(fault(&[0x12, 2, 0x20, 0]), PbFault::UnexpectedField(4));
        assert_eq!(fault(&[0x1a, 0]), PbFault::UnexpectedField(3));
        assert_eq!(fault(&[0x08, 0]), PbFault::UnexpectedField(1));
        let mut two_runs = Vec::new();
        let link = PbLink { cid: leaf(), name: None, tsize: None };
        encode_link(&link, &mut two_runs);
        two_runs.extend([0x0a, 0]);
        encode_link(&link, &mut two_runs);
        assert_eq!(fault(&two_runs), PbFault::Duplicate(NODE_LINKS));
    }

    #[test]
    fn a_link_with_bytes_after_its_cid_is_refused() {
        let mut cid = leaf().to_bytes();
        cid.push(0);
        let mut link = Vec::new();
        protobuf::put_bytes_field(LINK_HASH, &cid, &mut link);
        let mut node = Vec::new();
        protobuf::put_bytes_field(NODE_LINKS, &link, &mut node);
        assert_eq!(fault(&node), PbFault::Cid(CidError::Trailing(1)));
    }

    #[test]
    fn the_walk_ends_after_an_error() {
        let bytes = [0x12, 2, 0x12, 0, 0x12, 2, 0x12, 0];
        assert_eq!(links(&bytes).count(), 1);
    }
}
