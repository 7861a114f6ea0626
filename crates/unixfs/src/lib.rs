//! UnixFS: chunkers, building, reading, HAMT directories, MFS, paths and tar.

pub mod build;
pub mod chunk;
pub mod dir;
mod meta;
mod murmur3;

pub use meta::{Metadata, Mtime};
