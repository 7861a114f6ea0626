//! One link among many: a look at a node that decodes nothing it passes over.
//!
//! A path through a large directory reads one link of a few hundred or thousand per node. Decoding all of them, CIDs
//! included, would be nearly all of the time of a small request to a gateway.

use super::{Field, Fields, LINK_HASH, LINK_NAME, LinkRef, PbError, PbFault, read_link};
use crate::codec::protobuf::{Reader, WireType};

/// A node whose fields were walked once: their order and number are those of a dag-pb node, the links themselves were
/// not looked into.
#[derive(Clone, Debug)]
pub struct Scan<'a> {
    block: &'a [u8],
    data: Option<&'a [u8]>,
    link_count: usize,
}

impl<'a> Scan<'a> {
    /// Walks a block.
    pub fn new(block: &'a [u8]) -> Result<Self, PbError> {
        let mut fields = Fields::new(block);
        let mut data = None;
        while let Some(field) = fields.next().map_err(|fault| fields.error(fault))? {
            if let Field::Data(found) = field {
                data = Some(found);
            }
        }
        Ok(Self { block, data, link_count: fields.link_count })
    }

    /// The payload.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.data
    }

    /// Number of links.
    pub fn link_count(&self) -> usize {
        self.link_count
    }

    /// The link at a place, from 0; `None` past the last.
    pub fn link(&self, place: usize) -> Result<Option<LinkRef<'a>>, PbError> {
        self.find(|at, _| Ok(at == place))
    }

    /// The first link of this name; links without name have the empty one. The hashes of those before it are not
    /// checked.
    pub fn link_named(&self, name: &[u8]) -> Result<Option<LinkRef<'a>>, PbError> {
        self.find(|_, message| Ok(name_of(message)? == name))
    }

    fn find(
        &self,
        mut is_wanted: impl FnMut(usize, &[u8]) -> Result<bool, PbFault>,
    ) -> Result<Option<LinkRef<'a>>, PbError> {
        let mut fields = Fields::new(self.block);
        let mut place = 0;
        let mut look = || -> Result<Option<LinkRef<'a>>, PbFault> {
            while let Some(field) = fields.next()? {
                let Field::Link(message) = field else { continue };
                if is_wanted(place, message)? {
                    return read_link(message).map(Some);
                }
                place += 1;
            }
            Ok(None)
        };
        look().map_err(|fault| fields.error(fault))
    }
}

/// A link's name, without reading its hash.
fn name_of(message: &[u8]) -> Result<&[u8], PbFault> {
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        let (field, wire_type) = reader.tag()?;
        match (field, wire_type) {
            (field, WireType::Bytes) if field == u32::from(LINK_NAME) => return Ok(reader.bytes()?),
            (field, WireType::Bytes) if field == u32::from(LINK_HASH) => reader.skip(wire_type)?,
            _ => break,
        }
    }
    Ok(&[])
}

#[cfg(test)]
mod tests {
    use super::super::{PbLink, PbNode, encode_link};
    use bytes::Bytes;

    use super::*;
    use crate::cid::codec_code;
    use crate::{Cid, Multihash};

    fn node() -> PbNode {
        let cid = |seed: u8| Cid::v1(codec_code::RAW, Multihash::sha2_256([seed; 32]));
        let links = (0..5u8).map(|i| PbLink::new(cid(i), vec![b'a' + i], i.into())).collect();
        PbNode { links, data: Some(Bytes::from_static(b"payload")) }
    }

    #[test]
    fn a_scan_finds_what_the_decoder_finds() {
        let node = node();
        let block = node.encode();
        let scan = Scan::new(&block).expect("a node");
        assert_eq!((scan.link_count(), scan.data()), (5, Some(&b"payload"[..])));
        for (place, link) in node.links.iter().enumerate() {
            for found in [scan.link(place), scan.link_named(link.name_bytes())] {
                let found = found.expect("well-formed").expect("it is there");
                assert_eq!((&found.cid, found.name, found.tsize), (&link.cid, link.name.as_deref(), link.tsize));
            }
        }
        assert_eq!(scan.link(5), Ok(None));
        assert_eq!(scan.link_named(b"z"), Ok(None));
    }

    #[test]
    fn links_without_name_have_the_empty_one() {
        let unnamed = PbLink { name: None, ..node().links[3].clone() };
        let mut block = Vec::new();
        encode_link(&node().links[0], &mut block);
        encode_link(&unnamed, &mut block);
        let found = Scan::new(&block).expect("a node").link_named(b"").expect("well-formed").expect("it is there");
        assert_eq!(found.cid, unnamed.cid);
    }

    #[test]
    fn a_malformed_link_is_found_out_when_it_is_looked_at() {
        let block = [0x12, 2, 0x12, 0, 0x12, 2, 0x20, 0];
        let scan = Scan::new(&block).expect("the fields are in order");
        assert_eq!(scan.link(0).expect_err("no hash").fault, PbFault::NoHash);
        assert_eq!(scan.link(1).expect_err("no such field").fault, PbFault::UnexpectedField(4));
        assert!(Scan::new(&[0x12, 9]).is_err());
        assert!(Scan::new(&[0x0a, 0, 0x0a, 0]).is_err());
    }
}
