//! Announcing what this node has: at once for new content, and all of it again in every cycle (22 hours).
//!
//! Parts: [`Providing`] (the handle), `queue` (what waits), [`ProvideSource`] (what the node gives: which blocks, and where the last cycle
//! stopped), the task that works through both.
//!
//! Invariants:
//! - At most [`WORKERS`] announcements are under way, at most [`queue::QUEUE_MAX`] wait. What finds the queue full is left to
//!   the next cycle, which then comes at once: nothing is lost, it is only later.
//! - The cycle reads its blocks batch by batch and notes its place after each: a restart goes on from there.
//! - Without a peer in a routing table nothing is taken from the queue; the wait ends when there is one.
//!
//! A crash may lose announcements that were queued and not made; the next cycle makes them.

mod queue;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use merkury_core::{BoxFuture, Cid};
use tokio_util::sync::CancellationToken;

use super::{Routing, RoutingError};
use queue::Queue;

/// Announcements under way at a time (Kubo's number of workers).
pub const WORKERS: usize = 16;
/// CIDs read from the source at a time.
const BATCH: usize = 256;
/// How long after the start of a cycle the next one starts, unless the source says otherwise (Kubo's interval); records
/// live 48 hours.
pub const CYCLE_INTERVAL: Duration = Duration::from_secs(22 * 3600);
/// How often an empty routing table is looked at again.
const PEERS_WAIT: Duration = Duration::from_secs(1);
/// How often the start of a cycle is considered, at most; short cycles are looked at ten times each.
const CYCLE_CHECK: Duration = Duration::from_secs(60);

/// Which blocks are announced, and how far the last cycle came. Called from blocking threads.
pub trait ProvideSource: Send + Sync {
    /// Up to `max` CIDs after the place `after` (`None`: from the start), in an order that stays.
    fn batch(&self, after: Option<&[u8]>, max: usize) -> Result<ProvideBatch, String>;

    /// What was last saved; the default when nothing was.
    fn progress(&self) -> ProvideProgress;

    /// Saves the place. Need not be durable at once.
    fn save_progress(&self, progress: &ProvideProgress) -> Result<(), String>;

    /// How long after the start of a cycle the next one starts; zero for no cycles.
    fn interval(&self) -> Duration {
        CYCLE_INTERVAL
    }
}

/// Some CIDs to announce.
#[derive(Clone, Debug, Default)]
pub struct ProvideBatch {
    /// The CIDs.
    pub cids: Vec<Cid>,
    /// The place after them; `None` when these were the last.
    pub next: Option<Vec<u8>>,
}

/// How far a cycle came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProvideProgress {
    /// When the current or last cycle started; `None` before the first.
    pub started: Option<SystemTime>,
    /// Where it goes on; `None` when it is complete or has not begun.
    pub place: Option<Vec<u8>>,
    /// Whether it is complete.
    pub complete: bool,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProvideStat {
    /// Announcements made.
    pub made: u64,
    /// Announcements that reached nobody.
    pub failed: u64,
    /// Announcements left to the next cycle because the queue was full.
    pub postponed: u64,
    /// Announcements waiting.
    pub waiting: usize,
    /// Announcements being made.
    pub working: u64,
    /// Whether a cycle over everything is under way.
    pub cycle: bool,
    /// Peers that took part, summed over all announcements.
    pub records: u64,
    /// Announcements made for cycles.
    pub made_in_cycles: u64,
    /// Cycles that came to their end.
    pub cycles: u64,
    /// How long they took in all.
    pub cycles_took: Duration,
    /// How long the last one took.
    pub last_cycle_took: Duration,
    /// When the current or last cycle started; `None` before the first.
    pub cycle_started: Option<SystemTime>,
    /// When the last one ended.
    pub cycle_ended: Option<SystemTime>,
    /// Since the start.
    pub uptime: Duration,
}

#[derive(Debug, Default)]
struct Counters {
    made: AtomicU64,
    failed: AtomicU64,
    postponed: AtomicU64,
    working: AtomicU64,
    records: AtomicU64,
    made_in_cycles: AtomicU64,
    cycle: AtomicBool,
    /// A cycle is wanted before its time.
    cycle_wanted: AtomicBool,
    cycles: Mutex<Cycles>,
}

/// What is known of the cycles since the start.
#[derive(Clone, Copy, Debug, Default)]
struct Cycles {
    done: u64,
    took: Duration,
    last_took: Duration,
    started: Option<SystemTime>,
    ended: Option<SystemTime>,
}

impl Counters {
    fn cycles(&self) -> MutexGuard<'_, Cycles> {
        self.cycles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle to announcing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Providing {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    started: Instant,
}

impl Providing {
    /// Announces soon. Never waits.
    pub fn announce(&self, cid: Cid) {
        if !self.queue.put(&cid) {
            self.counters.postponed.fetch_add(1, Ordering::Relaxed);
            self.counters.cycle_wanted.store(true, Ordering::Relaxed);
        }
    }

    /// Announces soon; waits while the queue is full. Cancel-safe.
    pub async fn enqueue(&self, cid: &Cid) {
        self.queue.put_when_there_is_room(cid).await;
    }

    /// Forgets what waits. Returns how many that were.
    pub fn clear(&self) -> usize {
        self.queue.clear()
    }

    /// Counters.
    pub fn stat(&self) -> ProvideStat {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let cycles = *self.counters.cycles();
        ProvideStat {
            made: read(&self.counters.made),
            failed: read(&self.counters.failed),
            postponed: read(&self.counters.postponed),
            waiting: self.queue.len(),
            working: read(&self.counters.working),
            cycle: self.counters.cycle.load(Ordering::Relaxed),
            records: read(&self.counters.records),
            made_in_cycles: read(&self.counters.made_in_cycles),
            cycles: cycles.done,
            cycles_took: cycles.took,
            last_cycle_took: cycles.last_took,
            cycle_started: cycles.started,
            cycle_ended: cycles.ended,
            uptime: self.started.elapsed(),
        }
    }

    /// The handle and the work behind it, to be run as a task until `shutdown`.
    pub(crate) fn start(
        routing: Routing,
        source: Option<Arc<dyn ProvideSource>>,
        shutdown: CancellationToken,
    ) -> (Self, BoxFuture<'static, ()>) {
        let queue = Arc::new(Queue::default());
        let source_interval = source.as_ref().map_or(Duration::ZERO, |source| source.interval());
        let counters = Arc::new(Counters::default());
        let provider = Provider {
            routing,
            source,
            counters: counters.clone(),
            interval: source_interval,
            cycle: VecDeque::new(),
            cycle_began: None,
            progress: ProvideProgress::default(),
            working: FuturesUnordered::new(),
        };
        let taken_from = queue.clone();
        let run = async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = provider.run(&taken_from) => {}
            }
        };
        (Self { queue, counters, started: Instant::now() }, Box::pin(run))
    }
}

/// Whether an announcement is one of a cycle, and what came of it.
type Work = BoxFuture<'static, (bool, Result<u32, RoutingError>)>;

struct Provider {
    routing: Routing,
    source: Option<Arc<dyn ProvideSource>>,
    counters: Arc<Counters>,
    /// Between the starts of cycles; zero for none.
    interval: Duration,
    /// CIDs of the current batch that are still to be announced.
    cycle: VecDeque<Cid>,
    /// When the cycle under way was started or resumed.
    cycle_began: Option<Instant>,
    progress: ProvideProgress,
    working: FuturesUnordered<Work>,
}

impl Provider {
    async fn run(mut self, queue: &Queue) {
        self.read_progress().await;
        let mut check = tokio::time::interval(CYCLE_CHECK.min(self.interval / 10).max(PEERS_WAIT));
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            wait_for_peers(self.routing.clone()).await;
            let free = self.working.len() < WORKERS;
            self.counters.working.store(self.working.len() as u64, Ordering::Relaxed);
            tokio::select! {
                biased;
                Some(done) = self.working.next(), if !self.working.is_empty() => self.count(done),
                // New content first: somebody may be waiting for it.
                cid = queue.take(), if free => self.work_on(cid, false),
                _ = check.tick() => self.consider_cycle(),
                () = std::future::ready(()), if free && self.is_cycling() => self.step_cycle().await,
            }
        }
    }

    /// Where the last cycle stopped. Time runs from the first start on, with peers or without.
    async fn read_progress(&mut self) {
        let Some(source) = self.source.clone().filter(|_| !self.interval.is_zero()) else { return };
        let read = move || {
            let mut progress = source.progress();
            if progress.started.is_none() {
                progress = ProvideProgress { started: Some(SystemTime::now()), place: None, complete: false };
                source.save_progress(&progress)?;
            }
            Ok(progress)
        };
        self.progress = blocking(read).await.unwrap_or_default();
        self.counters.cycles().started = self.progress.started;
    }

    fn count(&self, (in_cycle, done): (bool, Result<u32, RoutingError>)) {
        match done {
            Ok(peers) => {
                self.counters.made.fetch_add(1, Ordering::Relaxed);
                self.counters.records.fetch_add(u64::from(peers), Ordering::Relaxed);
                self.counters.made_in_cycles.fetch_add(u64::from(in_cycle), Ordering::Relaxed);
            }
            Err(_) => drop(self.counters.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }

    fn work_on(&mut self, cid: Cid, in_cycle: bool) {
        let routing = self.routing.clone();
        self.working.push(Box::pin(async move { (in_cycle, routing.provide(&cid).await) }));
    }

    fn is_cycling(&self) -> bool {
        self.counters.cycle.load(Ordering::Relaxed)
    }

    fn set_cycling(&self, cycling: bool) {
        self.counters.cycle.store(cycling, Ordering::Relaxed);
    }

    /// Starts or resumes a cycle when it is time.
    fn consider_cycle(&mut self) {
        if self.source.is_none() || self.interval.is_zero() || self.is_cycling() {
            return;
        }
        let now = SystemTime::now();
        // A clock that was set back makes the next cycle come early, never late.
        let age = self.progress.started.map(|started| now.duration_since(started).unwrap_or(self.interval));
        let unfinished = self.progress.started.is_some() && !self.progress.complete;
        let wanted = self.counters.cycle_wanted.swap(false, Ordering::Relaxed);
        if unfinished && age.is_some_and(|age| age < self.interval) {
            self.begin_cycle();
        } else if wanted || age.is_none_or(|age| age >= self.interval) {
            self.progress = ProvideProgress { started: Some(now), place: None, complete: false };
            self.counters.cycles().started = Some(now);
            self.begin_cycle();
        }
    }

    fn begin_cycle(&mut self) {
        self.cycle_began = Some(Instant::now());
        self.set_cycling(true);
    }

    /// All is announced, or on its way.
    fn end_cycle(&mut self) {
        let took = self.cycle_began.take().map(|began| began.elapsed()).unwrap_or_default();
        let mut cycles = self.counters.cycles();
        cycles.done += 1;
        cycles.took += took;
        cycles.last_took = took;
        cycles.ended = Some(SystemTime::now());
        drop(cycles);
        self.set_cycling(false);
    }

    /// Announces the next CID of the cycle, reading the next batch when there is none.
    async fn step_cycle(&mut self) {
        if let Some(cid) = self.cycle.pop_front() {
            self.work_on(cid, true);
            return;
        }
        let Some(source) = self.source.clone() else { return self.set_cycling(false) };
        let progress = self.progress.clone();
        let read = blocking(move || {
            source.save_progress(&progress)?;
            if progress.complete { Ok(None) } else { source.batch(progress.place.as_deref(), BATCH).map(Some) }
        });
        match read.await {
            Ok(Some(batch)) if batch.cids.is_empty() && batch.next.is_some() && batch.next == self.progress.place => {
                tracing::error!("the list of what is to be announced does not move on");
                self.set_cycling(false);
            }
            Ok(Some(batch)) => {
                self.progress.complete = batch.next.is_none();
                self.progress.place = batch.next;
                self.cycle = batch.cids.into();
            }
            Ok(None) => self.end_cycle(),
            Err(error) => {
                tracing::warn!(error, "announcing everything stopped; it is tried again in a minute");
                self.set_cycling(false);
            }
        }
    }
}

/// Returns when somebody could be told.
async fn wait_for_peers(routing: Routing) {
    while !routing.status().await.is_ok_and(|status| status.has_peers()) {
        tokio::time::sleep(PEERS_WAIT).await;
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}
