//! Fetched blocks on their way into the store: handed over in groups, told to the exchange once they are there.
//!
//! Invariants: a block is given to a reader only after the store has it; at most [`QUEUE_BLOCKS`] wait, so a slow disk
//! slows the fetch. A crash loses blocks that nobody pinned yet; they are fetched again.

use std::sync::Arc;

use merkury_core::{Block, BlockPut, BlockStore, Cid, PutError};
use merkury_net::exchange::Exchange;
use tokio::sync::{mpsc, oneshot};

/// Blocks that may wait for the store: 32 MiB of usual leaves.
const QUEUE_BLOCKS: usize = 128;
/// Most blocks handed to the store at a time.
const GROUP_BLOCKS: usize = 64;

struct Arrival {
    block: Block,
    stored: oneshot::Sender<Result<(), PutError>>,
}

/// Takes fetched blocks. Cheap to clone; the thread behind it ends with the last clone.
#[derive(Clone)]
pub(crate) struct Ingest {
    queue: mpsc::Sender<Arrival>,
}

impl Ingest {
    /// Starts the thread that stores; `stored` is called with each group once it is readable.
    pub(crate) fn start(
        store: Arc<dyn BlockStore>,
        stored: impl Fn(&[Block]) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, arrivals) = mpsc::channel(QUEUE_BLOCKS);
        std::thread::Builder::new().name("ingest".into()).spawn(move || run(&*store, arrivals, &stored))?;
        Ok(Self { queue })
    }

    /// Stores a block; readable when it returns, durable with the next commit.
    pub(crate) async fn store(&self, block: Block) -> Result<(), PutError> {
        let (stored, answer) = oneshot::channel();
        let closed = |_| PutError::Failed("the store is closed".into());
        self.queue.send(Arrival { block, stored }).await.map_err(|_| closed(()))?;
        answer.await.map_err(|_| closed(()))?
    }
}

/// Puts into the store and tells the exchange: a peer may wait for what is added here.
pub(crate) struct ToldPut {
    pub(crate) store: Arc<dyn BlockStore>,
    pub(crate) exchange: Exchange,
}

impl BlockPut for ToldPut {
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        let cids: Vec<Cid> = blocks.iter().map(|block| block.cid().clone()).collect();
        self.store.put_many(blocks)?;
        self.exchange.notify_new_blocks(&cids);
        Ok(())
    }

    fn commit(&self) -> Result<(), PutError> {
        self.store.commit()
    }
}

fn run(store: &dyn BlockStore, mut arrivals: mpsc::Receiver<Arrival>, stored: &dyn Fn(&[Block])) {
    while let Some(first) = arrivals.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP_BLOCKS
            && let Ok(next) = arrivals.try_recv()
        {
            group.push(next);
        }
        let blocks: Vec<Block> = group.iter().map(|arrival| arrival.block.clone()).collect();
        let result = store.put_cached(blocks.clone());
        if result.is_ok() {
            stored(&blocks);
        }
        for arrival in group {
            // A reader that gave up is no error: the block stays as cache.
            let _ = arrival.stored.send(result.clone());
        }
    }
}
