//! The HTTP gateway: content by path, for browsers and for clients that verify.
//!
//! Specification: `path-gateway` and `trustless-gateway` of IPFS; where they leave room, Kubo 0.43.
//!
//! Parts, in the order a request meets them:
//! - [`Gateway`] (`gateway.rs`): the surface. Fast answers, limits, time, headers of every answer.
//! - `target.rs`: the path of a URL becomes a content path, a redirect to its clean spelling, or 400.
//! - `ask.rs`: which format is wanted (`?format`, `Accept`), under which conditions.
//! - `resolve.rs`: the content path becomes a node; answers are cached by path.
//! - `format/`: one file per kind of answer: UnixFS files and directories, raw blocks, CAR, tar, dag-json and dag-cbor.
//! - `page/`: what people see: directory listings, nodes, errors. No script, dark mode, foreign text escaped.
//! - `failure.rs`, `fields.rs`, `mime.rs`, `stream.rs`, `cache.rs`: what the formats share.
//!
//! Invariants:
//! - Only GET, HEAD and OPTIONS; nothing here changes the node.
//! - A path never leaves its root: dot segments are redirected away, every step is a link of a verified block.
//! - What the answer cache holds came from an immutable path (`/ipfs/`) and verified blocks, so it is never wrong; its
//!   bytes, and those of the path cache, are bounded.
//! - Bodies are pulled by the client. A body that cannot be finished is cut, never padded or silently ended.
//! - Every wait for content has the retrieval timeout, every request the longest duration.

mod ask;
mod cache;
mod config;
mod failure;
mod fields;
mod format;
mod gateway;
mod mime;
mod page;
mod resolve;
mod stream;
mod target;

pub use config::GatewayConfig;
pub use gateway::Gateway;
