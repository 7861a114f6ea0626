//! Blocks from here, else from peers: the [`BlockGet`] that everything above reads through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use merkury_core::{Block, BlockGet, BlockPut, BoxFuture, Cid, GetError, PutError};
use merkury_net::exchange::Session;
use merkury_store::TempPin;

use crate::ingest::Ingest;
use crate::stores::Stores;

/// Looks into the stores, then asks the session's peers; what comes is stored before it is returned.
///
/// The DAG below the first block asked for is kept from eviction and collection while this lives. When there is no space to store
/// what comes, a reader is given it all the same.
pub(crate) struct Getter {
    pub(crate) stores: Arc<Stores>,
    /// Copies what only a store below has into the main one: a pin must not rely on a store that others may change.
    pub(crate) copies: bool,
    pub(crate) remote: Option<Remote>,
    pub(crate) reading: Reading,
}

/// Keeps what is being read.
pub(crate) struct Reading {
    pin: TempPin,
    is_named: AtomicBool,
}

impl Reading {
    pub(crate) fn new(pin: TempPin) -> Self {
        Self { pin, is_named: AtomicBool::new(false) }
    }

    fn asks_for(&self, cid: &Cid) {
        if !self.is_named.load(Relaxed) && !self.is_named.swap(true, Relaxed) {
            self.pin.protect(cid);
        }
    }
}

/// One exchange session: wants of one reader that belong together.
pub(crate) struct Remote {
    pub(crate) session: Session,
    pub(crate) ingest: Ingest,
}

impl BlockGet for Getter {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        if self.stores.has_slow_layers {
            return Box::pin(self.get_slowly(cid));
        }
        // The local answer needs no state machine of the remote way.
        match (self.get_local(cid), &self.remote) {
            (Ok(Some(block)), _) => Box::pin(std::future::ready(Ok(block))),
            (Ok(None), None) => Box::pin(std::future::ready(Err(not_here(cid)))),
            // A damaged block is fetched again when there are peers to ask.
            (Err(error), None) => Box::pin(std::future::ready(Err(error))),
            (Ok(None) | Err(_), Some(remote)) => Box::pin(fetch(remote, cid, self.copies)),
        }
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        self.reading.asks_for(cid);
        self.stores.blocks.get_local(cid)?.map(|block| self.kept(block)).transpose()
    }
}

impl Getter {
    /// As `get`, where a layer may have to be waited for.
    async fn get_slowly(&self, cid: &Cid) -> Result<Block, GetError> {
        self.reading.asks_for(cid);
        match (self.stores.blocks.get(cid).await, &self.remote) {
            (Ok(block), _) => self.kept(block),
            (Err(error), None) => Err(error),
            (Err(_), Some(remote)) => fetch(remote, cid, self.copies).await,
        }
    }

    /// Copies a block into the main store when that is asked for.
    fn kept(&self, block: Block) -> Result<Block, GetError> {
        if self.copies && !self.stores.main.is_here(block.cid()) {
            let stored = self.stores.blocks.put_many(vec![block.clone()]);
            stored.map_err(|error| not_stored(block.cid(), error))?;
        }
        Ok(block)
    }
}

fn not_here(cid: &Cid) -> GetError {
    refuse_insecure(cid).err().unwrap_or_else(|| GetError::NotHere { cid: cid.clone() })
}

/// Nobody can have a block whose name is not safe: the store takes none.
fn refuse_insecure(cid: &Cid) -> Result<(), GetError> {
    cid.hash().check_secure().map_err(|error| GetError::Refused { cid: cid.clone(), why: error.to_string() })
}

async fn fetch(remote: &Remote, cid: &Cid, must_be_stored: bool) -> Result<Block, GetError> {
    refuse_insecure(cid)?;
    let block = remote.session.get(cid).await?;
    match remote.ingest.store(block.clone()).await {
        Ok(()) => Ok(block),
        // A full store is no reason not to read.
        Err(PutError::NoSpace(_)) if !must_be_stored => Ok(block),
        Err(error) => Err(not_stored(cid, error)),
    }
}

fn not_stored(cid: &Cid, error: PutError) -> GetError {
    let cid = cid.clone();
    match error {
        PutError::NoSpace(why) => GetError::NoSpace { cid, why },
        PutError::Failed(why) => GetError::Failed { cid, why },
    }
}
