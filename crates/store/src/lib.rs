//! The block store, pins, roots, garbage collection, key store and repository lock.
