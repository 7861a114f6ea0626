//! Suites that every implementation of a trait must pass, and blocks in memory. For tests only.
//!
//! Parts: [`MemoryBlocks`] (all three block capabilities in a map), [`blocks_suite`] (what each block store promises),
//! [`read_only_suite`] (what one that cannot be written to does), [`fuzz`] (broken bytes for decoders), [`allocation`]
//! (what a piece of work allocates).
//! A new store, wrapper or remote calls the suite from its own tests.

#![allow(clippy::unwrap_used)] // A suite is a test: it ends by panicking.

pub mod allocation;
pub mod fuzz;
mod memory;
mod suite;

pub use memory::MemoryBlocks;
pub use suite::{blocks_suite, read_only_suite, sample_block};
