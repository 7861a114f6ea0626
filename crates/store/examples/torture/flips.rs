//! One flipped bit in one file of a store, by seed: no wrong byte, no lost pin without a word, `verify` finds it, and what
//! was lost can be put again.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use merkury_core::{Block, BlockPut, Cid, varint};
use merkury_store::disk::sim::{Random, SimDisk};
use merkury_store::{PinKind, Store, StoreError, VerifyEvent};

use crate::Failure;
use crate::blocks::{node, open, raw};

const LEAVES: u64 = 40;
/// Small, so that there is a checkpoint of the index besides what was appended to it.
const CHECKPOINT_BYTES: u64 = 2048;

/// A store with something in every file, and what is in it.
struct Filled {
    disk: SimDisk,
    blocks: Vec<Block>,
    pins: Vec<Cid>,
    root: Cid,
}

fn filled() -> Result<Filled, Failure> {
    let disk = SimDisk::new();
    let store = open(Arc::new(disk.clone()), CHECKPOINT_BYTES)?;
    let (mut blocks, mut pins) = (Vec::new(), Vec::new());
    for n in 0..LEAVES {
        let leaf = raw(n, 500 + 37 * n as usize)?;
        let top = node(&[leaf.cid()])?;
        store.put_many(vec![leaf.clone(), top.clone()])?;
        if n % 3 == 0 {
            store.pins().add(top.cid(), PinKind::Recursive, "name")?;
            pins.push(top.cid().clone());
        }
        store.commit()?;
        blocks.extend([leaf, top]);
    }
    let root = blocks[1].cid().clone();
    store.roots().set("mfs", &root)?;
    Ok(Filled { disk, blocks, pins, root })
}

pub(crate) fn round(seed: u64) -> Result<(), String> {
    static FILLED: OnceLock<Result<Filled, String>> = OnceLock::new();
    let filled = FILLED.get_or_init(|| filled().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)?;
    let mut random = Random(seed);
    let disk = filled.disk.after_kill();
    let files: Vec<_> =
        disk.files().into_iter().filter(|file| disk.contents(file).is_some_and(|b| !b.is_empty())).collect();
    // Every kind of file in turn; of the segments any.
    let kinds = ["meta.log", "index", "index.delta", ".car"];
    let kind = kinds[seed as usize % kinds.len()];
    let of_kind: Vec<_> = files.iter().filter(|file| is_kind(file, kind)).collect();
    let path =
        *of_kind.get(random.below(of_kind.len() as u64) as usize).ok_or(format!("there is no {kind} to spoil"))?;
    let whole = disk.contents(path).unwrap_or_default();
    let mut bytes = whole.clone();
    let (at, bit) = (random.below(bytes.len() as u64) as usize, random.below(8));
    bytes[at] ^= 1 << bit;
    disk.set_contents(path, bytes);
    let context = |what: String| format!("bit {bit} of byte {at} of {}: {what}", path.display());
    check(filled, &disk, kind, &whole, at).map_err(context)
}

fn is_kind(file: &Path, kind: &str) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name == kind || (kind.starts_with('.') && name.ends_with(kind))
}

fn check(filled: &Filled, disk: &SimDisk, kind: &str, whole: &[u8], at: usize) -> Result<(), String> {
    let store = open(Arc::new(disk.clone()), CHECKPOINT_BYTES).map_err(|e| format!("it does not open: {e}"))?;
    names_are_right(filled, &store, kind)?;
    let mut bad = 0;
    let looked = store.verify(&mut |event| bad += u32::from(!matches!(event, VerifyEvent::Good { .. })));
    looked.map_err(|e| format!("verify: {e}"))?;
    let mut missing = 0;
    for block in &filled.blocks {
        match store.get(block.cid()) {
            Ok(Some(found)) if &found == block => {}
            Ok(Some(_)) => return Err(format!("{} has other bytes now", block.cid())),
            Ok(None) | Err(StoreError::CorruptBlock { .. }) => missing += 1,
            Err(error) => return Err(format!("{}: {error}", block.cid())),
        }
    }
    if missing > u32::from(kind == ".car") || bad < missing {
        return Err(format!("{missing} blocks are missing, {bad} were found bad"));
    }
    if kind == ".car" && bad == 0 && !is_harmless(whole, at) {
        return Err("verify does not find it".to_owned());
    }
    // What was lost can be put again.
    store.put_many(filled.blocks.clone()).and_then(|()| store.commit()).map_err(|e| format!("put again: {e}"))?;
    for block in &filled.blocks {
        if store.get(block.cid()).ok().flatten().as_ref() != Some(block) {
            return Err(format!("{} was put again and is not there", block.cid()));
        }
    }
    Ok(())
}

/// Whether nothing depends on this byte of a segment: its header, which is the same in each, or the codec in a record's CID,
/// by which only listings call the block (links and pins have their own).
fn is_harmless(segment: &[u8], at: usize) -> bool {
    const SEGMENT_HEADER_BYTES: usize = 18;
    let mut record = SEGMENT_HEADER_BYTES;
    while record <= at {
        let Ok((len, rest)) = varint::decode(&segment[record..]) else { return false };
        let cid = segment.len() - rest.len();
        if at == cid + 1 {
            return true;
        }
        record = cid + len as usize;
    }
    at < SEGMENT_HEADER_BYTES
}

/// Pins and roots are all there, or asking for them is an error that names the file.
fn names_are_right(filled: &Filled, store: &Store, kind: &str) -> Result<(), String> {
    for cid in &filled.pins {
        match store.pins().get(cid) {
            Ok(Some(_)) => {}
            Ok(None) => return Err(format!("the pin of {cid} is gone without a word")),
            Err(error) if kind == "meta.log" && error.to_string().contains("meta.log") => return Ok(()),
            Err(error) => return Err(format!("pins: {error}")),
        }
    }
    match store.pins().count() {
        Ok(count) if count == filled.pins.len() => {}
        other => return Err(format!("{other:?} pins instead of {}", filled.pins.len())),
    }
    match store.roots().get("mfs") {
        Ok(Some(root)) if root == filled.root => Ok(()),
        other => Err(format!("the root is {other:?}")),
    }
}
