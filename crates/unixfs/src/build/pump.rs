//! The caller's thread of an import: takes steps from the source, gives jobs to threads, puts results in order.

use std::collections::VecDeque;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender};
use merkury_core::BlockPut;

use super::file::{FileBuilder, FileLink};
use super::options::{ImportOptions, Layout};
use super::sink::NodeSink;
use super::slab::{LEAVES_MAX, Slab, frame_bytes, slab_bytes};
use super::tree::Tree;
use super::worker::{Done, FileJob, Job, Outcome, Size, SpanJob, Worker};
use super::{AddError, AddEvent, Added};
use crate::chunk::Cutter;
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
/// Slabs for sequential input.
const SEQUENTIAL_SLABS: usize = 3;

/// What a source says next.
pub(super) enum Step<'a> {
    /// A directory begins.
    Enter { name: Bytes, meta: Metadata },
    /// It ends.
    Leave,
    /// A symbolic link.
    Symlink { name: Bytes, target: Vec<u8>, meta: Metadata },
    /// A file of the local file system.
    File { name: Bytes, open: OpenFile },
    /// A file that must be read now.
    Body { name: Bytes, reader: &'a mut dyn Read, meta: Metadata },
}

/// How a local file is opened.
pub(super) struct OpenFile {
    pub(super) dir: Arc<std::os::fd::OwnedFd>,
    pub(super) name: std::ffi::CString,
    pub(super) follow: bool,
}

/// Takes steps.
pub(super) type StepSink<'a> = &'a mut dyn FnMut(Step<'_>) -> Result<(), AddError>;

/// Where entries come from.
pub(super) trait Steps {
    /// Says the next few steps; false when these were the last.
    fn advance(&mut self, out: StepSink<'_>) -> Result<bool, AddError>;
}

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

/// An entry on its way, in the order of the source.
enum Pending {
    Enter { name: Bytes, meta: Metadata },
    Leave,
    Symlink { name: Bytes, target: Vec<u8>, meta: Metadata },
    File(PendingFile),
}

/// A file whose leaves are coming.
struct PendingFile {
    name: Bytes,
    meta: Metadata,
    /// Number of leaves, once known.
    total: Option<u64>,
    /// Leaves that went to the builder.
    joined: u64,
    bytes: u64,
    bytes_told: Option<u64>,
    /// Leaves from `joined` on that came early.
    early: VecDeque<Option<FileLink>>,
    first: Option<FileLink>,
    builder: Option<FileBuilder>,
}

impl PendingFile {
    fn new(name: Bytes, meta: Metadata) -> Self {
        Self {
            name,
            meta,
            total: None,
            joined: 0,
            bytes: 0,
            bytes_told: None,
            early: VecDeque::new(),
            first: None,
            builder: None,
        }
    }

    /// Takes leaf `index`; joins what is in order.
    fn leaf(
        &mut self,
        index: u64,
        link: FileLink,
        options: &ImportOptions,
        sink: &mut NodeSink,
    ) -> Result<(), AddError> {
        let ahead = index.saturating_sub(self.joined) as usize;
        if ahead == 0 && self.early.is_empty() {
            return self.join(link, options, sink);
        }
        if self.early.len() <= ahead {
            self.early.resize(ahead + 1, None);
        }
        self.early[ahead] = Some(link);
        while let Some(Some(_)) = self.early.front() {
            if let Some(Some(link)) = self.early.pop_front() {
                self.join(link, options, sink)?;
            }
        }
        Ok(())
    }

    fn join(&mut self, link: FileLink, options: &ImportOptions, sink: &mut NodeSink) -> Result<(), AddError> {
        self.joined += 1;
        self.bytes = self.bytes.saturating_add(link.file_bytes);
        if self.joined == 1 && options.layout == Layout::Balanced {
            self.first = Some(link);
            return Ok(());
        }
        let builder = self.builder.get_or_insert_with(|| FileBuilder::new(options.layout, options.file_links_max));
        if let Some(first) = self.first.take() {
            builder.push(first, sink)?;
        }
        Ok(builder.push(link, sink)?)
    }

    fn is_complete(&self) -> bool {
        self.total == Some(self.joined)
    }

    /// The file's root.
    fn finish(&mut self, options: &ImportOptions, sink: &mut NodeSink) -> Result<FileLink, AddError> {
        if let Some(only) = self.first.take() {
            return Ok(only);
        }
        let builder = self.builder.take();
        let builder = builder.unwrap_or_else(|| FileBuilder::new(options.layout, options.file_links_max));
        Ok(builder.finish(&self.meta, sink)?)
    }
}

/// A large file that is read in pieces.
struct OpenedFile {
    entry: u64,
    file: Arc<std::fs::File>,
    bytes: u64,
    read: u64,
}

struct Pump<'scope, 'env, 'e> {
    scope: &'scope Scope<'scope, 'env>,
    context: &'env Context<'env>,
    events: &'e mut dyn FnMut(AddEvent<'_>),
    sink: NodeSink<'env>,
    tree: Tree,
    pending: VecDeque<Pending>,
    /// Number of the first pending entry.
    first_entry: u64,
    batch: Vec<FileJob>,
    opened: VecDeque<OpenedFile>,
    /// Files that must be read to their end by this thread.
    sequential: VecDeque<(u64, std::fs::File)>,
    filling: Option<Slab>,
    slabs: Vec<Slab>,
    slabs_made: usize,
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
    fn submit(&mut self, job: Job) -> Result<(), AddError> {
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
    fn take_finished(&mut self) -> Result<(), AddError> {
        while let Some(done) = self.threads.as_ref().and_then(|threads| threads.done.try_recv().ok()) {
            self.in_flight -= 1;
            self.take_done(done)?;
        }
        Ok(())
    }

    /// Waits for one result.
    fn wait(&mut self) -> Result<(), AddError> {
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

    fn file_mut(&mut self, entry: u64) -> &mut PendingFile {
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
    fn settle_front(&mut self) -> Result<(), AddError> {
        while let Some(front) = self.pending.front_mut() {
            if let Pending::File(file) = front {
                let is_complete = file.is_complete();
                if self.context.options.progress && file.joined > 0 && file.bytes_told != Some(file.bytes) {
                    file.bytes_told = Some(file.bytes);
                    let name = self.tree.path_of(&file.name);
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
        (self.events)(AddEvent::Added { name: &name, cid: &entry.cid, size: entry.tsize });
        self.tree.add(entry, &mut self.sink)
    }
}

/// Sequential input: this thread reads, others hash.
impl Pump<'_, '_, '_> {
    fn feed(&mut self, entry: u64, reader: &mut dyn Read) -> Result<(), AddError> {
        let total = match self.context.options.chunker.cutter() {
            Cutter::Size(bytes) => self.feed_fixed(entry, reader, bytes)?,
            cutter => self.feed_cut(entry, reader, cutter)?,
        };
        self.file_mut(entry).total = Some(total);
        Ok(())
    }

    /// Leaves of one size are read to their place.
    fn feed_fixed(&mut self, entry: u64, reader: &mut dyn Read, leaf_bytes: usize) -> Result<u64, AddError> {
        let mut ahead = None;
        for index in 0.. {
            self.make_room(leaf_bytes)?;
            let room = self.filling.as_mut().and_then(|slab| slab.room(leaf_bytes)).expect("room was made");
            let start = ahead.take().map_or(0, |byte| {
                room[0] = byte;
                1
            });
            let read = start + read_full(reader, &mut room[start..]).map_err(|error| self.read_error(entry, error))?;
            if read == 0 && (index > 0 || self.context.options.layout == Layout::Trickle) {
                return Ok(index);
            }
            // Metadata stands in the root, so the first leaf must know whether it is the whole file.
            if index == 0 && read == leaf_bytes && self.context.options.metadata.any() {
                ahead = read_byte(reader).map_err(|error| self.read_error(entry, error))?;
            }
            let is_whole = index == 0 && (read < leaf_bytes || self.context.options.metadata.any() && ahead.is_none());
            self.take_leaf(entry, index, read, is_whole);
            if read < leaf_bytes {
                return Ok(index + 1);
            }
        }
        unreachable!("a file ends before 2^64 leaves")
    }

    /// Leaves whose ends depend on the content are read beside and copied to their place.
    fn feed_cut(&mut self, entry: u64, reader: &mut dyn Read, mut cutter: Cutter) -> Result<u64, AddError> {
        let leaf_bytes = self.context.options.chunker.bytes_max();
        let mut window = vec![0; leaf_bytes * 2];
        let mut held = 0;
        for index in 0.. {
            if held < leaf_bytes {
                held += read_full(reader, &mut window[held..]).map_err(|error| self.read_error(entry, error))?;
            }
            if held == 0 && (index > 0 || self.context.options.layout == Layout::Trickle) {
                return Ok(index);
            }
            let cut = if held == 0 { 0 } else { cutter.next_cut(&window[..held]) };
            self.make_room(cut)?;
            let room = self.filling.as_mut().and_then(|slab| slab.room(cut)).expect("room was made");
            room.copy_from_slice(&window[..cut]);
            window.copy_within(cut..held, 0);
            held -= cut;
            // When all that was there is one leaf, the file may go on: ask before it is named the whole file.
            if held == 0 && index == 0 {
                held = read_full(reader, &mut window).map_err(|error| self.read_error(entry, error))?;
            }
            self.take_leaf(entry, index, cut, index == 0 && held == 0);
            if held == 0 && cut == 0 {
                return Ok(index + 1);
            }
        }
        unreachable!("a file ends before 2^64 leaves")
    }

    fn take_leaf(&mut self, entry: u64, index: u64, length: usize, is_whole: bool) {
        let is_root = is_whole && self.context.options.layout == Layout::Balanced;
        let meta = if is_root { self.file_mut(entry).meta } else { Metadata::default() };
        if let Some(slab) = &mut self.filling {
            slab.take(entry, index, length, meta);
        }
    }

    fn read_error(&mut self, entry: u64, error: std::io::Error) -> AddError {
        let name = self.file_mut(entry).name.clone();
        AddError::Read { name: self.tree.path_of(&name), error }
    }

    /// Makes sure that the slab being filled has room for a leaf; waits for threads when none is free.
    fn make_room(&mut self, leaf_bytes: usize) -> Result<(), AddError> {
        if let Some(mut slab) = self.filling.take() {
            if slab.room(leaf_bytes).is_some() {
                self.filling = Some(slab);
                return Ok(());
            }
            self.submit(Job::Filled(slab))?;
        }
        loop {
            if self.context.cancel.load(Ordering::Relaxed) {
                return Err(AddError::Cancelled);
            }
            self.take_finished()?;
            if let Some(slab) = self.slabs.pop() {
                self.filling = Some(slab);
                return Ok(());
            }
            if self.slabs_made < SEQUENTIAL_SLABS {
                self.slabs_made += 1;
                self.slabs.push(Slab::new(slab_bytes(self.context.options.chunker.bytes_max())));
            } else {
                self.settle_front()?;
                self.wait()?;
            }
        }
    }
}

fn read_full(reader: &mut dyn Read, room: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < room.len() {
        match reader.read(&mut room[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn read_byte(reader: &mut dyn Read) -> std::io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((read_full(reader, &mut byte)? == 1).then_some(byte[0]))
}
