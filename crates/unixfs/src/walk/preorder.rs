//! Depth first, in link order, with blocks ahead of the reader.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use merkury_core::{Block, BlockGet, BoxFuture, Cid, GetError, Multihash};

use super::{AHEAD_BLOCKS, LINKS_HELD_MAX, WalkError, links_of};

type Ticket = u64;

/// A block that is to be visited.
struct Waiting {
    cid: Cid,
    depth: u32,
    /// There when its get runs already.
    ticket: Option<Ticket>,
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
    /// Met before; `None` when blocks are met as often as they are linked.
    met: Option<HashSet<Multihash>>,
    asked: FuturesUnordered<BoxFuture<'static, (Ticket, Result<Block, GetError>)>>,
    arrived: HashMap<Ticket, Result<Block, GetError>>,
    next_ticket: Ticket,
}

impl Preorder {
    /// A walk from `root`. `once`: each distinct block is visited the first time it is met.
    pub fn new(get: Arc<dyn BlockGet>, root: Cid, once: bool) -> Self {
        let mut walk = Self {
            get,
            waiting: Vec::new(),
            met: once.then(HashSet::new),
            asked: FuturesUnordered::new(),
            arrived: HashMap::new(),
            next_ticket: 0,
        };
        walk.push(root, 0);
        walk
    }

    /// The next block, or `None` at the end. After an error the walk may go on with what is left: a missing block has
    /// nothing below it.
    pub async fn next(&mut self) -> Option<Result<Step, WalkError>> {
        let Waiting { cid, depth, ticket } = self.waiting.pop()?;
        let block = match ticket {
            Some(ticket) => self.await_ticket(ticket).await,
            None => match self.get.get_local(&cid) {
                Ok(Some(block)) => Ok(block),
                _ => {
                    let ticket = self.ask(cid);
                    self.ask_ahead();
                    self.await_ticket(ticket).await
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
        let first = self.waiting.len();
        for link in links {
            self.push(link, step.depth + 1);
        }
        // The last one in the list is the next one visited.
        self.waiting[first..].reverse();
        Ok(())
    }

    fn push(&mut self, cid: Cid, depth: u32) {
        let is_new = match &mut self.met {
            Some(met) => met.insert(cid.hash().clone()),
            None => true,
        };
        if is_new {
            self.waiting.push(Waiting { cid, depth, ticket: None });
        }
    }

    fn ask(&mut self, cid: Cid) -> Ticket {
        let (get, ticket) = (self.get.clone(), self.next_ticket);
        self.next_ticket += 1;
        self.asked.push(Box::pin(async move { (ticket, get.get(&cid).await) }));
        ticket
    }

    /// Blocks come from peers: asks for the next ones on the way too.
    fn ask_ahead(&mut self) {
        let room = AHEAD_BLOCKS.saturating_sub(self.asked.len() + self.arrived.len());
        let from = self.waiting.len().saturating_sub(AHEAD_BLOCKS);
        let next: Vec<usize> =
            (from..self.waiting.len()).rev().filter(|&at| self.waiting[at].ticket.is_none()).take(room).collect();
        for at in next {
            let ticket = self.ask(self.waiting[at].cid.clone());
            self.waiting[at].ticket = Some(ticket);
        }
    }

    async fn await_ticket(&mut self, wanted: Ticket) -> Result<Block, GetError> {
        self.ask_ahead();
        loop {
            if let Some(result) = self.arrived.remove(&wanted) {
                return result;
            }
            match self.asked.next().await {
                Some((ticket, result)) => drop(self.arrived.insert(ticket, result)),
                None => unreachable!("a ticket is asked for or has arrived"),
            }
        }
    }
}
