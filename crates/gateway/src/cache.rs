//! A map bounded in bytes.
//!
//! Two generations: new entries go into the young one; when it holds half the budget it becomes the old one and the old
//! one is dropped. An old entry that is used moves to the young one. Recently used entries thus stay, every operation is
//! O(1), and there are no lists to keep.

use std::collections::HashMap;

use parking_lot::RwLock;

/// What an entry costs beside its key and what its owner says: hash table slot, allocation headers.
const ENTRY_BYTES: usize = 128;

pub(crate) struct Cache<V> {
    half_bytes: usize,
    state: RwLock<State<V>>,
}

struct State<V> {
    young: HashMap<Box<str>, (V, usize)>,
    young_bytes: usize,
    old: HashMap<Box<str>, (V, usize)>,
}

impl<V: Clone> Cache<V> {
    /// A cache of at most `bytes`; 0 keeps nothing.
    pub(crate) fn new(bytes: usize) -> Self {
        let state = State { young: HashMap::new(), young_bytes: 0, old: HashMap::new() };
        Self { half_bytes: bytes / 2, state: RwLock::new(state) }
    }

    pub(crate) fn get(&self, key: &str) -> Option<V> {
        {
            let state = self.state.read();
            if let Some((value, _)) = state.young.get(key) {
                return Some(value.clone());
            }
            if !state.old.contains_key(key) {
                return None;
            }
        }
        let mut state = self.state.write();
        let (value, bytes) = state.old.remove(key)?;
        self.put(&mut state, key, value.clone(), bytes);
        Some(value)
    }

    /// Keeps a value that costs `bytes` beside its key. One that costs more than a quarter of the budget is not kept.
    pub(crate) fn insert(&self, key: &str, value: V, bytes: usize) {
        let bytes = bytes.saturating_add(key.len()).saturating_add(ENTRY_BYTES);
        if bytes <= self.half_bytes / 2 {
            self.put(&mut self.state.write(), key, value, bytes);
        }
    }

    fn put(&self, state: &mut State<V>, key: &str, value: V, bytes: usize) {
        if state.young_bytes.saturating_add(bytes) > self.half_bytes {
            state.old = std::mem::take(&mut state.young);
            state.young_bytes = 0;
        }
        state.young_bytes += bytes;
        if let Some((_, before)) = state.young.insert(key.into(), (value, bytes)) {
            state.young_bytes -= before;
        }
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        let state = self.state.read();
        state.young.values().chain(state.old.values()).map(|(_, bytes)| bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_its_budget_and_keeps_what_is_used() {
        let cache = Cache::new(100_000);
        cache.insert("used", 0, 100);
        for number in 1..5_000 {
            cache.insert(&format!("key {number}"), number, 100);
            assert!(cache.bytes() <= 100_000, "after {number}");
            assert_eq!(cache.get("used"), Some(0), "after {number}");
        }
        assert_eq!(cache.get("key 4999"), Some(4999));
        assert_eq!(cache.get("key 1"), None);
    }

    #[test]
    fn replaces_and_refuses_giants() {
        let cache = Cache::new(100_000);
        cache.insert("a", 1, 10);
        cache.insert("a", 2, 10);
        cache.insert("giant", 3, 60_000);
        assert_eq!((cache.get("a"), cache.get("giant")), (Some(2), None));
        let none = Cache::new(0);
        none.insert("a", 1, 0);
        assert_eq!(none.get("a"), None);
    }
}
