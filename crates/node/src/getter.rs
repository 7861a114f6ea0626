//! Blocks from here, else from peers: the [`BlockGet`] that everything above reads through.

use std::sync::Arc;

use merkury_core::{Block, BlockGet, BlockPut, BoxFuture, Cid, GetError};
use merkury_net::exchange::Session;

use crate::ingest::Ingest;
use crate::stores::Stores;

/// Looks into the stores, then asks the session's peers; what comes is stored before it is returned.
pub(crate) struct Getter {
    pub(crate) stores: Arc<Stores>,
    /// Copies what only a store below has into the main one: a pin must not rely on a store that others may change.
    pub(crate) copies: bool,
    pub(crate) remote: Option<Remote>,
}

/// One exchange session: wants of one reader that belong together.
pub(crate) struct Remote {
    pub(crate) session: Session,
    pub(crate) ingest: Ingest,
}

impl BlockGet for Getter {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        // The local answer needs no state machine of the remote way.
        match (self.get_local(cid), &self.remote) {
            (Ok(Some(block)), _) => Box::pin(std::future::ready(Ok(block))),
            (Ok(None), None) => Box::pin(std::future::ready(Err(GetError::NotHere { cid: cid.clone() }))),
            // A damaged block is fetched again when there are peers to ask.
            (Err(error), None) => Box::pin(std::future::ready(Err(error))),
            (Ok(None) | Err(_), Some(remote)) => Box::pin(fetch(remote, cid)),
        }
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        let found = self.stores.blocks.get_local(cid)?;
        if let Some(block) = &found
            && self.copies
            && !self.stores.main.is_here(cid)
        {
            let stored = self.stores.blocks.put_many(vec![block.clone()]);
            stored.map_err(|error| GetError::Failed { cid: cid.clone(), why: error.to_string() })?;
        }
        Ok(found)
    }
}

async fn fetch(remote: &Remote, cid: &Cid) -> Result<Block, GetError> {
    if let Err(error) = cid.hash().check_secure() {
        return Err(GetError::Refused { cid: cid.clone(), why: error.to_string() });
    }
    let block = remote.session.get(cid).await?;
    let stored = remote.ingest.store(block.clone()).await;
    stored.map_err(|error| GetError::Failed { cid: cid.clone(), why: error.to_string() })?;
    Ok(block)
}
