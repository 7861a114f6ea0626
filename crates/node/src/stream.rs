//! Streams whose items are made by blocking work.

use std::time::Duration;

use futures::StreamExt;
use merkury_api::{ApiError, ItemStream};
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Items that may wait for the reader.
const QUEUE_ITEMS: usize = 256;

/// Where blocking work puts its items.
pub(crate) struct Items<T>(mpsc::Sender<Result<T, ApiError>>);

/// The reader of the stream has gone; the work should end.
pub(crate) struct ReaderGone;

impl<T> Items<T> {
    /// Hands an item over, waiting for the reader.
    pub(crate) fn send(&self, item: T) -> Result<(), ReaderGone> {
        self.0.blocking_send(Ok(item)).map_err(|_| ReaderGone)
    }

    /// As [`Items::send`], but a reader that takes nothing for `patience` counts as gone: for work that others wait for.
    pub(crate) fn send_within(&self, item: T, patience: Duration) -> Result<(), ReaderGone> {
        let item = match self.0.try_send(Ok(item)) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(item)) => item,
            Err(TrySendError::Closed(_)) => return Err(ReaderGone),
        };
        let sent = Runtime::current().block_on(tokio::time::timeout(patience, self.0.send(item)));
        sent.map_err(|_| ReaderGone)?.map_err(|_| ReaderGone)
    }
}

/// Runs `work` on a blocking thread; its error, if any, is the last item.
pub(crate) fn from_blocking<T: Send + 'static>(
    work: impl FnOnce(&Items<T>) -> Result<(), ApiError> + Send + 'static,
) -> ItemStream<T> {
    let (sender, receiver) = mpsc::channel(QUEUE_ITEMS);
    tokio::task::spawn_blocking(move || {
        let items = Items(sender);
        if let Err(error) = work(&items) {
            let _ = items.0.blocking_send(Err(error));
        }
    });
    from_receiver(receiver)
}

/// A stream that only fails.
pub(crate) fn failed<T: Send + 'static>(error: ApiError) -> ItemStream<T> {
    futures::stream::once(async move { Err(error) }).boxed()
}

fn from_receiver<T: Send + 'static>(receiver: mpsc::Receiver<Result<T, ApiError>>) -> ItemStream<T> {
    futures::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) })
        .boxed()
}
