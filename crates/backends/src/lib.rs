//! Stores behind the network: sealed segments in an object store, and parts of files behind addresses.
//!
//! Parts: [`Pool`] (segments of many nodes in one S3-compatible object store), [`HttpUrls`] (reads what a no-copy reference to
//! an address stands for). The only crate with an HTTPS client, so that nobody else compiles one.
//!
//! Invariants: bytes that come from elsewhere are hashed before they are a block; every request has a time limit.

mod error;
mod pool;
mod urls;

pub use error::PoolError;
pub use pool::{Pool, PoolOptions, Uploaded};
pub use urls::HttpUrls;
