//! What we gave a peer and got from it, kept beyond its connection.

use std::collections::VecDeque;

use merkury_core::PeerId;

use crate::limits::LEDGERS_MAX;
use crate::seeded::{Map, Seed};

/// The account of one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Bytes of blocks we sent.
    pub bytes_sent: u64,
    /// Bytes of blocks it sent.
    pub bytes_received: u64,
    /// Blocks we sent.
    pub blocks_sent: u64,
    /// Blocks it sent.
    pub blocks_received: u64,
    /// Messages with blocks, in both directions.
    pub exchanges: u64,
}

/// All accounts; the oldest ones are forgotten beyond a limit.
pub(crate) struct Ledgers {
    accounts: Map<PeerId, Ledger>,
    order: VecDeque<PeerId>,
}

impl Ledgers {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { accounts: Map::with_hasher(seed), order: VecDeque::new() }
    }

    pub(crate) fn get(&self, peer: &PeerId) -> Ledger {
        self.accounts.get(peer).copied().unwrap_or_default()
    }

    pub(crate) fn received(&mut self, peer: &PeerId, blocks: u64, bytes: u64) {
        let account = self.account(peer);
        account.blocks_received += blocks;
        account.bytes_received += bytes;
        account.exchanges += 1;
    }

    pub(crate) fn sent(&mut self, peer: &PeerId, blocks: u64, bytes: u64) {
        let account = self.account(peer);
        account.blocks_sent += blocks;
        account.bytes_sent += bytes;
        account.exchanges += 1;
    }

    fn account(&mut self, peer: &PeerId) -> &mut Ledger {
        if !self.accounts.contains_key(peer) {
            self.order.push_back(peer.clone());
            if self.order.len() > LEDGERS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.accounts.remove(&oldest);
            }
        }
        self.accounts.entry(peer.clone()).or_default()
    }
}
