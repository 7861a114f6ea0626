//! The HTTP server kit shared by every surface. It knows no domain.
//!
//! Parts:
//! - [`Listener`] and [`serve`]: TCP and Unix sockets, HTTP/1.1 and HTTP/2 with prior knowledge, [`Limits`], graceful
//!   shutdown. One call serves one listener; a program with several addresses calls it several times.
//! - [`Surface`]: what answers requests. Not generic, so the network stack is compiled here once.
//! - [`Body`]: the one body type of requests and answers.
//! - [`range`], [`precondition`], [`accept`], [`query`]: the parts of RFC 9110 and of URLs that surfaces share.
//! - [`reply`]: short answers (text, JSON, redirect).
//!
//! Invariants:
//! - A request head over [`Limits::header_bytes_max`] is refused with 431 before more is buffered; malformed heads and
//!   contradictory lengths get 400 and the connection ends.
//! - A client that is slow costs one connection and nothing else: heads, idle connections, stalled bodies and stalled
//!   reads of our answers each have a deadline.
//! - A panic inside a surface is answered with 500 and logged; the process and the connection live on. A panic inside an
//!   answer's stream ends that connection.
//! - Bodies are pulled by the socket: a slow reader slows the producer, nothing piles up.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn example(surface: Arc<dyn merkury_http::Surface>) -> std::io::Result<()> {
//! let listener = merkury_http::Listener::tcp("127.0.0.1:0".parse().expect("an address")).await?;
//! println!("listening on {:?}", listener.address());
//! let stop = Box::pin(async { /* until a signal comes */ });
//! merkury_http::serve(listener, surface, merkury_http::Limits::default(), stop).await;
//! # Ok(())
//! # }
//! ```

pub mod accept;
mod body;
mod connection;
mod headscan;
mod limits;
mod listen;
pub mod precondition;
pub mod query;
pub mod range;
pub mod reply;
mod serve;
mod surface;

pub use body::{Body, BodyError, CollectError};
pub use limits::Limits;
pub use listen::{Address, Listener};
pub use serve::serve;
pub use surface::Surface;

/// An answer with our body type.
pub type Response = http::Response<Body>;
/// A request with our body type.
pub type Request = http::Request<Body>;
