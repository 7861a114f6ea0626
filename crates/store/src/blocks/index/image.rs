//! The index as bytes: the checkpoint (`index`) and the frames appended since (`index.delta`).
//!
//! Numbers are little-endian. Checkpoint: a head of 112 bytes (magic `MKINDEX\n`, version, CRC-32 of the rest of the
//! file, generation, hash key, what it covers, five counts), then the table, the entries, the edges, the aliases, the
//! accounts of the segments, and when each block was last used, as they are in memory. Delta: a head of 56 bytes (magic `MKDELTA\n`, version, CRC-32 of
//! the rest of the head, generation, hash key), then frames: payload length, CRC-32 of the frame before's CRC-32 (0 for
//! the first), number and payload, then number and payload. The chain keeps remains of an older frame from being believed.
//!
//! Version 1 had no times of use, did not tell blocks without links from those that link to identity CIDs alone, and had in
//! frames a whole entry for each block that was given up where there is a run of ids now. It is read; what is written is
//! version 2.
//!
//! "Covers (s, o)" means: every record in segments before s, and in s before o, is accounted for and durable. What an
//! entry says about a place beyond that is not believed.

use std::sync::atomic::AtomicU32;

use super::used::UsedRun;
use super::{Codec, Entry, Id, Index, NO_EDGES, Place, Seed, UNDECODABLE, Usage};

pub(crate) const VERSION: u32 = 2;
/// The oldest version that is read.
const VERSION_MIN: u32 = 1;
/// In a frame instead of a number of links: the block has some, of which none is kept.
const EMPTY_RUN: u32 = u32::MAX - 1;
const CHECKPOINT_MAGIC: &[u8; 8] = b"MKINDEX\n";
const DELTA_MAGIC: &[u8; 8] = b"MKDELTA\n";
const CHECKPOINT_HEAD_BYTES: usize = 112;
pub(crate) const DELTA_HEAD_BYTES: usize = 56;
const FRAME_HEAD_BYTES: usize = 16;

/// Up to where the log is accounted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Covered {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

impl Covered {
    fn holds(self, place: Place) -> bool {
        (place.segment, place.offset) < (self.segment, self.offset)
    }
}

/// Which frame: its number and its checksum, which the next one continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameId {
    number: u64,
    sum: u32,
}

/// A checkpoint as read.
pub(crate) struct Checkpoint {
    pub(crate) index: Index,
    pub(crate) generation: u64,
    pub(crate) covered: Covered,
}

/// The whole index as a file.
pub(crate) fn encode_checkpoint(index: &Index, generation: u64, covered: Covered) -> Vec<u8> {
    let body = index.slots.len() * 8 + index.entries.len() * 32 + index.edges.len() * 4;
    let mut out =
        Out(Vec::with_capacity(CHECKPOINT_HEAD_BYTES + body + index.aliases.len() * 8 + index.usage.len() * 24));
    out.0.extend_from_slice(CHECKPOINT_MAGIC);
    out.u32(VERSION);
    out.u32(0);
    out.u64(generation);
    index.seed.0.iter().for_each(|word| out.u64(*word));
    out.u32(covered.segment);
    out.u32(covered.offset);
    let counts = [index.slots.len(), index.entries.len(), index.edges.len(), index.aliases.len(), index.usage.len()];
    counts.iter().for_each(|count| out.u64(*count as u64));
    out.u64(0);
    debug_assert_eq!(out.0.len(), CHECKPOINT_HEAD_BYTES);
    index.slots.iter().for_each(|slot| out.u64(*slot));
    for entry in &index.entries {
        let Entry { home, tag, segment, offset, len_and_codec, checksum, edges } = *entry;
        [home, tag, segment, offset, len_and_codec, checksum, edges].iter().for_each(|word| out.u32(*word));
    }
    index.edges.iter().for_each(|edge| out.u32(*edge));
    encode_aliases(&mut out, index);
    for (segment, usage) in &index.usage {
        out.u32(*segment);
        out.u32(usage.blocks);
        out.u64(usage.bytes);
        out.u64(usage.end);
    }
    (0..index.entries.len() as u32).for_each(|id| out.u32(index.used(Id(id))));
    let sum = crc32fast::hash(out.0.get(16..).unwrap_or_default());
    out.0[12..16].copy_from_slice(&sum.to_le_bytes());
    out.0
}

/// Reads a checkpoint; `Err` says why it cannot be used.
pub(crate) fn decode_checkpoint(bytes: &[u8]) -> Result<Checkpoint, &'static str> {
    let mut input = In(bytes);
    let version = check_head(&mut input, CHECKPOINT_MAGIC)?;
    let sum = input.u32()?;
    if crc32fast::hash(input.0) != sum {
        return Err("its checksum does not match");
    }
    let generation = input.u64()?;
    let seed = input.seed()?;
    let covered = input.covered()?;
    let [slots, entries, edges, aliases, usage] =
        [input.count()?, input.count()?, input.count()?, input.count()?, input.count()?];
    input.u64()?;
    let mut index = Index::new(seed);
    index.slots = input.words(slots, u64::from_le_bytes)?;
    index.entries = input.words(entries, decode_entry)?;
    index.edges = input.words(edges, u32::from_le_bytes)?;
    decode_aliases(&mut input, aliases, &mut index)?;
    for _ in 0..usage {
        let segment = input.u32()?;
        let usage = Usage { blocks: input.u32()?, bytes: input.u64()?, end: input.u64()? };
        index.blocks += u64::from(usage.blocks);
        index.bytes = index.bytes.checked_add(usage.bytes).ok_or("its counts are too large")?;
        index.usage.insert(segment, usage);
    }
    // The search for a free slot ends only because there is one.
    if !index.slots.len().is_power_of_two() || index.entries.len() * 4 > index.slots.len() * 3 {
        return Err("its table has an impossible size");
    }
    index.epochs.resize_with(index.entries.len(), Default::default);
    match version {
        1 => {
            index.used.resize_with(index.entries.len(), Default::default);
            doubt_empty_runs(&mut index)?;
        }
        _ => index.used = input.words(entries, |time| AtomicU32::new(u32::from_le_bytes(time)))?,
    }
    let mut checkpoint = Checkpoint { index, generation, covered };
    disbelieve_uncovered(&mut checkpoint);
    Ok(checkpoint)
}

/// In version 1 a block without recorded links may have had some that are not kept.
fn doubt_empty_runs(index: &mut Index) -> Result<(), &'static str> {
    let empty = index.add_empty_run().map_err(|_| "it has too many links")?;
    let entries = index.entries.iter_mut();
    entries
        .filter(|entry| entry.is_stored() && entry.edges == NO_EDGES && entry.codec() != Codec::Leaf)
        .for_each(|entry| entry.edges = empty);
    Ok(())
}

/// A checkpoint is taken while writers go on: some of its entries may be about records that were not durable.
fn disbelieve_uncovered(checkpoint: &mut Checkpoint) {
    let covered = checkpoint.covered;
    let index = &mut checkpoint.index;
    let uncovered = |entry: &Entry| entry.is_stored() && !covered.holds(entry.place());
    let ids: Vec<Id> =
        (0u32..).zip(&index.entries).filter(|(_, entry)| uncovered(entry)).map(|(id, _)| Id(id)).collect();
    ids.into_iter().for_each(|id| index.forget(id));
}

/// The head of a delta.
pub(crate) fn encode_delta_head(generation: u64, seed: Seed) -> Vec<u8> {
    let mut out = Out(DELTA_MAGIC.to_vec());
    out.u32(VERSION);
    out.u32(0);
    out.u64(generation);
    seed.0.iter().for_each(|word| out.u64(*word));
    let sum = crc32fast::hash(&out.0[16..]);
    out.0[12..16].copy_from_slice(&sum.to_le_bytes());
    debug_assert_eq!(out.0.len(), DELTA_HEAD_BYTES);
    out.0
}

/// The head of a delta, as read.
pub(crate) struct DeltaHead {
    pub(crate) version: u32,
    pub(crate) generation: u64,
    pub(crate) seed: Seed,
}

/// Reads the head of a delta.
pub(crate) fn decode_delta_head(bytes: &[u8]) -> Result<DeltaHead, &'static str> {
    let mut input = In(bytes.get(..DELTA_HEAD_BYTES).ok_or("it ends early")?);
    let version = check_head(&mut input, DELTA_MAGIC)?;
    let sum = input.u32()?;
    if crc32fast::hash(input.0) != sum {
        return Err("its head's checksum does not match");
    }
    Ok(DeltaHead { version, generation: input.u64()?, seed: input.seed()? })
}

/// What a frame tells.
pub(crate) struct FrameContent<'a> {
    pub(crate) covered: Covered,
    /// What changed, in ascending order.
    pub(crate) ids: &'a [Id],
    /// How many ids the file knows already: of these, those that are not stored any more need no entry.
    pub(crate) known: u32,
    /// All aliases too.
    pub(crate) aliases: bool,
    /// Segments that are about to be removed.
    pub(crate) dropped: &'a [u32],
    /// Further times of use.
    pub(crate) used: &'a [UsedRun],
}

/// A frame of these changes, to follow `after`.
pub(crate) fn encode_frame(index: &Index, after: FrameId, content: &FrameContent<'_>) -> (Vec<u8>, FrameId) {
    let FrameContent { covered, aliases, dropped, .. } = *content;
    let number = after.number + 1;
    let is_gone = |id: &Id| id.0 < content.known && index.stored(*id).is_none();
    let (gone, there): (Vec<Id>, Vec<Id>) = content.ids.iter().copied().partition(is_gone);
    let gone = id_runs(&gone);
    let mut used = index.use_of(&there);
    used.extend_from_slice(content.used);
    let mut out = Out(vec![0; FRAME_HEAD_BYTES]);
    out.u32(covered.segment);
    out.u32(covered.offset);
    let count_at = out.0.len();
    out.u32(0);
    out.u32(if aliases { index.aliases.len() as u32 } else { u32::MAX });
    out.u32(dropped.len() as u32);
    out.u32(gone.len() as u32);
    out.u32(used.len() as u32);
    let mut count = 0u32;
    for id in &there {
        let (Some(entry), Some(print)) = (index.entries.get(id.at()), index.print_of(*id)) else { continue };
        count += 1;
        out.u32(id.0);
        out.u32(print);
        let Entry { home, tag, segment, offset, len_and_codec, checksum, edges } = *entry;
        [home, tag, segment, offset, len_and_codec, checksum].iter().for_each(|word| out.u32(*word));
        match edges {
            UNDECODABLE => out.u32(UNDECODABLE),
            run if run != NO_EDGES && index.run(run).is_empty() => out.u32(EMPTY_RUN),
            run => {
                let run = index.run(run);
                out.u32(run.len() as u32);
                run.iter().for_each(|edge| out.u32(*edge));
            }
        }
    }
    if aliases {
        encode_aliases(&mut out, index);
    }
    dropped.iter().for_each(|segment| out.u32(*segment));
    for (first, count) in gone {
        out.u32(first);
        out.u32(count);
    }
    for UsedRun { first, count, time } in used {
        [first, count, time].iter().for_each(|word| out.u32(*word));
    }
    let mut bytes = out.0;
    bytes[count_at..count_at + 4].copy_from_slice(&count.to_le_bytes());
    let payload = (bytes.len() - FRAME_HEAD_BYTES) as u32;
    bytes[..4].copy_from_slice(&payload.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let sum = chained(after, &bytes[8..]);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
    (bytes, FrameId { number, sum })
}

/// The frame at the start of `bytes` if it is whole and follows `after`: its id, its payload and its length in the file.
pub(crate) fn decode_frame(bytes: &[u8], after: FrameId) -> Option<(FrameId, &[u8], usize)> {
    let mut head = In(bytes);
    let (payload, sum, number) = (head.u32().ok()?, head.u32().ok()?, head.u64().ok()?);
    let end = FRAME_HEAD_BYTES.checked_add(payload as usize)?;
    let rest = bytes.get(8..end)?;
    let follows = number.checked_sub(1) == Some(after.number) && chained(after, rest) == sum;
    follows.then(|| (FrameId { number, sum }, &rest[8..], end))
}

fn chained(after: FrameId, rest: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&after.sum.to_le_bytes());
    sum.update(rest);
    sum.finalize()
}

/// Ascending ids as runs: the first of each, and how many.
fn id_runs(ids: &[Id]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for id in ids {
        match runs.last_mut() {
            Some((first, count)) if *first + *count == id.0 => *count += 1,
            _ => runs.push((id.0, 1)),
        }
    }
    runs
}

/// Applies a frame; returns what it covers and which segments were about to be removed.
pub(crate) fn apply_frame(
    index: &mut Index,
    version: u32,
    payload: &[u8],
) -> Result<(Covered, Vec<u32>), &'static str> {
    let mut input = In(payload);
    let covered = input.covered()?;
    let (ids, aliases, dropped) = (input.u32()?, input.u32()?, input.u32()?);
    let (gone, used) = if version == 1 { (0, 0) } else { (input.u32()?, input.u32()?) };
    for _ in 0..ids {
        let (id, print) = (Id(input.u32()?), input.u32()?);
        let [home, tag, segment, offset, len_and_codec, checksum] = input.six()?;
        let count = input.u32()?;
        let mut entry = Entry { home, tag, segment, offset, len_and_codec, checksum, edges: NO_EDGES };
        if count == UNDECODABLE {
            entry.edges = UNDECODABLE;
        } else if count == EMPTY_RUN || (count == 0 && version == 1 && entry.codec() != Codec::Leaf) {
            entry.edges = index.add_empty_run().map_err(|_| "it has too many links")?;
        } else {
            let run = input.words(count as usize, u32::from_le_bytes)?;
            entry.edges = index.add_run(&run).map_err(|_| "it has too many links")?;
        }
        if id.at() == index.ids() {
            index.add(entry.without_place(), print).map_err(|_| "it has too many entries")?;
        }
        if id.at() >= index.ids() {
            return Err("an entry is missing");
        }
        let believed = entry.is_stored() && covered.holds(entry.place());
        index.set(id, if believed { entry } else { entry.without_place() });
    }
    if aliases != u32::MAX {
        index.aliases.clear();
        decode_aliases(&mut input, aliases as usize, index)?;
    }
    let dropped = input.words(dropped as usize, u32::from_le_bytes)?;
    apply_gone(&mut input, gone, index)?;
    for _ in 0..used {
        index.restore_use(UsedRun { first: input.u32()?, count: input.u32()?, time: input.u32()? });
    }
    dropped.iter().for_each(|segment| index.drop_segment(*segment));
    index.note_end(covered.segment, covered.offset.into());
    Ok((covered, dropped))
}

fn apply_gone(input: &mut In<'_>, runs: u32, index: &mut Index) -> Result<(), &'static str> {
    for _ in 0..runs {
        let (first, count) = (input.u32()?, input.u32()?);
        let end = first.checked_add(count).filter(|end| *end as usize <= index.ids()).ok_or("a block is missing")?;
        (first..end).for_each(|id| index.forget(Id(id)));
    }
    Ok(())
}

fn encode_aliases(out: &mut Out, index: &Index) {
    for (id, codec) in &index.aliases {
        out.u32(id.0);
        out.u32(*codec as u32);
    }
}

fn decode_aliases(input: &mut In<'_>, count: usize, index: &mut Index) -> Result<(), &'static str> {
    for _ in 0..count {
        let (id, codec) = (Id(input.u32()?), Codec::from_bits(input.u32()?));
        index.aliases.insert((id, codec));
    }
    Ok(())
}

fn decode_entry(chunk: [u8; 28]) -> Entry {
    let mut words = chunk.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap_or_default()));
    let mut next = || words.next().unwrap_or_default();
    Entry {
        home: next(),
        tag: next(),
        segment: next(),
        offset: next(),
        len_and_codec: next(),
        checksum: next(),
        edges: next(),
    }
}

/// The version, if it is one we read.
fn check_head(input: &mut In<'_>, magic: &[u8; 8]) -> Result<u32, &'static str> {
    if input.take(8)? != magic {
        return Err("it is not a file of the index");
    }
    match input.u32()? {
        version @ VERSION_MIN..=VERSION => Ok(version),
        _ => Err("it has another format version"),
    }
}

struct Out(Vec<u8>);

impl Out {
    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }
}

struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("it ends early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, &'static str> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| "it ends early")?))
    }

    fn u64(&mut self) -> Result<u64, &'static str> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| "it ends early")?))
    }

    fn count(&mut self) -> Result<usize, &'static str> {
        usize::try_from(self.u64()?).map_err(|_| "a count is too large")
    }

    fn covered(&mut self) -> Result<Covered, &'static str> {
        Ok(Covered { segment: self.u32()?, offset: self.u32()? })
    }

    fn seed(&mut self) -> Result<Seed, &'static str> {
        Ok(Seed([self.u64()?, self.u64()?, self.u64()?, self.u64()?]))
    }

    fn six(&mut self) -> Result<[u32; 6], &'static str> {
        Ok([self.u32()?, self.u32()?, self.u32()?, self.u32()?, self.u32()?, self.u32()?])
    }

    /// A run of `count` items of `N` bytes; nothing is allocated before the bytes are known to be there.
    fn words<T, const N: usize>(
        &mut self,
        count: usize,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, &'static str> {
        let bytes = self.take(count.checked_mul(N).ok_or("a count is too large")?)?;
        let (chunks, _) = bytes.as_chunks::<N>();
        Ok(chunks.iter().map(|chunk| decode(*chunk)).collect())
    }
}
