//! CIDs that wait to be announced.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use merkury_core::Cid;
use tokio::sync::Notify;

/// Announcements that may wait.
pub(super) const QUEUE_MAX: usize = 16 * 1024;

/// CIDs that wait, at most [`QUEUE_MAX`].
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<VecDeque<Cid>>,
    /// Something was put in.
    filled: Notify,
    /// Something was taken out.
    taken: Notify,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Cid>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room.
    pub(super) fn put(&self, cid: &Cid) -> bool {
        let mut waiting = self.waiting();
        if waiting.len() >= QUEUE_MAX {
            return false;
        }
        waiting.push_back(cid.clone());
        self.filled.notify_one();
        true
    }

    /// The next one, when there is one. Cancel-safe.
    pub(super) async fn take(&self) -> Cid {
        loop {
            if let Some(cid) = self.waiting().pop_front() {
                self.taken.notify_one();
                return cid;
            }
            self.filled.notified().await;
        }
    }

    /// As [`Queue::put`], but waits for room. Cancel-safe.
    pub(super) async fn put_when_there_is_room(&self, cid: &Cid) {
        while !self.put(cid) {
            self.taken.notified().await;
        }
        // Others may wait for room too, and there may be more.
        self.taken.notify_one();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting().len()
    }

    /// Forgets all, and returns how many that were.
    pub(super) fn clear(&self) -> usize {
        let forgotten = std::mem::take(&mut *self.waiting()).len();
        self.taken.notify_one();
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cid(number: usize) -> Cid {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&(number as u64).to_le_bytes());
        Cid::v1(0x55, merkury_core::Multihash::sha2_256(digest))
    }

    #[tokio::test]
    async fn what_finds_no_room_waits_until_something_is_taken_or_all_is_forgotten() {
        let queue = Queue::default();
        (0..QUEUE_MAX).for_each(|number| assert!(queue.put(&cid(number))));
        assert!(!queue.put(&cid(0)));
        let late = cid(7);
        let (taken, ()) = tokio::join!(queue.take(), queue.put_when_there_is_room(&late));
        assert_eq!((taken, queue.len()), (cid(0), QUEUE_MAX));
        assert_eq!((queue.clear(), queue.len()), (QUEUE_MAX, 0));
    }
}
