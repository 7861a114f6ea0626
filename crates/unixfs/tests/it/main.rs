//! Tests of UnixFS over blocks in memory. CIDs written out here were printed by Kubo 0.43.1.

mod build;
mod dir;
mod fuzz;
mod memory;
mod mfs;
mod read;
mod support;
mod tar;
mod walk;
