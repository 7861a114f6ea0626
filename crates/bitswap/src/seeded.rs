//! Hash maps whose order depends on a given seed only: secret in a node, fixed in a simulation.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher};

/// A hash map with a seed.
pub(crate) type Map<K, V> = HashMap<K, V, Seed>;
/// A hash set with a seed.
pub(crate) type Set<K> = HashSet<K, Seed>;

/// Builds hashers that begin with the seed, so that foreign CIDs cannot be chosen to collide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(pub(crate) u64);

impl BuildHasher for Seed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}
