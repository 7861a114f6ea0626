//! Walking DAGs along the links recorded in the index, without reading blocks.
//!
//! A block is read only if it is linked to, or pinned, under another codec than it was put with.

use std::collections::HashSet;

use merkury_core::{Cid, codec};
use parking_lot::RwLockReadGuard;

use crate::blocks::{Blocks, Codec, Edges, Id, Index, Links, names_of_root};
use crate::meta::Tables;
use crate::{Pin, PinKind, StoreError};

/// Blocks looked at before the index is unlocked for a moment: about a tenth of a millisecond.
const STEPS_PER_LOCK: usize = 4096;

/// Which blocks were seen.
pub(crate) trait Seen {
    /// Adds a block; false if it was there.
    fn add(&mut self, id: Id) -> bool;
}

/// For walks over a part of the store.
impl Seen for HashSet<Id> {
    fn add(&mut self, id: Id) -> bool {
        self.insert(id)
    }
}

/// For walks over much of the store: a bit per block.
#[derive(Default)]
pub(crate) struct Marks(Vec<u64>);

impl Marks {
    pub(crate) fn has(&self, id: Id) -> bool {
        self.0.get(id.at() / 64).is_some_and(|word| word >> (id.at() % 64) & 1 == 1)
    }
}

impl Seen for Marks {
    fn add(&mut self, id: Id) -> bool {
        let (at, bit) = (id.at() / 64, 1u64 << (id.at() % 64));
        if at >= self.0.len() {
            self.0.resize(at + 1 + at / 8, 0);
        }
        self.0.get_mut(at).is_some_and(|word| {
            let new = *word & bit == 0;
            *word |= bit;
            new
        })
    }
}

/// A walk.
pub(crate) struct Walk<'a, S> {
    blocks: &'a Blocks,
    pub(crate) seen: S,
    stack: Vec<Id>,
    /// Blocks that must be read, with the codec to read them with.
    unread: Vec<(Id, Codec)>,
    /// A block was missing or did not decode.
    pub(crate) holes: bool,
    _ids: RwLockReadGuard<'a, ()>,
}

impl<'a, S: Seen> Walk<'a, S> {
    pub(crate) fn new(blocks: &'a Blocks, seen: S) -> Self {
        Self { blocks, seen, stack: Vec::new(), unread: Vec::new(), holes: false, _ids: blocks.hold_ids() }
    }

    /// Adds a DAG to be walked.
    pub(crate) fn push_root(&mut self, index: &Index, cid: &Cid) {
        for (name, codec) in names_of_root(self.blocks.seed(), cid) {
            match index.find(name) {
                Some(id) => {
                    if index.lacks_codec(id, codec) {
                        self.unread.push((id, codec));
                    }
                    self.push(id);
                }
                None => self.holes = true,
            }
        }
    }

    /// Adds a block to be walked from.
    pub(crate) fn push(&mut self, id: Id) {
        if self.seen.add(id) {
            self.stack.push(id);
        }
    }

    /// Adds what a block leads to, without the block.
    pub(crate) fn push_below(&mut self, index: &Index, id: Id) {
        if let Edges::To(children) = index.edges(id) {
            children.iter().for_each(|child| self.push(Id(*child)));
        }
        self.unread.extend(index.aliases(id).map(|codec| (id, codec)));
    }

    /// Takes up to `steps` blocks off the list; false when it is empty.
    pub(crate) fn step(&mut self, index: &Index, steps: usize) -> bool {
        for _ in 0..steps {
            let Some(id) = self.stack.pop() else { return false };
            match index.edges(id) {
                Edges::Absent | Edges::Undecodable => self.holes = true,
                Edges::To(children) => {
                    for child in children.iter().map(|child| Id(*child)) {
                        if self.seen.add(child) {
                            self.stack.push(child);
                        }
                    }
                }
            }
            self.unread.extend(index.aliases(id).map(|codec| (id, codec)));
        }
        !self.stack.is_empty()
    }

    /// Whether blocks must be read before the walk is complete.
    pub(crate) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Walks to the end. Writers get at the index in between.
    pub(crate) fn run(&mut self) -> Result<(), StoreError> {
        loop {
            while {
                let index = self.blocks.index.read();
                self.step(&index, STEPS_PER_LOCK)
            } {}
            let Some((id, codec)) = self.unread.pop() else { return Ok(()) };
            match self.blocks.links_under(id, codec)? {
                None | Some(Links::Undecodable) => self.holes = true,
                Some(Links::ToIdentities) => {}
                Some(Links::To(links)) => {
                    let index = self.blocks.index.read();
                    for (name, _) in links {
                        match index.find(name) {
                            Some(child) => self.push(child),
                            None => self.holes = true,
                        }
                    }
                }
            }
        }
    }
}

/// Fails unless everything a pin would reach is here.
pub(crate) fn check_complete(blocks: &Blocks, cid: &Cid, kind: PinKind) -> Result<(), StoreError> {
    if kind == PinKind::Direct {
        return if blocks.is_here(cid) { Ok(()) } else { Err(incomplete(cid, cid)) };
    }
    let mut walk = Walk::new(blocks, HashSet::new());
    walk.push_root(&blocks.index.read(), cid);
    walk.run()?;
    if walk.holes { find_hole(blocks, cid) } else { Ok(()) }
}

/// Reads a DAG that has a hole, to say what is missing.
pub(crate) fn find_hole(blocks: &Blocks, root: &Cid) -> Result<(), StoreError> {
    let mut seen = HashSet::new();
    let mut stack = vec![root.clone()];
    while let Some(cid) = stack.pop() {
        if Codec::of(cid.codec()) == Codec::Leaf && blocks.is_here(&cid) {
            continue;
        }
        let data = match merkury_core::Block::from_identity(&cid) {
            Some(block) => block,
            None => blocks.get(&cid)?.ok_or_else(|| incomplete(root, &cid))?,
        };
        if Codec::of(cid.codec()) == Codec::Leaf {
            continue;
        }
        let links = codec::links(cid.codec(), data.data())
            .map_err(|error| StoreError::Undecodable { cid: cid.clone(), why: error.to_string() })?;
        stack.extend(links.into_iter().filter(|cid| seen.insert(cid.clone())));
    }
    Ok(())
}

fn incomplete(root: &Cid, missing: &Cid) -> StoreError {
    StoreError::Incomplete { root: root.clone(), missing: missing.clone() }
}

/// What was seen by a walk of its own, and what is known to be whole from earlier walks.
struct BesideWhole<'a> {
    whole: &'a Marks,
    own: HashSet<Id>,
}

impl Seen for BesideWhole<'_> {
    fn add(&mut self, id: Id) -> bool {
        !self.whole.has(id) && self.own.insert(id)
    }
}

/// Calls `each` with every recursive pin and what is missing or unreadable below it, until it answers false. Blocks are read
/// only below pins that are not whole.
pub(crate) fn verify_pins(
    blocks: &Blocks,
    pins: impl Iterator<Item = Result<Pin, StoreError>>,
    each: &mut dyn FnMut(Cid, Vec<(Cid, StoreError)>) -> bool,
) -> Result<(), StoreError> {
    let _ids = blocks.hold_ids();
    let mut whole = Marks::default();
    for pin in pins {
        let pin = pin?;
        if pin.kind != PinKind::Recursive {
            continue;
        }
        let mut walk = Walk::new(blocks, BesideWhole { whole: &whole, own: HashSet::new() });
        walk.push_root(&blocks.index.read(), &pin.cid);
        walk.run()?;
        let has_holes = walk.holes;
        let seen = walk.seen.own;
        let bad = if has_holes { find_holes(blocks, &pin.cid) } else { Vec::new() };
        if !has_holes {
            seen.into_iter().for_each(|id| {
                whole.add(id);
            });
        }
        if !each(pin.cid, bad) {
            return Ok(());
        }
    }
    Ok(())
}

/// Most holes told of one pin.
const HOLES_MAX: usize = 4096;

/// Reads a DAG and tells what is missing or unreadable in it.
fn find_holes(blocks: &Blocks, root: &Cid) -> Vec<(Cid, StoreError)> {
    let mut seen = HashSet::new();
    let mut stack = vec![root.clone()];
    let mut holes = Vec::new();
    while let Some(cid) = stack.pop() {
        let is_leaf = Codec::of(cid.codec()) == Codec::Leaf;
        if cid.hash().is_identity() || (is_leaf && blocks.is_here(&cid)) {
            continue;
        }
        let links = match blocks.get(&cid) {
            Ok(None) => Err(StoreError::NotHere { cid: cid.clone() }),
            Err(error) => Err(error),
            Ok(Some(_)) if is_leaf => Ok(Vec::new()),
            Ok(Some(block)) => codec::links(cid.codec(), block.data())
                .map_err(|error| StoreError::Undecodable { cid: cid.clone(), why: error.to_string() }),
        };
        match links {
            Ok(links) => stack.extend(links.into_iter().filter(|cid| seen.insert(cid.clone()))),
            Err(error) if holes.len() < HOLES_MAX => holes.push((cid, error)),
            Err(_) => return holes,
        }
    }
    holes
}

/// Calls `each` with the blocks below recursive pins, once each, and the pin they were first reached from.
///
/// Blocks with links are read, since only they hold the CIDs as they are linked to; leaves are not.
pub(crate) fn each_indirect(
    blocks: &Blocks,
    tables: &Tables,
    pins: impl Iterator<Item = Result<Pin, StoreError>>,
    direct_too: bool,
    each: &mut dyn FnMut(&Cid, &Cid) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let _ids = blocks.hold_ids();
    let mut seen = Marks::default();
    let mut told = Marks::default();
    for pin in pins {
        let pin = pin?;
        if pin.kind != PinKind::Recursive {
            continue;
        }
        let mut stack = vec![pin.cid.clone()];
        while let Some(cid) = stack.pop() {
            let Some(id) = blocks.id(&cid) else { continue };
            if !seen.add(id) {
                continue;
            }
            let Some(block) = blocks.get(&cid)? else { continue };
            for link in codec::links(cid.codec(), block.data()).unwrap_or_default() {
                let Some(child) = blocks.id(&link) else { continue };
                let pinned =
                    crate::pins::find(tables, &link).is_some_and(|own| !direct_too || own.kind == PinKind::Recursive);
                if !pinned && blocks.is_here(&link) && told.add(child) {
                    each(&link, &pin.cid)?;
                }
                if Codec::of(link.codec()) != Codec::Leaf {
                    stack.push(link);
                }
            }
        }
    }
    Ok(())
}
