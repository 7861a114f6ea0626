//! What DAGs take in the store: how much of each is its own, and how much others hold too.
//!
//! Walks recorded links in memory and reads no block, except one that is linked to under another codec than it was put with.
//! A block counts once in each DAG that holds it.

use std::collections::{HashMap, HashSet};

use merkury_core::Cid;

use crate::blocks::{Blocks, Id, Index};
use crate::gc::{BATCH, Collection};
use crate::walk::{self, Marks, Seen, Walk};
use crate::{PinKind, Store, StoreError};

/// Blocks and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Extent {
    fn add(&mut self, bytes: u64) {
        self.blocks += 1;
        self.bytes += bytes;
    }
}

/// What one DAG takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DagUsage {
    /// All of it that is here.
    pub total: Extent,
    /// What no other of the DAGs holds: what would go with it.
    pub unique: Extent,
    /// A part of it is not here.
    pub has_holes: bool,
}

/// What DAGs take together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Each, in the order of the question.
    pub dags: Vec<DagUsage>,
    /// All together, every block once.
    pub together: Extent,
}

/// How often a block was met: by no DAG yet, by this one alone, or by several.
enum Met {
    By(usize),
    Several,
}

/// Remembers the blocks of one walk.
#[derive(Default)]
struct Noted {
    seen: Marks,
    found: Vec<Id>,
}

impl Seen for Noted {
    fn add(&mut self, id: Id) -> bool {
        let new = self.seen.add(id);
        if new {
            self.found.push(id);
        }
        new
    }
}

/// The blocks of a DAG that are here, and whether something is missing.
fn blocks_of(blocks: &Blocks, root: &Cid) -> Result<(Vec<Id>, bool), StoreError> {
    let mut walk = Walk::new(blocks, Noted::default());
    walk.push_root(&blocks.index.read(), root);
    walk.run()?;
    Ok((std::mem::take(&mut walk.seen.found), walk.holes))
}

impl Store {
    /// What these DAGs take. Costs what the DAGs are long, in memory 16 bytes a block.
    pub fn usage(&self, roots: &[Cid]) -> Result<Usage, StoreError> {
        let mut met: HashMap<Id, Met> = HashMap::new();
        let mut usage = Usage::default();
        for (at, root) in roots.iter().enumerate() {
            let (ids, has_holes) = blocks_of(&self.blocks, root)?;
            let mut dag = DagUsage { has_holes, ..DagUsage::default() };
            let index = self.blocks.index.read();
            for id in ids {
                let Some(bytes) = bytes_of(&index, id) else { continue };
                dag.total.add(bytes);
                match met.get_mut(&id) {
                    None => {
                        usage.together.add(bytes);
                        met.insert(id, Met::By(at));
                    }
                    Some(Met::By(other)) if *other == at => {}
                    Some(met) => *met = Met::Several,
                }
            }
            drop(index);
            usage.dags.push(dag);
        }
        let index = self.blocks.index.read();
        for (id, met) in met {
            if let (Met::By(at), Some(bytes)) = (met, bytes_of(&index, id))
                && let Some(dag) = usage.dags.get_mut(at)
            {
                dag.unique.add(bytes);
            }
        }
        Ok(usage)
    }

    /// What of a pinned DAG its pin alone keeps: what [`Store::remove_below`] would remove once `pin` is gone.
    pub fn only_kept_by(&self, pin: &Cid) -> Result<Extent, StoreError> {
        let (mine, _) = blocks_of(&self.blocks, pin)?;
        let mut walk = Walk::new(&self.blocks, Marks::default());
        let mut direct = HashSet::new();
        for other in self.pins().list()? {
            let other = other?;
            match other.kind {
                _ if other.cid == *pin => {}
                PinKind::Recursive => walk.push_root(&self.blocks.index.read(), &other.cid),
                PinKind::Direct => direct.extend(self.blocks.id(&other.cid)),
            }
        }
        for root in crate::roots::all(self.tables()?)? {
            walk.push_root(&self.blocks.index.read(), &root);
        }
        walk.run()?;
        let index = self.blocks.index.read();
        let mut only = Extent::default();
        for id in mine.into_iter().filter(|id| !walk.seen.has(*id) && !direct.contains(id)) {
            bytes_of(&index, id).into_iter().for_each(|bytes| only.add(bytes));
        }
        Ok(only)
    }

    /// Removes the blocks at and below a root that no pin, root or temporary pin reaches, and nothing else. Waits for a
    /// running collection. The space is given back by the next collection.
    ///
    /// A block missing under a recursive pin stops it before anything is removed ([`StoreError::Incomplete`]).
    pub fn remove_below(&self, root: &Cid) -> Result<Extent, StoreError> {
        self.check_may_remove()?;
        let _alone = self.collecting.lock();
        let (ids, _) = blocks_of(&self.blocks, root)?;
        let cids: Vec<Cid> = ids.into_iter().filter_map(|id| self.blocks.stored_cid(id)).collect();
        let mut collection = Collection::begin(&self.blocks, &self.temp);
        if collection.mark_pins(self.pins())? {
            for pin in self.pins().list()? {
                let pin = pin?;
                if pin.kind == PinKind::Recursive {
                    walk::find_hole(&self.blocks, &pin.cid)?;
                }
            }
        }
        collection.mark_temporary()?;
        for cid in crate::roots::all(self.tables()?)? {
            collection.mark_root(&cid)?;
        }
        let mut removed = Extent::default();
        for batch in cids.chunks(BATCH) {
            let batch: Vec<_> =
                batch.iter().filter_map(|cid| self.blocks.place(cid).zip(self.blocks.id(cid))).collect();
            let forgotten = collection.forget(&batch, false)?;
            let gone = batch.iter().zip(forgotten).filter(|(_, gone)| *gone);
            gone.for_each(|((place, _), _)| removed.add(place.len.into()));
        }
        drop(collection);
        self.blocks.commit_index(&[])?;
        Ok(removed)
    }
}

fn bytes_of(index: &Index, id: Id) -> Option<u64> {
    index.stored(id).map(|(place, _)| place.len.into())
}
