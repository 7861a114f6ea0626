//! Depth first, in link order, with blocks ahead of the reader.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use merkury_core::{Block, BlockGet, BoxFuture, Cid, GetError};

use super::{AHEAD_BLOCKS, LINKS_HELD_MAX, WalkError, links_of};

/// A block that is to be visited.
struct Waiting {
    cid: Cid,
    depth: u32,
}

/// What a walk met.
#[derive(Clone, Debug)]
pub struct Step {
    /// The block.
    pub block: Block,
    /// Levels below the root.
    pub depth: u32,
}

/// A walk in preorder. The reader decides what lies below each block: see [`Preorder::descend`].
pub struct Preorder {
    get: Arc<dyn BlockGet>,
    /// The next one last.
    waiting: Vec<Waiting>,
    /// Visited before; `None` when blocks are visited as often as they are linked.
    visited: Option<HashSet<Cid>>,
    asked: FuturesUnordered<BoxFuture<'static, (Cid, Result<Block, GetError>)>>,
    /// Asked for and not yet visited; `None` until it arrives.
    ahead: HashMap<Cid, Option<Result<Block, GetError>>>,
}

impl Preorder {
    /// A walk from `root`. `once`: each distinct CID is visited the first time its turn comes, as in Kubo.
    pub fn new(get: Arc<dyn BlockGet>, root: Cid, once: bool) -> Self {
        Self {
            get,
            waiting: vec![Waiting { cid: root, depth: 0 }],
            visited: once.then(HashSet::new),
            asked: FuturesUnordered::new(),
            ahead: HashMap::new(),
        }
    }

    /// The next block, or `None` at the end. After an error the walk may go on with what is left: a missing block has
    /// nothing below it.
    pub async fn next(&mut self) -> Option<Result<Step, WalkError>> {
        let Waiting { cid, depth } = loop {
            let next = self.waiting.pop()?;
            if self.visited.as_mut().is_none_or(|visited| visited.insert(next.cid.clone())) {
                break next;
            }
        };
        let block = match self.ahead.contains_key(&cid) {
            true => self.arrival(&cid).await,
            // What is at hand needs no future: a walk over local blocks is a plain loop.
            false => match self.get.get_local(&cid) {
                Ok(Some(block)) => Ok(block),
                _ => {
                    self.ask(cid.clone());
                    self.arrival(&cid).await
                }
            },
        };
        Some(block.map(|block| Step { block, depth }).map_err(WalkError::from))
    }

    /// Goes below a block of this walk: its links come next, in order.
    pub fn descend(&mut self, step: &Step) -> Result<(), WalkError> {
        let links = links_of(&step.block)?;
        self.descend_to(step, links)
    }

    /// As [`Preorder::descend`], for links that the reader chose.
    pub fn descend_to(&mut self, step: &Step, links: Vec<Cid>) -> Result<(), WalkError> {
        if self.waiting.len() + links.len() > LINKS_HELD_MAX {
            return Err(WalkError::TooWide { cid: step.block.cid().clone() });
        }
        // The last one in the list is the next one visited.
        self.waiting.extend(links.into_iter().rev().map(|cid| Waiting { cid, depth: step.depth + 1 }));
        Ok(())
    }

    fn ask(&mut self, cid: Cid) {
        let get = self.get.clone();
        self.ahead.insert(cid.clone(), None);
        self.asked.push(Box::pin(async move {
            let answer = get.get(&cid).await;
            (cid, answer)
        }));
    }

    /// Blocks come from peers: asks for the next ones on the way too.
    fn ask_ahead(&mut self) {
        let room = AHEAD_BLOCKS.saturating_sub(self.ahead.len());
        let from = self.waiting.len().saturating_sub(AHEAD_BLOCKS);
        let is_new = |cid: &Cid| {
            !self.ahead.contains_key(cid) && self.visited.as_ref().is_none_or(|visited| !visited.contains(cid))
        };
        let mut next: Vec<Cid> =
            self.waiting[from..].iter().rev().map(|next| &next.cid).filter(|cid| is_new(cid)).cloned().collect();
        next.truncate(room);
        for cid in next {
            if !self.ahead.contains_key(&cid) {
                self.ask(cid);
            }
        }
    }

    async fn arrival(&mut self, wanted: &Cid) -> Result<Block, GetError> {
        self.ask_ahead();
        loop {
            if let Some(Some(_)) = self.ahead.get(wanted)
                && let Some(Some(answer)) = self.ahead.remove(wanted)
            {
                return answer;
            }
            match self.asked.next().await {
                Some((cid, answer)) => drop(self.ahead.insert(cid, Some(answer))),
                None => unreachable!("what is waited for was asked for"),
            }
        }
    }
}
