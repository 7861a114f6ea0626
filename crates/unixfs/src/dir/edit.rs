//! A directory that is looked into and changed: only the shards on the way to a name are read and rewritten.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind, check_file_name};
use merkury_core::{Block, BlockGet, Cid};

use super::build::{basic_data_bytes, shard_link, write_basic, write_shard};
use super::hamt::{NameHash, fanout_bits};
use super::list::{SHARD_DEPTH_MAX, malformed, shard_entry};
use super::{DirEntry, DirError, NodeLink};
use crate::build::{DirOptions, NodeSink, SizeEstimation};
use crate::meta::Metadata;
use crate::node::Node;

/// The entry that an insertion or removal displaced.
pub type Replaced = Option<DirEntry>;

/// A directory in memory, as far as it was looked at.
#[derive(Debug)]
pub struct Directory {
    options: DirOptions,
    meta: Metadata,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Basic(BTreeMap<bytes::Bytes, DirEntry>),
    Hamt {
        root: Shard,
        bits: u32,
        /// How the size changed since the directory was read or became a HAMT, as Kubo counts it.
        size_change: i64,
        /// Number of entries as Kubo counts it: links of the root when it was read, plus changes.
        links: usize,
    },
}

#[derive(Debug, Default)]
struct Shard {
    slots: BTreeMap<usize, Child>,
}

#[derive(Debug)]
enum Child {
    Entry(DirEntry),
    /// A shard nobody looked into.
    Stored {
        cid: Cid,
        tsize: u64,
    },
    Loaded(Box<Shard>),
}

impl Directory {
    /// An empty directory.
    pub fn new(options: DirOptions, meta: Metadata) -> Self {
        Self { options, meta, body: Body::Basic(BTreeMap::new()) }
    }

    /// Reads the root of a directory. Shards below are read when they are needed.
    pub fn of_block(block: &Block, options: DirOptions) -> Result<Self, DirError> {
        let not_a_directory = || DirError::NotADirectory { cid: block.cid().clone() };
        let Node::Pb(node, message) = Node::of_block(block)? else { return Err(not_a_directory()) };
        let meta = Metadata::of(&message);
        let body = match message.kind {
            Kind::Directory => {
                // Of a name that stands twice the first counts.
                let mut entries = BTreeMap::new();
                for link in node.links.iter().rev() {
                    let entry = DirEntry::of_link(link);
                    entries.insert(entry.name.clone(), entry);
                }
                Body::Basic(entries)
            }
            Kind::HamtShard => {
                let (root, fanout) = Shard::of_block(block)?;
                Body::Hamt { links: root.slots.len(), root, bits: fanout_bits(fanout)?, size_change: 0 }
            }
            _ => return Err(not_a_directory()),
        };
        Ok(Self { options, meta, body })
    }

    /// Mode and time of the directory.
    pub fn metadata(&self) -> Metadata {
        self.meta
    }

    /// Sets mode and time.
    pub fn set_metadata(&mut self, meta: Metadata) {
        self.meta = meta;
    }

    /// Whether it is sharded.
    pub fn is_hamt(&self) -> bool {
        matches!(self.body, Body::Hamt { .. })
    }

    /// The entry of a name.
    pub async fn find(&mut self, get: &dyn BlockGet, name: &[u8]) -> Result<Option<DirEntry>, DirError> {
        match &mut self.body {
            Body::Basic(entries) => Ok(entries.get(name).cloned()),
            Body::Hamt { root, bits, .. } => root.find(get, name, *bits).await,
        }
    }

    /// Adds an entry or replaces the one of that name. May turn the directory into a HAMT, or back.
    pub async fn insert(&mut self, get: &dyn BlockGet, entry: DirEntry) -> Result<Replaced, DirError> {
        check_file_name(&entry.name).map_err(DirError::Name)?;
        match &self.body {
            Body::Basic(entries) => {
                if self.basic_outgrows(entries, &entry) {
                    self.become_hamt()?;
                }
            }
            Body::Hamt { .. } => self.shrink_if_small(get, &entry.name, Some(&entry)).await?,
        }
        self.put(get, entry).await
    }

    /// Removes an entry. May turn a HAMT into a plain directory.
    pub async fn remove(&mut self, get: &dyn BlockGet, name: &[u8]) -> Result<Replaced, DirError> {
        if self.is_hamt() {
            self.shrink_if_small(get, name, None).await?;
        }
        match &mut self.body {
            Body::Basic(entries) => Ok(entries.remove(name)),
            Body::Hamt { root, bits, size_change, links } => {
                let removed = root.remove(get, NameHash::of(name), name, 0, *bits).await?;
                if let Some(old) = &removed {
                    *size_change -= old.link_bytes() as i64;
                    *links = links.saturating_sub(1);
                }
                Ok(removed)
            }
        }
    }

    /// Writes what changed and returns the directory's link.
    pub fn write(&self, sink: &mut NodeSink<'_>) -> Result<NodeLink, DirError> {
        match &self.body {
            Body::Basic(entries) => {
                Ok(write_basic(entries.values().map(DirEntry::to_link).collect(), &self.meta, sink)?)
            }
            Body::Hamt { root, bits, .. } => root.write(1 << bits, &self.meta, sink),
        }
    }

    async fn put(&mut self, get: &dyn BlockGet, entry: DirEntry) -> Result<Replaced, DirError> {
        match &mut self.body {
            Body::Basic(entries) => Ok(entries.insert(entry.name.clone(), entry)),
            Body::Hamt { root, bits, size_change, links } => {
                let added = entry.link_bytes() as i64;
                let replaced = root.insert(get, NameHash::of(&entry.name), entry, 0, *bits).await?;
                *size_change += added - replaced.as_ref().map_or(0, |old| old.link_bytes() as i64);
                *links += usize::from(replaced.is_none());
                Ok(replaced)
            }
        }
    }

    fn entry_bytes(&self, entry: &DirEntry) -> usize {
        match self.options.estimation {
            SizeEstimation::Block => entry.to_link().encoded_len(),
            SizeEstimation::Links | SizeEstimation::Disabled => entry.link_bytes(),
        }
    }

    /// Whether a plain directory is too large with `entry` in it.
    fn basic_outgrows(&self, entries: &BTreeMap<bytes::Bytes, DirEntry>, entry: &DirEntry) -> bool {
        if self.options.threshold_bytes == 0 {
            return false;
        }
        let old = entries.get(&entry.name);
        let too_many = old.is_none() && self.options.links_max.is_some_and(|max| entries.len() + 1 > max);
        let base = match self.options.estimation {
            SizeEstimation::Disabled => return too_many,
            SizeEstimation::Block => basic_data_bytes(&self.meta),
            SizeEstimation::Links => 0,
        };
        let others = entries.values().filter(|other| other.name != entry.name);
        let size = base + others.map(|other| self.entry_bytes(other)).sum::<usize>() + self.entry_bytes(entry);
        too_many || size > self.options.threshold_bytes
    }

    fn become_hamt(&mut self) -> Result<(), DirError> {
        let Body::Basic(entries) = &mut self.body else { return Ok(()) };
        let bits = fanout_bits(self.options.fanout)?;
        let links = entries.len();
        let mut root = Shard::default();
        for entry in std::mem::take(entries).into_values() {
            root.place(NameHash::of(&entry.name), entry, 0, bits)?;
        }
        self.body = Body::Hamt { root, bits, size_change: 0, links };
        Ok(())
    }

    /// Turns a HAMT into a plain directory when the coming change makes it small enough. As in Kubo this is looked at
    /// only when the directory shrank since it was read.
    async fn shrink_if_small(
        &mut self,
        get: &dyn BlockGet,
        name: &[u8],
        coming: Option<&DirEntry>,
    ) -> Result<(), DirError> {
        let old = self.find(get, name).await?;
        let Body::Hamt { links, size_change, .. } = &self.body else { return Ok(()) };
        if self.options.threshold_bytes == 0 {
            return Ok(());
        }
        let links_then = (links + usize::from(coming.is_some())).saturating_sub(usize::from(old.is_some()));
        let fits = self.options.links_max.is_none_or(|max| links_then <= max);
        if self.options.estimation == SizeEstimation::Disabled {
            if fits && self.options.links_max.is_some() {
                self.become_basic(get).await?;
            }
            return Ok(());
        }
        let change = coming.map_or(0, |entry| self.entry_bytes(entry) as i64)
            - old.as_ref().map_or(0, |entry| self.entry_bytes(entry) as i64);
        if size_change + change < 0 && fits && self.is_below(get, change).await? {
            self.become_basic(get).await?;
        }
        Ok(())
    }

    /// Whether all entries together, and `change`, stay within the threshold. Stops counting when they do not.
    async fn is_below(&mut self, get: &dyn BlockGet, change: i64) -> Result<bool, DirError> {
        let options = self.options;
        let base = if options.estimation == SizeEstimation::Block { basic_data_bytes(&self.meta) } else { 0 };
        let Body::Hamt { root, .. } = &mut self.body else { return Ok(true) };
        let limit = options.threshold_bytes as i64 - change;
        let mut size = base as i64;
        let weigh = |entry: &DirEntry| match options.estimation {
            SizeEstimation::Block => entry.to_link().encoded_len() as i64,
            _ => entry.link_bytes() as i64,
        };
        let all_seen = root
            .visit(get, 0, &mut |entry| {
                size += weigh(entry);
                size <= limit
            })
            .await?;
        Ok(all_seen)
    }

    async fn become_basic(&mut self, get: &dyn BlockGet) -> Result<(), DirError> {
        let Body::Hamt { root, .. } = &mut self.body else { return Ok(()) };
        let mut entries = BTreeMap::new();
        root.visit(get, 0, &mut |entry| {
            entries.insert(entry.name.clone(), entry.clone());
            true
        })
        .await?;
        self.body = Body::Basic(entries);
        Ok(())
    }
}

impl Shard {
    fn of_block(block: &Block) -> Result<(Self, usize), DirError> {
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
        Ok((Self { slots }, fanout))
    }

    async fn find(&mut self, get: &dyn BlockGet, name: &[u8], bits: u32) -> Result<Option<DirEntry>, DirError> {
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
    fn place(&mut self, hash: NameHash, entry: DirEntry, level: u32, bits: u32) -> Result<(), DirError> {
        let slot = hash.slot(level, bits)?;
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

    fn insert<'a>(
        &'a mut self,
        get: &'a dyn BlockGet,
        hash: NameHash,
        entry: DirEntry,
        level: u32,
        bits: u32,
    ) -> BoxFuture<'a, Result<Replaced, DirError>> {
        Box::pin(async move {
            match self.slots.get_mut(&hash.slot(level, bits)?) {
                Some(Child::Entry(old)) if old.name == entry.name => Ok(Some(std::mem::replace(old, entry))),
                None | Some(Child::Entry(_)) => self.place(hash, entry, level, bits).map(|()| None),
                Some(child) => child.load(get, bits).await?.insert(get, hash, entry, level + 1, bits).await,
            }
        })
    }

    fn remove<'a>(
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
                    return Ok(match self.slots.remove(&slot) {
                        Some(Child::Entry(entry)) => Some(entry),
                        _ => None,
                    });
                }
                Some(Child::Entry(_)) => return Ok(None),
                Some(child) => child.load(get, bits).await?.remove(get, hash, name, level + 1, bits).await?,
            };
            if removed.is_some() {
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

    /// Calls `see` for each entry until it says no; tells whether all were seen.
    fn visit<'a>(
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

    fn write(&self, fanout: usize, meta: &Metadata, sink: &mut NodeSink<'_>) -> Result<NodeLink, DirError> {
        let mut links = Vec::with_capacity(self.slots.len());
        for (&slot, child) in &self.slots {
            links.push(match child {
                Child::Entry(entry) => shard_link(slot, fanout, &entry.name, entry.cid.clone(), entry.tsize),
                Child::Stored { cid, tsize } => shard_link(slot, fanout, b"", cid.clone(), *tsize),
                Child::Loaded(below) => {
                    let below = below.write(fanout, &Metadata::default(), sink)?;
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
        if let Self::Stored { cid, .. } = self {
            let (shard, fanout) = Shard::of_block(&get.get(cid).await?)?;
            if fanout != expected {
                return Err(DirError::Fanout(fanout));
            }
            *self = Self::Loaded(Box::new(shard));
        }
        match self {
            Self::Loaded(shard) => Ok(shard),
            _ => Err(DirError::TooDeep),
        }
    }

    async fn load_any(&mut self, get: &dyn BlockGet) -> Result<&mut Shard, DirError> {
        if let Self::Stored { cid, .. } = self {
            let (shard, _) = Shard::of_block(&get.get(cid).await?)?;
            *self = Self::Loaded(Box::new(shard));
        }
        match self {
            Self::Loaded(shard) => Ok(shard),
            _ => Err(DirError::TooDeep),
        }
    }
}
