//! Reading the log from end to end: which blocks are stored, and whether they are whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use merkury_core::{Block, BlockError, Cid};

use super::record::decode_head;
use super::recover::Batch;
use super::scan::{Found, Scan};
use super::{Blocks, Codec, Id, Place};
use crate::StoreError;
use crate::disk::DiskFile;

/// Data whose hashes are checked side by side.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

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

    fn open_segment(&self, segment: u32) -> Result<(Arc<dyn DiskFile>, u64), StoreError> {
        let file = self.segments.file(segment)?;
        let len = file.len().map_err(|e| StoreError::io("read", &self.segments.path(segment), e))?;
        Ok((file, len))
    }

    /// Whether the index says that this block is at this place.
    fn lives_at(&self, cid: &Cid, place: Place) -> bool {
        self.place(cid) == Some(place)
    }

    /// Whether the codec in a record's CID is one the index knows the block by: the hash does not cover it.
    fn is_known_as(&self, id: Id, cid: &Cid) -> bool {
        !self.index.read().lacks_codec(id, Codec::of(cid.codec()))
    }

    /// Reads everything and checks every hash; each living block is reported with what is wrong with it, if anything.
    ///
    /// A bad block is forgotten, so that it can be fetched and put again. One whose record cannot even be read is reported
    /// without its CID, which only the record holds.
    pub(crate) fn verify(&self, each: &mut dyn FnMut(Option<Cid>, Result<(), String>)) -> Result<(), StoreError> {
        self.flush_to_files()?;
        let _ids = self.hold_ids();
        let mut living: BTreeMap<u32, BTreeMap<u32, Id>> = BTreeMap::new();
        {
            let index = self.index.read();
            for id in (0..index.ids() as u32).map(Id) {
                if let Some((place, _)) = index.stored(id) {
                    living.entry(place.segment).or_default().insert(place.offset, id);
                }
            }
        }
        for (segment, mut expected) in living {
            self.verify_segment(segment, &mut expected, each)?;
        }
        Ok(())
    }

    fn verify_segment(
        &self,
        segment: u32,
        expected: &mut BTreeMap<u32, Id>,
        each: &mut dyn FnMut(Option<Cid>, Result<(), String>),
    ) -> Result<(), StoreError> {
        let path = self.segments.path(segment);
        let mut bad = BTreeMap::new();
        match self.open_segment(segment) {
            Ok((file, len)) => {
                let mut scan = Scan::new(file, 0, len);
                let mut batch = Batch::default();
                while let Some(found) = scan.next().map_err(|e| StoreError::io("read", &path, e))? {
                    if let Found::Record { offset, cid, data, record_len, .. } = found {
                        batch.push(offset, cid, data, record_len);
                    }
                    if batch.bytes >= BATCH_BYTES {
                        self.report_good(&mut batch, expected, &mut bad, each);
                    }
                }
                self.report_good(&mut batch, expected, &mut bad, each);
            }
            // Collected meanwhile, unless what is expected there still is.
            Err(error) => tracing::debug!(%error, "verifying"),
        }
        for (offset, id) in std::mem::take(expected) {
            // After a record whose length is damaged the scan finds no other; the index knows where they are.
            if let Some(cid) = self.reread(segment, offset, id) {
                each(Some(cid), Ok(()));
                continue;
            }
            let mut index = self.index.write();
            let there = |place: Place| (place.segment, place.offset) == (segment, offset);
            if index.stored(id).is_some_and(|(place, _)| there(place)) {
                index.forget(id);
                drop(index);
                let why = format!("{} at byte {offset}: the block does not match its name", path.display());
                each(bad.remove(&offset), Err(why));
            }
        }
        Ok(())
    }

    /// The CID of a block that is whole where the index says it is.
    fn reread(&self, segment: u32, offset: u32, id: Id) -> Option<Cid> {
        let (place, _) = self.index.read().stored(id)?;
        if (place.segment, place.offset) != (segment, offset) {
            return None;
        }
        let record = self.read(place).ok()?;
        let head = decode_head(&record).ok().filter(|head| head.data_len == place.len as usize)?;
        let data = record.get(head.head_len..head.head_len + head.data_len)?;
        let block = Block::verify_big(head.cid, record.slice_ref(data)).ok()?;
        let known = self.id(block.cid()) == Some(id) && self.is_known_as(id, block.cid());
        known.then(|| block.into_parts().0)
    }

    /// Reports the good ones among the expected and takes them off; notes the CIDs of bad ones.
    fn report_good(
        &self,
        batch: &mut Batch,
        expected: &mut BTreeMap<u32, Id>,
        bad: &mut BTreeMap<u32, Cid>,
        each: &mut dyn FnMut(Option<Cid>, Result<(), String>),
    ) {
        for (offset, _, checked) in batch.check() {
            let offset = offset as u32;
            let Some(id) = expected.get(&offset).copied() else { continue };
            match checked {
                // A record of another block than the index expects here is no good one.
                Ok(block) if self.id(block.cid()) == Some(id) && self.is_known_as(id, block.cid()) => {
                    expected.remove(&offset);
                    each(Some(block.into_parts().0), Ok(()));
                }
                Err(BlockError::Mismatch { cid }) if self.id(&cid) == Some(id) => {
                    bad.insert(offset, cid);
                }
                _ => {}
            }
        }
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
