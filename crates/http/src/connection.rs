//! One connection's socket with its deadlines.
//!
//! The deadlines live in the socket, not in the protocol, so that they hold in every phase of HTTP/1 and HTTP/2: before
//! the first byte, inside a head, between requests, and while the client does not read. While a request is in work and
//! nothing waits to be written there is no deadline here: the surface has its own.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::Limits;
use crate::body::{Body, BodyError};
use crate::headscan::HeadScan;
use crate::listen::Stream;

/// Counts requests of a connection.
#[derive(Clone, Default)]
pub(crate) struct Busy(Arc<Requests>);

#[derive(Default)]
struct Requests {
    in_work: AtomicUsize,
    begun: AtomicUsize,
    /// The connection's task, when it waits for bytes without a deadline.
    reader: AtomicWaker,
    /// The head that was read last states two lengths.
    contradictory: AtomicBool,
}

/// One request in work; ends when the answer's last byte was taken.
pub(crate) struct BusyGuard(Busy);

impl Busy {
    pub(crate) fn enter(&self) -> BusyGuard {
        self.0.in_work.fetch_add(1, Ordering::Relaxed);
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        BusyGuard(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.0.in_work.load(Ordering::Acquire) > 0
    }

    /// Whether the request that begins now states its length twice over.
    pub(crate) fn take_contradiction(&self) -> bool {
        self.0.contradictory.swap(false, Ordering::AcqRel)
    }

    /// How many requests have begun so far.
    fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        if self.0.0.in_work.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.reader.wake();
        }
    }
}

/// An answer's body that keeps its connection busy until it is sent.
pub(crate) struct Held {
    body: Body,
    _busy: BusyGuard,
}

impl Held {
    pub(crate) fn new(body: Body, busy: BusyGuard) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for Held {
    type Data = bytes::Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<bytes::Bytes>, BodyError>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A socket that fails when its client is too slow.
pub(crate) struct Guarded {
    stream: Stream,
    busy: Busy,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_stall: Duration,
    /// Last time a byte went either way.
    progress: Instant,
    /// When the head that is being read began, and how many requests had begun by then.
    head_began: Option<(Instant, usize)>,
    /// Since when the client takes nothing.
    write_blocked: Option<Instant>,
    scan: HeadScan,
    reading: Alarm,
    writing: Alarm,
}

impl Guarded {
    pub(crate) fn new(stream: Stream, busy: Busy, limits: &Limits) -> Self {
        Self {
            stream,
            busy,
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            write_stall: limits.write_stall,
            progress: Instant::now(),
            head_began: None,
            write_blocked: None,
            scan: HeadScan::default(),
            reading: Alarm::default(),
            writing: Alarm::default(),
        }
    }

    /// Until when the next byte must have come; `None` while a request is in work.
    fn read_deadline(&self) -> Option<Instant> {
        (!self.busy.is_busy()).then(|| match self.head_began {
            Some((began, _)) => began + self.head_timeout,
            None => self.progress + self.idle_timeout,
        })
    }

    /// Forgets a head that has become a request since.
    fn settle_head(&mut self) {
        if self.head_began.is_some_and(|(_, begun)| begun != self.busy.begun()) {
            self.head_began = None;
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        self.progress = Instant::now();
        if self.busy.is_busy() {
            return;
        }
        if self.head_began.is_none() {
            self.head_began = Some((self.progress, self.busy.begun()));
            self.scan = HeadScan::default();
        }
        self.scan.take(bytes);
        if self.scan.is_contradictory() {
            self.busy.0.contradictory.store(true, Ordering::Release);
        }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => {
                let deadline = *self.write_blocked.get_or_insert_with(Instant::now) + self.write_stall;
                match self.writing.poll(cx, deadline) {
                    Poll::Ready(()) => Poll::Ready(Err(too_slow("client does not read"))),
                    Poll::Pending => Poll::Pending,
                }
            }
            ready => {
                self.write_blocked = None;
                self.progress = Instant::now();
                ready
            }
        }
    }
}

/// A timer that is armed late and moved only when it rings: progress costs one look at the clock.
#[derive(Default)]
struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if deadline <= Instant::now() {
                self.0 = None;
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

fn too_slow(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.settle_head();
        if result.is_ready() {
            if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
                this.read(bytes);
            }
            return result;
        }
        // Registered before looking, so that the end of the last request cannot fall between the two.
        this.busy.0.reader.register(cx.waker());
        let Some(deadline) = this.read_deadline() else {
            return Poll::Pending;
        };
        this.reading.poll(cx, deadline).map(|()| Err(too_slow("client sends nothing")))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
