//! Blocks: append-only segments, and an index in memory that says where each block is.
//!
//! Parts, from the file up: [`record`] (the bytes of a segment: a CAR v1 file), [`segments`] (the files), [`tier`] (a second disk), [`scan`] (reading
//! one through), [`slab`] and [`writer`] (appending), [`ahead`] (long reads), [`index`] and [`index_files`] (finding), [`recover`] (opening),
//! [`prepare`] (what is worked out before a put), [`commit`] (making durable), [`list`] (which there are), [`verify`] and [`mend`]
//! (whether they are whole), [`collect`] (for garbage collection), [`removed`] (removals that outlive the index), this file
//! (put, get, forget).
//!
//! Invariants:
//! - [`Blocks::commit`] returns after everything put before is flushed; one flush serves all who wait.
//! - After a failed flush nothing is acknowledged any more.
//! - What [`Blocks::get`] returns is what was put: the CID in the record and the checksum of the data are compared on each read.
//!   A block with one wrong bit is mended; one that cannot be is forgotten, so that it can be fetched and put again.
//!
//! A crash may lose what was put after the last commit, and nothing else. Locks are taken in this order: the writer, the
//! index, the collector's list; none is held during a flush.

mod ahead;
mod collect;
mod commit;
mod index;
mod index_files;
mod list;
mod mend;
mod prepare;
mod record;
mod recover;
mod removed;
mod scan;
mod sealed;
mod segments;
mod slab;
mod tier;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use merkury_core::{Block, Cid};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

pub(crate) use index::{Codec, Edges, Id, Index, Links, Name, Place, Purpose, Seed, Usage};
pub(crate) use mend::Damaged;
pub(crate) use prepare::{links_of, names_of_root};
pub use sealed::{SealedSegment, SegmentEntry};
pub use tier::Settled;
pub(crate) use verify::Checked;
pub use verify::{Verified, VerifyOptions, VerifyPlace};

use crate::disk::Disk;
use crate::{Clock, ReadCheck, StoreError};
use ahead::Ahead;
use commit::Commit;
use index::NewBlock;
use index_files::IndexFiles;
use prepare::Prepared;
use record::{HEAD_BYTES_USUAL, HeadError, SEGMENT_HEADER, decode_head, encode_head};
use removed::RemovedLog;
use segments::Segments;
use tier::Slow;
use writer::Writer;

/// How often a read is tried again because the record was moved meanwhile, or did not match the first time.
const READ_TRIES: usize = 4;

/// Sizes and checks, as given to [`Blocks::open`].
#[derive(Clone)]
pub(crate) struct BlockOptions {
    pub(crate) segment_bytes: u64,
    pub(crate) slab_bytes: usize,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) read_check: ReadCheck,
    pub(crate) clock: Clock,
    /// A second directory for segments.
    pub(crate) slow_dir: Option<PathBuf>,
}

/// The blocks of a store.
pub(crate) struct Blocks {
    segments: Arc<Segments>,
    ahead: Ahead,
    writer: Writer,
    pub(crate) index: RwLock<Index>,
    files: IndexFiles,
    commit: Commit,
    seed: Seed,
    read_check: ReadCheck,
    clock: Clock,
    removed: RemovedLog,
    /// Bytes of all segments, with what is still in memory.
    log_bytes: AtomicU64,
    /// While a collection runs, the blocks put meanwhile: it must keep what they lead to.
    fresh: Mutex<Vec<Id>>,
    collecting: AtomicBool,
    /// Why nothing is acknowledged any more.
    poisoned: OnceLock<String>,
    damage: Vec<String>,
    /// Blocks found damaged that nobody took note of yet.
    damaged: Mutex<Vec<Damaged>>,
    /// Held by those who keep ids while the index is not locked.
    ids: RwLock<()>,
}

impl Blocks {
    /// Opens the blocks in `dir`. Makes nothing: the first put does.
    pub(crate) fn open(disk: &Arc<dyn Disk>, dir: &Path, options: BlockOptions) -> Result<Self, StoreError> {
        let slow = Slow::open(&**disk, dir, options.slow_dir.as_deref())?;
        let segments = Arc::new(Segments::new(disk.clone(), dir.join("segments"), slow));
        let removed = RemovedLog::new(disk.clone(), dir.join("removed.log"));
        let found = recover::recover(disk, dir, &segments, &removed, options.checkpoint_bytes)?;
        let BlockOptions { segment_bytes, slab_bytes, read_check, clock, .. } = options;
        found.files.begin_use(clock.seconds());
        let writer = Writer::new(segments.clone(), found.resume, found.next_segment, segment_bytes, slab_bytes);
        let seed = found.index.read().seed();
        Ok(Self {
            segments,
            ahead: Ahead::default(),
            writer,
            index: found.index,
            files: found.files,
            commit: Commit::default(),
            seed,
            read_check,
            clock,
            removed,
            log_bytes: AtomicU64::new(found.log_bytes),
            fresh: Mutex::default(),
            collecting: AtomicBool::new(false),
            poisoned: OnceLock::new(),
            damage: found.damage,
            damaged: Mutex::default(),
            ids: RwLock::new(()),
        })
    }

    /// Throws the index of a closed store away.
    pub(crate) fn remove_index(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(), StoreError> {
        IndexFiles::remove(disk, dir)
    }

    /// What opening found missing or wrong.
    pub(crate) fn damage(&self) -> &[String] {
        &self.damage
    }

    /// The key of the index' names.
    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    /// While this lives, ids keep their meaning.
    pub(crate) fn hold_ids(&self) -> RwLockReadGuard<'_, ()> {
        self.ids.read()
    }

    /// The id of a CID, if it is stored or linked to.
    pub(crate) fn id(&self, cid: &Cid) -> Option<Id> {
        let name = self.seed.name(cid.hash());
        self.index.read().find(name)
    }

    /// The length of a stored block.
    pub(crate) fn len(&self, cid: &Cid) -> Option<u64> {
        Some(self.lookup(self.seed.name(cid.hash()))?.1.len.into())
    }

    /// Appends blocks that are not stored yet. Callers hash; only the copying into the log is one at a time.
    ///
    /// `admit` is asked first whether the log may grow by so many bytes; what it answers is held until all is appended.
    pub(crate) fn put_many<G>(
        &self,
        blocks: Vec<Block>,
        purpose: Purpose,
        admit: impl FnOnce(u64) -> Result<G, StoreError>,
    ) -> Result<(), StoreError> {
        self.check_usable()?;
        self.index.read().set_now(self.clock.seconds());
        let prepared: Vec<Prepared> =
            self.unknown(blocks, purpose).into_iter().map(|block| Prepared::new(self.seed, block)).collect();
        if prepared.is_empty() {
            return Ok(());
        }
        let bytes = |new: &Prepared| (new.block.data().len() + HEAD_BYTES_USUAL) as u64;
        let _admitted = admit(prepared.iter().map(bytes).sum())?;
        let mut head = Vec::with_capacity(HEAD_BYTES_USUAL);
        let mut appender = self.writer.appender();
        for block in prepared {
            let Prepared { block, name, codec, checksum, links } = block;
            // Another thread, or this list, may have put it since.
            if self.touch(name, codec, purpose) {
                continue;
            }
            encode_head(block.cid(), block.data().len(), &mut head);
            let place = appender.append(&head, block.data()).map_err(|error| self.poison_if_fatal(error))?;
            self.count_appended(place, head.len());
            let mut index = self.index.write();
            let id = index.insert(NewBlock { name, codec, place, checksum, links, purpose })?;
            self.note_fresh(id);
        }
        Ok(())
    }

    /// A record was appended there.
    fn count_appended(&self, place: Place, head_len: usize) {
        let begins = place.offset as usize == SEGMENT_HEADER.len();
        let header = if begins { SEGMENT_HEADER.len() } else { 0 };
        self.log_bytes.fetch_add((header + head_len) as u64 + u64::from(place.len), Ordering::Relaxed);
    }

    /// Saves when blocks were last used.
    pub(crate) fn save_use(&self) -> Result<(), StoreError> {
        self.files.save_use(&self.index, self.clock.seconds())
    }

    /// As [`Blocks::get`], for somebody who uses it: when that was is remembered.
    pub(crate) fn get_used(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        let found = self.get_with_id(cid)?;
        Ok(found.map(|(id, block)| {
            let index = self.index.read();
            index.set_now(self.clock.seconds());
            // Numbered anew meanwhile, this is another block's time: it is only a hint.
            index.note_use(id);
            block
        }))
    }

    /// The block under this CID. The record is read, its CID compared and its data checked.
    pub(crate) fn get(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        Ok(self.get_with_id(cid)?.map(|(_, block)| block))
    }

    fn get_with_id(&self, cid: &Cid) -> Result<Option<(Id, Block)>, StoreError> {
        let name = self.seed.name(cid.hash());
        let mut tries = 0;
        loop {
            let Some((id, place, checksum)) = self.lookup(name) else { return Ok(None) };
            tries += 1;
            let last = tries == READ_TRIES;
            match self.read(place) {
                Ok(record) => match self.check(cid, name, place, checksum, record) {
                    Ok(block) => return Ok(block.map(|block| (id, block))),
                    Err(why) if last => return self.get_damaged(cid, id, (place, checksum), why),
                    Err(_) => self.ahead.forget(place.segment),
                },
                Err(error) if last => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Whether a block is stored and recorded to lead nowhere, read as what the CID says it is.
    pub(crate) fn is_leaf(&self, cid: &Cid) -> bool {
        let name = self.seed.name(cid.hash());
        let codec = Codec::of(cid.codec());
        let index = self.index.read();
        let id = index.find(name).filter(|id| index.codec(*id) == codec);
        id.is_some_and(|id| index.has_no_links(id))
    }

    /// Where a CID's record is, to read many in the order of the disk.
    pub(crate) fn place(&self, cid: &Cid) -> Option<Place> {
        Some(self.lookup(self.seed.name(cid.hash()))?.1)
    }

    /// Where a stored block leads when it is read as one of `codec`; `None` when it is not stored any more.
    pub(crate) fn links_under(&self, id: Id, codec: Codec) -> Result<Option<Links>, StoreError> {
        let Some((place, checksum)) = self.index.read().stored(id) else { return Ok(None) };
        let (record, head_len) = match self.read_checked(place, checksum) {
            // Moved meanwhile; a collection moves at most once while the walk that asks goes on.
            Err(error) if self.index.read().stored(id) == Some((place, checksum)) => return Err(error),
            Err(_) => match self.index.read().stored(id) {
                None => return Ok(None),
                Some((place, checksum)) => self.read_checked(place, checksum)?,
            },
            Ok(read) => read,
        };
        let data = record.get(head_len..head_len + place.len as usize).unwrap_or_default();
        Ok(Some(links_of(self.seed, codec, data)))
    }

    /// A record whose data matches the checksum, and the length of its head.
    pub(crate) fn read_checked(&self, place: Place, checksum: u32) -> Result<(Bytes, usize), StoreError> {
        let record = self.read(place)?;
        let damaged = |why| StoreError::damaged(&self.segments.path(place.segment), place.offset.into(), why);
        let head = decode_head(&record).map_err(|_| damaged("no readable record"))?;
        let data = record.get(head.head_len..head.head_len + head.data_len);
        match data {
            Some(data) if data.len() == place.len as usize && crc32fast::hash(data) == checksum => {
                Ok((record.slice(..head.head_len + head.data_len), head.head_len))
            }
            _ => Err(damaged("the block's bytes have changed")),
        }
    }

    /// The CID a block was stored under; reads only the head of its record.
    pub(crate) fn stored_cid(&self, id: Id) -> Option<Cid> {
        let (place, _) = self.index.read().stored(id)?;
        let head = self.read_span(place.segment, place.offset.into(), record::HEAD_BYTES_MAX).ok()?;
        Some(decode_head(&head).ok()?.cid)
    }

    /// Bytes of all files.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.log_bytes.load(Ordering::Relaxed) + self.files.bytes() + self.removed.bytes()
    }

    /// How many blocks were appended, or copied, since the store was opened.
    pub(crate) fn appended(&self) -> u64 {
        self.writer.appended()
    }

    /// Fails once a flush has failed.
    pub(crate) fn check_usable(&self) -> Result<(), StoreError> {
        match self.poisoned.get() {
            Some(why) => Err(StoreError::Poisoned { why: why.clone() }),
            None => Ok(()),
        }
    }

    fn lookup(&self, name: Name) -> Option<(Id, Place, u32)> {
        let index = self.index.read();
        let id = index.find(name)?;
        index.stored(id).map(|(place, checksum)| (id, place, checksum))
    }

    /// The blocks that are not stored; those that are get touched. Identity CIDs need no storing.
    fn unknown(&self, blocks: Vec<Block>, purpose: Purpose) -> Vec<Block> {
        let stored = |block: &Block| {
            block.cid().hash().is_identity()
                || self.touch(self.seed.name(block.cid().hash()), Codec::of(block.cid().codec()), purpose)
        };
        blocks.into_iter().filter(|block| !stored(block)).collect()
    }

    /// Remembers that a stored block was put again; false if it is not stored.
    fn touch(&self, name: Name, codec: Codec, purpose: Purpose) -> bool {
        let index = self.index.read();
        let Some(id) = index.find(name).filter(|id| index.stored(*id).is_some()) else { return false };
        index.touch_for(id, purpose);
        self.note_fresh(id);
        if index.lacks_codec(id, codec) {
            drop(index);
            self.index.write().note_codec(id, codec);
        }
        true
    }

    /// Called with the index locked, as the collector begins with the index locked.
    pub(crate) fn note_fresh(&self, id: Id) {
        if self.collecting.load(Ordering::Relaxed) {
            self.fresh.lock().push(id);
        }
    }

    /// The bytes of a record: its head and data, and perhaps a few more.
    pub(crate) fn read(&self, place: Place) -> Result<Bytes, StoreError> {
        let usual = HEAD_BYTES_USUAL + place.len as usize;
        let bytes = self.read_span(place.segment, place.offset.into(), usual)?;
        match decode_head(&bytes) {
            Ok(head) if head.head_len + head.data_len > bytes.len() => {
                self.read_span(place.segment, place.offset.into(), head.head_len + head.data_len)
            }
            Err(HeadError::Short) => {
                let most = record::HEAD_BYTES_MAX + place.len as usize;
                self.read_span(place.segment, place.offset.into(), most)
            }
            _ => Ok(bytes),
        }
    }

    /// Up to `len` bytes of a segment, from memory where the file may not have them yet.
    fn read_span(&self, segment: u32, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        let overlay = self.writer.overlay(segment);
        let memory = overlay.span();
        let in_memory = memory.end.saturating_sub(offset).min(len as u64) as usize;
        let mut bytes = if !memory.is_empty() && memory.start <= offset {
            vec![0; in_memory]
        } else {
            let file = self.segments.file(segment)?;
            if in_memory == 0
                && let Some(bytes) = self.ahead.read(&file, segment, offset, len)
            {
                return Ok(bytes);
            }
            let fail = |e| StoreError::io("read", &self.segments.path(segment), e);
            let mut bytes = file.read_up_to(len, offset).map_err(fail)?;
            if bytes.len() < in_memory {
                bytes.resize(in_memory, 0);
            }
            bytes
        };
        overlay.lay_over(&mut bytes, offset);
        Ok(Bytes::from(bytes))
    }

    /// The block in a record; `Ok(None)` if the record is about another block with the same name; `Err` says what is wrong.
    fn check(
        &self,
        cid: &Cid,
        name: Name,
        place: Place,
        checksum: u32,
        record: Bytes,
    ) -> Result<Option<Block>, &'static str> {
        let head = decode_head(&record).map_err(|_| "its record has no readable head")?;
        if head.data_len != place.len as usize {
            return Err("its record has another length");
        }
        if head.cid.hash() != cid.hash() {
            let collides = self.seed.name(head.cid.hash()) == name;
            return if collides { Ok(None) } else { Err("its record is of another block") };
        }
        let data = record.slice(head.head_len.min(record.len())..);
        let data = data.slice(..head.data_len.min(data.len()));
        let block = match self.read_check {
            ReadCheck::Checksum => Block::recall(cid.clone(), data, checksum),
            ReadCheck::Hash => Block::verify_big(cid.clone(), data),
        };
        block.map(Some).map_err(|_| "its bytes have changed")
    }

    /// A block whose record does not read well: mended, or forgotten and an error.
    fn get_damaged(
        &self,
        cid: &Cid,
        id: Id,
        (place, checksum): (Place, u32),
        why: &str,
    ) -> Result<Option<(Id, Block)>, StoreError> {
        let mended = self.mend(id, place, checksum).and_then(|(block, _)| block.with_cid(cid.clone()).ok());
        match mended {
            Some(block) => {
                self.examine(id, place, checksum, why);
                Ok(Some((id, block)))
            }
            None => Err(self.forget_damaged(cid, id, place, why)),
        }
    }

    fn poison_if_fatal(&self, error: StoreError) -> StoreError {
        if !matches!(error, StoreError::NoSpace { .. }) {
            let _ = self.poisoned.set(error.to_string());
        }
        error
    }
}
