//! Reading: inbound streams become messages, their blocks are hashed on worker threads, the actor gets both.
//!
//! Each stream has a reader; all readers of one peer feed one hasher, which takes what is there at once. A peer may
//! have [`PEER_BYTES_MAX`] of messages being read or hashed; more is read when the actor has taken some. So Kubo,
//! which opens a stream for every block, and Merkury, which keeps one, are read at the same cost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::AsyncReadExt;
use futures::io::BufReader;
use merkury_bitswap::message::RawBlock;
use merkury_bitswap::{Message, MessageError, Protocol, limits, name_blocks};
use merkury_core::{Block, PeerId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::actor::Event;
use crate::ids;
use crate::streams::{InboundStream, Incoming, Stream};

/// Bytes of messages of one peer that may be in memory: one of the largest, or four of the size we send.
const PEER_BYTES_MAX: usize = limits::MESSAGE_BYTES_MAX;
/// Messages of one peer that may wait to be hashed.
const PEER_MESSAGES_MAX: usize = 64;
/// Messages hashed together.
const HASH_TOGETHER: usize = 16;
/// Blocks up to this many bytes are hashed at once; a worker thread would cost more.
const HASH_HERE_BYTES: usize = 16 * 1024;
/// How long a stream may be silent between messages.
const IDLE_WAIT: Duration = Duration::from_secs(300);
/// How long one message may take.
const MESSAGE_WAIT: Duration = Duration::from_secs(60);
/// Buffer for lengths and small messages; larger reads go around it.
const BUFFER_BYTES: usize = 4 * 1024;

/// A message with its blocks hashed. Its bytes count against the peer until it is dropped.
pub(super) struct Received {
    pub(super) peer: PeerId,
    pub(super) message: Message,
    pub(super) blocks: Vec<Block>,
    _bytes: OwnedSemaphorePermit,
}

/// Where the readers of one peer put what they read.
struct Intake {
    peer: PeerId,
    bytes: Arc<Semaphore>,
    messages: mpsc::Sender<(Message, OwnedSemaphorePermit)>,
    events: mpsc::Sender<Event>,
}

/// Takes inbound streams until the network stops.
pub(super) async fn accept(mut incoming: Incoming, events: mpsc::Sender<Event>, shutdown: CancellationToken) {
    let mut intakes: HashMap<PeerId, std::sync::Weak<Intake>> = HashMap::new();
    loop {
        let stream = tokio::select! {
            () = shutdown.cancelled() => return,
            stream = incoming.next() => stream,
        };
        let Some(InboundStream { peer, protocol, stream }) = stream else { return };
        let (Some(peer), Some(protocol)) = (ids::to_core(&peer), Protocol::from_name(protocol.as_ref())) else {
            continue;
        };
        let intake = match intakes.get(&peer).and_then(std::sync::Weak::upgrade) {
            Some(intake) => intake,
            None => {
                intakes.retain(|_, intake| intake.strong_count() > 0);
                let intake = start_intake(peer.clone(), events.clone());
                intakes.insert(peer.clone(), Arc::downgrade(&intake));
                if events.send(Event::Speaks { peer, protocol }).await.is_err() {
                    return;
                }
                intake
            }
        };
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = read_stream(BufReader::with_capacity(BUFFER_BYTES, stream), intake) => {}
            }
        });
    }
}

fn start_intake(peer: PeerId, events: mpsc::Sender<Event>) -> Arc<Intake> {
    let (messages, receiver) = mpsc::channel(PEER_MESSAGES_MAX);
    tokio::spawn(hash_messages(peer.clone(), receiver, events.clone()));
    Arc::new(Intake { peer, bytes: Arc::new(Semaphore::new(PEER_BYTES_MAX)), messages, events })
}

async fn read_stream(mut stream: BufReader<Stream>, intake: Arc<Intake>) {
    loop {
        match read_message(&mut stream, &intake.bytes).await {
            Ok(Some(message)) => {
                if intake.messages.send(message).await.is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(ReadError::Message(error)) => {
                tracing::debug!(peer = %intake.peer, %error, "refused a message");
                let _ = intake.events.send(Event::Malformed { peer: intake.peer.clone() }).await;
                return;
            }
            // Kubo resets streams at will; that is no fault.
            Err(ReadError::Io(error)) => {
                tracing::trace!(peer = %intake.peer, %error, "a stream broke");
                return;
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The next message; `None` when the stream ended between two. The length is refused before anything is allocated.
async fn read_message(
    stream: &mut BufReader<Stream>,
    budget: &Arc<Semaphore>,
) -> Result<Option<(Message, OwnedSemaphorePermit)>, ReadError> {
    let late = |_| std::io::Error::from(std::io::ErrorKind::TimedOut);
    let Some(length) = tokio::time::timeout(IDLE_WAIT, read_length(stream)).await.map_err(late)?? else {
        return Ok(None);
    };
    let closed = |_| std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    let permits = u32::try_from(length.max(1)).unwrap_or(u32::MAX);
    let permit = budget.clone().acquire_many_owned(permits).await.map_err(closed)?;
    let mut body = vec![0; length];
    tokio::time::timeout(MESSAGE_WAIT, stream.read_exact(&mut body)).await.map_err(late)??;
    Ok(Some((Message::decode(&Bytes::from(body))?, permit)))
}

async fn read_length(stream: &mut BufReader<Stream>) -> Result<Option<usize>, ReadError> {
    let mut prefix = Vec::with_capacity(4);
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await? == 0 {
            return if prefix.is_empty() {
                Ok(None)
            } else {
                Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())
            };
        }
        prefix.extend_from_slice(&byte);
        if let Some((length, _)) = Message::decode_length(&prefix)? {
            return Ok(Some(length));
        }
    }
}

/// Names the blocks of one peer's messages, as many together as are there, and hands them on in order.
async fn hash_messages(
    peer: PeerId,
    mut messages: mpsc::Receiver<(Message, OwnedSemaphorePermit)>,
    events: mpsc::Sender<Event>,
) {
    let mut batch = Vec::with_capacity(HASH_TOGETHER);
    while messages.recv_many(&mut batch, HASH_TOGETHER).await > 0 {
        let raw: Vec<Vec<RawBlock>> =
            batch.iter_mut().map(|(message, _)| std::mem::take(&mut message.blocks)).collect();
        let named = name_all(raw).await;
        for ((message, bytes), blocks) in batch.drain(..).zip(named) {
            let received = Received { peer: peer.clone(), message, blocks, _bytes: bytes };
            if events.send(Event::Message(received)).await.is_err() {
                return;
            }
        }
    }
}

async fn name_all(raw: Vec<Vec<RawBlock>>) -> Vec<Vec<Block>> {
    let bytes: usize = raw.iter().flatten().map(|block| block.data.len()).sum();
    let name = move || raw.into_iter().map(name_blocks).collect();
    if bytes <= HASH_HERE_BYTES {
        return name();
    }
    // The runtime is being shut down when a blocking task is lost; nobody waits for these blocks then.
    tokio::task::spawn_blocking(name).await.unwrap_or_default()
}
