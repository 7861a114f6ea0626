//! A directory that is looked into and changed: only the shards on the way to a name are read and rewritten.

use std::collections::BTreeMap;

use merkury_core::codec::unixfs::{Kind, check_file_name};
use merkury_core::{Block, BlockGet};

use super::build::{basic_data_bytes, write_basic};
use super::hamt::{NameHash, fanout_bits};
use super::shard::Shard;
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

    /// Whether all entries together, and `change`, stay within the threshold. Reads as little as tells.
    async fn is_below(&mut self, get: &dyn BlockGet, change: i64) -> Result<bool, DirError> {
        let options = self.options;
        let base = if options.estimation == SizeEstimation::Block { basic_data_bytes(&self.meta) } else { 0 };
        let Body::Hamt { root, .. } = &mut self.body else { return Ok(true) };
        let limit = options.threshold_bytes as i64 - change;
        let weigh = move |entry: &DirEntry| match options.estimation {
            SizeEstimation::Block => entry.to_link().encoded_len() as i64,
            _ => entry.link_bytes() as i64,
        };
        root.weighs_at_most(get, limit.saturating_sub(base as i64), &weigh).await
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
