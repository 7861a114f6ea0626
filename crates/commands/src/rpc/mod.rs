//! The RPC: `/api/v0`, Kubo's wire form.
//!
//! Parts: [`Rpc`] (the surface: routes, answers), [`RpcConfig`] (what the configuration file says), `guard` (who may
//! call: host, origin, browser, credential), `reply` (answers on the wire), [`multipart`] (file content in requests,
//! both ways), [`client`] (the other side, for the terminal).
//!
//! Invariants:
//! - Nothing of a request is read before its host, method, origin and credential are accepted.
//! - Bodies are pulled: a slow reader slows the work; a client that goes away ends it.
//! - A failure before the first byte is a status and a JSON error; after it, the `X-Stream-Error` trailer names it for
//!   clients that say `TE: trailers`. For others the last line of an NDJSON answer is the error object, and a byte stream
//!   is cut, so that half a file is never taken for a whole one.

pub mod client;
mod config;
pub(crate) mod entries;
mod guard;
pub mod multipart;
mod reply;
mod server;

pub use config::{RpcConfig, auth_header};
pub use server::Rpc;
pub(crate) use server::collect;
