//! Yamux, many streams over one TCP connection, with a receive window that every implementation can be trusted with.
//!
//! The `yamux` crate lets a stream's window grow without limit, and refuses data frames of more than [`FRAME_MAX`]
//! bytes by closing the connection. js-libp2p, and so Helia, sends what the window allows in *one* frame. So no window
//! here grows over [`FRAME_MAX`]. The wrapper that comes with libp2p cannot be told so; hence this one.
//!
//! Invariants: [`STREAMS_MAX`] streams a connection; [`BACKLOG_MAX`] inbound streams wait for the swarm to take them,
//! and one more is reset with a log line.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use yamux::{Connection, ConnectionError, Mode};

/// Streams one peer may hold open on a TCP connection (both directions). Kubo allows 1,024 a peer.
const STREAMS_MAX: usize = 1024;
/// The window every stream has from the start; a number of the protocol.
const WINDOW_START: usize = 256 * 1024;
/// Largest data frame the `yamux` crate takes, and so the largest window.
const FRAME_MAX: usize = 1024 * 1024;
/// Inbound streams that wait: as many as a peer may open before we acknowledge one.
const BACKLOG_MAX: usize = 256;

/// The upgrade of a secured connection.
#[derive(Clone, Debug)]
pub(crate) struct Yamux(yamux::Config);

impl Yamux {
    pub(crate) fn new() -> Self {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS_MAX);
        // What is left over the start windows of all streams is what windows may grow by: from 256 KiB to 1 MiB.
        config.set_max_connection_receive_window(Some(STREAMS_MAX * WINDOW_START + (FRAME_MAX - WINDOW_START)));
        Self(config)
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(Connection::new(io, self.0, Mode::Server))))
    }
}

impl<C: AsyncRead + AsyncWrite + Send + Unpin + 'static> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, io: C, _: &'static str) -> Self::Future {
        ready(Ok(Muxer::new(Connection::new(io, self.0, Mode::Client))))
    }
}

/// A connection that carries streams.
pub(crate) struct Muxer<C> {
    connection: Connection<C>,
    /// Streams that came while the swarm only drove the connection.
    backlog: VecDeque<yamux::Stream>,
    /// Who asked for an inbound stream when there was none.
    waiting: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(connection: Connection<C>) -> Self {
        Self { connection, backlog: VecDeque::new(), waiting: None }
    }

    /// Drives the connection until a stream comes, or nothing can be done.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        match self.connection.poll_next_inbound(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(stream))) => Poll::Ready(Ok(stream)),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(broken(error))),
            Poll::Ready(None) => Poll::Ready(Err(broken(ConnectionError::Closed))),
        }
    }
}

fn broken(error: ConnectionError) -> io::Error {
    match error {
        ConnectionError::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = yamux::Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        if let Some(stream) = self.backlog.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let driven = self.drive(cx);
        if driven.is_pending() {
            self.waiting = Some(cx.waker().clone());
        }
        driven
    }

    fn poll_outbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<yamux::Stream>> {
        self.connection.poll_new_outbound(cx).map_err(broken)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection.poll_close(cx).map_err(broken)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let stream = match self.drive(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(stream)) => stream,
        };
        if self.backlog.len() < BACKLOG_MAX {
            self.backlog.push_back(stream);
        } else {
            tracing::warn!("a stream is reset: its peer opens more than it may before one is taken");
        }
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        // There may be more to do; others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
