//! A map bounded in bytes.
//!
//! Entries stand in a ring and a hand goes round: what was used since it last came by gets another round, what was not
//! is dropped when room is needed. Reading takes a shared lock and sets a mark; every operation is O(1) on average.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

/// What an entry costs beside its key and what its owner says: places in table and ring, allocations.
const ENTRY_BYTES: usize = 128;

pub(crate) struct Cache<V> {
    bytes_max: usize,
    state: RwLock<State<V>>,
}

struct State<V> {
    places: HashMap<Arc<[u8]>, usize>,
    ring: Vec<Entry<V>>,
    hand: usize,
    bytes: usize,
}

struct Entry<V> {
    key: Arc<[u8]>,
    value: V,
    bytes: usize,
    used: AtomicBool,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most `bytes`; 0 keeps nothing.
    pub(crate) fn new(bytes: usize) -> Self {
        let state = State { places: HashMap::new(), ring: Vec::new(), hand: 0, bytes: 0 };
        Self { bytes_max: bytes, state: RwLock::new(state) }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<V> {
        let state = self.state.read();
        let entry = state.ring.get(*state.places.get(key)?)?;
        entry.used.store(true, Ordering::Relaxed);
        Some(entry.value.clone())
    }

    /// Keeps a value that costs `bytes` beside its key. One that costs more than an eighth of the budget is not kept.
    pub(crate) fn insert(&self, key: &[u8], value: V, bytes: usize) {
        let bytes = bytes.saturating_add(key.len()).saturating_add(ENTRY_BYTES);
        if bytes > self.bytes_max / 8 {
            return;
        }
        let mut state = self.state.write();
        if let Some(place) = state.places.get(key).copied() {
            state.remove(place);
        }
        while state.bytes + bytes > self.bytes_max && state.drop_one() {}
        let key: Arc<[u8]> = key.into();
        let place = state.ring.len();
        state.places.insert(key.clone(), place);
        state.ring.push(Entry { key, value, bytes, used: AtomicBool::new(false) });
        state.bytes += bytes;
    }
}

impl<V> State<V> {
    /// Drops the next entry that was not used lately; `false` when there is none at all.
    fn drop_one(&mut self) -> bool {
        loop {
            if self.hand >= self.ring.len() {
                self.hand = 0;
            }
            let Some(entry) = self.ring.get(self.hand) else { return false };
            if !entry.used.swap(false, Ordering::Relaxed) {
                self.remove(self.hand);
                return true;
            }
            self.hand += 1;
        }
    }

    /// Removes an entry; the last one takes its place.
    fn remove(&mut self, place: usize) {
        let gone = self.ring.swap_remove(place);
        self.places.remove(&gone.key);
        self.bytes -= gone.bytes;
        if let Some(moved) = self.ring.get(place) {
            self.places.insert(moved.key.clone(), place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_budget_and_keeps_what_is_used() {
        let cache = Cache::new(100_000);
        cache.insert(b"used", 0, 100);
        for number in 1..5_000 {
            cache.insert(format!("key {number}").as_bytes(), number, 100);
            let state = cache.state.read();
            assert_eq!(state.bytes, state.ring.iter().map(|entry| entry.bytes).sum::<usize>());
            assert!(state.bytes <= 100_000 && state.places.len() == state.ring.len(), "after {number}");
            drop(state);
            assert_eq!(cache.get(b"used"), Some(0), "after {number}");
        }
        assert_eq!(cache.get(b"key 4999"), Some(4999));
        assert_eq!(cache.get(b"key 1"), None);
        assert!(cache.state.read().bytes > 90_000, "the whole budget is used");
    }

    #[test]
    fn every_entry_is_found_where_it_moved() {
        let cache = Cache::new(20_000);
        for round in 0..2_000_u32 {
            let key = (round.wrapping_mul(7919) % 97).to_be_bytes();
            cache.insert(&key, round, (round % 500) as usize);
            assert_eq!(cache.get(&key), Some(round));
            let state = cache.state.read();
            for (key, place) in &state.places {
                assert_eq!(state.ring[*place].key, *key);
            }
        }
    }

    #[test]
    fn replaces_and_refuses_giants() {
        let cache = Cache::new(100_000);
        cache.insert(b"a", 1, 10);
        cache.insert(b"a", 2, 10);
        cache.insert(b"giant", 3, 20_000);
        assert_eq!((cache.get(b"a"), cache.get(b"giant")), (Some(2), None));
        let none = Cache::new(0);
        none.insert(b"a", 1, 0);
        assert_eq!(none.get(b"a"), None);
    }
}
