//! When blocks were last used.
//!
//! A read stores one number in memory, and only when the second has changed; nothing is written. The times of what a commit
//! puts are in its frame, all of them in a checkpoint, and those of what was only read in a frame of their own, now and then
//! and at the end. A crash may lose times since the last of these: then a block seems to have rested longer than it has.

use std::sync::atomic::Ordering::Relaxed;

use super::{Id, Index};

/// Ids in a row that were last used at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedRun {
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// Seconds since 1970.
    pub(crate) time: u32,
}

impl Index {
    /// Sets the clock: seconds since 1970.
    pub(crate) fn set_now(&self, now: u32) {
        if self.now.load(Relaxed) != now {
            self.now.store(now, Relaxed);
        }
    }

    pub(super) fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }

    /// Somebody was given this block.
    pub(crate) fn note_use(&self, id: Id) {
        if self.set_used(id) {
            self.used_unsaved.store(true, Relaxed);
        }
    }

    /// When the block was last used, in seconds since 1970; 0 is not known.
    pub(crate) fn used(&self, id: Id) -> u32 {
        self.used.get(id.at()).map_or(0, |used| used.load(Relaxed))
    }

    /// The times that only memory has, if there are any: those of blocks used at `since` or later.
    pub(crate) fn unsaved_use(&self, since: u32) -> Vec<UsedRun> {
        if !self.used_unsaved.swap(false, Relaxed) {
            return Vec::new();
        }
        let recent = (0u32..).zip(&self.used).map(|(id, used)| (id, used.load(Relaxed)));
        runs(recent.filter(|(_, time)| *time >= since && *time > 0))
    }

    /// The times of these blocks, which are in ascending order.
    pub(super) fn use_of(&self, ids: &[Id]) -> Vec<UsedRun> {
        runs(ids.iter().map(|id| (id.0, self.used(*id))).filter(|(_, time)| *time > 0))
    }

    /// Takes over what was saved.
    pub(super) fn restore_use(&mut self, run: UsedRun) {
        let from = run.first as usize;
        let to = from.saturating_add(run.count as usize).min(self.used.len());
        self.used.get(from..to).into_iter().flatten().for_each(|used| used.store(run.time, Relaxed));
    }

    pub(super) fn set_used(&self, id: Id) -> bool {
        let now = self.now();
        match self.used.get(id.at()) {
            // Most uses come many in a second: they leave the memory as it is.
            Some(used) if used.load(Relaxed) != now => {
                used.store(now, Relaxed);
                true
            }
            _ => false,
        }
    }
}

fn runs(times: impl Iterator<Item = (u32, u32)>) -> Vec<UsedRun> {
    let mut runs: Vec<UsedRun> = Vec::new();
    for (id, time) in times {
        match runs.last_mut() {
            Some(last) if last.time == time && last.first + last.count == id => last.count += 1,
            _ => runs.push(UsedRun { first: id, count: 1, time }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_a_row_with_one_time_are_one_run() {
        let run = |first, count, time| UsedRun { first, count, time };
        let times = [(0, 7), (1, 7), (3, 7), (4, 9), (5, 9)];
        assert_eq!(runs(times.into_iter()), [run(0, 2, 7), run(3, 1, 7), run(4, 2, 9)]);
        assert_eq!(runs(std::iter::empty()), []);
    }
}
