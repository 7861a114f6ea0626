//! Streams whose items are made by blocking work.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use merkury_api::{ApiError, ItemStream};
use tokio::runtime::Handle as Runtime;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Items that may wait for the reader.
const QUEUE_ITEMS: usize = 256;

/// Items of a [`grouped`] stream handed over together …
const GROUP_ITEMS: usize = 128;
/// … unless the first of them has waited this long when the next one comes.
const GROUP_WAIT: Duration = Duration::from_millis(5);

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

/// Where work that makes many small items quickly puts them: a reader is woken for a group, not for each.
pub(crate) struct Groups<'a, T> {
    items: &'a Items<Vec<T>>,
    group: RefCell<Vec<T>>,
    since: Cell<Instant>,
}

impl<T> Groups<'_, T> {
    /// Hands an item over, waiting for the reader. The first one goes at once; others may wait for the next one, or for the end.
    pub(crate) fn send(&self, item: T) -> Result<(), ReaderGone> {
        let mut group = self.group.borrow_mut();
        group.push(item);
        if group.len() < GROUP_ITEMS && self.since.get().elapsed() < GROUP_WAIT {
            return Ok(());
        }
        self.since.set(Instant::now());
        self.items.send(std::mem::replace(&mut *group, Vec::with_capacity(GROUP_ITEMS)))
    }
}

/// As [`from_blocking`], for work that lists what it has at hand.
pub(crate) fn grouped<T: Send + 'static>(
    work: impl FnOnce(&Groups<'_, T>) -> Result<(), ApiError> + Send + 'static,
) -> ItemStream<T> {
    let groups = from_blocking(move |items| {
        let long_ago = Instant::now().checked_sub(GROUP_WAIT).unwrap_or_else(Instant::now);
        let groups = Groups { items, group: RefCell::default(), since: Cell::new(long_ago) };
        let outcome = work(&groups);
        // What came before an error is told before it.
        let _ = items.send(groups.group.into_inner());
        outcome
    });
    groups.map_ok(|group| futures::stream::iter(group.into_iter().map(Ok))).try_flatten().boxed()
}

/// A stream that only fails.
pub(crate) fn failed<T: Send + 'static>(error: ApiError) -> ItemStream<T> {
    futures::stream::once(async move { Err(error) }).boxed()
}

fn from_receiver<T: Send + 'static>(receiver: mpsc::Receiver<Result<T, ApiError>>) -> ItemStream<T> {
    futures::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) })
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_items_of_groups_come_in_order_and_the_error_last() {
        let stream = grouped(|items| {
            for n in 0..1000 {
                if items.send(n).is_err() {
                    return Ok(());
                }
            }
            Err(ApiError::internal("the end"))
        });
        let mut all: Vec<Result<i32, ApiError>> = stream.collect().await;
        assert_eq!(all.pop().map(|last| last.map_err(|error| error.message)), Some(Err("the end".to_owned())));
        assert_eq!(all.into_iter().map(|item| item.unwrap()).collect::<Vec<_>>(), (0..1000).collect::<Vec<_>>());
    }
}
