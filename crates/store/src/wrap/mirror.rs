//! The same blocks on several disks.
//!
//! Everything put goes to all; a commit returns when all have it. A copy that cannot be written is left out with a loud log
//! line and comes back with [`Mirror::catch_up`], so that one failing disk does not stop the node; the first store must
//! take every write. A block that one copy lost or holds damaged is read from the next, and written back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BoxFuture, Cid, GetError, PutError};

use crate::{Pace, Store, StoreError};

/// Blocks copied at a time while a copy catches up.
const GROUP_BLOCKS: usize = 256;

/// A store and its copies.
pub struct Mirror {
    first: Arc<Store>,
    copies: Arc<[Copy]>,
}

struct Copy {
    store: Arc<Store>,
    /// A write failed: it has holes until it has caught up.
    behind: AtomicBool,
}

/// What bringing the copies up to date did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaughtUp {
    /// Blocks written to copies that lacked them.
    pub written: u64,
    /// Blocks removed from copies because the first store does not have them any more.
    pub removed: u64,
}

impl Mirror {
    /// `first` decides what is stored and holds the pins; `copies` follow it, and each of its commits.
    pub fn new(first: Arc<Store>, copies: Vec<Arc<Store>>) -> Self {
        let copy = |store| Copy { store, behind: AtomicBool::new(false) };
        let copies: Arc<[Copy]> = copies.into_iter().map(copy).collect();
        let follow = copies.clone();
        first.commit_also(Box::new(move || follow.iter().for_each(|copy| copy.follow(copy.store.commit()))));
        Self { first, copies }
    }

    /// How many copies have missed a write since they last caught up.
    pub fn behind(&self) -> usize {
        self.copies.iter().filter(|copy| copy.behind.load(Relaxed)).count()
    }

    /// Makes every copy hold what the first store holds, and nothing else: after a disk was replaced, after a collection.
    /// Costs a look-up per block, and a read for each that is missing.
    pub fn catch_up(&self) -> Result<CaughtUp, StoreError> {
        let mut done = CaughtUp::default();
        for copy in self.copies.iter() {
            self.write_missing(&copy.store, &mut done)?;
            self.remove_surplus(&copy.store, &mut done)?;
            copy.behind.store(false, Relaxed);
        }
        Ok(done)
    }

    fn write_missing(&self, copy: &Store, done: &mut CaughtUp) -> Result<(), StoreError> {
        let mut group = Vec::new();
        for found in self.first.cids()? {
            let (cid, _) = found?;
            if !copy.has(&cid)
                && let Some(block) = self.first.get(&cid)?
            {
                group.push(block);
            }
            if group.len() >= GROUP_BLOCKS {
                done.written += put(copy, std::mem::take(&mut group))?;
            }
        }
        done.written += put(copy, group)?;
        copy.commit_blocks()
    }

    fn remove_surplus(&self, copy: &Store, done: &mut CaughtUp) -> Result<(), StoreError> {
        let mut surplus = Vec::new();
        for found in copy.cids()? {
            let (cid, _) = found?;
            if !self.first.has(&cid) {
                surplus.push(cid);
            }
        }
        for group in surplus.chunks(GROUP_BLOCKS) {
            done.removed += copy.remove(group)?.iter().filter(|removed| removed.is_ok()).count() as u64;
        }
        if surplus.is_empty() { Ok(()) } else { copy.compact(&Pace::full()).map(|_| ()) }
    }

    /// From the first copy that has it whole; the first store gets it back.
    fn get_from_any(&self, cid: &Cid) -> Option<Block> {
        let block = self.copies.iter().find_map(|copy| match copy.store.get(cid) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%cid, %error, "a copy of a block cannot be read");
                None
            }
        })?;
        tracing::warn!(%cid, "a block was read from a copy and is written back");
        // The reader has the block either way; without it here the next read comes by again.
        if let Err(error) = self.first.put_many(vec![block.clone()]) {
            tracing::error!(%cid, %error, "a block could not be written back");
        }
        Some(block)
    }
}

fn put(copy: &Store, group: Vec<Block>) -> Result<u64, StoreError> {
    let count = group.len() as u64;
    copy.put_blocks(group)?;
    Ok(count)
}

impl Copy {
    fn follow(&self, done: Result<(), PutError>) {
        if let Err(error) = done
            && !self.behind.swap(true, Relaxed)
        {
            tracing::error!(%error, "a copy of the store cannot be written to; it is left behind");
        }
    }
}

impl BlockGet for Mirror {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.get_local(cid);
        Box::pin(async move { found?.ok_or_else(|| GetError::NotHere { cid: cid.clone() }) })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        let first = self.first.get_local(cid);
        match first {
            Ok(Some(_)) => first,
            Ok(None) | Err(_) => self.get_from_any(cid).map_or(first, |block| Ok(Some(block))),
        }
    }
}

impl BlockPut for Mirror {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        for copy in self.copies.iter() {
            copy.follow(copy.store.put_many(blocks.clone()));
        }
        self.first.put_many(blocks)
    }

    fn put_cached(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        for copy in self.copies.iter() {
            copy.follow(copy.store.put_cached(blocks.clone()));
        }
        self.first.put_cached(blocks)
    }

    fn commit(&self) -> Result<(), PutError> {
        self.first.commit()
    }
}

impl BlockHas for Mirror {
    fn has(&self, cid: &Cid) -> bool {
        self.size_of(cid).is_some()
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        let stores = std::iter::once(&self.first).chain(self.copies.iter().map(|copy| &copy.store));
        stores.into_iter().find_map(|store| store.size_of(cid))
    }
}
