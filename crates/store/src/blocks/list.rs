//! Reading the log from end to end: which blocks are stored.

use std::sync::Arc;

use merkury_core::Cid;

use super::scan::{Found, Scan};
use super::{Blocks, Place};
use crate::StoreError;
use crate::disk::DiskFile;

/// The living records of the segments there were when it was made.
pub(crate) struct Records<'a> {
    blocks: &'a Blocks,
    segments: std::vec::IntoIter<u32>,
    scan: Option<(u32, Scan)>,
}

impl Blocks {
    /// The CIDs of all blocks, as they were stored. Reads only heads where blocks are large.
    pub(crate) fn records(&self) -> Result<Records<'_>, StoreError> {
        // So that the files have it all.
        self.flush_to_files()?;
        let index = self.index.read();
        let living = index.usage().iter().filter(|(_, usage)| usage.blocks > 0);
        let segments: Vec<_> = living.map(|(segment, _)| *segment).collect();
        Ok(Records { blocks: self, segments: segments.into_iter(), scan: None })
    }

    pub(super) fn open_segment(&self, segment: u32) -> Result<(Arc<dyn DiskFile>, u64), StoreError> {
        let file = self.segments.file(segment)?;
        let len = file.len().map_err(|e| StoreError::io("read", &self.segments.path(segment), e))?;
        Ok((file, len))
    }

    /// Whether the index says that this block is at this place.
    pub(super) fn lives_at(&self, cid: &Cid, place: Place) -> bool {
        self.place(cid) == Some(place)
    }
}

impl Iterator for Records<'_> {
    type Item = Result<(Cid, u64), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((segment, scan)) = &mut self.scan else {
                let segment = self.segments.next()?;
                match self.blocks.open_segment(segment) {
                    Ok((file, len)) => self.scan = Some((segment, Scan::heads(file, 0, len))),
                    // Collected meanwhile, and its living blocks moved behind those that are still to come.
                    Err(_) if !self.blocks.index.read().usage().contains_key(&segment) => {}
                    Err(error) => return Some(Err(error)),
                }
                continue;
            };
            let segment = *segment;
            match scan.next() {
                Ok(Some(Found::Record { offset, cid, data_len, .. })) => {
                    let place = Place { segment, offset: offset as u32, len: data_len as u32 };
                    if self.blocks.lives_at(&cid, place) {
                        return Some(Ok((cid, data_len as u64)));
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => self.scan = None,
                Err(error) => {
                    self.scan = None;
                    return Some(Err(StoreError::io("read", &self.blocks.segments.path(segment), error)));
                }
            }
        }
    }
}
