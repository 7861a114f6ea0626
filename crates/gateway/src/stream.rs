//! Bodies that come in pieces.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use merkury_api::{ApiError, ByteStream};
use merkury_core::ErrorKind;
use tokio::time::Instant;

use crate::ask::Ask;

/// A stream whose first bytes have come: from here on errors cut the answer, before they are an answer of their own.
pub(crate) struct Opened {
    /// The first bytes; `None` when there are none.
    pub(crate) first: Option<Bytes>,
    rest: ByteStream,
}

/// Waits for the first bytes.
pub(crate) async fn open(mut stream: ByteStream) -> Result<Opened, ApiError> {
    let first = loop {
        match stream.next().await.transpose()? {
            Some(bytes) if bytes.is_empty() => {}
            first => break first,
        }
    };
    Ok(Opened { first, rest: stream })
}

/// Takes a stream of `size` bytes whole. A single piece is not copied.
pub(crate) async fn collect(stream: ByteStream, size: usize) -> Result<Bytes, ApiError> {
    let mut opened = open(stream).await?;
    let first = opened.first.unwrap_or_default();
    if first.len() == size {
        return Ok(first);
    }
    let mut all = BytesMut::with_capacity(size);
    all.extend_from_slice(&first);
    while let Some(bytes) = opened.rest.next().await.transpose()? {
        if bytes.len() > size.saturating_sub(all.len()) {
            break;
        }
        all.extend_from_slice(&bytes);
    }
    if all.len() == size {
        return Ok(all.freeze());
    }
    Err(ApiError::new(ErrorKind::Corrupt, format!("the file says it has {size} bytes, but its blocks hold others")))
}

impl Opened {
    /// A stream of our own making.
    pub(crate) fn new(stream: ByteStream) -> Self {
        Self { first: None, rest: stream }
    }

    /// The bytes for the client. Each wait is at most `idle`, all of it ends at the request's deadline, and the request
    /// counts as in work until then.
    pub(crate) fn into_body(
        self,
        ask: &mut Ask,
        idle: Option<Duration>,
    ) -> impl Stream<Item = Result<Bytes, ApiError>> + Send + use<> {
        let state =
            State { first: self.first, rest: self.rest, idle, deadline: ask.deadline, _permit: ask.permit.take() };
        futures::stream::unfold(Some(state), |state| async move {
            let mut state = state?;
            match state.next().await.transpose() {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), Some(state))),
                Err(error) => {
                    tracing::debug!(%error, "an answer was cut");
                    Some((Err(error), None))
                }
            }
        })
    }
}

struct State {
    first: Option<Bytes>,
    rest: ByteStream,
    idle: Option<Duration>,
    deadline: Option<Instant>,
    _permit: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl State {
    async fn next(&mut self) -> Option<Result<Bytes, ApiError>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let idle = self.idle.map(|idle| Instant::now() + idle);
        let Some(until) = [idle, self.deadline].into_iter().flatten().min() else {
            return self.rest.next().await;
        };
        match tokio::time::timeout_at(until, self.rest.next()).await {
            Ok(item) => item,
            Err(_) => Some(Err(ApiError::new(ErrorKind::Timeout, "the next bytes did not come in time"))),
        }
    }
}
