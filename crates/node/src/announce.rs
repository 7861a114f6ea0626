//! Telling the DHT what is kept here: new content at once, everything again in every cycle, as `Provide.Strategy` says.
//!
//! A cycle goes through the roots of pins first, in the order of their CIDs, then through what the strategy takes beyond
//! them: every block (`all`), the blocks below pins (`pinned`), those of the mutable file system (`mfs`). Roots come
//! first since a cycle that is not done when the next is due starts again. How far it came is kept in the store, so a
//! restart goes on; a walk within one root that was interrupted starts again at that root.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use merkury_core::cid::codec_code;
use merkury_core::{Block, BlockGet, Cid};
use merkury_net::routing::provide::{CYCLE_INTERVAL, ProvideBatch, ProvideProgress, ProvideSource};
use merkury_store::{PinKind, Store};
use merkury_unixfs::node::{Node, NodeType};
use merkury_unixfs::walk::{Preorder, links_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Handle as Runtime;

use crate::api::mfs;
use crate::config::View;
use crate::inner::Inner;
use crate::strategy::Strategy;

/// Table of the store that holds the place.
const TABLE: &str = "provide";
/// Its one key.
const KEY: &[u8] = b"cycle";
/// Blocks read from the store's list at a time: it is gone through from its start for each batch.
const BLOCKS: usize = 64 * 1024;

/// First byte of a place: which part of the cycle it is in. The rest is a CID or a count.
mod part {
    pub(super) const ROOTS: u8 = 0;
    pub(super) const BLOCKS: u8 = 1;
    pub(super) const PINNED: u8 = 2;
    pub(super) const MFS: u8 = 3;
}

impl Inner {
    /// Queues a block that was written by itself, when every block is announced. Never waits: what a full queue drops
    /// comes with the next cycle.
    pub(crate) fn announce_block(&self, cid: &Cid) {
        if let Some(net) = self.net.get()
            && self.provides()
            && self.strategy().all
        {
            net.providing().announce(cid.clone());
        }
    }

    /// `Provide.Enabled`, on unless switched off.
    pub(crate) fn provides(&self) -> bool {
        View(&self.config.read()).flag("Provide.Enabled", true).unwrap_or(true)
    }

    /// `Provide.Strategy`.
    pub(crate) fn strategy(&self) -> Strategy {
        Strategy::of(&self.config.read())
    }
}

/// `Provide.DHT.SweepEnabled`, on unless switched off.
pub(crate) fn sweeps(config: &Value) -> bool {
    View(config).flag("Provide.DHT.SweepEnabled", true).unwrap_or(true)
}

/// `Provide.DHT.Interval`; zero for no cycles.
pub(crate) fn interval(config: &Value) -> Duration {
    View(config).duration("Provide.DHT.Interval", CYCLE_INTERVAL).unwrap_or(CYCLE_INTERVAL)
}

/// Goes through a DAG of local blocks. Blocks that are not here have nothing below them, and are not announced.
pub(crate) struct LocalWalk {
    walk: Preorder,
    entities: bool,
}

impl LocalWalk {
    pub(crate) fn new(get: Arc<dyn BlockGet>, root: Cid, entities: bool) -> Self {
        Self { walk: Preorder::new(get, root, true), entities }
    }

    /// The next block to announce.
    pub(crate) async fn next(&mut self) -> Option<Cid> {
        loop {
            let Ok(step) = self.walk.next().await? else { continue };
            let cid = step.block.cid().clone();
            let links = links_of(&step.block).unwrap_or_default();
            // Of a file only its root counts: its parts have no names.
            let links = if self.entities && is_file(&step.block) { Vec::new() } else { links };
            if let Err(error) = self.walk.descend_to(&step, links) {
                tracing::warn!(%error, "a part of this DAG is not announced");
            }
            if !cid.hash().is_identity() {
                return Some(cid);
            }
        }
    }
}

/// Whether a block is the root of a UnixFS file.
fn is_file(block: &Block) -> bool {
    block.cid().codec() == codec_code::DAG_PB
        && Node::of_block(block).is_ok_and(|node| node.node_type() == Some(NodeType::File))
}

/// What is kept here as a source of announcements.
pub(crate) struct Kept {
    store: Arc<Store>,
    /// Local blocks alone.
    blocks: Arc<dyn BlockGet>,
    strategy: Strategy,
    interval: Duration,
    resumes: bool,
    /// The walk that the last batch stopped in, and its root.
    walk: Mutex<Option<(Cid, LocalWalk)>>,
    runtime: Runtime,
}

#[derive(Default, Serialize, Deserialize)]
struct Saved {
    started_unix_secs: Option<u64>,
    place: Option<Vec<u8>>,
    complete: bool,
}

impl Kept {
    pub(crate) fn new(store: Arc<Store>, blocks: Arc<dyn BlockGet>, config: &Value) -> Self {
        Self {
            store,
            blocks,
            strategy: Strategy::of(config),
            interval: interval(config),
            resumes: View(config).flag("Provide.DHT.ResumeEnabled", true).unwrap_or(true),
            walk: Mutex::new(None),
            runtime: Runtime::current(),
        }
    }

    /// Roots of pins after one, and the place after them.
    fn roots(&self, after: &[u8], max: usize) -> Result<ProvideBatch, String> {
        let pins = self.store.pins().list_after(Some(after).filter(|after| !after.is_empty())).map_err(text)?;
        let mut cids = Vec::new();
        for pin in pins.take(max) {
            cids.push(pin.map_err(text)?.cid);
        }
        let next = match cids.last().filter(|_| cids.len() == max) {
            Some(last) => Some(place(part::ROOTS, &last.to_bytes())),
            None => self.after_roots(),
        };
        Ok(ProvideBatch { cids, next })
    }

    fn after_roots(&self) -> Option<Vec<u8>> {
        let strategy = self.strategy;
        let parts = [(strategy.all, part::BLOCKS), (strategy.pinned, part::PINNED), (strategy.mfs, part::MFS)];
        parts.into_iter().find(|(taken, _)| *taken).map(|(_, first)| place(first, &[]))
    }

    /// Blocks of the store after so many.
    fn blocks(&self, after: &[u8]) -> Result<ProvideBatch, String> {
        let passed = after.try_into().map(u64::from_be_bytes).unwrap_or(0);
        let skip = usize::try_from(passed).unwrap_or(usize::MAX);
        let mut cids = Vec::new();
        for found in self.store.cids().map_err(text)?.skip(skip).take(BLOCKS) {
            cids.push(found.map_err(text)?.0);
        }
        let passed = passed.saturating_add(cids.len() as u64);
        let next = (cids.len() == BLOCKS).then(|| place(part::BLOCKS, &passed.to_be_bytes()));
        Ok(ProvideBatch { cids, next })
    }

    /// Blocks below the pin that comes after one.
    fn pinned(&self, after: &[u8], max: usize) -> Result<ProvideBatch, String> {
        let after_pin = Some(after).filter(|after| !after.is_empty());
        let mut pins = self.store.pins().list_after(after_pin).map_err(text)?;
        let Some(pin) = pins.next().transpose().map_err(text)? else {
            let next = self.strategy.mfs.then(|| place(part::MFS, &[]));
            return Ok(ProvideBatch { cids: Vec::new(), next });
        };
        let root = pin.cid.to_bytes();
        // Direct pins were announced with the roots.
        let (cids, is_done) = match pin.kind {
            PinKind::Recursive => self.step(&pin.cid, max),
            _ => (Vec::new(), true),
        };
        let next = if is_done { place(part::PINNED, &root) } else { place(part::PINNED, after) };
        Ok(ProvideBatch { cids, next: Some(next) })
    }

    fn mfs(&self, max: usize) -> Result<ProvideBatch, String> {
        let Some(root) = self.store.roots().get(mfs::ROOT).map_err(text)? else {
            return Ok(ProvideBatch::default());
        };
        let (cids, is_done) = self.step(&root, max);
        Ok(ProvideBatch { cids, next: (!is_done).then(|| place(part::MFS, &[])) })
    }

    /// The next blocks below a root, and whether these were the last.
    fn step(&self, root: &Cid, max: usize) -> (Vec<Cid>, bool) {
        let mut open = self.walk.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, mut walk) = open.take().filter(|(walked, _)| walked == root).unwrap_or_else(|| {
            (root.clone(), LocalWalk::new(self.blocks.clone(), root.clone(), self.strategy.entities))
        });
        let mut cids = Vec::new();
        while cids.len() < max {
            match self.runtime.block_on(walk.next()) {
                Some(cid) => cids.push(cid),
                None => return (cids, true),
            }
        }
        *open = Some((root.clone(), walk));
        (cids, false)
    }
}

fn place(part: u8, rest: &[u8]) -> Vec<u8> {
    std::iter::once(part).chain(rest.iter().copied()).collect()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl ProvideSource for Kept {
    fn batch(&self, after: Option<&[u8]>, max: usize) -> Result<ProvideBatch, String> {
        let start = if self.strategy.all || self.strategy.pinned || self.strategy.roots {
            place(part::ROOTS, &[])
        } else {
            place(part::MFS, &[])
        };
        match after.unwrap_or(&start).split_first() {
            Some((&part::BLOCKS, rest)) => self.blocks(rest),
            Some((&part::PINNED, rest)) => self.pinned(rest, max),
            Some((&part::MFS, _)) => self.mfs(max),
            Some((&part::ROOTS, rest)) => self.roots(rest, max),
            // A place that an earlier version left.
            _ => self.roots(&[], max),
        }
    }

    fn progress(&self) -> ProvideProgress {
        if !self.resumes {
            return ProvideProgress::default();
        }
        let saved = self.store.meta().get(TABLE, KEY).ok().flatten();
        let saved: Saved = saved.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        ProvideProgress {
            started: saved.started_unix_secs.map(|secs| SystemTime::UNIX_EPOCH + Duration::from_secs(secs)),
            place: saved.place,
            complete: saved.complete,
        }
    }

    fn save_progress(&self, progress: &ProvideProgress) -> Result<(), String> {
        let started = progress.started.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let saved = Saved {
            started_unix_secs: started.map(|since| since.as_secs()),
            place: progress.place.clone(),
            complete: progress.complete,
        };
        let bytes = serde_json::to_vec(&saved).map_err(text)?;
        self.store.meta().set(TABLE, KEY, &bytes).map_err(text)
    }

    fn interval(&self) -> Duration {
        self.interval
    }
}
