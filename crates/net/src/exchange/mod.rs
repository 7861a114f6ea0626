//! The exchange of blocks with peers: the thin shell that gives the Bitswap engine its clock, streams and threads.
//!
//! Parts: the handles [`Exchange`] and [`Session`] here; `actor` (one task owns the engine), `inbound` (reading and
//! hashing), `outbound` (one writer per peer), `search` (providers).
//!
//! ```text
//! inbound stream ─ read ─ decode ─► queue of the peer ─ hash (worker thread) ─► actor ─► waiting futures
//! actor ─► queue of the peer ─ read blocks (worker thread) ─ write ─► the peer's one outbound stream
//! ```
//!
//! Invariants:
//! - A reader gets a [`Block`] or keeps waiting; nothing unhashed leaves `inbound`.
//! - Every queue is bounded, and full ones hold the sender back: a peer that reads slowly gets its next message when
//!   it has taken the last, a peer that sends fast is read when its last messages are hashed.
//! - Dropping the future of a get gives the want up: the actor sees the closed answer at its next tick.
//! - Storing a received block, and saying so with [`Exchange::notify_new_blocks`], is the caller's business.
//!
//! Nothing here is durable; a crash loses nothing.

mod actor;
mod inbound;
mod outbound;
mod search;
mod waiters;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use futures::stream::BoxStream;
use merkury_bitswap::WantStatus;
use merkury_core::{Block, BlockGet, BlockHas, BoxFuture, Cid, ErrorKind, GetError, PeerId};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::peers::Peers;
use crate::routing::Routing;
use crate::streams::Streams;
use waiters::SessionKey;

pub use merkury_bitswap::Ledger;

/// Commands that may wait for the actor; callers wait beyond.
const COMMANDS_MAX: usize = 1024;
/// New blocks the actor may have to be told of; beyond it looks at everything that peers wait for.
const NEW_BLOCKS_MAX: usize = 16 * 1024;
/// Blocks one [`Session::get_many`] has in flight.
const GET_MANY_IN_FLIGHT: usize = 512;

/// The blocks that are here: read when they are sent, asked for in memory otherwise.
pub trait LocalBlocks: BlockGet + BlockHas {}

impl<T: BlockGet + BlockHas> LocalBlocks for T {}

/// A node that keeps no blocks.
struct NoBlocks;

impl BlockGet for NoBlocks {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        Box::pin(std::future::ready(Err(GetError::NotHere { cid: cid.clone() })))
    }

    fn get_local(&self, _: &Cid) -> Result<Option<Block>, GetError> {
        Ok(None)
    }
}

impl BlockHas for NoBlocks {
    fn has(&self, _: &Cid) -> bool {
        false
    }

    fn size_of(&self, _: &Cid) -> Option<u64> {
        None
    }
}

/// Why the exchange does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("network is shut down")]
pub struct ExchangeStopped;

impl ExchangeStopped {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

/// What the exchange did since the start, and what it does now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExchangeStat {
    /// Blocks peers sent.
    pub blocks_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Blocks that came although another peer had sent them, or after they were given up.
    pub duplicate_blocks: u64,
    /// Their bytes.
    pub duplicate_bytes: u64,
    /// Blocks nobody asked for.
    pub unwanted_blocks: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Blocks sent.
    pub blocks_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// What we want now.
    pub wantlist: Vec<Cid>,
    /// Peers we exchange with.
    pub peers: Vec<PeerId>,
}

/// What the actor is asked.
enum Command {
    Want { session: SessionKey, cid: Cid, reply: oneshot::Sender<Block> },
    Stat { reply: oneshot::Sender<ExchangeStat> },
    Wantlist { peer: Option<PeerId>, reply: oneshot::Sender<Vec<Cid>> },
    Ledger { peer: PeerId, reply: oneshot::Sender<Ledger> },
    Status { cid: Cid, reply: oneshot::Sender<Option<WantStatus>> },
}

/// New blocks on their way to the actor, from threads that must not wait.
#[derive(Default)]
struct NewBlocks {
    cids: Mutex<Vec<Cid>>,
    came: Notify,
}

impl NewBlocks {
    fn add(&self, cids: &[Cid]) {
        let mut waiting = self.cids.lock();
        let room = (NEW_BLOCKS_MAX + 1).saturating_sub(waiting.len());
        waiting.extend(cids.iter().take(room).cloned());
        drop(waiting);
        self.came.notify_one();
    }

    fn take(&self) -> Vec<Cid> {
        std::mem::take(&mut self.cids.lock())
    }
}

/// The handle to the exchange. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    commands: mpsc::Sender<Command>,
    new_blocks: Arc<NewBlocks>,
    blocks: Arc<dyn LocalBlocks>,
    next_session: Arc<AtomicU64>,
}

impl Exchange {
    /// Starts the exchange; it ends with `shutdown`.
    pub(crate) fn start(
        streams: Streams,
        routing: Routing,
        peers: Peers,
        blocks: Option<Arc<dyn LocalBlocks>>,
        shutdown: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let blocks = blocks.unwrap_or_else(|| Arc::new(NoBlocks));
        let new_blocks = Arc::new(NewBlocks::default());
        let exchange = Self {
            commands,
            new_blocks: new_blocks.clone(),
            blocks: blocks.clone(),
            next_session: Arc::new(AtomicU64::new(0)),
        };
        let actor = actor::Actor::new(streams, search::Searcher::new(routing, peers), blocks, shutdown.clone());
        tasks.spawn(actor.run(receiver, new_blocks));
        exchange
    }

    /// A session: wants that belong together, so that what is learnt of peers for one helps the others. Dropping it
    /// and its gets gives everything up.
    pub fn session(&self) -> Session {
        let key = SessionKey::new(self.next_session.fetch_add(1, Ordering::Relaxed));
        Session { exchange: self.clone(), key }
    }

    /// Tells peers that wait for these blocks; to be called when they can be read from the store. Never waits.
    pub fn notify_new_blocks(&self, cids: &[Cid]) {
        self.new_blocks.add(cids);
    }

    /// Counters, wants and peers.
    pub async fn stat(&self) -> Result<ExchangeStat, ExchangeStopped> {
        self.ask(|reply| Command::Stat { reply }).await
    }

    /// What a peer wants of us; without a peer, what we want.
    pub async fn wantlist(&self, peer: Option<&PeerId>) -> Result<Vec<Cid>, ExchangeStopped> {
        let peer = peer.cloned();
        self.ask(|reply| Command::Wantlist { peer, reply }).await
    }

    /// What went to and from a peer.
    pub async fn ledger(&self, peer: &PeerId) -> Result<Ledger, ExchangeStopped> {
        let peer = peer.clone();
        self.ask(|reply| Command::Ledger { peer, reply }).await
    }

    /// Why a want waits; `None` when the block is not wanted.
    pub async fn status(&self, cid: &Cid) -> Result<Option<WantStatus>, ExchangeStopped> {
        let cid = cid.clone();
        self.ask(|reply| Command::Status { cid, reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, ExchangeStopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| ExchangeStopped)?;
        answer.await.map_err(|_| ExchangeStopped)
    }
}

/// Wants that belong together. Cheap to clone; clones are the same session.
#[derive(Clone)]
pub struct Session {
    exchange: Exchange,
    key: SessionKey,
}

impl Session {
    /// Gets many blocks at once, in the order in which they come. Dropping the stream gives the rest up.
    pub fn get_many(&self, cids: Vec<Cid>) -> BoxStream<'static, Result<Block, GetError>> {
        let session = self.clone();
        let get = move |cid: Cid| {
            let session = session.clone();
            async move { session.fetch(&cid).await }
        };
        futures::stream::iter(cids).map(get).buffer_unordered(GET_MANY_IN_FLIGHT).boxed()
    }

    async fn fetch(&self, cid: &Cid) -> Result<Block, GetError> {
        if let Err(error) = cid.hash().check_secure() {
            return Err(GetError::Refused { cid: cid.clone(), why: error.to_string() });
        }
        if let Some(block) = Block::from_identity(cid) {
            return Ok(block);
        }
        let (reply, answer) = oneshot::channel();
        let stopped = |why: &str| GetError::NotFound { cid: cid.clone(), why: why.into() };
        let command = Command::Want { session: self.key.clone(), cid: cid.clone(), reply };
        self.exchange.commands.send(command).await.map_err(|_| stopped("the network is shut down"))?;
        answer.await.map_err(|_| stopped("the network was shut down meanwhile"))
    }
}

impl BlockGet for Session {
    /// Waits until a peer sends the block, however long that takes; the caller sets the deadline. Does not look into
    /// the store.
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        Box::pin(self.fetch(cid))
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        match Block::from_identity(cid) {
            Some(block) => Ok(Some(block)),
            None => self.exchange.blocks.get_local(cid),
        }
    }
}
