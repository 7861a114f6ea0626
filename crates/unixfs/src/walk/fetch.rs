//! Every block of a DAG once, in no order.

use std::collections::HashSet;
use std::sync::Arc;

use futures::stream::{FuturesUnordered, Stream, StreamExt, unfold};
use merkury_core::{Block, BlockGet, BoxFuture, Cid};

use super::{FETCH_BLOCKS, LINKS_HELD_MAX, WalkError, links_of};

/// A block that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its name.
    pub cid: Cid,
    /// Its size in bytes.
    pub bytes: u64,
}

struct Walk {
    get: Arc<dyn BlockGet>,
    /// Met and not asked for yet; the last one met is asked for first, which keeps the list short.
    waiting: Vec<Cid>,
    met: HashSet<Cid>,
    /// Blocks that are in their CIDs, too.
    identities: bool,
    asked: FuturesUnordered<BoxFuture<'static, Result<Block, merkury_core::GetError>>>,
    failed: bool,
}

/// Gets every block below `root`, each once, but for those that are in their CIDs. The stream ends after the first error.
pub fn fetch(get: Arc<dyn BlockGet>, root: Cid) -> impl Stream<Item = Result<Fetched, WalkError>> + Send + 'static {
    start(get, root, false)
}

/// As [`fetch`], with the blocks that are in their CIDs.
pub fn fetch_all(get: Arc<dyn BlockGet>, root: Cid) -> impl Stream<Item = Result<Fetched, WalkError>> + Send + 'static {
    start(get, root, true)
}

fn start(
    get: Arc<dyn BlockGet>,
    root: Cid,
    identities: bool,
) -> impl Stream<Item = Result<Fetched, WalkError>> + Send + 'static {
    let met = HashSet::from([root.clone()]);
    let walk = Walk { get, waiting: vec![root], met, identities, asked: FuturesUnordered::new(), failed: false };
    unfold(walk, |mut walk| async move {
        let item = walk.next().await?;
        walk.failed = item.is_err();
        Some((item, walk))
    })
}

impl Walk {
    async fn next(&mut self) -> Option<Result<Fetched, WalkError>> {
        if self.failed {
            return None;
        }
        // What is at hand needs no future: a walk over local blocks is a plain loop.
        while self.asked.len() < FETCH_BLOCKS
            && let Some(cid) = self.waiting.pop()
        {
            match self.get.get_local(&cid) {
                Ok(Some(block)) => return Some(self.take(block)),
                _ => {
                    let get = self.get.clone();
                    self.asked.push(Box::pin(async move { get.get(&cid).await }));
                }
            }
        }
        match self.asked.next().await? {
            Ok(block) => Some(self.take(block)),
            Err(error) => Some(Err(error.into())),
        }
    }

    fn take(&mut self, block: Block) -> Result<Fetched, WalkError> {
        for link in links_of(&block)?.into_iter().rev() {
            if (self.identities || !link.hash().is_identity()) && self.met.insert(link.clone()) {
                self.waiting.push(link);
            }
        }
        if self.waiting.len() > LINKS_HELD_MAX {
            return Err(WalkError::TooWide { cid: block.cid().clone() });
        }
        Ok(Fetched { bytes: block.data().len() as u64, cid: block.cid().clone() })
    }
}
