//! One source of bytes as a stream of entries, each with its own stream: the parts of a request body, or the files of
//! a walk. The source is read strictly in order; an entry that is not read to its end is skipped. Streams stay ended
//! when they are asked again.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use merkury_api::{ApiError, EntryBody, InputEntry, ItemStream, Metadata};
use tokio::sync::Mutex;

/// What comes next from a source.
pub(crate) enum Event {
    /// A new entry.
    Entry(Head),
    /// Bytes of the file that came last.
    Data(Bytes),
}

/// What is known of an entry before its bytes.
pub(crate) struct Head {
    pub(crate) path: String,
    pub(crate) kind: HeadKind,
    pub(crate) metadata: Metadata,
    /// Where a file is, when that is to be told.
    pub(crate) source: Option<PathBuf>,
}

/// What an entry is.
pub(crate) enum HeadKind {
    Directory,
    Symlink(String),
    File,
}

/// Where events come from.
pub(crate) trait Source: Send + 'static {
    /// The next event, `None` at a regular end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Event, ApiError>>> + Send;
}

struct Shared<S> {
    source: S,
    /// The head that ended the file before it.
    head: Option<Head>,
    /// Counts entries: the stream of an earlier one gets nothing any more.
    turn: u64,
    ended: bool,
}

/// The entries of a source.
pub(crate) fn split<S: Source>(source: S) -> ItemStream<InputEntry> {
    let shared = Arc::new(Mutex::new(Shared { source, head: None, turn: 0, ended: false }));
    stream::unfold(shared, |shared| async move {
        let next = next_entry(&shared).await?;
        Some((next, shared))
    })
    .fuse()
    .boxed()
}

async fn next_entry<S: Source>(shared: &Arc<Mutex<Shared<S>>>) -> Option<Result<InputEntry, ApiError>> {
    let mut state = shared.lock().await;
    let head = match state.head.take() {
        Some(head) => head,
        None => loop {
            if state.ended {
                return None;
            }
            match state.source.next().await {
                Some(Ok(Event::Entry(head))) => break head,
                Some(Ok(Event::Data(_))) => {}
                Some(Err(error)) => {
                    state.ended = true;
                    return Some(Err(error));
                }
                None => {
                    state.ended = true;
                    return None;
                }
            }
        },
    };
    state.turn += 1;
    let body = match head.kind {
        HeadKind::Directory => EntryBody::Directory,
        HeadKind::Symlink(target) => EntryBody::Symlink(target),
        HeadKind::File => EntryBody::File(file(shared.clone(), state.turn)),
    };
    Some(Ok(InputEntry { path: head.path, body, metadata: head.metadata, source: head.source }))
}

fn file<S: Source>(shared: Arc<Mutex<Shared<S>>>, turn: u64) -> ItemStream<Bytes> {
    stream::unfold(shared, move |shared| async move {
        let item = next_bytes(&shared, turn).await?;
        Some((item, shared))
    })
    .fuse()
    .boxed()
}

async fn next_bytes<S: Source>(shared: &Arc<Mutex<Shared<S>>>, turn: u64) -> Option<Result<Bytes, ApiError>> {
    let mut state = shared.lock().await;
    if state.turn != turn || state.head.is_some() || state.ended {
        return None;
    }
    match state.source.next().await {
        Some(Ok(Event::Data(bytes))) => Some(Ok(bytes)),
        Some(Ok(Event::Entry(head))) => {
            state.head = Some(head);
            None
        }
        Some(Err(error)) => {
            state.ended = true;
            Some(Err(error))
        }
        None => {
            state.ended = true;
            None
        }
    }
}
