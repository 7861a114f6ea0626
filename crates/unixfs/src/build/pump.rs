//! The caller's thread of an import: takes steps from the source, gives jobs to threads, puts results in order.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use crossbeam_channel::{Receiver, Sender};
use merkury_core::BlockPut;

use super::file::FileLink;
use super::options::ImportOptions;
use super::pending::{Pending, PendingFile};
use super::sink::NodeSink;
use super::slab::{LEAVES_MAX, Slab, frame_bytes, slab_bytes};
use super::steps::{Step, Steps};
use super::tree::Tree;
use super::worker::{Done, FileJob, Job, Outcome, Size, SpanJob, Worker};
use super::{AddError, AddEvent, Added};
use crate::dir::{DirEntry, symlink_node};
use crate::meta::Metadata;

/// Files per job: enough to fill the lanes of the hash, few enough to keep all threads busy.
const FILES_PER_JOB: usize = 32;
/// Directories per job, so that open ones stay few.
const DIRS_PER_JOB: usize = 8;
/// Jobs a thread may have waiting or running.
const JOBS_PER_THREAD: usize = 3;
/// Entries taken from the source but not yet in the tree.
const ENTRIES_MAX: usize = 4096;
/// Large files opened and not yet read to their end.
const OPENED_MAX: usize = 16;
/// Progress of a file is told at least this often, as Kubo does.
const PROGRESS_BYTES: usize = 256 * 1024;
/// What an import works with.
pub(super) struct Context<'a> {
    pub(super) put: &'a dyn BlockPut,
    pub(super) options: &'a ImportOptions,
    pub(super) threads: usize,
    pub(super) cancel: &'a AtomicBool,
}

pub(super) fn run(
    steps: &mut dyn Steps,
    lazy: bool,
    context: &Context<'_>,
    events: &mut dyn FnMut(AddEvent<'_>),
) -> Result<Vec<Added>, AddError> {
    std::thread::scope(|scope| Pump::new(scope, context, lazy, events).run(steps))
}

/// A large file that is read in pieces.
struct OpenedFile {
    entry: u64,
    file: Arc<std::fs::File>,
    bytes: u64,
    read: u64,
}

pub(super) struct Pump<'scope, 'env, 'e> {
    scope: &'scope Scope<'scope, 'env>,
    pub(super) context: &'env Context<'env>,
    events: &'e mut dyn FnMut(AddEvent<'_>),
    sink: NodeSink<'env>,
    pub(super) tree: Tree,
    pending: VecDeque<Pending>,
    /// Number of the first pending entry.
    first_entry: u64,
    batch: Vec<FileJob>,
    opened: VecDeque<OpenedFile>,
    /// Files that must be read to their end by this thread.
    sequential: VecDeque<(u64, std::fs::File)>,
    pub(super) filling: Option<Slab>,
    pub(super) slabs: Vec<Slab>,
    pub(super) slabs_made: usize,
    span_bytes: u64,
    own: Worker<'env>,
    threads: Option<Threads>,
    /// A job that waits for a second one before threads are started.
    held: Option<Job>,
    in_flight: usize,
}

struct Threads {
    jobs: Sender<Job>,
    done: Receiver<Done>,
}

impl<'scope, 'env, 'e> Pump<'scope, 'env, 'e> {
    fn new(
        scope: &'scope Scope<'scope, 'env>,
        context: &'env Context<'env>,
        lazy: bool,
        events: &'e mut dyn FnMut(AddEvent<'_>),
    ) -> Self {
        let options = context.options;
        let leaf_bytes = options.chunker.bytes_max();
        let leaves = (slab_bytes(leaf_bytes) / frame_bytes(leaf_bytes)).clamp(1, LEAVES_MAX);
        Self {
            scope,
            context,
            events,
            sink: NodeSink::new(context.put, options.cid),
            tree: Tree::new(*options, lazy),
            pending: VecDeque::new(),
            first_entry: 0,
            batch: Vec::new(),
            opened: VecDeque::new(),
            sequential: VecDeque::new(),
            filling: None,
            slabs: Vec::new(),
            slabs_made: 0,
            span_bytes: (leaves * leaf_bytes) as u64,
            own: Worker::new(context.put, options),
            threads: None,
            held: None,
            in_flight: 0,
        }
    }

    fn run(mut self, steps: &mut dyn Steps) -> Result<Vec<Added>, AddError> {
        let mut at_end = false;
        loop {
            if self.context.cancel.load(Ordering::Relaxed) {
                return Err(AddError::Cancelled);
            }
            self.take_finished()?;
            self.settle_front()?;
            if let Some((entry, mut file)) = self.sequential.pop_front() {
                self.feed(entry, &mut file)?;
            } else if self.may_submit() && self.submit_span()? {
                continue;
            } else if !at_end && self.may_pull() {
                at_end = !steps.advance(&mut |step| self.take_step(step))?;
            } else if !self.flush_partial()? {
                if self.in_flight == 0 && self.held.is_none() {
                    break;
                }
                self.wait()?;
            }
        }
        self.sink.flush()?;
        let added = self.tree.finish();
        Ok(added)
    }

    fn may_submit(&self) -> bool {
        self.in_flight < self.context.threads * JOBS_PER_THREAD
    }

    fn may_pull(&self) -> bool {
        self.may_submit() && self.pending.len() < ENTRIES_MAX && self.opened.len() < OPENED_MAX
    }

    /// Takes one step from the source.
    fn take_step(&mut self, step: Step<'_>) -> Result<(), AddError> {
        let entry = self.first_entry + self.pending.len() as u64;
        match step {
            Step::Enter { name, meta } => {
                let meta = self.context.options.metadata.of(meta);
                self.pending.push_back(Pending::Enter { name, meta });
            }
            Step::Leave => self.pending.push_back(Pending::Leave),
            Step::Symlink { name, target, meta } => {
                // Links have no mode of their own.
                let meta = Metadata { mode: None, ..self.context.options.metadata.of(meta) };
                self.pending.push_back(Pending::Symlink { name, target, meta });
            }
            Step::File { name, open } => {
                self.pending.push_back(Pending::File(PendingFile::new(name, Metadata::default())));
                self.batch.push(FileJob { entry, dir: open.dir, name: open.name, follow: open.follow });
                if self.batch.len() >= FILES_PER_JOB || self.batch_dirs() > DIRS_PER_JOB {
                    self.submit_batch()?;
                }
            }
            Step::Body { name, reader, meta } => {
                let meta = self.context.options.metadata.of(meta);
                self.pending.push_back(Pending::File(PendingFile::new(name, meta)));
                self.feed(entry, reader)?;
            }
        }
        Ok(())
    }

    fn batch_dirs(&self) -> usize {
        1 + self.batch.windows(2).filter(|pair| !Arc::ptr_eq(&pair[0].dir, &pair[1].dir)).count()
    }

    /// Submits what is collected though more could join it; false when there is nothing.
    fn flush_partial(&mut self) -> Result<bool, AddError> {
        if !self.batch.is_empty() {
            self.submit_batch()?;
            return Ok(true);
        }
        match self.filling.take() {
            Some(slab) if !slab.is_empty() => {
                self.submit(Job::Filled(slab))?;
                Ok(true)
            }
            empty => {
                self.filling = empty;
                Ok(false)
            }
        }
    }

    fn submit_batch(&mut self) -> Result<(), AddError> {
        let batch = std::mem::take(&mut self.batch);
        self.submit(Job::Files(batch))
    }

    /// Submits the next piece of the first opened file; false when there is none.
    fn submit_span(&mut self) -> Result<bool, AddError> {
        let Some(opened) = self.opened.front_mut() else { return Ok(false) };
        let chunk = self.context.options.chunker.bytes_max() as u64;
        let bytes = self.span_bytes.min(opened.bytes - opened.read);
        let span = SpanJob {
            entry: opened.entry,
            file: opened.file.clone(),
            offset: opened.read,
            bytes,
            first_index: opened.read / chunk,
        };
        opened.read += bytes;
        if opened.read == opened.bytes {
            self.opened.pop_front();
        }
        self.submit(Job::Span(span))?;
        Ok(true)
    }

    /// Gives a job to the threads, which start with the second job.
    pub(super) fn submit(&mut self, job: Job) -> Result<(), AddError> {
        if self.threads.is_none() && self.context.threads > 1 {
            let Some(held) = self.held.take() else {
                self.held = Some(job);
                return Ok(());
            };
            self.threads = Some(self.start_threads());
            self.send(held);
        }
        if self.threads.is_some() {
            self.send(job);
            return Ok(());
        }
        let done = self.own.run(job);
        self.take_done(done)
    }

    fn send(&mut self, job: Job) {
        if let Some(threads) = &self.threads {
            threads.jobs.send(job).expect("threads live as long as the pump");
            self.in_flight += 1;
        }
    }

    fn start_threads(&self) -> Threads {
        let (jobs, jobs_taken) = crossbeam_channel::unbounded::<Job>();
        let (done_given, done) = crossbeam_channel::unbounded();
        for _ in 0..self.context.threads {
            let (jobs_taken, done_given) = (jobs_taken.clone(), done_given.clone());
            let mut worker = Worker::new(self.context.put, self.context.options);
            self.scope.spawn(move || {
                for job in jobs_taken {
                    // A panic must reach the pump as an answer, or it would wait for one for ever.
                    let done = catch_unwind(AssertUnwindSafe(|| worker.run(job)));
                    let done = done.unwrap_or_else(|_| Done { outcome: Err(AddError::Panicked), slab: None });
                    if done_given.send(done).is_err() {
                        break;
                    }
                }
            });
        }
        Threads { jobs, done }
    }

    /// Takes results that are there.
    pub(super) fn take_finished(&mut self) -> Result<(), AddError> {
        while let Some(done) = self.threads.as_ref().and_then(|threads| threads.done.try_recv().ok()) {
            self.in_flight -= 1;
            self.take_done(done)?;
        }
        Ok(())
    }

    /// Waits for one result.
    pub(super) fn wait(&mut self) -> Result<(), AddError> {
        if let Some(held) = self.held.take() {
            let done = self.own.run(held);
            return self.take_done(done);
        }
        if let Some(threads) = &self.threads {
            let done = threads.done.recv().expect("threads live as long as the pump");
            self.in_flight -= 1;
            self.take_done(done)?;
        }
        Ok(())
    }

    fn take_done(&mut self, done: Done) -> Result<(), AddError> {
        self.slabs.extend(done.slab);
        for outcome in done.outcome? {
            match outcome {
                Outcome::Leaf { entry, index, link } => self.leaf(entry, index, link)?,
                Outcome::Whole { entry, link } => {
                    self.file_mut(entry).total = Some(1);
                    self.leaf(entry, 0, link)?;
                }
                Outcome::Opened { entry, file, size, meta } => self.opened(entry, file, size, meta),
            }
        }
        Ok(())
    }

    fn opened(&mut self, entry: u64, file: std::fs::File, size: Size, meta: Metadata) {
        let chunk = self.context.options.chunker.bytes_max() as u64;
        let pending = self.file_mut(entry);
        pending.meta = meta;
        match size {
            Size::Bytes(bytes) => {
                pending.total = Some(bytes.div_ceil(chunk));
                self.opened.push_back(OpenedFile { entry, file: Arc::new(file), bytes, read: 0 });
            }
            Size::Unknown => self.sequential.push_back((entry, file)),
        }
    }

    pub(super) fn file_mut(&mut self, entry: u64) -> &mut PendingFile {
        match &mut self.pending[(entry - self.first_entry) as usize] {
            Pending::File(file) => file,
            _ => unreachable!("results come for files alone"),
        }
    }

    fn leaf(&mut self, entry: u64, index: u64, link: FileLink) -> Result<(), AddError> {
        match &mut self.pending[(entry - self.first_entry) as usize] {
            Pending::File(file) => file.leaf(index, link, self.context.options, &mut self.sink),
            _ => unreachable!("results come for files alone"),
        }
    }

    /// Moves entries that are complete, in order, into the tree.
    pub(super) fn settle_front(&mut self) -> Result<(), AddError> {
        while let Some(front) = self.pending.front_mut() {
            if let Pending::File(file) = front {
                let is_complete = file.is_complete();
                if self.context.options.progress && file.joined > 0 && file.bytes_told != Some(file.bytes) {
                    let name = self.tree.path_of(&file.name);
                    let told = file.bytes_told.replace(file.bytes).unwrap_or(0);
                    for bytes in (told..file.bytes).step_by(PROGRESS_BYTES).skip(1) {
                        (self.events)(AddEvent::Progress { name: &name, bytes });
                    }
                    (self.events)(AddEvent::Progress { name: &name, bytes: file.bytes });
                }
                if !is_complete {
                    break;
                }
            }
            let Some(front) = self.pending.pop_front() else { break };
            self.first_entry += 1;
            self.settle(front)?;
        }
        Ok(())
    }

    fn settle(&mut self, entry: Pending) -> Result<(), AddError> {
        match entry {
            Pending::Enter { name, meta } => self.tree.enter(name, meta),
            Pending::Leave => self.tree.leave(&mut self.sink, self.events)?,
            Pending::Symlink { name, target, meta } => {
                let link = symlink_node(&target, &meta, &mut self.sink)?;
                self.add_entry(DirEntry { name, cid: link.cid, tsize: link.tsize })?;
            }
            Pending::File(mut file) => {
                let link = file.finish(self.context.options, &mut self.sink)?;
                // A file without a name is named by its root.
                let name = if file.name.is_empty() { link.cid.to_string().into() } else { file.name };
                self.add_entry(DirEntry { name, cid: link.cid, tsize: link.tsize })?;
            }
        }
        Ok(())
    }

    fn add_entry(&mut self, entry: DirEntry) -> Result<(), AddError> {
        let name = self.tree.path_of(&entry.name);
        let (cid, size) = (&entry.cid, entry.tsize);
        (self.events)(AddEvent::Added { name: &name, cid, size, is_directory: false });
        self.tree.add(entry, &mut self.sink)
    }
}
