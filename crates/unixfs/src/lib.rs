//! UnixFS: chunkers, building, reading, HAMT directories, MFS, paths and tar.

pub mod build;
pub mod chunk;
pub mod dir;
mod meta;
mod murmur3;
pub mod node;
pub mod read;
pub mod resolve;
pub mod tar;
pub mod walk;

pub use meta::{Metadata, Mtime};
