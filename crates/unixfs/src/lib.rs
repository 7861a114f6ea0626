//! UnixFS: files and directories as blocks, over any [`BlockGet`](merkury_core::BlockGet) and
//! [`BlockPut`](merkury_core::BlockPut).
//!
//! | to | use |
//! |---|---|
//! | add files, trees, streams | [`build::Importer`] with [`build::ImportOptions`] (blocking) |
//! | read a file or a range of it | [`read::File::open`], [`read::File::read_range`] |
//! | see what a block is | [`node::Node::of_block`] |
//! | list a directory, find one entry | [`dir::list`], [`dir::find`] |
//! | change a directory | [`dir::Directory`] |
//! | follow a path | [`resolve::resolve`] |
//! | visit a DAG | [`walk::fetch`] (any order, fast), [`walk::Preorder`] (Kubo's order) |
//! | keep a mutable file system | [`mfs::Mfs`] |
//! | write a DAG to a disk or a tar archive, take one in | [`tar::export`] into a [`tar::DiskWriter`], [`tar::write`], [`tar::extract`] |
//!
//! Invariants:
//! - CIDs equal Kubo 0.43.1's for the same options and operations.
//! - Foreign nodes are checked before use; depths, widths and lists are bounded; declared sizes size no buffer.
//! - No runtime and no network here. Reading is `async` over boxed futures; writing blocks, so it runs on threads that
//!   may wait.

pub mod build;
pub mod chunk;
pub mod dir;
mod meta;
pub mod mfs;
mod murmur3;
pub mod node;
pub mod read;
pub mod resolve;
pub mod tar;
pub mod walk;

pub use meta::{Metadata, Mtime};
