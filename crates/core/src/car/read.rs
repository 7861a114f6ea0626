//! Reading versions 1 and 2 from a stream.

use std::io::{self, BufReader, Read};

use bytes::Bytes;

use crate::codec::dag_cbor;
use crate::codec::event::{Event, EventError};
use crate::limits::{BIG_BLOCK_BYTES_MAX, BLOCK_BYTES_MAX, CAR_HEADER_BYTES_MAX, CID_BYTES_MAX};
use crate::varint::VARINT_BYTES_MAX;
use crate::{Cid, CidError, ErrorKind};

/// Bytes read at a time from the source.
const BUFFER_BYTES: usize = 256 * 1024;
/// How much memory a claimed length gets at once.
const CLAIM_BYTES_MAX: usize = 512 * 1024;
/// Offset of the inner archive of a version 2: pragma (11 bytes) and header (40 bytes) come before it.
const V2_DATA_OFFSET_MIN: u64 = 51;

/// Why bytes are not an archive, and where.
#[derive(Debug, thiserror::Error)]
pub enum CarError {
    /// The source failed, or ends inside the header or a section.
    #[error("reading the archive at byte {offset}: {source}")]
    Read {
        /// Offset in the archive.
        offset: u64,
        /// The cause.
        source: io::Error,
    },
    /// A number in front of a header or section is malformed.
    #[error("malformed length at byte {offset} of the archive")]
    Length {
        /// Offset in the archive.
        offset: u64,
    },
    /// A header or section claims more than it may have.
    #[error("{what} at byte {offset} of the archive claims {bytes} bytes, over the limit of {limit}")]
    TooLarge {
        /// Header or section.
        what: &'static str,
        /// Offset in the archive.
        offset: u64,
        /// The claim.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The header is no map of roots and version.
    #[error("malformed header of the archive: {0}")]
    Header(String),
    /// A version that does not exist.
    #[error("archive has version {0}, known are 1 and 2")]
    Version(i128),
    /// A section without a block's name.
    #[error("section at byte {offset} of the archive: {source}")]
    Cid {
        /// Offset in the archive.
        offset: u64,
        /// What is wrong.
        source: CidError,
    },
}

impl CarError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read { source, .. } if source.kind() != io::ErrorKind::UnexpectedEof => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        }
    }
}

/// A block as an archive claims it; not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The claimed name.
    pub cid: Cid,
    /// The bytes.
    pub data: Bytes,
}

/// Streams an archive.
pub struct CarReader<R> {
    source: BufReader<R>,
    offset: u64,
    /// Bytes that belong to the inner archive of a version 2; `None` when it goes to the end of the source.
    left: Option<u64>,
    section_max: u64,
    roots: Vec<Cid>,
}

impl<R: Read> CarReader<R> {
    /// Reads the header. `allow_big`: sections over the size that peers exchange are allowed.
    pub fn new(source: R, allow_big: bool) -> Result<Self, CarError> {
        let block_max = if allow_big { BIG_BLOCK_BYTES_MAX } else { BLOCK_BYTES_MAX };
        let source = BufReader::with_capacity(BUFFER_BYTES, source);
        let section_max = (block_max + CID_BYTES_MAX) as u64;
        let mut reader = Self { source, offset: 0, left: None, section_max, roots: Vec::new() };
        match reader.header()? {
            (1, roots) => reader.roots = roots,
            (2, _) => reader.enter_v2()?,
            (version, _) => return Err(CarError::Version(version)),
        }
        Ok(reader)
    }

    /// The roots the header names.
    pub fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// The next section; `None` at the end of the archive.
    pub fn next_section(&mut self) -> Result<Option<Section>, CarError> {
        let at = self.offset;
        let Some(length) = self.length()? else { return Ok(None) };
        if length > self.section_max {
            return Err(CarError::TooLarge { what: "section", offset: at, bytes: length, limit: self.section_max });
        }
        let bytes = self.bytes(length)?;
        let (cid, rest) = Cid::decode(&bytes).map_err(|source| CarError::Cid { offset: at, source })?;
        let start = bytes.len() - rest.len();
        Ok(Some(Section { cid, data: bytes.slice(start..) }))
    }

    /// The next sections, for [`Block::verify_many`](crate::Block::verify_many): at least one and at most `sections_max`,
    /// and no more once they hold `bytes_max` bytes. Empty at the end of the archive. What was read before an error in
    /// the same batch is dropped with it.
    pub fn next_batch(&mut self, sections_max: usize, bytes_max: usize) -> Result<Vec<(Cid, Bytes)>, CarError> {
        let mut batch = Vec::new();
        let mut bytes = 0usize;
        while batch.is_empty() || (batch.len() < sections_max && bytes < bytes_max) {
            let Some(Section { cid, data }) = self.next_section()? else { break };
            bytes = bytes.saturating_add(data.len());
            batch.push((cid, data));
        }
        Ok(batch)
    }

    fn header(&mut self) -> Result<(i128, Vec<Cid>), CarError> {
        let length = self.length()?.ok_or_else(|| CarError::Header("the archive is empty".into()))?;
        let limit = CAR_HEADER_BYTES_MAX as u64;
        if length > limit {
            return Err(CarError::TooLarge { what: "header", offset: 0, bytes: length, limit });
        }
        let bytes = self.bytes(length)?;
        parse_header(&bytes)
    }

    fn enter_v2(&mut self) -> Result<(), CarError> {
        let fixed = self.bytes(40)?;
        let number = |at: usize| {
            let field: [u8; 8] = fixed.get(at..at + 8)?.try_into().ok()?;
            Some(u64::from_le_bytes(field))
        };
        let (Some(start), Some(size)) = (number(16), number(24)) else {
            return Err(CarError::Header("version 2 header ends early".into()));
        };
        if start < V2_DATA_OFFSET_MIN || start.checked_add(size).is_none() || size == 0 {
            return Err(CarError::Header(format!("version 2 archive at byte {start} with {size} bytes")));
        }
        self.skip(start - self.offset)?;
        self.left = Some(size);
        match self.header()? {
            (1, roots) => {
                self.roots = roots;
                Ok(())
            }
            (version, _) => Err(CarError::Version(version)),
        }
    }

    /// A varint, or `None` at the end of the archive.
    fn length(&mut self) -> Result<Option<u64>, CarError> {
        let at = self.offset;
        let mut bytes = [0u8; VARINT_BYTES_MAX];
        for count in 1..=VARINT_BYTES_MAX {
            let is_end = !self.byte(&mut bytes[count - 1])?;
            match (is_end, count) {
                (true, 1) => return Ok(None),
                (true, _) => return Err(self.ended()),
                (false, _) if bytes[count - 1] & 0x80 == 0 => {
                    return match crate::varint::decode(&bytes[..count]) {
                        Ok((length, _)) => Ok(Some(length)),
                        Err(_) => Err(CarError::Length { offset: at }),
                    };
                }
                (false, _) => {}
            }
        }
        Err(CarError::Length { offset: at })
    }

    /// One byte; `false` at the end of the archive.
    fn byte(&mut self, into: &mut u8) -> Result<bool, CarError> {
        if self.left == Some(0) {
            return Ok(false);
        }
        let mut one = [0u8];
        loop {
            match self.source.read(&mut one) {
                Ok(0) if self.left.is_some() => return Err(self.ended()),
                Ok(0) => return Ok(false),
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(CarError::Read { offset: self.offset, source }),
            }
        }
        *into = one[0];
        self.count(1);
        Ok(true)
    }

    /// Exactly `length` bytes; the caller has checked the length against its limit.
    fn bytes(&mut self, length: u64) -> Result<Bytes, CarError> {
        if self.left.is_some_and(|left| length > left) {
            return Err(self.ended());
        }
        // A claim alone does not get its memory: beyond what blocks usually have, the buffer grows with the bytes.
        let mut bytes = Vec::with_capacity((length as usize).min(CLAIM_BYTES_MAX));
        let fail = |offset| move |source| CarError::Read { offset, source };
        self.source.by_ref().take(length).read_to_end(&mut bytes).map_err(fail(self.offset))?;
        if (bytes.len() as u64) < length {
            return Err(self.ended());
        }
        self.count(length);
        Ok(bytes.into())
    }

    fn skip(&mut self, length: u64) -> Result<(), CarError> {
        let fail = |offset| move |source| CarError::Read { offset, source };
        let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink()).map_err(fail(self.offset))?;
        self.offset += skipped;
        if skipped == length { Ok(()) } else { Err(self.ended()) }
    }

    fn count(&mut self, bytes: u64) {
        self.offset += bytes;
        self.left = self.left.map(|left| left.saturating_sub(bytes));
    }

    fn ended(&self) -> CarError {
        CarError::Read { offset: self.offset, source: io::ErrorKind::UnexpectedEof.into() }
    }
}

/// Version and roots of a header. Roots count as they come: a claimed count allocates nothing.
fn parse_header(bytes: &[u8]) -> Result<(i128, Vec<Cid>), CarError> {
    let malformed = |error: EventError| CarError::Header(error.to_string());
    let mut events = dag_cbor::events(bytes);
    let (mut version, mut roots) = (None, None);
    let mut next = || events.next().transpose().map_err(malformed);
    if next()? != Some(Event::Map) {
        return Err(CarError::Header("it is no map".into()));
    }
    loop {
        match next()? {
            Some(Event::Key(key)) if key == "version" => match next()? {
                Some(Event::Int(number)) => version = Some(number),
                _ => return Err(CarError::Header("the version is no number".into())),
            },
            Some(Event::Key(key)) if key == "roots" => {
                if next()? != Some(Event::List) {
                    return Err(CarError::Header("the roots are no list".into()));
                }
                let mut found = Vec::new();
                loop {
                    match next()? {
                        Some(Event::Link(cid)) => found.push(cid),
                        Some(Event::End) => break,
                        _ => return Err(CarError::Header("a root is no link".into())),
                    }
                }
                roots = Some(found);
            }
            Some(Event::Key(key)) => return Err(CarError::Header(format!("unknown field {key:?}"))),
            Some(Event::End) => break,
            _ => return Err(CarError::Header("it ends early".into())),
        }
    }
    if next()?.is_some() {
        return Err(CarError::Header("bytes after the header".into()));
    }
    let version = version.ok_or_else(|| CarError::Header("without a version".into()))?;
    match (version, roots) {
        (1, None) => Err(CarError::Header("without roots".into())),
        (version, roots) => Ok((version, roots.unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{header, section_head};
    use super::*;
    use crate::Block;
    use crate::block::CidFormat;
    use crate::cid::codec_code;
    use crate::multihash::code;

    fn block(text: &'static str) -> Block {
        let data = Bytes::from_static(text.as_bytes());
        Block::build(CidFormat::V1, codec_code::RAW, code::SHA2_256, data).unwrap()
    }

    fn archive(blocks: &[Block]) -> Vec<u8> {
        let mut out = header(&[blocks[0].cid().clone()]);
        for block in blocks {
            out.extend(section_head(block.cid(), block.data().len()));
            out.extend_from_slice(block.data());
        }
        out
    }

    fn read_all(bytes: &[u8]) -> Result<(Vec<Cid>, Vec<Section>), CarError> {
        let mut reader = CarReader::new(bytes, false)?;
        let mut sections = Vec::new();
        while let Some(section) = reader.next_section()? {
            sections.push(section);
        }
        Ok((reader.roots().to_vec(), sections))
    }

    #[test]
    fn what_is_written_is_read() {
        let blocks = [block("one"), block("two"), block("")];
        let (roots, sections) = read_all(&archive(&blocks)).unwrap();
        assert_eq!(roots, [blocks[0].cid().clone()]);
        let expected: Vec<_> =
            blocks.iter().map(|b| Section { cid: b.cid().clone(), data: b.data().clone() }).collect();
        assert_eq!(sections, expected);
    }

    #[test]
    fn version_2_is_its_inner_archive() {
        let inner = archive(&[block("one"), block("two")]);
        let mut outer = vec![0x0a, 0xa1, 0x67];
        outer.extend_from_slice(b"version\x02");
        outer.extend_from_slice(&[0; 16]);
        for number in [60u64, inner.len() as u64, 0] {
            outer.extend_from_slice(&number.to_le_bytes());
        }
        outer.extend_from_slice(&[0; 9]);
        outer.extend_from_slice(&inner);
        outer.extend_from_slice(b"an index that is not read");
        assert_eq!(read_all(&outer).unwrap().1.len(), 2);
        let cut = outer.len() - 30;
        assert!(read_all(&outer[..cut]).is_err());
    }

    #[test]
    fn every_cut_is_an_error_or_a_shorter_archive() {
        let whole = archive(&[block("one"), block("two")]);
        let ends: Vec<usize> = [1usize, 2]
            .iter()
            .map(|count| archive(&[block("one"), block("two")][..*count]).len())
            .chain([header(&[block("one").cid().clone()]).len()])
            .collect();
        for cut in 0..whole.len() {
            assert_eq!(read_all(&whole[..cut]).is_ok(), ends.contains(&cut), "cut at {cut}");
        }
    }
}
