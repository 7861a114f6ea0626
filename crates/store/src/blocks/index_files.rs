//! The index on disk: `index` (a checkpoint) and `index.delta` (frames appended to it).
//!
//! Both are disposable, so nothing waits for a flush of them, with one exception: that a segment is about to be removed is
//! flushed before it is removed, so that a missing segment is never mistaken for a loss, nor a loss for a removal.
//!
//! A new checkpoint is written when the frames have become as long as the last one: the cost of checkpoints stays in
//! proportion to what was put, and opening reads at most twice the size of the index. Checkpoint and delta carry a
//! generation; a delta of another generation than the checkpoint's is left over from a crash and not looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, RwLock};

use super::index::image::{self, Checkpoint, Covered, DELTA_HEAD_BYTES, DeltaHead, FrameContent, FrameId};
use super::index::{Id, Index, Seed, UsedRun};
use crate::StoreError;
use crate::disk::{Disk, DiskFile, Open};

/// Most entries in a frame; a commit that changed more writes a checkpoint.
const FRAME_IDS_MAX: usize = 1 << 20;

/// The files of the index.
pub(super) struct IndexFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// No checkpoint is written before the frames are this long.
    checkpoint_bytes_min: u64,
    state: Mutex<State>,
    /// Bytes of both files, to be asked for while one is being written.
    bytes: AtomicU64,
}

struct State {
    generation: u64,
    checkpoint_bytes: u64,
    delta: Option<Arc<dyn DiskFile>>,
    delta_end: u64,
    last_frame: FrameId,
    /// Up to where the last frame or checkpoint accounts for the log.
    covered: Covered,
    /// How many ids the files know.
    known_ids: u32,
    /// Uses before this second are saved.
    used_saved: u32,
    /// Frames were written since the delta was last flushed.
    unsynced: bool,
    /// A frame could not be written: the following ones would not fit. A checkpoint mends it.
    broken: bool,
}

/// What was read.
pub(super) struct Loaded {
    pub(super) index: Index,
    pub(super) covered: Covered,
    /// Segments that were about to be removed.
    pub(super) dropped: Vec<u32>,
    /// The files were what they were when they were last written, to the last byte, so far as that can be seen.
    pub(super) whole: bool,
}

/// What a commit adds.
pub(super) struct Changes<'a> {
    pub(super) covered: Covered,
    pub(super) ids: Vec<Id>,
    pub(super) aliases: bool,
    /// Segments that will be removed once this is durable.
    pub(super) dropped: &'a [u32],
    /// Wait until it is on disk: what was removed on purpose shall not come back.
    pub(super) durable: bool,
}

impl IndexFiles {
    /// Reads what is there. A damaged or missing checkpoint gives an empty index, a damaged frame ends the reading.
    pub(super) fn load(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        checkpoint_bytes_min: u64,
    ) -> Result<(Self, Loaded), StoreError> {
        let mut state = State {
            generation: 0,
            checkpoint_bytes: 0,
            delta: None,
            delta_end: 0,
            last_frame: FrameId::default(),
            covered: Covered::default(),
            known_ids: 0,
            used_saved: 0,
            unsynced: false,
            broken: false,
        };
        let files = |state: State| {
            let bytes = AtomicU64::new(state.checkpoint_bytes + state.delta_end);
            let (disk, dir) = (disk.clone(), dir.clone());
            Self { disk, dir, checkpoint_bytes_min, state: Mutex::new(state), bytes }
        };
        let delta = read_whole(&disk, &dir.join("index.delta"))?;
        let head = delta.as_ref().and_then(|(_, bytes)| image::decode_delta_head(bytes).ok());
        let mut loaded = match read_whole(&disk, &dir.join("index"))? {
            Some((_, bytes)) => match image::decode_checkpoint(&bytes) {
                Ok(Checkpoint { index, generation, covered }) => {
                    (state.generation, state.checkpoint_bytes) = (generation, bytes.len() as u64);
                    Loaded { index, covered, dropped: Vec::new(), whole: false }
                }
                Err(why) => {
                    tracing::warn!(why, "the index checkpoint cannot be used; rebuilding it from the segments");
                    state.broken = true;
                    // A higher generation than any before, so that the old delta stays without effect.
                    state.generation = head.map_or(0, |head| head.generation) + 1;
                    return Ok((files(state), Loaded::nothing(Seed::random())));
                }
            },
            None => Loaded::nothing(head.as_ref().map_or_else(Seed::random, |head| head.seed)),
        };
        match (delta, head) {
            (Some((file, bytes)), Some(DeltaHead { version, generation, seed }))
                if generation == state.generation && seed == loaded.index.seed() =>
            {
                replay(&bytes, version, &mut state, &mut loaded);
                loaded.whole = state.delta_end == bytes.len() as u64;
                if !loaded.whole {
                    file.set_len(state.delta_end).map_err(|e| StoreError::io("cut", &dir.join("index.delta"), e))?;
                }
                // Frames of this version cannot follow those of an older one.
                state.broken |= version != image::VERSION;
                // What was read may be in the system's memory alone.
                state.unsynced = true;
                state.delta = Some(file);
            }
            // Left over from before a checkpoint, or not even a delta: the next frame begins a new one.
            _ => {}
        }
        // What was replayed is in the file already.
        loaded.index.take_changed();
        (state.known_ids, state.covered) = (loaded.index.ids() as u32, loaded.covered);
        Ok((files(state), loaded))
    }

    /// Removes both files: opening builds them anew.
    pub(super) fn remove(disk: &Arc<dyn Disk>, dir: &Path) -> Result<(), StoreError> {
        for path in ["index.delta", "index"].map(|name| dir.join(name)) {
            match disk.remove(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Bytes of both files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Uses before this second are saved, or were there when the index was read.
    pub(super) fn begin_use(&self, now: u32) {
        self.state.lock().used_saved = now;
    }

    /// Saves when blocks were last used, as far as only memory has it. Not flushed: it is only a hint.
    pub(super) fn save_use(&self, index: &RwLock<Index>, now: u32) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let used = index.read().unsaved_use(state.used_saved);
        if used.is_empty() || state.broken {
            return Ok(());
        }
        state.used_saved = now;
        // An id that the file does not have yet comes with its own frame.
        let known = |run: &UsedRun| run.first.saturating_add(run.count) <= state.known_ids;
        let used: Vec<UsedRun> = used.into_iter().filter(known).collect();
        let covered = state.covered;
        let changes = Changes { covered, ids: Vec::new(), aliases: false, dropped: &[], durable: false };
        let written = self.append_frame(&mut state, index, &changes, &used);
        state.broken |= written.is_err();
        written
    }

    /// Remembers what a commit changed. Fails only when that must be durable and could not be made so.
    pub(super) fn append(&self, index: &RwLock<Index>, mut changes: Changes<'_>) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        changes.ids.sort_unstable();
        changes.ids.dedup();
        let must = changes.durable;
        // Another commit may have written what this one must have on disk.
        let nothing_new = changes.ids.is_empty() && !changes.aliases && changes.dropped.is_empty();
        if nothing_new && !(must && state.unsynced) {
            return Ok(());
        }
        let many = changes.ids.len() > FRAME_IDS_MAX;
        if !many
            && !state.broken
            && !nothing_new
            && let Err(error) = self.append_frame(&mut state, index, &changes, &[])
        {
            tracing::warn!(%error, "the index could not be kept up to date on disk; opening may take longer");
            state.broken = true;
        }
        let long = state.delta_end > self.checkpoint_bytes_min.max(state.checkpoint_bytes);
        if many || long || (state.broken && must) {
            let done = self.checkpoint(&mut state, index, changes.covered);
            if done.is_err() {
                state.broken = true;
            }
            return if must { done } else { Ok(()) };
        }
        if must { self.flush_delta(&mut state) } else { Ok(()) }
    }

    /// Makes durable what the frames say.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.flush_delta(&mut self.state.lock())
    }

    fn flush_delta(&self, state: &mut State) -> Result<(), StoreError> {
        let Some(delta) = state.delta.clone() else { return Ok(()) };
        delta.sync().map_err(|e| StoreError::io("flush", &self.delta_path(), e))?;
        self.disk.sync_dir(&self.dir).map_err(|e| StoreError::io("flush", &self.dir, e))?;
        state.unsynced = false;
        Ok(())
    }

    /// Writes the whole index: when frames can no longer be appended, or opening had to read much.
    pub(super) fn mend(&self, index: &RwLock<Index>, covered: Covered) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.broken = true;
        self.checkpoint(&mut state, index, covered)
    }

    /// Whether frames can no longer be appended.
    pub(super) fn is_broken(&self) -> bool {
        self.state.lock().broken
    }

    fn append_frame(
        &self,
        state: &mut State,
        index: &RwLock<Index>,
        changes: &Changes<'_>,
        used: &[UsedRun],
    ) -> Result<(), StoreError> {
        let fail = |error| StoreError::io("write to", &self.delta_path(), error);
        let delta = match &state.delta {
            Some(delta) => delta.clone(),
            None => self.new_delta(state, index.read().seed())?,
        };
        let content = FrameContent {
            covered: changes.covered,
            ids: &changes.ids,
            known: state.known_ids,
            aliases: changes.aliases,
            dropped: changes.dropped,
            used,
        };
        let (frame, id) = image::encode_frame(&index.read(), state.last_frame, &content);
        delta.write_at(&frame, state.delta_end).map_err(fail)?;
        state.delta_end += frame.len() as u64;
        state.unsynced = true;
        (state.last_frame, state.covered) = (id, changes.covered);
        state.known_ids = state.known_ids.max(changes.ids.last().map_or(0, |last| last.0 + 1));
        self.bytes.store(state.checkpoint_bytes + state.delta_end, Relaxed);
        Ok(())
    }

    /// Begins a delta for the checkpoint there is.
    fn new_delta(&self, state: &mut State, seed: Seed) -> Result<Arc<dyn DiskFile>, StoreError> {
        let path = self.delta_path();
        let head = image::encode_delta_head(state.generation, seed);
        let file = self.replace(&path, &head, false)?;
        (state.delta, state.delta_end) = (Some(file.clone()), head.len() as u64);
        state.last_frame = FrameId::default();
        self.bytes.store(state.checkpoint_bytes + state.delta_end, Relaxed);
        Ok(file)
    }

    fn checkpoint(&self, state: &mut State, index: &RwLock<Index>, covered: Covered) -> Result<(), StoreError> {
        let generation = state.generation + 1;
        let (bytes, seed, ids) = {
            let index = index.read();
            (image::encode_checkpoint(&index, generation, covered), index.seed(), index.ids() as u32)
        };
        self.replace(&self.dir.join("index"), &bytes, true)?;
        self.disk.sync_dir(&self.dir).map_err(|e| StoreError::io("flush", &self.dir, e))?;
        (state.generation, state.checkpoint_bytes, state.delta) = (generation, bytes.len() as u64, None);
        (state.known_ids, state.covered, state.unsynced) = (ids, covered, false);
        self.new_delta(state, seed)?;
        state.broken = false;
        Ok(())
    }

    /// Puts a file in place under its name in one step.
    fn replace(&self, path: &Path, bytes: &[u8], sync: bool) -> Result<Arc<dyn DiskFile>, StoreError> {
        let aside = path.with_file_name(format!("{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
        let fail = |what, error| StoreError::io(what, &aside, error);
        self.disk.create_dir_all(&self.dir).map_err(|e| StoreError::io("create", &self.dir, e))?;
        match self.disk.remove(&aside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail("remove", error)),
            _ => {}
        }
        let file = self.disk.open(&aside, Open::Create).map_err(|e| fail("create", e))?;
        file.write_at(bytes, 0).map_err(|e| fail("write to", e))?;
        if sync {
            file.sync().map_err(|e| fail("flush", e))?;
        }
        self.disk.rename(&aside, path).map_err(|e| fail("rename", e))?;
        Ok(file)
    }

    fn delta_path(&self) -> PathBuf {
        self.dir.join("index.delta")
    }
}

impl Loaded {
    fn nothing(seed: Seed) -> Self {
        Self { index: Index::new(seed), covered: Covered::default(), dropped: Vec::new(), whole: false }
    }
}

/// Applies frames up to the first that is not whole.
fn replay(bytes: &[u8], version: u32, state: &mut State, loaded: &mut Loaded) {
    let mut at = DELTA_HEAD_BYTES;
    while let Some((id, payload, size)) = image::decode_frame(bytes.get(at..).unwrap_or_default(), state.last_frame) {
        match image::apply_frame(&mut loaded.index, version, payload) {
            Ok((covered, dropped)) => {
                loaded.covered = covered;
                loaded.dropped.extend(dropped);
            }
            Err(why) => {
                tracing::warn!(why, at, "a frame of the index cannot be used; reading segments instead");
                state.broken = true;
                break;
            }
        }
        at += size;
        state.last_frame = id;
    }
    state.delta_end = at as u64;
}

type Whole = (Arc<dyn DiskFile>, Vec<u8>);

fn read_whole(disk: &Arc<dyn Disk>, path: &Path) -> Result<Option<Whole>, StoreError> {
    let file = match disk.open(path, Open::Write) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| StoreError::io("open", path, e))?,
    };
    let fail = |e| StoreError::io("read", path, e);
    let len = usize::try_from(file.len().map_err(fail)?).unwrap_or(usize::MAX);
    let bytes = file.read_exact_at(len, 0).map_err(fail)?;
    Ok(Some((file, bytes)))
}
