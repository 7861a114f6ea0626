//! Making what was put durable: one flush for all who wait at the same time.

use parking_lot::{Condvar, Mutex};

use super::Blocks;
use super::index::image::Covered;
use super::index_files::Changes;
use super::writer::{NewNames, ToSync};
use crate::StoreError;

/// Who flushes, and how far it got.
#[derive(Default)]
pub(super) struct Commit {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    running: bool,
    /// As many records as were appended are durable.
    durable: u64,
}

impl Blocks {
    /// Returns when everything put before is durable. Does nothing when it is already.
    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        let target = self.writer.appended();
        self.commit_up_to(Some(target), &[], false)
    }

    /// As [`Blocks::commit`], and makes durable what was forgotten and moved, and that `dropped` segments will be removed.
    pub(crate) fn commit_index(&self, dropped: &[u32]) -> Result<(), StoreError> {
        self.commit_up_to(None, dropped, true)
    }

    /// As [`Blocks::commit`], even when nothing was put: everything is in the files, if not in the index' own.
    pub(crate) fn flush_to_files(&self) -> Result<(), StoreError> {
        self.commit_up_to(None, &[], false)
    }

    /// One thread flushes, the others wait for it; those whose records came too late for it flush next.
    fn commit_up_to(&self, target: Option<u64>, dropped: &[u32], durable: bool) -> Result<(), StoreError> {
        let mut state = self.commit.state.lock();
        loop {
            self.check_usable()?;
            if target.is_some_and(|target| state.durable >= target) {
                return Ok(());
            }
            if !state.running {
                break;
            }
            self.commit.done.wait(&mut state);
        }
        state.running = true;
        drop(state);
        let result = self.flush(dropped, durable);
        let mut state = self.commit.state.lock();
        state.running = false;
        if let Ok(appended) = &result {
            state.durable = state.durable.max(*appended);
        }
        self.commit.done.notify_all();
        result.map(|_| ())
    }

    fn flush(&self, dropped: &[u32], durable: bool) -> Result<u64, StoreError> {
        let flushed = self.writer.flush(|| self.index.write().take_changed());
        let (to_sync, (ids, aliases)) = flushed.map_err(|error| self.poison_if_fatal(error))?;
        let ToSync { files, new_names, appended, covered } = to_sync;
        for (segment, file) in files {
            file.sync().map_err(|e| self.poison(StoreError::io("flush", &self.segments.path(segment), e)))?;
        }
        match new_names {
            NewNames::None => Ok(()),
            NewNames::Segment => self.segments.sync_dir(),
            NewNames::Directories => self.segments.sync_dirs(),
        }
        .map_err(|error| self.poison(error))?;
        if durable && self.renumber(covered)? {
            return Ok(appended);
        }
        // Before others may flush: frames must follow each other in the order of their ids.
        self.files.append(&self.index, Changes { covered, ids, aliases, dropped, durable })?;
        Ok(appended)
    }

    /// Gives up ids when that pays and nobody holds any. The index is then written whole, for frames speak of ids.
    fn renumber(&self, covered: Covered) -> Result<bool, StoreError> {
        if !self.index.read().wants_renumbering() {
            return Ok(false);
        }
        let Some(_nobody) = self.ids.try_write() else { return Ok(false) };
        self.index.write().renumber();
        self.files.mend(&self.index, covered)?;
        Ok(true)
    }

    /// Even a full disk is final here: which of the bytes are on it is unknown.
    fn poison(&self, error: StoreError) -> StoreError {
        let _ = self.poisoned.set(error.to_string());
        error
    }
}
