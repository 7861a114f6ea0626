//! The one body type of requests and answers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, Stream, StreamExt};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of a request or an answer. In an answer an error cuts the connection, so that the client sees it.
pub struct Body(Inner);

enum Inner {
    Empty,
    Full(Bytes),
    /// Frames as they come, and how many bytes they will be when that is known.
    Stream {
        frames: BoxStream<'static, Result<Frame<Bytes>, BodyError>>,
        length: Option<u64>,
    },
    /// The stream failed. What came before it goes out first.
    Failed(BodyError),
    Incoming {
        body: Incoming,
        idle: Option<Idle>,
    },
}

struct Idle {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a body could not be taken whole.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// Larger than allowed.
    #[error("body is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit in force.
        limit: usize,
    },
    /// The client broke off or stalled.
    #[error("body broke off: {0}")]
    Broken(BodyError),
}

#[derive(Debug, thiserror::Error)]
#[error("client sent nothing for {0:?} inside a body")]
struct BodyStalled(Duration);

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self(Inner::Empty)
    }

    /// Bytes at hand; sent with their length.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Full(bytes.into()))
    }

    /// Bytes as they come, of unknown length (chunked on HTTP/1.1).
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BodyError> + 'static,
    {
        Self::frames(stream.map(|item| item.map(Frame::data).map_err(Into::into)))
    }

    /// Bytes as they come, `length` in all: the caller promises exactly so many.
    pub fn sized_stream<S, E>(length: u64, stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BodyError> + 'static,
    {
        let frames = stream.map(|item| item.map(Frame::data).map_err(Into::into)).boxed();
        Self(Inner::Stream { frames, length: Some(length) })
    }

    /// Bytes, then trailers that `trailers` names when the stream has ended: its argument is the error that ended it,
    /// if one did. On HTTP/1.1 the answer must carry a `Trailer` header naming them.
    pub fn stream_with_trailers<S, E, T>(stream: S, trailers: T) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Send + 'static,
        T: FnOnce(Option<E>) -> Option<HeaderMap> + Send + 'static,
    {
        let start = Some((stream.boxed(), trailers));
        Self::frames(futures::stream::unfold(start, |state| async move {
            let (mut stream, trailers) = state?;
            let end = match stream.next().await {
                Some(Ok(bytes)) => return Some((Ok(Frame::data(bytes)), Some((stream, trailers)))),
                Some(Err(error)) => trailers(Some(error)),
                None => trailers(None),
            };
            end.map(|fields| (Ok(Frame::trailers(fields)), None))
        }))
    }

    /// Frames of our own making.
    pub fn frames(frames: impl Stream<Item = Result<Frame<Bytes>, BodyError>> + Send + 'static) -> Self {
        Self(Inner::Stream { frames: frames.boxed(), length: None })
    }

    /// The body of a request from the wire; a silence of `idle` inside it is an error.
    pub(crate) fn incoming(body: Incoming, idle: Option<Duration>) -> Self {
        if HttpBody::is_end_stream(&body) {
            return Self::empty();
        }
        Self(Inner::Incoming { body, idle: idle.map(|limit| Idle { limit, timer: None }) })
    }

    /// The next bytes, or `None` at the end. Trailers are skipped.
    pub async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await?;
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) if data.is_empty() => {}
                Ok(Ok(data)) => return Some(Ok(data)),
                Ok(Err(_trailers)) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The bytes as a stream.
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes, BodyError>> {
        futures::stream::unfold(self, |mut body| async move { body.next().await.map(|item| (item, body)) }).boxed()
    }

    /// All bytes, at most `limit`.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, CollectError> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next().await {
            let bytes = bytes.map_err(CollectError::Broken)?;
            if bytes.len() > limit.saturating_sub(all.len()) {
                return Err(CollectError::TooLarge { limit });
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut self.get_mut().0;
        match this {
            Inner::Empty => Poll::Ready(None),
            Inner::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Inner::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Inner::Stream { frames, length } => {
                let frame = ready!(frames.as_mut().poll_next(cx));
                if let Some(Err(error)) = frame {
                    // The server forgets buffered bytes when a body fails; a pause lets it flush them.
                    *this = Inner::Failed(error);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if let (Some(Ok(frame)), Some(left)) = (&frame, length.as_mut()) {
                    *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                }
                Poll::Ready(frame)
            }
            Inner::Failed(_) => match std::mem::replace(this, Inner::Empty) {
                Inner::Failed(error) => Poll::Ready(Some(Err(error))),
                _ => Poll::Ready(None),
            },
            Inner::Incoming { body, idle } => match Pin::new(body).poll_frame(cx) {
                Poll::Ready(frame) => {
                    if let Some(idle) = idle {
                        idle.timer = None;
                    }
                    Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
                }
                Poll::Pending => match idle {
                    Some(idle) => idle.poll(cx).map(|error| Some(Err(error))),
                    None => Poll::Pending,
                },
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Empty => true,
            Inner::Full(bytes) => bytes.is_empty(),
            Inner::Stream { length, .. } => *length == Some(0),
            Inner::Failed(_) => false,
            Inner::Incoming { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Empty => SizeHint::with_exact(0),
            Inner::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Stream { length: Some(length), .. } => SizeHint::with_exact(*length),
            Inner::Stream { length: None, .. } | Inner::Failed(_) => SizeHint::default(),
            Inner::Incoming { body, .. } => body.size_hint(),
        }
    }
}

impl Idle {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        timer.as_mut().poll(cx).map(|()| BodyStalled(limit).into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::full(text)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?})", self.size_hint())
    }
}
