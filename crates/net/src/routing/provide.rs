//! Announcing what this node has: at once for new content, and all of it again every 22 hours.
//!
//! Parts: [`Providing`] (the handle), [`ProvideSource`] (what the node gives: which blocks, and where the last cycle
//! stopped), the task that works through both.
//!
//! Invariants:
//! - At most [`WORKERS`] announcements are under way, at most [`QUEUE_MAX`] wait. What finds the queue full is left to
//!   the next cycle, which then comes at once: nothing is lost, it is only later.
//! - The cycle reads its blocks batch by batch and notes its place after each: a restart goes on from there.
//! - Without a peer in a routing table nothing is taken from the queue; the wait ends when there is one.
//!
//! A crash may lose announcements that were queued and not made; the next cycle makes them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use merkury_core::{BoxFuture, Cid};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Routing, RoutingError};

/// Announcements under way at a time (Kubo's number of workers).
const WORKERS: usize = 16;
/// Announcements that may wait.
const QUEUE_MAX: usize = 16 * 1024;
/// CIDs read from the source at a time.
const BATCH: usize = 256;
/// How long after the start of a cycle the next one starts (Kubo's interval); records live 48 hours.
const CYCLE_INTERVAL: Duration = Duration::from_secs(22 * 3600);
/// How often an empty routing table is looked at again.
const PEERS_WAIT: Duration = Duration::from_secs(1);
/// How often the start of a cycle is considered.
const CYCLE_CHECK: Duration = Duration::from_secs(60);

/// Which blocks are announced, and how far the last cycle came. Called from blocking threads.
pub trait ProvideSource: Send + Sync {
    /// Up to `max` CIDs after the place `after` (`None`: from the start), in an order that stays.
    fn batch(&self, after: Option<&[u8]>, max: usize) -> Result<ProvideBatch, String>;

    /// What was last saved; the default when nothing was.
    fn progress(&self) -> ProvideProgress;

    /// Saves the place. Need not be durable at once.
    fn save_progress(&self, progress: &ProvideProgress) -> Result<(), String>;
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
    /// Whether a cycle over everything is under way.
    pub cycle: bool,
}

#[derive(Debug, Default)]
struct Counters {
    made: AtomicU64,
    failed: AtomicU64,
    postponed: AtomicU64,
    cycle: AtomicBool,
    /// A cycle is wanted before its time.
    cycle_wanted: AtomicBool,
}

/// The handle to announcing. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Providing {
    queue: mpsc::Sender<Cid>,
    counters: Arc<Counters>,
}

impl Providing {
    /// Announces soon. Never waits.
    pub fn announce(&self, cid: Cid) {
        if self.queue.try_send(cid).is_err() {
            self.counters.postponed.fetch_add(1, Ordering::Relaxed);
            self.counters.cycle_wanted.store(true, Ordering::Relaxed);
        }
    }

    /// Counters.
    pub fn stat(&self) -> ProvideStat {
        ProvideStat {
            made: self.counters.made.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
            postponed: self.counters.postponed.load(Ordering::Relaxed),
            waiting: self.queue.max_capacity().saturating_sub(self.queue.capacity()),
            cycle: self.counters.cycle.load(Ordering::Relaxed),
        }
    }

    /// The handle and the work behind it, to be run as a task until `shutdown`.
    pub(crate) fn start(
        routing: Routing,
        source: Option<Arc<dyn ProvideSource>>,
        shutdown: CancellationToken,
    ) -> (Self, BoxFuture<'static, ()>) {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let counters = Arc::new(Counters::default());
        let provider = Provider {
            routing,
            source,
            counters: counters.clone(),
            cycle: VecDeque::new(),
            progress: ProvideProgress::default(),
            working: FuturesUnordered::new(),
        };
        let run = async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = provider.run(receiver) => {}
            }
        };
        (Self { queue, counters }, Box::pin(run))
    }
}

type Work = BoxFuture<'static, Result<u32, RoutingError>>;

struct Provider {
    routing: Routing,
    source: Option<Arc<dyn ProvideSource>>,
    counters: Arc<Counters>,
    /// CIDs of the current batch that are still to be announced.
    cycle: VecDeque<Cid>,
    progress: ProvideProgress,
    working: FuturesUnordered<Work>,
}

impl Provider {
    async fn run(mut self, mut queue: mpsc::Receiver<Cid>) {
        if let Some(source) = self.source.clone() {
            self.progress = blocking(move || Ok(source.progress())).await.unwrap_or_default();
        }
        let mut check = tokio::time::interval(CYCLE_CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            wait_for_peers(self.routing.clone()).await;
            let free = self.working.len() < WORKERS;
            tokio::select! {
                biased;
                Some(done) = self.working.next(), if !self.working.is_empty() => self.count(done),
                // New content first: somebody may be waiting for it.
                cid = queue.recv(), if free => match cid {
                    Some(cid) => self.work_on(cid),
                    None => return,
                },
                _ = check.tick() => self.consider_cycle(),
                () = std::future::ready(()), if free && self.is_cycling() => self.step_cycle().await,
            }
        }
    }

    fn count(&self, done: Result<u32, RoutingError>) {
        let counter = if done.is_ok() { &self.counters.made } else { &self.counters.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn work_on(&mut self, cid: Cid) {
        let routing = self.routing.clone();
        self.working.push(Box::pin(async move { routing.provide(&cid).await }));
    }

    fn is_cycling(&self) -> bool {
        self.counters.cycle.load(Ordering::Relaxed)
    }

    fn set_cycling(&self, cycling: bool) {
        self.counters.cycle.store(cycling, Ordering::Relaxed);
    }

    /// Starts or resumes a cycle when it is time.
    fn consider_cycle(&mut self) {
        if self.source.is_none() || self.is_cycling() {
            return;
        }
        let now = SystemTime::now();
        // A clock that was set back makes the next cycle come early, never late.
        let age = self.progress.started.map(|started| now.duration_since(started).unwrap_or(CYCLE_INTERVAL));
        let unfinished = self.progress.started.is_some() && !self.progress.complete;
        let wanted = self.counters.cycle_wanted.swap(false, Ordering::Relaxed);
        if unfinished && age.is_some_and(|age| age < CYCLE_INTERVAL) {
            self.set_cycling(true);
        } else if wanted || age.is_none_or(|age| age >= CYCLE_INTERVAL) {
            self.progress = ProvideProgress { started: Some(now), place: None, complete: false };
            self.set_cycling(true);
        }
    }

    /// Announces the next CID of the cycle, reading the next batch when there is none.
    async fn step_cycle(&mut self) {
        if let Some(cid) = self.cycle.pop_front() {
            self.work_on(cid);
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
            Ok(None) => self.set_cycling(false),
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
