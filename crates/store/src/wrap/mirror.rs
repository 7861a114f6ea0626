//! The same blocks on several disks.
//!
//! Everything put goes to all; a commit returns when all have it. The first store must take every write. A copy whose disk is
//! full, gone or failing is left out with a loud log line: nothing more is written to it, so nothing waits for it or gathers
//! in memory for it, and everything goes on without it. [`Mirror::tend`], called now and then, opens it again, brings it up to
//! date and takes it back. A block that one disk lost or holds damaged is read from the next, and written back.
//!
//! Invariants:
//! - A copy has what the first store has and little else: when it is more than an eighth and [`SURPLUS_BYTES`] larger, nothing is
//!   written to it until what the first store dropped is removed from it too.
//! - A copy counts as whole only after it was compared block by block, while all that was put meanwhile went to it.
//! - What is removed from a copy is not in the first store and not on its way there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use merkury_core::{Block, BlockGet, BlockHas, BlockPut, BoxFuture, Cid, GetError, PutError};
use parking_lot::{Mutex, RwLock};

use crate::{Pace, RepoLock, Store, StoreError};

/// Blocks copied at a time while a copy catches up.
const GROUP_BLOCKS: usize = 256;
/// Bytes that a copy may have beyond nine eighths of what the first store has.
const SURPLUS_BYTES: u64 = 256 << 20;
/// After a failure a copy is tried again after so long …
const RETRY_MIN: Duration = Duration::from_secs(5);
/// … and after twice the time for each failure in a row, up to this.
const RETRY_MAX: Duration = Duration::from_secs(300);

/// A store and its copies.
pub struct Mirror {
    first: Arc<Store>,
    copies: Arc<[Copy]>,
    /// Held for reading while something is put, for writing while it is decided what a copy has to have.
    gate: RwLock<()>,
    /// One comparison at a time.
    comparing: Mutex<()>,
}

/// Opens the store of a copy; the sentence says why that is not possible now.
type OpenCopy = Box<dyn Fn() -> Result<(Arc<Store>, Option<RepoLock>), String> + Send + Sync>;

/// Where a copy is.
pub struct CopyDisk {
    /// What messages call it.
    pub name: String,
    /// Called at once, and again after the disk failed.
    pub open: OpenCopy,
}

/// How a copy is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyState {
    /// What messages call it.
    pub name: String,
    /// Why it lacks blocks; `None` when it has all.
    pub behind: Option<String>,
}

struct Copy {
    disk: CopyDisk,
    opened: RwLock<Option<(Arc<Store>, Option<RepoLock>)>>,
    /// Whether writes go to it.
    takes: AtomicBool,
    trouble: Mutex<Trouble>,
}

#[derive(Default)]
struct Trouble {
    behind: Option<String>,
    /// Failures in a row, and when to try again.
    failures: u32,
    again: Option<Instant>,
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
    /// `first` decides what is stored and holds the pins; `copies` follow it, and each of its commits. Copies that are open.
    pub fn new(first: Arc<Store>, copies: Vec<Arc<Store>>) -> Self {
        let disk = |(number, store): (usize, Arc<Store>)| CopyDisk {
            name: format!("copy {}", number + 1),
            open: Box::new(move || Ok((store.clone(), None))),
        };
        Self::over(first, copies.into_iter().enumerate().map(disk).collect())
    }

    /// The same for copies that may not be there.
    pub fn over(first: Arc<Store>, disks: Vec<CopyDisk>) -> Self {
        let copies: Arc<[Copy]> = disks.into_iter().map(|disk| Copy::new(disk, &first)).collect();
        let follow = copies.clone();
        first.commit_also(Box::new(move || follow.iter().for_each(|copy| copy.write(|store| store.commit()))));
        Self { first, copies, gate: RwLock::default(), comparing: Mutex::default() }
    }

    /// How each copy is doing.
    pub fn states(&self) -> Vec<CopyState> {
        let state =
            |copy: &Copy| CopyState { name: copy.disk.name.clone(), behind: copy.trouble.lock().behind.clone() };
        self.copies.iter().map(state).collect()
    }

    /// How many copies lack something.
    pub fn behind(&self) -> usize {
        self.states().iter().filter(|state| state.behind.is_some()).count()
    }

    /// Makes every copy hold what the first store holds, and nothing else: after a disk was replaced, after a collection.
    /// Costs a look-up per block, and a read for each that is missing. A copy that fails does not keep the others from it.
    pub fn catch_up(&self) -> CaughtUp {
        let mut done = CaughtUp::default();
        self.copies.iter().for_each(|copy| self.bring_up(copy, &mut done));
        done
    }

    /// The same for copies that need it and whose time has come. Cheap when there are none.
    pub fn tend(&self) -> CaughtUp {
        let mut done = CaughtUp::default();
        for copy in self.copies.iter().filter(|copy| copy.is_due(&self.first)) {
            self.bring_up(copy, &mut done);
        }
        done
    }

    fn bring_up(&self, copy: &Copy, done: &mut CaughtUp) {
        let _alone = self.comparing.lock();
        match self.compare(copy, done) {
            Ok(()) => copy.is_whole(),
            Err(why) => copy.leave_out(why, true),
        }
    }

    fn compare(&self, copy: &Copy, done: &mut CaughtUp) -> Result<(), String> {
        let store = copy.open_again()?;
        // Room first: the disk may be full of what is to go. Nothing is put between that is not seen afterwards.
        self.remove_surplus(&store, done).map_err(|error| error.to_string())?;
        {
            let _nobody_puts = self.gate.write();
            copy.takes.store(true, Relaxed);
        }
        self.write_missing(&store, done).map_err(|error| error.to_string())?;
        match copy.takes.load(Relaxed) {
            true => Ok(()),
            false => Err(copy.trouble.lock().behind.clone().unwrap_or_default()),
        }
    }

    fn write_missing(&self, copy: &Store, done: &mut CaughtUp) -> Result<(), StoreError> {
        let mut group = Vec::new();
        for found in self.first.cids()? {
            let (cid, _) = found?;
            // What cannot be read is lost here, and may be in the copy; that is not the copy's fault.
            if !copy.has(&cid)
                && let Ok(Some(block)) = self.first.get(&cid)
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
            // Copies are written to first: what is on its way to the first store is no surplus.
            let _nobody_puts = self.gate.write();
            let gone: Vec<Cid> = group.iter().filter(|cid| !self.first.has(cid)).cloned().collect();
            done.removed += copy.remove(&gone)?.iter().filter(|removed| removed.is_ok()).count() as u64;
        }
        if surplus.is_empty() { Ok(()) } else { copy.compact(&Pace::full()).map(|_| ()) }
    }

    /// From the first copy that has it whole; the first store gets it back.
    fn get_from_any(&self, cid: &Cid) -> Option<Block> {
        let block = self.copies.iter().filter_map(Copy::store).find_map(|store| match store.get(cid) {
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

    fn put_to_all(&self, put: impl Fn(&Store) -> Result<(), PutError>) -> Result<(), PutError> {
        let _one_of_many = self.gate.read();
        for copy in self.copies.iter() {
            if copy.is_too_large(&self.first) {
                copy.leave_out("what the store dropped has to be removed from it first".to_owned(), false);
            }
            copy.write(&put);
        }
        put(&self.first)
    }
}

fn put(copy: &Store, group: Vec<Block>) -> Result<u64, StoreError> {
    let count = group.len() as u64;
    copy.put_blocks(group)?;
    Ok(count)
}

impl Copy {
    fn new(disk: CopyDisk, first: &Store) -> Self {
        let copy = Self { disk, opened: RwLock::default(), takes: AtomicBool::new(true), trouble: Mutex::default() };
        match copy.open_again() {
            // What is put from now on goes to it; what is missing follows.
            Ok(store) if store.stat().blocks != first.stat().blocks => {
                copy.trouble.lock().behind = Some("it is being brought up to date".to_owned());
            }
            Ok(_) => {}
            Err(why) => copy.leave_out(why, false),
        }
        copy
    }

    fn store(&self) -> Option<Arc<Store>> {
        self.opened.read().as_ref().map(|(store, _)| store.clone())
    }

    /// Its store; opened anew when it was never open or failed, since a store that could not flush answers no more.
    fn open_again(&self) -> Result<Arc<Store>, String> {
        let failed = self.trouble.lock().failures > 0;
        let mut opened = self.opened.write();
        match opened.as_ref() {
            Some((store, _)) if !failed => Ok(store.clone()),
            _ => {
                // The lock of the directory goes with the old one.
                *opened = None;
                let new = (self.disk.open)()?;
                Ok(opened.insert(new).0.clone())
            }
        }
    }

    /// Writes, if it takes writes.
    fn write(&self, write: impl FnOnce(&Store) -> Result<(), PutError>) {
        if !self.takes.load(Relaxed) {
            return;
        }
        let Some(store) = self.store() else { return };
        if let Err(error) = write(&store) {
            self.leave_out(error.to_string(), true);
        }
    }

    fn leave_out(&self, why: String, failed: bool) {
        self.takes.store(false, Relaxed);
        let mut trouble = self.trouble.lock();
        if trouble.behind.as_ref() != Some(&why) {
            tracing::error!(
                copy = self.disk.name,
                why,
                "a copy of the store is left out until it can be written to again"
            );
        }
        if failed {
            let wait = RETRY_MIN.saturating_mul(1 << trouble.failures.min(10)).min(RETRY_MAX);
            trouble.failures += 1;
            trouble.again = Some(Instant::now() + wait);
        }
        trouble.behind = Some(why);
    }

    fn is_whole(&self) {
        let was_behind = std::mem::take(&mut *self.trouble.lock()).behind.is_some();
        if was_behind {
            tracing::info!(copy = self.disk.name, "a copy of the store is up to date");
        }
    }

    fn is_due(&self, first: &Store) -> bool {
        let trouble = self.trouble.lock();
        match (&trouble.behind, trouble.again) {
            (None, _) => self.is_too_large(first),
            (Some(_), again) => again.is_none_or(|again| again <= Instant::now()),
        }
    }

    fn is_too_large(&self, first: &Store) -> bool {
        let Some(store) = self.store() else { return false };
        let wanted = first.used_bytes();
        store.used_bytes() > wanted.saturating_add(wanted / 8).saturating_add(SURPLUS_BYTES)
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
        self.put_to_all(|store| store.put_many(blocks.clone()))
    }

    fn put_cached(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        self.put_to_all(|store| store.put_cached(blocks.clone()))
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
        let copies = self.copies.iter().filter_map(Copy::store);
        self.first.size_of(cid).or_else(|| copies.into_iter().find_map(|store| store.size_of(cid)))
    }
}
