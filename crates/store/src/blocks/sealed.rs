//! Sealed segments as others see them: files that do not change any more, and what lives in them.

use std::path::PathBuf;

use merkury_core::Cid;

use super::scan::{Found, Scan};
use super::{Blocks, Place};
use crate::StoreError;

/// A segment that is not written to any more; it goes when a collection leaves nothing alive in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSegment {
    /// Its number, never used again.
    pub number: u32,
    /// Its file: a CAR.
    pub path: PathBuf,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// A block in a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Its CID, as it was stored.
    pub cid: Cid,
    /// First byte of its data in the file.
    pub offset: u32,
    /// Length of its data in bytes.
    pub len: u32,
}

impl Blocks {
    /// The sealed segments in which something lives. Their files are whole and durable.
    pub(crate) fn sealed_segments(&self) -> Result<Vec<SealedSegment>, StoreError> {
        self.commit()?;
        let active = self.active_segment();
        let numbers: Vec<u32> = {
            let index = self.index.read();
            let living = index.usage().iter().filter(|(_, usage)| usage.blocks > 0);
            living.map(|(number, _)| *number).filter(|number| Some(*number) != active).collect()
        };
        let mut found = Vec::with_capacity(numbers.len());
        for number in numbers {
            let (_, bytes) = self.open_segment(number)?;
            found.push(SealedSegment { number, path: self.segments.path(number), bytes });
        }
        Ok(found)
    }

    /// What lives in a segment. Reads only heads where blocks are large.
    pub(crate) fn segment_entries(&self, number: u32) -> Result<Vec<SegmentEntry>, StoreError> {
        let (file, len) = self.open_segment(number)?;
        let mut scan = Scan::heads(file, 0, len);
        let mut entries = Vec::new();
        while let Some(found) = scan.next().map_err(|e| StoreError::io("read", &self.segments.path(number), e))? {
            let Found::Record { offset, cid, data_len, record_len, .. } = found else { continue };
            let place = Place { segment: number, offset: offset as u32, len: data_len as u32 };
            if self.lives_at(&cid, place) {
                let offset = (offset + record_len) as u32 - data_len as u32;
                entries.push(SegmentEntry { cid, offset, len: data_len as u32 });
            }
        }
        Ok(entries)
    }
}
