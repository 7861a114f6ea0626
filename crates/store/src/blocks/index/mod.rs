//! The index: which blocks are stored, where, and which blocks they lead to. All of it in memory.
//!
//! Parts: [`name`] (what is kept of a multihash), [`table`] (from names to ids), [`codec`], this file (entries, edges), [`image`] (the checkpoint file and
//! the frames appended to it, as bytes), [`renumber`] (giving up ids), [`outside`] (blocks kept elsewhere).
//!
//! A block has an [`Id`], a number that does not change while anybody holds [`Blocks::hold_ids`](super::Blocks::hold_ids). A block that something links to has one
//! although it is not stored ("absent"): when it comes, all edges to it are there already. Per stored block: 36 bytes, 11
//! to 21 bytes of table, 4 bytes per link.
//!
//! When a block was last used (put, or given to somebody) is kept to the second, in memory; [`used`] has how that is saved.
//!
//! Invariants:
//! - The checksum in an entry was computed over bytes whose hash had been checked.
//! - An entry's codec is the one its recorded edges were read with; other codecs under which the block is linked or was put stand in `aliases`.
//! - Nothing here is the only copy of anything: segments hold it all.

mod codec;
pub(crate) mod image;
mod name;
mod outside;
mod renumber;
mod table;
mod used;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use crate::StoreError;

pub(crate) use codec::Codec;
pub(crate) use name::{Name, Seed};
pub(crate) use used::UsedRun;

/// The number of a block, stored or only linked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) u32);

impl Id {
    pub(crate) fn at(self) -> usize {
        self.0 as usize
    }
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The segment; 0 is none.
    pub(crate) segment: u32,
    /// Where its record starts.
    pub(crate) offset: u32,
    /// Length of the block's bytes, without the record's head.
    pub(crate) len: u32,
}

/// The links of a block that is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// The bytes do not decode under the block's codec; they are kept all the same.
    Undecodable,
    /// Where it leads.
    To(Vec<(Name, Codec)>),
    /// It links, but only to identity CIDs behind which there is nothing.
    ToIdentities,
}

/// A stored block to be entered.
pub(crate) struct NewBlock {
    pub(crate) name: Name,
    pub(crate) codec: Codec,
    pub(crate) place: Place,
    pub(crate) checksum: u32,
    pub(crate) links: Links,
    pub(crate) purpose: Purpose,
}

/// Why a block is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Somebody puts it: temporary pins keep what is put while they live.
    Put,
    /// It was fetched for a reader: only what names its DAG keeps it.
    Cached,
}

/// No edges, or nothing known.
const NO_EDGES: u32 = 0;
/// The block's bytes do not decode.
const UNDECODABLE: u32 = u32::MAX;
/// Lengths have 28 bits: blocks have at most 2^27 bytes.
const LEN_BITS: u32 = 28;
const _: () = assert!(merkury_core::limits::BIG_BLOCK_BYTES_MAX < 1 << LEN_BITS);

/// One block. `segment` 0 means it is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    home: u32,
    tag: u32,
    segment: u32,
    offset: u32,
    len_and_codec: u32,
    checksum: u32,
    edges: u32,
}

impl Entry {
    fn is_stored(&self) -> bool {
        self.segment != 0
    }

    fn place(&self) -> Place {
        Place { segment: self.segment, offset: self.offset, len: self.len_and_codec & ((1 << LEN_BITS) - 1) }
    }

    fn codec(&self) -> Codec {
        Codec::from_bits(self.len_and_codec >> LEN_BITS)
    }

    /// The same block, not stored.
    fn without_place(self) -> Self {
        let len_and_codec = (self.codec() as u32) << LEN_BITS;
        Self { segment: 0, offset: 0, len_and_codec, checksum: 0, edges: NO_EDGES, ..self }
    }

    fn absent(name: Name, wanted: Codec) -> Self {
        let len_and_codec = (wanted as u32) << LEN_BITS;
        Self { home: name.home, tag: name.tag, segment: 0, offset: 0, len_and_codec, checksum: 0, edges: NO_EDGES }
    }
}

/// What lives in a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Living blocks.
    pub(crate) blocks: u32,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// The segment is at least this long.
    pub(crate) end: u64,
}

/// The links recorded for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edges<'a> {
    /// It is not stored.
    Absent,
    /// It is stored and does not decode.
    Undecodable,
    /// Where it leads.
    To(&'a [u32]),
}

/// The index.
pub(crate) struct Index {
    seed: Seed,
    /// Open addressing: fingerprint in the upper, id + 1 in the lower half; 0 is empty. The length is a power of two.
    slots: Vec<u64>,
    entries: Vec<Entry>,
    /// When each block was last put: see [`Index::advance_epoch`]. Not saved.
    epochs: Vec<AtomicU32>,
    epoch: u32,
    /// When each block was last used, in seconds since 1970; 0 is not known.
    used: Vec<AtomicU32>,
    /// What time it is.
    now: AtomicU32,
    /// Blocks were used since their times were last saved.
    used_unsaved: AtomicBool,
    /// Runs of ids, each with its length before it. Starts with an unused word, so that no run has place 0.
    edges: Vec<u32>,
    /// Codecs, other than the entry's, under which a block must be read to know all it leads to.
    aliases: BTreeSet<(Id, Codec)>,
    /// Blocks that a keeper has: see [`outside`].
    outside: HashSet<Id>,
    usage: BTreeMap<u32, Usage>,
    /// Segments in which something was given up since the index was opened.
    shrunk: BTreeSet<u32>,
    blocks: u64,
    bytes: u64,
    /// What changed since the last frame.
    changed: Vec<Id>,
    aliases_changed: bool,
}

impl Index {
    /// An empty index.
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            seed,
            slots: vec![0; 64],
            entries: Vec::new(),
            epochs: Vec::new(),
            epoch: 1,
            used: Vec::new(),
            now: AtomicU32::new(0),
            used_unsaved: AtomicBool::new(false),
            edges: vec![0],
            aliases: BTreeSet::new(),
            outside: HashSet::new(),
            usage: BTreeMap::new(),
            shrunk: BTreeSet::new(),
            blocks: 0,
            bytes: 0,
            changed: Vec::new(),
            aliases_changed: false,
        }
    }

    /// The hash key.
    pub(crate) fn seed(&self) -> Seed {
        self.seed
    }

    /// How many blocks are stored.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many ids there are: stored blocks and absent ones.
    pub(crate) fn ids(&self) -> usize {
        self.entries.len()
    }

    /// What lives where.
    pub(crate) fn usage(&self) -> &BTreeMap<u32, Usage> {
        &self.usage
    }

    /// Where a stored block is, and the checksum of its bytes.
    pub(crate) fn stored(&self, id: Id) -> Option<(Place, u32)> {
        let entry = self.entries.get(id.at()).filter(|entry| entry.is_stored())?;
        Some((entry.place(), entry.checksum))
    }

    /// The codec a block's edges were read with, or is wanted with.
    pub(crate) fn codec(&self, id: Id) -> Codec {
        self.entries.get(id.at()).map_or(Codec::Leaf, Entry::codec)
    }

    /// The recorded links of a block.
    pub(crate) fn edges(&self, id: Id) -> Edges<'_> {
        match self.entries.get(id.at()) {
            Some(entry) if entry.is_stored() => match entry.edges {
                UNDECODABLE => Edges::Undecodable,
                run => Edges::To(self.run(run)),
            },
            _ if self.is_outside(id) => Edges::To(&[]),
            _ => Edges::Absent,
        }
    }

    /// Further codecs under which the block must be read to know where it leads.
    pub(crate) fn aliases(&self, id: Id) -> impl Iterator<Item = Codec> + '_ {
        self.aliases.range((id, Codec::Leaf)..=(id, Codec::DagJose)).map(|(_, codec)| *codec)
    }

    /// All blocks that must be read under further codecs, and those codecs.
    pub(crate) fn aliased(&self) -> impl Iterator<Item = (Id, Codec)> + '_ {
        self.aliases.iter().copied()
    }

    /// Whether a stored block, read with its recorded codec, is known to have no links at all.
    pub(crate) fn has_no_links(&self, id: Id) -> bool {
        self.entries.get(id.at()).is_some_and(|entry| entry.is_stored() && entry.edges == NO_EDGES)
    }

    fn run(&self, run: u32) -> &[u32] {
        let start = run as usize + 1;
        let count = self.edges.get(run as usize).copied().unwrap_or(0) as usize;
        self.edges.get(start..start.saturating_add(count)).unwrap_or_default()
    }

    /// A block was put that is stored already, or is stored now. What somebody puts belongs to the running epoch.
    pub(crate) fn touch_for(&self, id: Id, purpose: Purpose) {
        if let Some(epoch) = self.epochs.get(id.at()).filter(|_| purpose == Purpose::Put) {
            epoch.store(self.epoch, Relaxed);
        }
        self.set_used(id);
    }

    /// Segments in which something was given up since the index was opened: what a collection may give back.
    pub(crate) fn shrunk(&self) -> &BTreeSet<u32> {
        &self.shrunk
    }

    /// Whether a block put under `codec` needs a note that only [`Index::note_codec`] can make.
    pub(crate) fn lacks_codec(&self, id: Id, codec: Codec) -> bool {
        codec != Codec::Leaf && self.codec(id) != codec && !self.aliases.contains(&(id, codec))
    }

    /// The block also counts as one of `codec`.
    pub(crate) fn note_codec(&mut self, id: Id, codec: Codec) {
        if self.lacks_codec(id, codec) {
            self.aliases.insert((id, codec));
            self.aliases_changed = true;
        }
    }

    /// Enters a stored block. One that is stored already stays where it is.
    pub(crate) fn insert(&mut self, block: NewBlock) -> Result<Id, StoreError> {
        let id = self.find_or_add(block.name, block.codec)?;
        if self.stored(id).is_some() {
            self.touch_for(id, block.purpose);
            self.note_codec(id, block.codec);
            return Ok(id);
        }
        let edges = match block.links {
            Links::Undecodable => UNDECODABLE,
            Links::ToIdentities => self.add_empty_run()?,
            Links::To(links) => {
                let mut run = Vec::with_capacity(links.len());
                for (name, codec) in links {
                    let child = self.find_or_add(name, codec)?;
                    self.note_codec(child, codec);
                    run.push(child.0);
                }
                self.add_run(&run)?
            }
        };
        // Something may have linked to it under another codec than it came with.
        let wanted = self.codec(id);
        let Place { segment, offset, len } = block.place;
        let len_and_codec = len | (block.codec as u32) << LEN_BITS;
        let Name { home, tag, .. } = block.name;
        self.set(id, Entry { home, tag, segment, offset, len_and_codec, checksum: block.checksum, edges });
        self.note_codec(id, wanted);
        // What was stored under this id before was put in an epoch that is of no account any more.
        if let Some(epoch) = self.epochs.get(id.at()) {
            epoch.store(0, Relaxed);
        }
        self.touch_for(id, block.purpose);
        Ok(id)
    }

    /// The block is at another place now.
    pub(crate) fn relocate(&mut self, id: Id, from: Place, to: Place) -> bool {
        match self.entries.get(id.at()).copied() {
            Some(entry) if entry.is_stored() && entry.place() == from => {
                self.set(id, Entry { segment: to.segment, offset: to.offset, ..entry });
                true
            }
            _ => false,
        }
    }

    /// The block is not stored any more. It keeps its id, for others may link to it.
    pub(crate) fn forget(&mut self, id: Id) {
        if let Some(entry) = self.entries.get(id.at()).copied().filter(Entry::is_stored) {
            self.set(id, entry.without_place());
        }
    }

    /// A segment is gone, and with it its account.
    pub(crate) fn drop_segment(&mut self, segment: u32) {
        self.usage.remove(&segment);
        self.shrunk.remove(&segment);
    }

    /// A segment is known to be at least this long.
    pub(crate) fn note_end(&mut self, segment: u32, end: u64) {
        let usage = self.usage.entry(segment).or_default();
        usage.end = usage.end.max(end);
    }

    /// A segment is shorter than it was.
    pub(crate) fn shorten_segment(&mut self, segment: u32, end: u64) {
        let usage = self.usage.entry(segment).or_default();
        usage.end = usage.end.min(end);
    }

    /// Begins a new epoch and returns it: all blocks put from now on have at least this one.
    pub(crate) fn advance_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.saturating_add(1);
        self.epoch
    }

    /// When the block was last put.
    pub(crate) fn epoch_of(&self, id: Id) -> u32 {
        self.epochs.get(id.at()).map_or(0, |epoch| epoch.load(Relaxed))
    }

    /// Takes the list of what changed, for a frame.
    pub(crate) fn take_changed(&mut self) -> (Vec<Id>, bool) {
        (std::mem::take(&mut self.changed), std::mem::take(&mut self.aliases_changed))
    }

    /// Writes an entry and keeps all accounts.
    fn set(&mut self, id: Id, entry: Entry) {
        let Some(place) = self.entries.get_mut(id.at()) else { return };
        let old = std::mem::replace(place, entry);
        if old.is_stored() {
            self.shrunk.insert(old.segment);
            let usage = self.usage.entry(old.segment).or_default();
            usage.blocks = usage.blocks.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(old.place().len.into());
            self.blocks = self.blocks.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(old.place().len.into());
        }
        if entry.is_stored() {
            let Place { offset, len, .. } = entry.place();
            let usage = self.usage.entry(entry.segment).or_default();
            usage.blocks += 1;
            usage.bytes += u64::from(len);
            usage.end = usage.end.max(u64::from(offset) + u64::from(len));
            self.blocks += 1;
            self.bytes += u64::from(len);
        }
        self.changed.push(id);
    }

    fn add_run(&mut self, ids: &[u32]) -> Result<u32, StoreError> {
        if ids.is_empty() { Ok(NO_EDGES) } else { self.push_run(ids) }
    }

    /// For a block that has links of which none is kept: not the same as one that has no links.
    fn add_empty_run(&mut self) -> Result<u32, StoreError> {
        self.push_run(&[])
    }

    fn push_run(&mut self, ids: &[u32]) -> Result<u32, StoreError> {
        let full = StoreError::Full { why: "it holds four thousand million links, the most it can" };
        let run = u32::try_from(self.edges.len()).ok().filter(|run| *run < UNDECODABLE - 1).ok_or(full)?;
        self.edges.push(ids.len() as u32);
        self.edges.extend_from_slice(ids);
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use merkury_core::Multihash;

    use super::*;

    pub(super) fn name(index: &Index, n: u32) -> Name {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_le_bytes());
        index.seed().name(&Multihash::sha2_256(digest))
    }

    pub(super) fn block(index: &Index, n: u32, links: &[u32]) -> NewBlock {
        let links = links.iter().map(|n| (name(index, *n), Codec::DagPb)).collect();
        let place = Place { segment: 1, offset: n * 100, len: 50 };
        NewBlock {
            name: name(index, n),
            codec: Codec::DagPb,
            place,
            checksum: n,
            links: Links::To(links),
            purpose: Purpose::Put,
        }
    }

    #[test]
    fn finds_what_was_put_and_nothing_else() {
        let mut index = Index::new(Seed([5, 6, 7, 8]));
        for n in 0..5000 {
            let new = block(&index, n, &[]);
            index.insert(new).unwrap();
        }
        for n in 0..5000 {
            let id = index.find(name(&index, n)).unwrap();
            assert_eq!(index.stored(id), Some((Place { segment: 1, offset: n * 100, len: 50 }, n)));
        }
        assert!((5000..20_000).all(|n| index.find(name(&index, n)).is_none()));
        assert_eq!((index.blocks(), index.bytes()), (5000, 250_000));
    }

    #[test]
    fn a_linked_block_has_its_id_before_it_comes() {
        let mut index = Index::new(Seed([1, 2, 3, 4]));
        let new = block(&index, 1, &[2, 3]);
        let parent = index.insert(new).unwrap();
        let child = index.find(name(&index, 2)).unwrap();
        assert_eq!(index.edges(child), Edges::Absent);
        assert_eq!(index.blocks(), 1);
        let new = block(&index, 2, &[]);
        assert_eq!(index.insert(new).unwrap(), child);
        assert!(matches!(index.edges(parent), Edges::To([a, _]) if *a == child.0));
        index.forget(child);
        assert_eq!(index.stored(child), None);
        assert_eq!(index.find(name(&index, 2)), Some(child));
        assert_eq!(index.usage()[&1].blocks, 1);
    }

    #[test]
    fn another_codec_is_noted_once() {
        let mut index = Index::new(Seed([1, 2, 3, 4]));
        let mut new = block(&index, 9, &[]);
        new.codec = Codec::Leaf;
        let id = index.insert(new).unwrap();
        let parent = block(&index, 1, &[9]);
        index.insert(parent).unwrap();
        assert_eq!(index.aliases(id).collect::<Vec<_>>(), [Codec::DagPb]);
        assert!(!index.lacks_codec(id, Codec::DagPb));
    }
}
