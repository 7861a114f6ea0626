//! The limit of a store (`Datastore.StorageMax`).
//!
//! Whoever appends is admitted first. When the files would grow over the limit, dead space is given back and cached blocks
//! leave, least recently used first, down to a tenth below the limit, so that this happens once in a while and not with
//! every block. When only kept data is left, writing fails with [`StoreError::OverLimit`]; reading, unpinning, removing and
//! collecting go on.
//!
//! Invariants:
//! - What is admitted is reserved until it is appended: many writers together stay below the limit.
//! - Metadata (pins, roots) and the index are counted, but not refused: the next block is.
//! - A failed attempt is remembered; the next one looks only at whether anything has changed since.
//! - Compacting may be over the limit for a moment, by the copies of one group of segments.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::gc::evict::{self, Wanted};
use crate::gc::{GcStats, Pace};
use crate::{Store, StoreError};

/// No limit.
const NONE: u64 = u64::MAX;
/// This part of the limit is free after room was made.
const FREE_PART: u64 = 10;
/// Room for the new directories of a removal: many times the largest path of them that is usual.
const ALLOWED_BYTES: u64 = 1 << 20;
/// How often room is made for one write that others take away again.
const TRIES: usize = 16;

/// The limit and who counts on it.
pub(crate) struct Quota {
    limit: AtomicU64,
    reserved: AtomicU64,
    /// Bytes over the limit that are allowed now: see [`Store::allow_over_limit`].
    allowed: AtomicU64,
    /// Writers that wait for room.
    waiting: AtomicU32,
    /// The state of things when no room could be made, and for how many bytes.
    stuck: Mutex<Option<(State, u64)>>,
}

/// What decides about whether room can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    limit: u64,
    blocks_appended: u64,
    changes: u64,
    guards_dropped: u64,
}

/// Room for somebody who appends; given back when dropped, for then it is counted as used.
#[must_use = "the room is held only while this lives"]
pub(crate) struct Admission<'a> {
    quota: &'a Quota,
    bytes: u64,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.quota.reserved.fetch_sub(self.bytes, Relaxed);
    }
}

/// Permission to be a little over the limit; see [`Store::allow_over_limit`].
#[must_use = "it is allowed only while this lives"]
pub struct Allowance(Arc<Quota>);

impl Drop for Allowance {
    fn drop(&mut self) {
        self.0.allowed.fetch_sub(ALLOWED_BYTES, Relaxed);
    }
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            limit: AtomicU64::new(NONE),
            reserved: AtomicU64::new(0),
            allowed: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            stuck: Mutex::default(),
        }
    }
}

impl Quota {
    fn limit_now(&self) -> u64 {
        self.limit.load(Relaxed).saturating_add(self.allowed.load(Relaxed))
    }

    fn reserve(&self, bytes: u64) -> Admission<'_> {
        self.reserved.fetch_add(bytes, Relaxed);
        Admission { quota: self, bytes }
    }

    /// Whether a writer waits for room: whoever holds it up should not take its time.
    pub(crate) fn is_urgent(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }
}

impl Store {
    /// Sets how many bytes the files of the store may have; `None` is no limit. Takes effect with the next write.
    pub fn set_limit(&self, bytes: Option<u64>) {
        self.quota.limit.store(bytes.unwrap_or(NONE), Relaxed);
    }

    /// Lets the store grow over its limit by [`ALLOWED_BYTES`] while the answer lives: for what makes it smaller in the end.
    /// Removing an entry of a directory stores a new directory first.
    pub fn allow_over_limit(&self) -> Allowance {
        self.quota.allowed.fetch_add(ALLOWED_BYTES, Relaxed);
        Allowance(self.quota.clone())
    }

    /// How many bytes the files of the store may have.
    pub fn limit(&self) -> Option<u64> {
        Some(self.quota.limit.load(Relaxed)).filter(|limit| *limit != NONE)
    }

    /// Evicts cached blocks, least recently used first, until the files have at most `bytes`, as far as that is possible.
    ///
    /// An incomplete pin ends it before anything is evicted ([`StoreError::Incomplete`]).
    pub fn evict_down_to(&self, bytes: u64, pace: &Pace) -> Result<GcStats, StoreError> {
        let _alone = self.collecting.lock();
        match self.used_bytes().checked_sub(bytes).filter(|excess| *excess > 0) {
            Some(excess) => self.evict(Wanted { bytes_min: 0, bytes: excess }, pace),
            None => Ok(GcStats::default()),
        }
    }

    /// Room for `bytes` more in the log.
    pub(crate) fn admit(&self, bytes: u64) -> Result<Admission<'_>, StoreError> {
        for _ in 0..TRIES {
            let admission = self.quota.reserve(bytes);
            if self.fits(0) {
                return Ok(admission);
            }
            drop(admission);
            self.make_room(bytes)?;
        }
        Err(self.over_limit(bytes))
    }

    fn fits(&self, bytes: u64) -> bool {
        let limit = self.quota.limit_now();
        limit == NONE || self.used_bytes().saturating_add(self.quota.reserved.load(Relaxed) + bytes) <= limit
    }

    fn make_room(&self, bytes: u64) -> Result<(), StoreError> {
        self.quota.waiting.fetch_add(1, Relaxed);
        let _alone = self.collecting.lock();
        self.quota.waiting.fetch_sub(1, Relaxed);
        let limit = self.quota.limit_now();
        // Who had the lock before may have made room for us too.
        if self.fits(bytes) {
            return Ok(());
        }
        let state = self.quota_state(limit);
        let is_stuck = self.quota.stuck.lock().is_some_and(|(then, for_bytes)| then == state && for_bytes <= bytes);
        if bytes > limit || is_stuck {
            return Err(self.over_limit(bytes));
        }
        let needed = self.used_bytes() + self.quota.reserved.load(Relaxed) + bytes;
        let bytes_min = needed.saturating_sub(limit);
        let wanted = Wanted { bytes_min, bytes: needed.saturating_sub(limit - limit / FREE_PART).max(bytes_min) };
        match self.evict(wanted, &Pace::full()) {
            Ok(stats) => tracing::info!(?stats, limit, "made room"),
            Err(error) => {
                tracing::error!(%error, "cannot make room");
                *self.quota.stuck.lock() = Some((self.quota_state(limit), bytes));
                return Err(error);
            }
        }
        if self.fits(bytes) {
            return Ok(());
        }
        *self.quota.stuck.lock() = Some((self.quota_state(limit), bytes));
        Err(self.over_limit(bytes))
    }

    /// Evicts. The caller holds the lock against other collections.
    fn evict(&self, wanted: Wanted, pace: &Pace) -> Result<GcStats, StoreError> {
        self.check_may_remove()?;
        self.pins().expire(crate::store::unix_now())?;
        let sources = self.sources()?;
        let mut collection = sources.begin()?;
        collection.mark_temporary()?;
        sources.mark_needed_roots(&mut collection)?;
        evict::evict(sources.blocks, collection, wanted, &self.unless_urgent(pace))
    }

    /// A pace that nobody keeps while a writer waits for room.
    pub(crate) fn unless_urgent(&self, pace: &Pace) -> Pace {
        let (pace, quota) = (pace.clone(), self.quota.clone());
        Pace::new(move |bytes| {
            if !quota.is_urgent() {
                pace.wait(bytes);
            }
        })
    }

    fn quota_state(&self, limit: u64) -> State {
        State {
            limit,
            blocks_appended: self.blocks.appended(),
            changes: self.tables().map_or(0, |tables| tables.changes()),
            guards_dropped: self.temp.dropped(),
        }
    }

    fn over_limit(&self, bytes: u64) -> StoreError {
        let (used, limit) = (self.used_bytes(), self.quota.limit.load(Relaxed));
        StoreError::OverLimit { used, limit, bytes }
    }
}
