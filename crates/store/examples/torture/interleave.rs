//! Writers beside a collection, in an order that a seed decides: adds, an import, pins, unpins, a root that moves (as the
//! mutable file system's does), and a collector.
//!
//! One thread runs at a time; at each step it hands the turn to the next, chosen by the seed. The collector hands it on
//! inside the collection too: wherever it reads, removes a file or reports, between mark and sweep and within the sweep. So
//! a seed gives the same order of steps each time, which one round in eight checks.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use merkury_core::BlockPut;
use merkury_store::disk::sim::{Random, SimDisk};
use merkury_store::disk::{Disk, DiskFile, Open};
use merkury_store::{GcOptions, PinKind, Store, VerifyEvent};

use crate::blocks::{Universe, open};

const BLOCKS: usize = 48;
/// What each writer does.
const ROUNDS: u64 = 12;
const COLLECTIONS: u64 = 6;
/// A thread that waits longer than this waits for one that cannot go on.
const TURN_DEADLINE: Duration = Duration::from_secs(60);

thread_local! {
    /// Set in the thread that collects: its number among the players.
    static COLLECTOR: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Who may go on.
struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    current: usize,
    alive: Vec<usize>,
    random: Random,
    /// Everything that happened, in short.
    trace: u64,
}

impl Turns {
    fn new(seed: u64, players: usize) -> Self {
        let state = State { current: 0, alive: (0..players).collect(), random: Random(seed), trace: 0 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for the first turn.
    fn begin(&self, me: usize) {
        self.wait(self.lock(), me);
    }

    /// Hands the turn to anyone, perhaps to oneself, and waits for it to come back.
    fn pass(&self, me: usize) {
        let mut state = self.lock();
        state.choose();
        self.changed.notify_all();
        self.wait(state, me);
    }

    /// Leaves the game.
    fn end(&self, me: usize) {
        let mut state = self.lock();
        state.alive.retain(|player| *player != me);
        state.choose();
        self.changed.notify_all();
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, me: usize) {
        while state.current != me {
            let (next, late) =
                self.changed.wait_timeout(state, TURN_DEADLINE).unwrap_or_else(|poisoned| poisoned.into_inner());
            state = next;
            assert!(!late.timed_out(), "player {me} waits for player {}, which waits for a lock", state.current);
        }
    }

    fn note(&self, what: u64) {
        let mut state = self.lock();
        state.trace = state.trace.wrapping_mul(0x0000_0100_0000_01b3) ^ what;
    }
}

impl State {
    fn choose(&mut self) {
        if !self.alive.is_empty() {
            self.current = self.alive[self.random.below(self.alive.len() as u64) as usize];
            self.trace = self.trace.wrapping_mul(31).wrapping_add(self.current as u64);
        }
    }
}

/// A disk on which the collector hands its turn on.
struct Yielding {
    inner: SimDisk,
    turns: Arc<Turns>,
}

struct YieldingFile {
    inner: Arc<dyn DiskFile>,
    turns: Arc<Turns>,
}

fn collector_passes(turns: &Turns) {
    if let Some(me) = COLLECTOR.get() {
        turns.pass(me);
    }
}

impl Disk for Yielding {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(YieldingFile { inner: self.inner.open(path, how)?, turns: self.turns.clone() }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
}

impl DiskFile for YieldingFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Nothing is locked while the collector reads the names of what it will remove, or a block that it copies.
        collector_passes(&self.turns);
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }
}

/// What is pinned and where the root leads; only who has the turn looks at it.
#[derive(Default)]
struct Model {
    pins: BTreeSet<usize>,
    root: Option<usize>,
    /// Files of the mutable file system that a writer holds by a temporary pin alone.
    held: BTreeMap<usize, usize>,
}

struct Game {
    universe: Universe,
    store: Arc<Store>,
    turns: Arc<Turns>,
    model: Mutex<Model>,
}

pub(crate) fn round(seed: u64) -> Result<(), String> {
    let trace = play(seed)?;
    if seed.is_multiple_of(8) && play(seed)? != trace {
        return Err("the same seed gave another order".to_owned());
    }
    Ok(())
}

type Player = fn(&Game, usize, &mut Random) -> Result<(), String>;

fn play(seed: u64) -> Result<u64, String> {
    let players: [Player; 6] = [add, add, import, unpin, move_root, collect];
    let turns = Arc::new(Turns::new(seed, players.len()));
    let universe = Universe::new(seed, BLOCKS).map_err(|error| error.to_string())?;
    let disk = SimDisk::new();
    let yielding = Yielding { inner: disk, turns: turns.clone() };
    let store = open(Arc::new(yielding), 4 << 20).map_err(|error| error.to_string())?;
    let game = Game { universe, store, turns, model: Mutex::default() };
    let results: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let game = &game;
        let start = |(me, player): (usize, Player)| {
            scope.spawn(move || {
                game.turns.begin(me);
                let result = player(game, me, &mut Random(seed ^ (me as u64 + 1) << 32));
                game.turns.end(me);
                result
            })
        };
        let threads: Vec<_> = players.into_iter().enumerate().map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a player panicked".to_owned())))
            .collect()
    });
    results.into_iter().collect::<Result<(), _>>()?;
    game.check_end()?;
    Ok(game.turns.lock().trace)
}

/// Puts a DAG block by block under a temporary pin, and pins it.
fn add(game: &Game, me: usize, random: &mut Random) -> Result<(), String> {
    for _ in 0..ROUNDS {
        let top = game.some_block(random);
        let guard = game.store.temp_pin();
        for &n in &game.universe.reach[top] {
            game.put(&[n])?;
            game.turns.pass(me);
        }
        if random.below(2) == 0 {
            game.store.commit().map_err(|e| e.to_string())?;
            game.turns.pass(me);
        }
        game.pin(top)?;
        game.turns.pass(me);
        drop(guard);
        game.look(random)?;
        game.turns.pass(me);
    }
    Ok(())
}

/// Names the root first and puts the blocks in batches, as an archive gives them.
fn import(game: &Game, me: usize, random: &mut Random) -> Result<(), String> {
    for _ in 0..ROUNDS {
        let top = game.some_block(random);
        let guard = game.store.temp_pin();
        guard.protect(game.universe.blocks[top].cid());
        game.turns.pass(me);
        let mut order = game.universe.reach[top].clone();
        // Roots first: the opposite of the order in which `add` puts.
        order.reverse();
        for batch in order.chunks(3) {
            game.put(batch)?;
            game.turns.pass(me);
        }
        game.pin(top)?;
        drop(guard);
        game.turns.pass(me);
        game.look(random)?;
    }
    Ok(())
}

fn unpin(game: &Game, me: usize, random: &mut Random) -> Result<(), String> {
    for _ in 0..2 * ROUNDS {
        let pins: Vec<usize> = game.model().pins.iter().copied().collect();
        if let Some(&top) = pins.get(random.below(pins.len() as u64) as usize) {
            game.store.pins().remove(game.universe.blocks[top].cid()).map_err(|e| format!("unpin {top}: {e}"))?;
            game.model().pins.remove(&top);
            game.turns.note(top as u64);
        }
        game.turns.pass(me);
    }
    Ok(())
}

/// Moves the root as the mutable file system does: now and then the new one lives in memory for some steps, kept by a
/// temporary pin that names it.
fn move_root(game: &Game, me: usize, random: &mut Random) -> Result<(), String> {
    for _ in 0..ROUNDS {
        let top = game.some_block(random);
        let guard = game.store.temp_pin();
        for &n in &game.universe.reach[top] {
            game.put(&[n])?;
            game.turns.pass(me);
        }
        guard.protect(game.universe.blocks[top].cid());
        game.model().held.insert(me, top);
        for _ in 0..random.below(4) {
            game.turns.pass(me);
        }
        game.whole(top)?;
        game.store.roots().set("mfs", game.universe.blocks[top].cid()).map_err(|e| format!("root {top}: {e}"))?;
        {
            let mut model = game.model();
            model.root = Some(top);
            model.held.remove(&me);
        }
        drop(guard);
        game.turns.pass(me);
        game.look(random)?;
    }
    Ok(())
}

fn collect(game: &Game, me: usize, _: &mut Random) -> Result<(), String> {
    COLLECTOR.set(Some(me));
    for _ in 0..COLLECTIONS {
        let collected = game.store.gc(&GcOptions::default(), &mut |_| game.turns.pass(me));
        let stats = collected.map_err(|e| format!("collection: {e}"))?;
        game.turns.note(stats.removed_blocks);
        game.turns.pass(me);
    }
    COLLECTOR.set(None);
    Ok(())
}

impl Game {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn some_block(&self, random: &mut Random) -> usize {
        random.below(BLOCKS as u64) as usize
    }

    fn put(&self, which: &[usize]) -> Result<(), String> {
        let blocks = which.iter().map(|&n| self.universe.blocks[n].clone()).collect();
        self.store.put_many(blocks).map_err(|e| format!("put {which:?}: {e}"))
    }

    fn pin(&self, top: usize) -> Result<(), String> {
        let cid = self.universe.blocks[top].cid();
        self.store.pins().add(cid, PinKind::Recursive, "").map_err(|e| format!("pin {top}: {e}"))?;
        self.model().pins.insert(top);
        Ok(())
    }

    /// All blocks below are here and right.
    fn whole(&self, top: usize) -> Result<(), String> {
        for &n in &self.universe.reach[top] {
            let block = &self.universe.blocks[n];
            let found = self.store.get(block.cid()).map_err(|e| format!("block {n} below {top}: {e}"))?;
            if found.as_ref() != Some(block) {
                return Err(format!("block {n} below {top} was removed"));
            }
        }
        Ok(())
    }

    /// Something that is kept is whole.
    fn look(&self, random: &mut Random) -> Result<(), String> {
        let kept: Vec<usize> = self.kept();
        kept.get(random.below(kept.len() as u64) as usize).map_or(Ok(()), |&top| self.whole(top))
    }

    fn kept(&self) -> Vec<usize> {
        let model = self.model();
        model.pins.iter().copied().chain(model.root).chain(model.held.values().copied()).collect()
    }

    /// In the end a collection leaves what is kept, and nothing else.
    fn check_end(&self) -> Result<(), String> {
        let kept = self.kept();
        kept.iter().try_for_each(|&top| self.whole(top))?;
        self.store.gc(&GcOptions::default(), &mut |_| {}).map_err(|e| e.to_string())?;
        kept.iter().try_for_each(|&top| self.whole(top))?;
        let reached: BTreeSet<usize> = kept.iter().flat_map(|&top| self.universe.reach[top].iter().copied()).collect();
        let names: BTreeSet<_> = reached.iter().map(|&n| self.universe.blocks[n].cid().hash().clone()).collect();
        let blocks = self.store.stat().blocks;
        if blocks != names.len() as u64 {
            return Err(format!("{blocks} blocks are left, {} are kept", names.len()));
        }
        let mut bad = None;
        let looked = self.store.verify(&mut |event| {
            if !matches!(event, VerifyEvent::Good { .. }) {
                bad = Some(format!("{event:?}"));
            }
        });
        looked.map_err(|e| e.to_string())?;
        bad.map_or(Ok(()), Err)
    }
}
