//! Who waits for which block: from the engine's sessions to the futures of callers.
//!
//! Nobody tells us that a future was dropped; its answer is closed then, and [`Waiters::sweep`] finds it. So giving
//! up needs no queue.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use merkury_bitswap::{Engine, SessionId};
use merkury_core::{Block, Cid};
use tokio::sync::oneshot;

/// A session as its holders know it; it ends when the last of them drops it.
#[derive(Clone, Debug)]
pub(super) struct SessionKey(Arc<u64>);

impl SessionKey {
    pub(super) fn new(number: u64) -> Self {
        Self(Arc::new(number))
    }
}

struct Open {
    number: u64,
    holders: Weak<u64>,
    /// Never empty lists.
    waiting: HashMap<Cid, Vec<oneshot::Sender<Block>>>,
}

/// The open sessions.
#[derive(Default)]
pub(super) struct Waiters {
    by_number: HashMap<u64, SessionId>,
    sessions: HashMap<SessionId, Open>,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// A caller waits for a block.
    pub(super) fn want(&mut self, engine: &mut Engine, key: &SessionKey, cid: Cid, reply: oneshot::Sender<Block>) {
        let id = *self.by_number.entry(*key.0).or_insert_with(|| engine.open_session());
        let open = self.sessions.entry(id).or_insert_with(|| Open {
            number: *key.0,
            holders: Arc::downgrade(&key.0),
            waiting: HashMap::new(),
        });
        engine.want(id, cid.clone());
        open.waiting.entry(cid).or_default().push(reply);
    }

    /// A block for everybody in a session who waits for it.
    pub(super) fn deliver(&mut self, id: SessionId, block: &Block) {
        let waiting = self.sessions.get_mut(&id).and_then(|open| open.waiting.remove(block.cid()));
        for reply in waiting.into_iter().flatten() {
            // Somebody may have given up just now.
            let _ = reply.send(block.clone());
        }
    }

    /// Finds callers that gave up, and sessions nobody holds any more.
    pub(super) fn sweep(&mut self, engine: &mut Engine) {
        let by_number = &mut self.by_number;
        self.sessions.retain(|id, open| {
            open.waiting.retain(|cid, replies| {
                replies.retain(|reply| !reply.is_closed());
                if replies.is_empty() {
                    engine.cancel(*id, cid);
                }
                !replies.is_empty()
            });
            let is_held = open.holders.strong_count() > 0 || !open.waiting.is_empty();
            if !is_held {
                engine.close_session(*id);
                by_number.remove(&open.number);
            }
            is_held
        });
    }
}
