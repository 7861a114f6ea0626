//! The store: blocks, pins, roots and small tables under one roof.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BoxFuture, Cid, GetError, PutError};

use parking_lot::{Mutex, RwLock};

use crate::blocks::{BlockOptions, Blocks, Checked, Place, Purpose, SealedSegment, SegmentEntry, Settled};
use crate::disk::{Counted, Counters, Counts, Disk, Open, RealDisk};
use crate::gc::{self, Collection, Sources};
use crate::meta::Tables;
use crate::outside::Outside;
use crate::quota::Quota;
use crate::temp::{TempPin, TempPins};
use crate::walk;
use crate::{
    Clock, GcEvent, GcOptions, GcPreview, GcStats, Keeper, KeptBy, Meta, Pace, PinKind, PinnedHow, Pins, Quarantined,
    Roots, StoreError, Verified, VerifyOptions, Why,
};
use crate::{quarantine, why};

/// How to open a store.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The disk; the machine's own unless a test gives another.
    pub disk: Arc<dyn Disk>,
    /// A segment is left when it is this long. At most 1 GiB.
    pub segment_bytes: u64,
    /// Bytes written at a time when much is put; four times this much may be in memory.
    pub slab_bytes: usize,
    /// The index is written whole when what was appended to it is this long, and as long as when it was last written whole.
    pub checkpoint_bytes: u64,
    /// How a block is checked when it is read.
    pub read_check: ReadCheck,
    /// What time it is, for when blocks were last used.
    pub clock: Clock,
    /// How many bytes the files may have; `None` is no limit. See [`Store::set_limit`].
    pub limit_bytes: Option<u64>,
    /// A directory on a slower disk, for the oldest segments; see [`Store::settle`].
    pub slow_dir: Option<PathBuf>,
    /// The store was used before and has pins: a missing record of them is damage, not a new store.
    pub established: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            disk: Arc::new(RealDisk),
            segment_bytes: 256 << 20,
            slab_bytes: 4 << 20,
            checkpoint_bytes: 4 << 20,
            read_check: ReadCheck::default(),
            clock: Clock::system(),
            limit_bytes: None,
            slow_dir: None,
            established: false,
        }
    }
}

/// Blocks of a keeper entered at a time.
const KEEPER_PAGE: usize = 4096;
/// Longest segment: offsets in it are 32-bit numbers, and the last record may be large.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// How a block is checked when it is read; its CID is always compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadCheck {
    /// Its checksum is compared with the one taken when its hash was checked: finds every accident that can be expected,
    /// at 20 to 30 GB/s.
    #[default]
    Checksum,
    /// It is hashed, at 1 to 2 GB/s.
    Hash,
}

/// Size of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStat {
    /// Blocks stored.
    pub blocks: u64,
    /// Their bytes, without names and lengths.
    pub block_bytes: u64,
    /// Bytes of all files of the store.
    pub disk_bytes: u64,
}

/// What [`Store::verify`] reports.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum VerifyEvent {
    /// The block's bytes hash to its name.
    Good {
        /// The block.
        cid: Cid,
    },
    /// One bit of its record was wrong. It is right again, and written anew.
    Mended {
        /// The block.
        cid: Cid,
    },
    /// Something that is no block was wrong and is put right.
    Repaired {
        /// What, in words.
        what: String,
    },
    /// They do not, or cannot be read. The block counts as missing from now on, and is listed by [`Store::quarantine`].
    Bad {
        /// The block; `None` when its name, which stood beside it, is unreadable too.
        cid: Option<Cid>,
        /// What is wrong.
        why: String,
    },
}

/// Blocks, pins, roots and small tables in one directory. Methods block; call them from blocking threads.
///
/// The caller holds the [`RepoLock`](crate::RepoLock) of the repository while this lives.
pub struct Store {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    counters: Arc<Counters>,
    pub(crate) blocks: Blocks,
    tables: OnceLock<Result<Tables, StoreError>>,
    established: bool,
    /// Length of the tables' log before it was read.
    tables_bytes: OnceLock<u64>,
    pub(crate) temp: Arc<TempPins>,
    pub(crate) quota: Arc<Quota>,
    /// Held by the one collection, eviction, compaction or removal of blocks that may run.
    pub(crate) collecting: Mutex<()>,
    /// What is flushed before each commit of blocks.
    also_commit: RwLock<Vec<Also>>,
    outsides: RwLock<Vec<Arc<dyn Outside>>>,
}

type Also = Box<dyn Fn() + Send + Sync>;

impl Store {
    /// Opens the store in `dir`, which is made when first written to. Pins, roots and tables are read when first asked for.
    pub fn open(dir: &Path, options: Options) -> Result<Arc<Self>, StoreError> {
        let Options { disk, segment_bytes, slab_bytes, checkpoint_bytes, read_check, clock, .. } = options;
        let Options { limit_bytes, slow_dir, established, .. } = options;
        let counters = Arc::new(Counters::default());
        let disk: Arc<dyn Disk> = Arc::new(Counted::new(disk, counters.clone()));
        let segment_bytes = segment_bytes.min(SEGMENT_BYTES_MAX);
        let block_options = BlockOptions { segment_bytes, slab_bytes, checkpoint_bytes, read_check, clock, slow_dir };
        let blocks = Blocks::open(&disk, dir, block_options)?;
        let store = Self {
            dir: dir.to_owned(),
            disk,
            counters,
            blocks,
            tables: OnceLock::new(),
            established,
            tables_bytes: OnceLock::new(),
            temp: Arc::default(),
            quota: Arc::default(),
            collecting: Mutex::new(()),
            also_commit: RwLock::default(),
            outsides: RwLock::default(),
        };
        store.set_limit(limit_bytes);
        Ok(Arc::new(store))
    }

    /// Opens the store after throwing its index away: it is built anew from the segments, every hash checked. Blocks that were
    /// removed and not noted in `removed.log` are back, as garbage.
    pub fn open_without_index(dir: &Path, options: Options) -> Result<Arc<Self>, StoreError> {
        Blocks::remove_index(&options.disk, dir)?;
        Self::open(dir, options)
    }

    /// What opening found missing or wrong in the segments, in words; empty when all is well. Blocks that were
    /// lost count as missing, so they can be fetched again.
    pub fn damage(&self) -> &[String] {
        self.blocks.damage()
    }

    /// What reading the record of pins, roots and tables found wrong, in words. Reads it if nobody did before.
    pub fn metadata_damage(&self) -> Result<&[String], StoreError> {
        Ok(self.tables()?.damage())
    }

    /// The block, checked; `None` when it is not here. Identity CIDs are answered from themselves.
    ///
    /// That it was used now is remembered, for eviction.
    pub fn get(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        match Block::from_identity(cid) {
            Some(block) => Ok(Some(block)),
            None => {
                let found = self.blocks.get_used(cid);
                if matches!(found, Err(StoreError::CorruptBlock { .. })) {
                    self.write_damaged_down();
                }
                found
            }
        }
    }

    /// Several blocks, read in the order of the disk; the answer has the order of the question.
    pub fn get_many(&self, cids: &[Cid]) -> Vec<Result<Option<Block>, StoreError>> {
        let mut order: Vec<_> = cids.iter().enumerate().map(|(at, cid)| (self.blocks.place(cid), at)).collect();
        order.sort_unstable();
        let mut answers: Vec<_> = cids.iter().map(|_| Ok(None)).collect();
        for (_, at) in order {
            if let (Some(answer), Some(cid)) = (answers.get_mut(at), cids.get(at)) {
                *answer = self.get(cid);
            }
        }
        answers
    }

    /// Pins the future: blocks put while the guard lives survive garbage collection and eviction.
    pub fn temp_pin(&self) -> TempPin {
        self.temp.guard(self.blocks.advance_epoch())
    }

    /// Pins what is named to the guard alone, while it lives: for readers, and for whoever fetches a DAG from its top.
    pub fn reader_pin(&self) -> TempPin {
        self.temp.guard_of_names()
    }

    /// Whether a block is stored and known to link to nothing, so that it need not be read to know that.
    pub fn is_leaf(&self, cid: &Cid) -> bool {
        self.blocks.is_leaf(cid)
    }

    /// Saves when blocks were last used: what happened since the last time, in one small write that is not flushed.
    pub fn save_use(&self) -> Result<(), StoreError> {
        self.blocks.save_use()
    }

    /// The pins.
    pub fn pins(&self) -> Pins<'_> {
        Pins { store: self }
    }

    /// The named roots.
    pub fn roots(&self) -> Roots<'_> {
        Roots { store: self }
    }

    /// Small tables for other parts of the node.
    pub fn meta(&self) -> Meta<'_> {
        Meta { store: self }
    }

    /// Removes blocks that no pin keeps; roots do not keep them from this. One answer per CID: its size, or why not. Waits
    /// for a running collection. The space is given back by the next collection.
    pub fn remove(&self, cids: &[Cid]) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
        self.check_may_remove()?;
        let _alone = self.collecting.lock();
        let mut collection = Collection::begin(&self.blocks, &self.temp);
        collection.mark_pins(self.pins())?;
        collection.mark_temporary()?;
        let mut answers = Vec::with_capacity(cids.len());
        let mut removed = Vec::new();
        for cid in cids {
            answers.push(self.remove_one(&mut collection, cid, &mut removed)?);
        }
        drop(collection);
        self.blocks.stay_removed(&mut removed)?;
        Ok(answers)
    }

    fn remove_one(
        &self,
        collection: &mut Collection<'_>,
        cid: &Cid,
        places: &mut Vec<Place>,
    ) -> Result<Result<u64, StoreError>, StoreError> {
        let kept_outside = self.outsides.read().iter().find(|keeper| keeper.kept_size(cid).is_some()).cloned();
        let found = self.blocks.place(cid).zip(self.blocks.id(cid));
        let mut removed = None;
        if let Some((place, id)) = found
            && collection.forget(&[(place, id)], true)? == [true]
        {
            places.push(place);
            removed = Some(u64::from(place.len));
        }
        if let Some(keeper) = &kept_outside
            && !collection.forget_outside(std::slice::from_ref(cid), true)?.is_empty()
        {
            removed = removed.or(keeper.kept_size(cid));
            keeper.remove(std::slice::from_ref(cid))?;
        }
        if let Some(bytes) = removed {
            return Ok(Ok(bytes));
        }
        if found.is_none() && kept_outside.is_none() {
            return Ok(Err(StoreError::NotHere { cid: cid.clone() }));
        }
        Ok(Err(match self.how_kept(cid)? {
            Some(how) => StoreError::Pinned { cid: cid.clone(), how: Box::new(how) },
            None => StoreError::InUse { cid: cid.clone() },
        }))
    }

    /// As [`Pins::how`], but a pin of the same block under another CID (version or codec) counts too.
    fn how_kept(&self, cid: &Cid) -> Result<Option<PinnedHow>, StoreError> {
        if let Some(pin) = self.pins().get(cid)? {
            return Ok(Some(PinnedHow::Pinned(pin)));
        }
        let why = self.why(cid, 1)?;
        Ok(why.kept_by.into_iter().find_map(|KeptBy { keeper, chain }| match keeper {
            Keeper::Pin(pin) if chain.len() == 1 => Some(PinnedHow::Pinned(pin)),
            Keeper::Pin(pin) => Some(PinnedHow::Indirect { root: pin.cid }),
            _ => None,
        }))
    }

    /// What keeps a block, up to `limit` reasons. Looks at recorded links in memory, a few milliseconds a million blocks.
    pub fn why(&self, cid: &Cid, limit: usize) -> Result<Why, StoreError> {
        why::why(&self.blocks, self.tables()?, self.pins(), &self.temp, cid, limit)
    }

    /// Why pins and roots may be incomplete: the record of them was damaged. While there is a reason, nothing is collected
    /// or removed ([`StoreError::PinsInDoubt`]).
    pub fn pins_in_doubt(&self) -> Result<Option<String>, StoreError> {
        Ok(self.tables()?.doubt())
    }

    /// Takes pins and roots for complete as they are now, durably.
    pub fn accept_pins(&self) -> Result<(), StoreError> {
        self.tables()?.accept()
    }

    /// Fails while pins are in doubt: what is not pinned now may have been, or will be after the next start.
    pub(crate) fn check_may_remove(&self) -> Result<(), StoreError> {
        self.tables()?.settle()?;
        match self.tables()?.doubt() {
            Some(why) => Err(StoreError::PinsInDoubt { why }),
            None => Ok(()),
        }
    }

    /// Removes what no pin, root or temporary pin reaches. Writers go on meanwhile.
    ///
    /// A block missing under a recursive pin stops it before anything is removed ([`StoreError::Incomplete`]).
    ///
    /// Waits for a collection that runs.
    pub fn gc(&self, options: &GcOptions, each: &mut dyn FnMut(GcEvent)) -> Result<GcStats, StoreError> {
        let _alone = self.collecting.lock();
        self.check_may_remove()?;
        self.pins().expire(unix_now())?;
        let outsides = self.outsides.read().clone();
        gc::collect(self.sources()?, &outsides, options, &self.unless_urgent(&options.pace), each)
    }

    /// What [`Store::gc`] would do now if spare roots (undo steps) were given up first. Changes nothing.
    pub fn gc_preview(&self, options: &GcOptions) -> Result<GcPreview, StoreError> {
        let _alone = self.collecting.lock();
        self.check_may_remove()?;
        gc::preview(self.sources()?, options)
    }

    /// Gives back the space of segments of which little lives, one at a time, so that others get their turn in between.
    /// What removals and evictions left behind goes this way, without a collection.
    pub fn compact(&self, pace: &Pace) -> Result<GcStats, StoreError> {
        let mut stats = GcStats::default();
        let mut tried = BTreeSet::new();
        loop {
            let _alone = self.collecting.lock();
            let Some(plan) = gc::compact::Plan::next_sparse(self.blocks.index.read().usage(), &tried) else {
                return Ok(stats);
            };
            // One that holds a damaged block stays.
            tried.extend(plan.victims.iter().map(|(segment, _)| *segment));
            gc::compact::run(&self.blocks, &plan, &self.unless_urgent(pace), &|| false, &mut stats)?;
        }
    }

    pub(crate) fn sources(&self) -> Result<Sources<'_>, StoreError> {
        Ok(Sources { blocks: &self.blocks, temp: &self.temp, tables: self.tables()?, pins: self.pins() })
    }

    /// Every stored block's CID, as it was stored, and size, in no order. What is put or removed meanwhile may or may
    /// not appear; a collection that runs at the same time may hide blocks it moves.
    pub fn cids(&self) -> Result<impl Iterator<Item = Result<(Cid, u64), StoreError>> + '_, StoreError> {
        self.blocks.records()
    }

    /// Reads every block back and checks its hash.
    pub fn verify(&self, each: &mut dyn FnMut(VerifyEvent)) -> Result<(), StoreError> {
        self.verify_some(&VerifyOptions::default(), each).map(|_| ())
    }

    /// Reads blocks back and checks their hashes: a part of them, or slowly, or going on from an earlier run.
    pub fn verify_some(
        &self,
        options: &VerifyOptions<'_>,
        each: &mut dyn FnMut(VerifyEvent),
    ) -> Result<Verified, StoreError> {
        let verified = self.blocks.verify(options, &mut |checked| {
            each(match checked {
                Checked::Good(cid) => VerifyEvent::Good { cid },
                Checked::Mended(cid) => VerifyEvent::Mended { cid },
                Checked::Bad(cid, why) => VerifyEvent::Bad { cid, why },
                Checked::Repaired(what) => VerifyEvent::Repaired { what },
            });
        })?;
        self.write_damaged_down();
        if verified.mended > 0 {
            self.commit_blocks()?;
        }
        Ok(verified)
    }

    /// The damaged blocks: found on reading or verifying, not here again since, not released.
    pub fn quarantine(&self) -> Result<Vec<Quarantined>, StoreError> {
        self.write_damaged_down();
        quarantine::list(self.tables()?, &|cid| self.blocks.len(cid).is_some())
    }

    /// Takes blocks off the list of damaged ones, durably.
    pub fn release(&self, blocks: &[Quarantined]) -> Result<(), StoreError> {
        quarantine::release(self.tables()?, blocks)
    }

    /// That it cannot be written down changes nothing for the reader who found it.
    fn write_damaged_down(&self) {
        let damaged = self.blocks.take_damaged();
        if damaged.is_empty() {
            return;
        }
        // Then the index forgets them for good: else the next process would take them for stored until it reads them.
        let written = self.tables().and_then(|tables| quarantine::add(tables, damaged));
        let written = written.and_then(|()| self.blocks.commit_index(&[]));
        if let Err(error) = written {
            tracing::error!(%error, "the list of damaged blocks could not be written");
        }
    }

    /// Counts and sizes, from memory.
    pub fn stat(&self) -> StoreStat {
        let (blocks, block_bytes) = {
            let index = self.blocks.index.read();
            (index.blocks(), index.bytes())
        };
        StoreStat { blocks, block_bytes, disk_bytes: self.used_bytes() }
    }

    /// Bytes of all files of the store, from memory.
    pub(crate) fn used_bytes(&self) -> u64 {
        let tables = match self.tables.get() {
            Some(Ok(tables)) => tables.bytes(),
            _ => *self.tables_bytes.get_or_init(|| {
                let log = self.disk.open(&self.dir.join("meta.log"), Open::Read);
                log.and_then(|log| log.len()).unwrap_or(0)
            }),
        };
        self.blocks.disk_bytes() + tables
    }

    /// What was written and flushed since the store was opened.
    pub fn counters(&self) -> Counts {
        self.counters.now()
    }

    pub(crate) fn tables(&self) -> Result<&Tables, StoreError> {
        let open = || Tables::open(self.disk.clone(), self.dir.join("meta.log"), self.established);
        self.tables.get_or_init(open).as_ref().map_err(Clone::clone)
    }

    pub(crate) fn commit_blocks(&self) -> Result<(), StoreError> {
        self.also_commit.read().iter().for_each(|also| also());
        self.blocks.commit()
    }

    /// Runs `also` before each commit of blocks, whoever asks for it: a pin means durable copies too.
    pub(crate) fn commit_also(&self, also: Also) {
        self.also_commit.write().push(also);
    }

    pub(crate) fn put_blocks(&self, blocks: Vec<Block>) -> Result<(), StoreError> {
        self.blocks.put_many(blocks, Purpose::Put, |bytes| self.admit(bytes))
    }

    /// Moves the oldest segments to the slow disk ([`Options::slow_dir`]) until the fast one holds at most `fast_bytes_max` of
    /// sealed ones. Does nothing while a collection runs, and without a slow disk.
    pub fn settle(&self, fast_bytes_max: u64) -> Result<Settled, StoreError> {
        match self.collecting.try_lock() {
            Some(_alone) => self.blocks.settle(fast_bytes_max),
            None => Ok(Settled::default()),
        }
    }

    /// The segments that are not written to any more.
    pub fn sealed_segments(&self) -> Result<Vec<SealedSegment>, StoreError> {
        self.blocks.sealed_segments()
    }

    /// The blocks that live in a segment, in the order of the file.
    pub fn segment_entries(&self, number: u32) -> Result<Vec<SegmentEntry>, StoreError> {
        self.blocks.segment_entries(number)
    }

    /// From now on the blocks of `keeper` count as stored, and are collected with the others; see [`Outside`].
    pub(crate) fn add_outside(&self, keeper: Arc<dyn Outside>) -> Result<(), StoreError> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let page = keeper.page(last.as_deref(), KEEPER_PAGE)?;
            let Some(cid) = page.last() else { break };
            last = Some(cid.hash().to_bytes());
            self.note_outside(&page)?;
        }
        self.outsides.write().push(keeper);
        Ok(())
    }

    /// Whether a marker was ever set: an empty file that says so without opening anything else.
    pub(crate) fn has_marker(&self, name: &str) -> bool {
        self.disk.open(&self.dir.join(name), Open::Read).is_ok()
    }

    /// Sets a marker; durable when it returns.
    pub(crate) fn set_marker(&self, name: &str) -> Result<(), StoreError> {
        if self.has_marker(name) {
            return Ok(());
        }
        let path = self.dir.join(name);
        let fail = |what| move |error| StoreError::io(what, &self.dir.join(name), error);
        self.disk.create_dir_all(&self.dir).map_err(fail("create"))?;
        self.disk.open(&path, Open::Create).map_err(fail("create"))?.sync().map_err(fail("flush"))?;
        self.disk.sync_dir(&self.dir).map_err(fail("flush"))
    }

    /// Whether a keeper's block counts as stored, now.
    pub(crate) fn counts_as_here(&self, cid: &Cid) -> bool {
        self.blocks.is_outside(cid)
    }

    /// Whether a pin may count on this block: it is stored, or is a part of a file that is referred to.
    pub fn is_here(&self, cid: &Cid) -> bool {
        self.blocks.is_here(cid)
    }

    /// These blocks of a keeper count as stored no longer.
    pub(crate) fn forget_outside(&self, cids: &[Cid]) {
        self.blocks.forget_outside(cids);
    }

    /// These blocks of a keeper count as stored from now on.
    pub(crate) fn note_outside(&self, cids: &[Cid]) -> Result<(), StoreError> {
        self.blocks.note_outside(cids)
    }

    pub(crate) fn check_complete(&self, cid: &Cid, kind: PinKind) -> Result<(), StoreError> {
        walk::check_complete(&self.blocks, cid, kind)
    }

    pub(crate) fn find_recursive_pin_above(&self, cid: &Cid) -> Result<Option<Cid>, StoreError> {
        why::recursive_pin_above(&self.blocks, self.pins(), cid)
    }

    pub(crate) fn verify_pins(
        &self,
        each: &mut dyn FnMut(Cid, Vec<(Cid, StoreError)>) -> bool,
    ) -> Result<(), StoreError> {
        walk::verify_pins(&self.blocks, self.pins().list()?, each)
    }

    pub(crate) fn each_indirect(
        &self,
        direct_too: bool,
        each: &mut dyn FnMut(&Cid, &Cid) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        walk::each_indirect(&self.blocks, self.tables()?, self.pins().list()?, direct_too, each)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Only a hint: when it cannot be written, blocks seem to have rested longer than they have.
        if let Err(error) = self.save_use() {
            tracing::debug!(%error, "when blocks were last used was not saved");
        }
    }
}

/// Seconds since 1970 by the system's clock.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl BlockHas for Store {
    fn has(&self, cid: &Cid) -> bool {
        self.size_of(cid).is_some()
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        match Block::from_identity(cid) {
            Some(block) => Some(block.data().len() as u64),
            None => self.blocks.len(cid),
        }
    }
}

impl BlockPut for Store {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.blocks.put_many(blocks, Purpose::Put, |bytes| self.admit(bytes)).map_err(StoreError::into_put)
    }

    fn put_cached(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.blocks.put_many(blocks, Purpose::Cached, |bytes| self.admit(bytes)).map_err(StoreError::into_put)
    }

    fn commit(&self) -> Result<(), PutError> {
        self.commit_blocks().map_err(StoreError::into_put)
    }
}

impl BlockGet for Store {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.get_local(cid);
        Box::pin(async move { found?.ok_or_else(|| GetError::NotHere { cid: cid.clone() }) })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        Store::get(self, cid).map_err(|error| error.into_get(cid))
    }
}
