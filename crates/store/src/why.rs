//! What keeps a block: pins and roots above it, found along the recorded links upwards, in memory.
//!
//! The index records links downwards. Looking for all ancestors takes passes over it: each pass takes every block that
//! links to one found so far. Blocks are numbered in the order in which they were met, so a tree built from its leaves is
//! climbed in one ascending pass and one fetched from its root in one descending pass; the passes alternate until one finds
//! nothing new. That needs no second list of links, and a few milliseconds a million blocks, however many pins there are.

use std::collections::HashMap;

use merkury_core::Cid;
use merkury_core::cid::codec_code as code;

use crate::blocks::{Blocks, Edges, Id, Links};
use crate::meta::Tables;
use crate::temp::TempPins;
use crate::walk::{Marks, Seen};
use crate::{Pin, PinKind, Pins, StoreError, roots};

/// Passes over the index. Two do for nearly every DAG; a zigzag of links that takes more is answered in part.
const PASSES_MAX: usize = 64;
/// Blocks looked at before the index is unlocked for a moment.
const STEPS_PER_LOCK: usize = 16 * 1024;
/// Ancestors whose names are read, one by one; with more, the pins are gone through instead.
const NAMES_MAX: usize = 4096;
/// Longest chain told: longer ones are told without their middle.
const CHAIN_MAX: usize = 64;
/// Codecs under which a block may be pinned other than the one it was stored under.
const CODECS: [u64; 6] = [code::DAG_PB, code::RAW, code::DAG_CBOR, code::DAG_JSON, code::DAG_JOSE, code::LIBP2P_KEY];

/// Something that keeps blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A pin; a direct one keeps only its own block.
    Pin(Pin),
    /// A named root, such as that of the mutable file system.
    Root {
        /// Its name.
        name: String,
    },
    /// A DAG that a running operation has named.
    Temporary,
    /// A running operation, because the block was put since it began.
    Running,
}

/// One reason why a block is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBy {
    /// What keeps it.
    pub keeper: Keeper,
    /// From the keeper's block down to this one, both included; one block when the keeper names it itself. The middle of a long
    /// chain is left out.
    pub chain: Vec<Cid>,
}

/// Why a block is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// The reasons, those with the shortest chain first. Empty: the next collection may remove it.
    pub kept_by: Vec<KeptBy>,
    /// There are, or may be, more reasons than these.
    pub more: bool,
}

/// All that keeps a block, up to `limit` reasons.
pub(crate) fn why(
    blocks: &Blocks,
    tables: &Tables,
    pins: Pins<'_>,
    temp: &TempPins,
    cid: &Cid,
    limit: usize,
) -> Result<Why, StoreError> {
    let (temp_roots, oldest_guard) = temp.kept();
    let Some(target) = blocks.id(cid) else {
        return Ok(Why { kept_by: named_itself(tables, pins, &temp_roots, cid)?, more: false });
    };
    let climb = Climb::from(blocks, target)?;
    let mut found = Vec::new();
    climb.pins(pins, cid, &mut |pin, id| {
        found.push((id, Keeper::Pin(pin)));
        found.len() <= limit
    })?;
    for (name, root) in roots::named(tables)? {
        found.extend(climb.reached(&root).map(|id| (id, Keeper::Root { name })));
    }
    let temporary = temp_roots.iter().filter_map(|root| climb.reached(root));
    found.extend(temporary.map(|id| (id, Keeper::Temporary)));
    {
        let index = blocks.index.read();
        if oldest_guard.is_some_and(|epoch| index.stored(target).is_some() && index.epoch_of(target) >= epoch) {
            found.push((target, Keeper::Running));
        }
    }
    let mut chains: Vec<(Vec<Id>, Keeper)> = found.into_iter().map(|(id, keeper)| (climb.chain(id), keeper)).collect();
    chains.sort_by_key(|(chain, _)| chain.len());
    let more = climb.incomplete || chains.len() > limit;
    chains.truncate(limit);
    let told = |(chain, keeper): (Vec<Id>, Keeper)| KeptBy { keeper, chain: climb.told(&chain, cid) };
    Ok(Why { kept_by: chains.into_iter().map(told).collect(), more })
}

/// A recursive pin that reaches the block from above, by the shortest chain of the first few found.
pub(crate) fn recursive_pin_above(blocks: &Blocks, pins: Pins<'_>, cid: &Cid) -> Result<Option<Cid>, StoreError> {
    let Some(target) = blocks.id(cid) else { return Ok(None) };
    let climb = Climb::from(blocks, target)?;
    let mut root = None;
    climb.pins(pins, cid, &mut |pin, id| {
        if pin.kind == PinKind::Recursive && (id != target || pin.cid != *cid) {
            root = Some(pin.cid);
        }
        root.is_none()
    })?;
    Ok(root)
}

/// A block that nothing stored links to: only what names it can keep it.
fn named_itself(tables: &Tables, pins: Pins<'_>, temp: &[Cid], cid: &Cid) -> Result<Vec<KeptBy>, StoreError> {
    let mut found = Vec::new();
    for same in same_hash(cid, cid) {
        found.extend(pins.get(&same)?.map(Keeper::Pin));
    }
    let named = roots::named(tables)?.into_iter().filter(|(_, root)| root.hash() == cid.hash());
    found.extend(named.map(|(name, _)| Keeper::Root { name }));
    found.extend(temp.iter().find(|root| root.hash() == cid.hash()).map(|_| Keeper::Temporary));
    Ok(found.into_iter().map(|keeper| KeptBy { keeper, chain: vec![cid.clone()] }).collect())
}

/// The CIDs under which a block may be pinned: as asked for, as stored, and with each version and codec we know.
fn same_hash(asked: &Cid, stored: &Cid) -> Vec<Cid> {
    let mut same = vec![asked.clone()];
    let others = [stored.clone()].into_iter().chain(Cid::v0(asked.hash().clone()));
    let others = others.chain(CODECS.iter().map(|codec| Cid::v1(*codec, asked.hash().clone())));
    for cid in others {
        if !same.contains(&cid) {
            same.push(cid);
        }
    }
    same
}

/// A block and all that leads to it.
struct Climb<'a> {
    blocks: &'a Blocks,
    seen: Marks,
    /// For each ancestor the block below it through which it was found.
    below: HashMap<Id, Id>,
    target: Id,
    incomplete: bool,
    _ids: parking_lot::RwLockReadGuard<'a, ()>,
}

impl<'a> Climb<'a> {
    fn from(blocks: &'a Blocks, target: Id) -> Result<Self, StoreError> {
        let _ids = blocks.hold_ids();
        let mut climb = Self { blocks, seen: Marks::default(), below: HashMap::new(), target, incomplete: false, _ids };
        climb.seen.add(target);
        let further = climb.links_under_other_codecs()?;
        let mut is_ascending = true;
        for _ in 0..PASSES_MAX {
            let mut is_done = !climb.pass(is_ascending);
            for (parent, children) in &further {
                is_done &= !climb.look_at(*parent, children.iter().copied());
            }
            if is_done {
                return Ok(climb);
            }
            is_ascending = !is_ascending;
        }
        climb.incomplete = true;
        Ok(climb)
    }

    /// Looks at all blocks once; says whether any was found.
    fn pass(&mut self, is_ascending: bool) -> bool {
        let ids = self.blocks.index.read().ids();
        let mut has_found = false;
        let mut at = 0;
        while at < ids {
            let index = self.blocks.index.read();
            for step in at..(at + STEPS_PER_LOCK).min(ids) {
                let id = Id(if is_ascending { step } else { ids - 1 - step } as u32);
                if let Edges::To(children) = index.edges(id) {
                    has_found |= self.look_at(id, children.iter().map(|child| Id(*child)));
                }
            }
            at += STEPS_PER_LOCK;
        }
        has_found
    }

    fn look_at(&mut self, id: Id, mut children: impl Iterator<Item = Id>) -> bool {
        let Some(child) = children.find(|child| self.seen.has(*child)) else { return false };
        let is_new = self.seen.add(id);
        if is_new {
            self.below.insert(id, child);
        }
        is_new
    }

    /// The links of blocks that are linked to or pinned under another codec than they were stored with. Only these are read.
    fn links_under_other_codecs(&self) -> Result<Vec<(Id, Vec<Id>)>, StoreError> {
        let aliased: Vec<_> = self.blocks.index.read().aliased().collect();
        let mut found = Vec::new();
        for (id, codec) in aliased {
            if let Some(Links::To(links)) = self.blocks.links_under(id, codec)? {
                let index = self.blocks.index.read();
                found.push((id, links.into_iter().filter_map(|(name, _)| index.find(name)).collect()));
            }
        }
        Ok(found)
    }

    /// The id of a DAG's top if it leads to the block.
    fn reached(&self, root: &Cid) -> Option<Id> {
        self.blocks.id(root).filter(|id| self.seen.has(*id))
    }

    /// Calls `each` with the pins that keep the block until it says that it has enough.
    fn pins(&self, pins: Pins<'_>, asked: &Cid, each: &mut dyn FnMut(Pin, Id) -> bool) -> Result<(), StoreError> {
        let keeps = |pin: &Pin, id: Id| pin.kind == PinKind::Recursive || id == self.target;
        if self.below.len() >= NAMES_MAX {
            for pin in pins.list()? {
                let pin = pin?;
                if let Some(id) = self.reached(&pin.cid).filter(|id| keeps(&pin, *id))
                    && !each(pin, id)
                {
                    return Ok(());
                }
            }
            return Ok(());
        }
        for id in std::iter::once(self.target).chain(self.below.keys().copied()) {
            let stored = self.blocks.stored_cid(id);
            let asked = if id == self.target { Some(asked) } else { stored.as_ref() };
            let Some(asked) = asked else { continue };
            for cid in same_hash(asked, stored.as_ref().unwrap_or(asked)) {
                if let Some(pin) = pins.get(&cid)?.filter(|pin| keeps(pin, id))
                    && !each(pin, id)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// From an ancestor down to the block.
    fn chain(&self, from: Id) -> Vec<Id> {
        let mut chain = vec![from];
        let mut at = from;
        while at != self.target
            && let Some(below) = self.below.get(&at)
        {
            at = *below;
            chain.push(at);
        }
        chain
    }

    /// A chain in CIDs, as they were stored; without its middle when it is long.
    fn told(&self, chain: &[Id], asked: &Cid) -> Vec<Cid> {
        let middle = CHAIN_MAX / 2..chain.len().saturating_sub(CHAIN_MAX / 2);
        let shown = chain.iter().enumerate().filter(|(at, _)| !middle.contains(at) || chain.len() <= CHAIN_MAX);
        let cid = |(_, id): (usize, &Id)| {
            if *id == self.target { Some(asked.clone()) } else { self.blocks.stored_cid(*id) }
        };
        shown.filter_map(cid).collect()
    }
}
