//! Operations: one list with two front ends, the terminal and the RPC.
//!
//! Parts: [`spec`] (what an operation takes, as data), [`op`] (an operation and its answer), [`list`] (all of them,
//! one line each; one file each in [`ops`]), [`absent`] (commands that only say why they are not here), [`tree`],
//! [`parse`] and [`query`] (the two grammars a call can come in),
//! [`help`], [`text`] and [`json`] (the two forms an answer can take), [`input`] (files of this machine as a stream),
//! [`codes`] (errors people meet), [`near`] (what they may have meant), [`completion`] and [`manual`] (shells, pages),
//! [`rpc`] (server, client and multipart form of `/api/v0`), [`version`] (the numbers we answer with).
//!
//! Invariants:
//! - An operation knows the typed API alone; it cannot tell which front end called.
//! - JSON and text of each answer are Kubo 0.43's, byte for byte; where ours says more it is at the end.
//! - A flag is done, refused with an error, or declared as changing nothing here; never ignored in silence.
//! - Every body, query, name and header a client sends is bounded before it is read.

pub mod absent;
mod autoconf;
pub mod cids;
pub mod codes;
pub mod completion;
mod gzip;
pub mod help;
pub mod input;
pub mod ipld;
pub mod json;
pub mod list;
pub mod logs;
pub mod manual;
pub mod near;
pub mod op;
pub mod ops;
pub mod options;
pub mod parse;
pub mod query;
pub mod requests;
pub mod rpc;
pub mod spec;
pub mod text;
pub mod tree;
pub mod value;
pub mod version;
pub mod words;

pub use merkury_core::stamp;
pub use op::{AnyOp, Body, Call, Cx, Op, Render, Reply, Request, WireReply};
pub use options::Options;
pub use spec::Spec;
