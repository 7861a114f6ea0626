//! Writing: one task per peer reads the blocks of a message from the store while the one before is being written.
//!
//! A peer has one outbound stream, opened for its first message, kept while messages follow each other, and closed
//! after [`IDLE_CLOSE`]: Helia resets streams that are silent for five seconds, and what is written into a stream
//! that is being reset is lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::AsyncWriteExt;
use libp2p::StreamProtocol;
use merkury_bitswap::{OutMessage, Outgoing, Protocol, SendId};
use merkury_core::{Cid, PeerId};
use tokio::sync::mpsc;

use super::LocalBlocks;
use super::actor::Event;
use crate::ids;
use crate::streams::{OpenError, Stream, Streams};

/// Messages that may wait for their blocks; the engine hands out no more than two.
const JOBS_MAX: usize = merkury_bitswap::limits::SENDS_PER_PEER_MAX;
/// How long writing one message may take: a peer that reads nothing for this long has failed.
const WRITE_WAIT: Duration = Duration::from_secs(60);
/// How long closing a stream may take.
const CLOSE_WAIT: Duration = Duration::from_secs(5);
/// A stream without messages is closed after this time.
const IDLE_CLOSE: Duration = Duration::from_secs(2);
/// Smaller writes are put together: each costs a frame in the muxer and one in the encryption.
const WRITE_BYTES: usize = 16 * 1024;

/// A message to write.
pub(super) struct Job {
    pub(super) id: SendId,
    pub(super) message: Outgoing,
}

/// A message with its blocks.
struct Loaded {
    id: SendId,
    message: OutMessage,
    missing: Vec<Cid>,
}

/// Starts the writer of a peer; it ends when the answer is dropped.
pub(super) fn start(
    peer: PeerId,
    streams: Streams,
    blocks: Arc<dyn LocalBlocks>,
    events: mpsc::Sender<Event>,
) -> mpsc::Sender<Job> {
    let (jobs, receiver) = mpsc::channel(JOBS_MAX);
    let (loaded, to_write) = mpsc::channel(1);
    tokio::spawn(load_all(receiver, blocks, loaded));
    let writer = Writer { peer, streams, events, stream: None };
    tokio::spawn(writer.run(to_write));
    jobs
}

async fn load_all(mut jobs: mpsc::Receiver<Job>, blocks: Arc<dyn LocalBlocks>, loaded: mpsc::Sender<Loaded>) {
    while let Some(job) = jobs.recv().await {
        let ready = if job.message.blocks.is_empty() {
            load(job, &*blocks)
        } else {
            let blocks = blocks.clone();
            match tokio::task::spawn_blocking(move || load(job, &*blocks)).await {
                Ok(ready) => ready,
                // Only when the runtime stops.
                Err(_) => return,
            }
        };
        if loaded.send(ready).await.is_err() {
            return;
        }
    }
}

/// Reads a message's blocks. What is gone or damaged is left out and reported.
fn load(job: Job, store: &dyn LocalBlocks) -> Loaded {
    let Outgoing { full, entries, presences, blocks: wanted, pending_bytes } = job.message;
    let mut blocks = Vec::with_capacity(wanted.len());
    let mut missing = Vec::new();
    for cid in wanted {
        let block = store.get_local(&cid).unwrap_or_else(|error| {
            tracing::warn!(%cid, %error, "a block peers want cannot be read");
            None
        });
        match block.and_then(|block| block.with_cid(cid.clone()).ok()) {
            Some(block) => blocks.push(block),
            None => missing.push(cid),
        }
    }
    Loaded { id: job.id, message: OutMessage { full, entries, blocks, presences, pending_bytes }, missing }
}

struct Writer {
    peer: PeerId,
    streams: Streams,
    events: mpsc::Sender<Event>,
    stream: Option<(Protocol, Stream)>,
}

impl Writer {
    async fn run(mut self, mut messages: mpsc::Receiver<Loaded>) {
        loop {
            let next = match self.stream {
                Some(_) => tokio::time::timeout(IDLE_CLOSE, messages.recv()).await,
                None => Ok(messages.recv().await),
            };
            match next {
                Ok(Some(Loaded { id, message, missing })) => {
                    let event = match self.send(&message).await {
                        Ok(()) => Event::Sent { id, missing },
                        Err(SendError::Mute) => Event::Mute { peer: self.peer.clone() },
                        Err(error) => {
                            tracing::debug!(peer = %self.peer, %error, "a message could not be sent");
                            Event::SendFailed { id }
                        }
                    };
                    if self.events.send(event).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return self.close().await,
                Err(_) => self.close().await,
            }
        }
    }

    /// Writes a message; a stream that broke since the last one is replaced once.
    async fn send(&mut self, message: &OutMessage) -> Result<(), SendError> {
        let was_open = self.stream.is_some();
        match self.write(message).await {
            Err(SendError::Io(_)) if was_open => self.write(message).await,
            other => other,
        }
    }

    async fn write(&mut self, message: &OutMessage) -> Result<(), SendError> {
        let (protocol, mut stream) = match self.stream.take() {
            Some(open) => open,
            None => self.open().await?,
        };
        let parts = gather(message.encode(protocol));
        let writing = async {
            for part in parts {
                stream.write_all(&part).await?;
            }
            stream.flush().await
        };
        match tokio::time::timeout(WRITE_WAIT, writing).await {
            Ok(Ok(())) => {
                self.stream = Some((protocol, stream));
                Ok(())
            }
            Ok(Err(error)) => Err(SendError::Io(error)),
            Err(_) => Err(SendError::Late),
        }
    }

    async fn open(&mut self) -> Result<(Protocol, Stream), SendError> {
        let names = Protocol::ALL.into_iter().map(|protocol| StreamProtocol::new(protocol.name())).collect();
        let opened = self.streams.open(ids::to_libp2p(&self.peer), names).await;
        let opened = opened.map_err(|error| match error {
            OpenError::Unsupported => SendError::Mute,
            other => SendError::Open(other),
        })?;
        let protocol = Protocol::from_name(opened.protocol.as_ref()).ok_or(SendError::Mute)?;
        // The engine learns it before the message is reported sent.
        let _ = self.events.send(Event::Speaks { peer: self.peer.clone(), protocol }).await;
        Ok((protocol, opened.stream))
    }

    async fn close(&mut self) {
        if let Some((_, mut stream)) = self.stream.take() {
            // A peer that does not let us close gets a reset by the drop.
            let _ = tokio::time::timeout(CLOSE_WAIT, stream.close()).await;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the peer does not speak bitswap")]
    Mute,
    #[error("cannot open a stream: {0}")]
    Open(OpenError),
    #[error("the stream broke: {0}")]
    Io(std::io::Error),
    #[error("the peer does not read")]
    Late,
}

/// Puts small parts together, and fills them up from the large part that follows, so that every write is worth a
/// frame. At most [`WRITE_BYTES`] of each large part are copied.
fn gather(parts: Vec<Bytes>) -> Vec<Bytes> {
    let mut out = Vec::with_capacity(parts.len());
    let mut small = BytesMut::new();
    for mut part in parts {
        if small.is_empty() && part.len() >= WRITE_BYTES {
            out.push(part);
            continue;
        }
        let room = WRITE_BYTES.saturating_sub(small.len());
        small.extend_from_slice(&part.split_to(room.min(part.len())));
        if small.len() >= WRITE_BYTES {
            out.push(small.split().freeze());
        }
        if part.len() >= WRITE_BYTES {
            out.push(part);
        } else {
            small.extend_from_slice(&part);
        }
    }
    if !small.is_empty() {
        out.push(small.freeze());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathered_parts_are_the_same_bytes_in_fewer_writes() {
        for sizes in [&[10, 300_000, 10, 300_000][..], &[10; 5_000], &[20_000], &[0], &[16_384, 1, 16_383, 2]] {
            let parts: Vec<Bytes> = sizes.iter().enumerate().map(|(i, size)| vec![i as u8; *size].into()).collect();
            let gathered = gather(parts.clone());
            assert_eq!(gathered.concat(), parts.concat());
            let small = gathered.iter().filter(|part| part.len() < WRITE_BYTES).count();
            assert!(small <= 1, "{sizes:?}");
        }
    }
}
