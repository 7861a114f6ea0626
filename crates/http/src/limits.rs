//! The bounds of a listener.

use std::time::Duration;

/// What one listener allows its clients. `Default` is for a public gateway; an RPC listener sets `body_idle` to `None`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections open at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Bytes of a request head. Below 64 KiB, so that a flood never holds more a connection; also the read buffer.
    pub header_bytes_max: usize,
    /// Fields of a request head.
    pub headers_max: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// From the first byte of a head to its last.
    pub head_timeout: Duration,
    /// Silence between requests.
    pub idle_timeout: Duration,
    /// Silence inside a request body; `None` for clients that may pipe a slow source through.
    pub body_idle: Option<Duration>,
    /// How long the client may leave an answer unread before it is cut.
    pub write_stall: Duration,
    /// After the stop signal: how long requests in work may go on.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            header_bytes_max: 56 * 1024,
            headers_max: 128,
            streams_max: 128,
            head_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(120),
            body_idle: Some(Duration::from_secs(60)),
            write_stall: Duration::from_secs(30),
            drain: Duration::from_secs(5),
        }
    }
}
