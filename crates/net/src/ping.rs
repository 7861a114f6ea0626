//! Answering pings.
//!
//! The ping behaviour of the swarm measures latencies, but it stops to answer a peer as soon as that peer has said that
//! it does not answer pings itself. Helia's light node is such a peer: it pings, gets no answer, and cuts the
//! connection after ten seconds. So inbound pings are accepted here, before that behaviour sees them.
//!
//! Bounds: [`STREAMS_MAX`] ping streams at a time over all peers, [`IDLE_WAIT`] of silence on each.

use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::StreamProtocol;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::streams::{AlreadyAccepted, Incoming, Stream, Streams};

/// Specification: libp2p `ping`.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");
/// Bytes of a ping and of its answer.
const PING_BYTES: usize = 32;
/// Ping streams that may wait to be answered.
const QUEUE: usize = 64;
/// Ping streams answered at a time; a stream beyond waits for one to end.
const STREAMS_MAX: usize = 512;
/// How long a ping stream may be silent; those of people who measure send one a second.
const IDLE_WAIT: Duration = Duration::from_secs(30);

/// Accepts ping streams; [`answer`] has to be run with what this returns.
pub(crate) fn accept(streams: &Streams) -> Result<Incoming, AlreadyAccepted> {
    streams.accept(&[PROTOCOL], QUEUE)
}

/// Answers until the network stops.
pub(crate) async fn answer(mut incoming: Incoming, shutdown: CancellationToken) {
    let room = Arc::new(Semaphore::new(STREAMS_MAX));
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await;
            (incoming.next().await, permit)
        };
        let (Some(inbound), permit) = (tokio::select! {
            () = shutdown.cancelled() => return,
            next = next => next,
        }) else {
            return;
        };
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                // A ping stream ends when it likes to.
                _ = echo(inbound.stream) => {}
            }
            drop(permit);
        });
    }
}

async fn echo(mut stream: Stream) -> std::io::Result<()> {
    let mut ping = [0; PING_BYTES];
    loop {
        let one = async {
            stream.read_exact(&mut ping).await?;
            stream.write_all(&ping).await?;
            stream.flush().await
        };
        tokio::time::timeout(IDLE_WAIT, one).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    }
}
