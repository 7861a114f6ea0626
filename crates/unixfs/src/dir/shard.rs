//! One node of a trie in memory, and what is below it as far as it was looked at.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind};
use merkury_core::{Block, BlockGet, Cid};

use super::build::{shard_link, write_shard};
use super::hamt::NameHash;
use super::list::{SHARD_DEPTH_MAX, malformed, shard_entry};
use super::{DirEntry, DirError, NodeLink, Replaced};
use crate::build::NodeSink;
use crate::meta::Metadata;
use crate::node::Node;

#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) slots: BTreeMap<usize, Child>,
    /// Where it is stored as it is; `None` when it is new or was changed. Spares what was only looked at from being
    /// written again.
    stored: Option<NodeLink>,
}

#[derive(Debug)]
pub(super) enum Child {
    Entry(DirEntry),
    /// A shard nobody looked into.
    Stored {
        cid: Cid,
        tsize: u64,
    },
    Loaded(Box<Shard>),
}

impl Shard {
    pub(super) fn of_block(block: &Block) -> Result<(Self, usize), DirError> {
        let cid = block.cid();
        let Node::Pb(node, message) = Node::of_block(block)? else {
            return Err(DirError::NotADirectory { cid: cid.clone() });
        };
        if message.kind != Kind::HamtShard {
            return Err(DirError::NotADirectory { cid: cid.clone() });
        }
        let shard = HamtShard::new(&message, &node.links).map_err(|why| malformed(cid, why))?;
        let fanout = shard.fanout();
        let slots = (0..fanout)
            .filter_map(|slot| shard.link(slot).map(|(entry, link)| (slot, entry, link)))
            .map(|(slot, entry, link)| match entry {
                HamtEntry::Entry(name) => (slot, Child::Entry(shard_entry(name, link))),
                HamtEntry::Shard => {
                    (slot, Child::Stored { cid: link.cid.clone(), tsize: link.tsize.unwrap_or_default() })
                }
            })
            .collect();
        Ok((Self { slots, stored: None }, fanout))
    }

    pub(super) async fn find(
        &mut self,
        get: &dyn BlockGet,
        name: &[u8],
        bits: u32,
    ) -> Result<Option<DirEntry>, DirError> {
        let hash = NameHash::of(name);
        let mut shard = self;
        for level in 0.. {
            match shard.slots.get_mut(&hash.slot(level, bits)?) {
                None => return Ok(None),
                Some(Child::Entry(entry)) => return Ok((entry.name == name).then(|| entry.clone())),
                Some(child) => shard = child.load(get, bits).await?,
            }
        }
        Ok(None)
    }

    /// Puts an entry where every shard on the way is in memory.
    pub(super) fn place(&mut self, hash: NameHash, entry: DirEntry, level: u32, bits: u32) -> Result<(), DirError> {
        let slot = hash.slot(level, bits)?;
        self.stored = None;
        match self.slots.remove(&slot) {
            None => {
                self.slots.insert(slot, Child::Entry(entry));
            }
            Some(Child::Entry(other)) => {
                let mut below = Self::default();
                below.place(NameHash::of(&other.name), other, level + 1, bits)?;
                below.place(hash, entry, level + 1, bits)?;
                self.slots.insert(slot, Child::Loaded(Box::new(below)));
            }
            Some(Child::Loaded(mut below)) => {
                below.place(hash, entry, level + 1, bits)?;
                self.slots.insert(slot, Child::Loaded(below));
            }
            Some(stored @ Child::Stored { .. }) => {
                self.slots.insert(slot, stored);
            }
        }
        Ok(())
    }

    pub(super) fn insert<'a>(
        &'a mut self,
        get: &'a dyn BlockGet,
        hash: NameHash,
        entry: DirEntry,
        level: u32,
        bits: u32,
    ) -> BoxFuture<'a, Result<Replaced, DirError>> {
        Box::pin(async move {
            self.stored = None;
            match self.slots.get_mut(&hash.slot(level, bits)?) {
                Some(Child::Entry(old)) if old.name == entry.name => Ok(Some(std::mem::replace(old, entry))),
                None | Some(Child::Entry(_)) => self.place(hash, entry, level, bits).map(|()| None),
                Some(child) => child.load(get, bits).await?.insert(get, hash, entry, level + 1, bits).await,
            }
        })
    }

    pub(super) fn remove<'a>(
        &'a mut self,
        get: &'a dyn BlockGet,
        hash: NameHash,
        name: &'a [u8],
        level: u32,
        bits: u32,
    ) -> BoxFuture<'a, Result<Replaced, DirError>> {
        Box::pin(async move {
            let slot = hash.slot(level, bits)?;
            let removed = match self.slots.get_mut(&slot) {
                None => return Ok(None),
                Some(Child::Entry(entry)) if entry.name == name => {
                    self.stored = None;
                    return Ok(match self.slots.remove(&slot) {
                        Some(Child::Entry(entry)) => Some(entry),
                        _ => None,
                    });
                }
                Some(Child::Entry(_)) => return Ok(None),
                Some(child) => child.load(get, bits).await?.remove(get, hash, name, level + 1, bits).await?,
            };
            if removed.is_some() {
                self.stored = None;
                self.collapse(slot);
            }
            Ok(removed)
        })
    }

    /// A shard with one entry is replaced by the entry, an empty one goes: the shape depends on the entries alone.
    fn collapse(&mut self, slot: usize) {
        let Some(Child::Loaded(below)) = self.slots.get_mut(&slot) else { return };
        match below.slots.len() {
            0 => {
                self.slots.remove(&slot);
            }
            1 if below.slots.values().all(|child| matches!(child, Child::Entry(_))) => {
                if let Some((_, only)) = below.slots.pop_first() {
                    self.slots.insert(slot, only);
                }
            }
            _ => {}
        }
    }

    /// Whether all entries together weigh at most `limit`. Shards are read level by level, and each that was not read yet
    /// counts as two of the lightest entries, which it holds at least: of a large trie only the upper part is read.
    pub(super) async fn weighs_at_most(
        &mut self,
        get: &dyn BlockGet,
        limit: i64,
        weigh: &(dyn Fn(&DirEntry) -> i64 + Sync),
    ) -> Result<bool, DirError> {
        /// A name of one byte and the shortest CID there is.
        const ENTRY_BYTES_MIN: i64 = 5;
        let mut known = 0_i64;
        let mut level = vec![self];
        for _ in 0..=SHARD_DEPTH_MAX {
            let mut unread = Vec::new();
            for child in level.into_iter().flat_map(|shard| shard.slots.values_mut()) {
                match child {
                    Child::Entry(entry) => known = known.saturating_add(weigh(entry)),
                    other => unread.push(other),
                }
            }
            level = Vec::with_capacity(unread.len());
            let mut waiting = unread.len() as i64;
            let mut seen = known;
            for child in unread {
                if seen.saturating_add(waiting.saturating_mul(2 * ENTRY_BYTES_MIN)) > limit {
                    return Ok(false);
                }
                let shard = child.load_any(get).await?;
                waiting -= 1;
                for below in shard.slots.values() {
                    match below {
                        Child::Entry(entry) => seen = seen.saturating_add(weigh(entry)),
                        _ => waiting += 1,
                    }
                }
                level.push(shard);
            }
            if level.is_empty() {
                return Ok(known <= limit);
            }
        }
        Err(DirError::TooDeep)
    }

    /// Calls `see` for each entry until it says no; tells whether all were seen.
    pub(super) fn visit<'a>(
        &'a mut self,
        get: &'a dyn BlockGet,
        depth: usize,
        see: &'a mut (dyn FnMut(&DirEntry) -> bool + Send),
    ) -> BoxFuture<'a, Result<bool, DirError>> {
        Box::pin(async move {
            if depth > SHARD_DEPTH_MAX {
                return Err(DirError::TooDeep);
            }
            for child in self.slots.values_mut() {
                let goes_on = match child {
                    Child::Entry(entry) => see(entry),
                    other => other.load_any(get).await?.visit(get, depth + 1, see).await?,
                };
                if !goes_on {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    pub(super) fn write(&self, fanout: usize, meta: &Metadata, sink: &mut NodeSink<'_>) -> Result<NodeLink, DirError> {
        let mut links = Vec::with_capacity(self.slots.len());
        for (&slot, child) in &self.slots {
            links.push(match child {
                Child::Entry(entry) => shard_link(slot, fanout, &entry.name, entry.cid.clone(), entry.tsize),
                Child::Stored { cid, tsize } => shard_link(slot, fanout, b"", cid.clone(), *tsize),
                Child::Loaded(below) => {
                    let below = match &below.stored {
                        Some(stored) => stored.clone(),
                        None => below.write(fanout, &Metadata::default(), sink)?,
                    };
                    shard_link(slot, fanout, b"", below.cid, below.tsize)
                }
            });
        }
        let slots: Vec<usize> = self.slots.keys().copied().collect();
        Ok(write_shard(&slots, links, fanout, meta, sink)?)
    }
}

impl Child {
    /// The shard of a child that is no entry; it must have the fan-out of its parent.
    async fn load(&mut self, get: &dyn BlockGet, bits: u32) -> Result<&mut Shard, DirError> {
        let expected = 1_usize << bits;
        if let Self::Stored { cid, tsize } = self {
            let (mut shard, fanout) = Shard::of_block(&get.get(cid).await?)?;
            if fanout != expected {
                return Err(DirError::Fanout(fanout));
            }
            shard.stored = Some(NodeLink { cid: cid.clone(), tsize: *tsize });
            *self = Self::Loaded(Box::new(shard));
        }
        match self {
            Self::Loaded(shard) => Ok(shard),
            _ => Err(DirError::TooDeep),
        }
    }

    async fn load_any(&mut self, get: &dyn BlockGet) -> Result<&mut Shard, DirError> {
        if let Self::Stored { cid, tsize } = self {
            let (mut shard, _) = Shard::of_block(&get.get(cid).await?)?;
            shard.stored = Some(NodeLink { cid: cid.clone(), tsize: *tsize });
            *self = Self::Loaded(Box::new(shard));
        }
        match self {
            Self::Loaded(shard) => Ok(shard),
            _ => Err(DirError::TooDeep),
        }
    }
}
