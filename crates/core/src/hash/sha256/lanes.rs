//! The scheduler between messages and a kernel that advances several of them at once.
//!
//! A [`Feed`] gives a message as runs of whole 64-byte blocks: long runs straight from the caller's slices, single
//! blocks put together in a small buffer where parts meet and where the padding is. [`run`] keeps every lane of the
//! kernel busy: it compresses as many blocks as the shortest run has, and a lane whose message ends takes the next
//! one. So messages of mixed lengths fill the lanes too. Lanes without a message follow another lane's bytes and their
//! result is dropped.

use super::{IV, Parts};

/// Bytes of one SHA-256 block.
pub(super) const BLOCK: usize = 64;

/// Something that advances `LANES` hash states at once.
pub(super) trait Kernel<const LANES: usize> {
    /// Sets a lane's state.
    fn load(&mut self, lane: usize, state: [u32; 8]);
    /// A lane's state.
    fn state(&self, lane: usize) -> [u32; 8];
    /// Compresses the first `blocks` blocks of each run into the lane's state.
    fn compress(&mut self, runs: &[&[u8]; LANES], blocks: usize);
}

/// A message under way: its place in the answer, its state, and what is left of it.
pub(super) struct Job<'a> {
    pub(super) index: usize,
    pub(super) state: [u32; 8],
    feed: Feed<'a>,
}

impl<'a> Job<'a> {
    /// A message that was not begun.
    pub(super) fn new(index: usize, message: Parts<'a>) -> Self {
        Self { index, state: IV, feed: Feed::new(message) }
    }
}

/// The digest of a final state.
pub(super) fn digest_of(state: [u32; 8]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// Runs jobs through a kernel until all are done, or until fewer than `lanes_min` are left in it and none waits;
/// those are given back, half hashed, for a kernel with fewer lanes.
pub(super) fn run<'a, const LANES: usize>(
    kernel: &mut impl Kernel<LANES>,
    waiting: &mut impl Iterator<Item = Job<'a>>,
    lanes_min: usize,
    digests: &mut [[u8; 32]],
) -> Vec<Job<'a>> {
    let mut lanes: [Option<Job<'a>>; LANES] = std::array::from_fn(|_| None);
    loop {
        let mut busy = 0;
        for (number, lane) in lanes.iter_mut().enumerate() {
            if let Some(job) = lane
                && job.feed.is_done()
            {
                digests[job.index] = digest_of(kernel.state(number));
                *lane = None;
            }
            if lane.is_none() {
                *lane = waiting.next();
                if let Some(job) = lane {
                    kernel.load(number, job.state);
                }
            }
            busy += usize::from(lane.is_some());
        }
        if busy < lanes_min.max(1) {
            return give_back(kernel, lanes);
        }
        step(kernel, &mut lanes);
    }
}

fn step<const LANES: usize>(kernel: &mut impl Kernel<LANES>, lanes: &mut [Option<Job<'_>>; LANES]) {
    let mut runs = [&[][..]; LANES];
    let mut shortest: &[u8] = &[];
    for (run, lane) in runs.iter_mut().zip(lanes.iter()) {
        if let Some(job) = lane {
            *run = job.feed.current();
            if shortest.is_empty() || run.len() < shortest.len() {
                shortest = run;
            }
        }
    }
    let blocks = shortest.len() / BLOCK;
    for run in runs.iter_mut().filter(|run| run.is_empty()) {
        *run = shortest;
    }
    kernel.compress(&runs, blocks);
    for job in lanes.iter_mut().flatten() {
        job.feed.advance(blocks);
    }
}

fn give_back<'a, const LANES: usize>(kernel: &impl Kernel<LANES>, lanes: [Option<Job<'a>>; LANES]) -> Vec<Job<'a>> {
    let jobs = lanes.into_iter().enumerate();
    jobs.filter_map(|(number, job)| job.map(|job| Job { state: kernel.state(number), ..job })).collect()
}

/// What is left of a message, as runs of whole blocks.
struct Feed<'a> {
    parts: Parts<'a>,
    bytes: u64,
    run: Run<'a>,
    is_padded: bool,
}

enum Run<'a> {
    /// Whole blocks of the caller's bytes.
    Direct(&'a [u8]),
    /// One or two blocks put together here; the first `from` bytes are used up.
    Staged { blocks: [u8; 2 * BLOCK], from: usize, to: usize },
}

impl<'a> Feed<'a> {
    fn new(parts: Parts<'a>) -> Self {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        let mut feed = Self { parts, bytes, run: Run::Direct(&[]), is_padded: false };
        feed.refill();
        feed
    }

    /// The next run; empty when the message is done.
    fn current(&self) -> &[u8] {
        match &self.run {
            Run::Direct(run) => run,
            Run::Staged { blocks, from, to } => &blocks[*from..*to],
        }
    }

    fn is_done(&self) -> bool {
        self.current().is_empty()
    }

    fn advance(&mut self, blocks: usize) {
        match &mut self.run {
            Run::Direct(run) => *run = &run[blocks * BLOCK..],
            Run::Staged { from, .. } => *from += blocks * BLOCK,
        }
        if self.current().is_empty() && !self.is_padded {
            self.refill();
        }
    }

    fn refill(&mut self) {
        if let Some(part) = self.parts.iter_mut().find(|part| !part.is_empty())
            && part.len() >= BLOCK
        {
            let (run, rest) = part.split_at(part.len() / BLOCK * BLOCK);
            *part = rest;
            self.run = Run::Direct(run);
            return;
        }
        let mut blocks = [0; 2 * BLOCK];
        let mut filled = 0;
        for part in &mut self.parts {
            let (taken, rest) = part.split_at(part.len().min(BLOCK - filled));
            blocks[filled..filled + taken.len()].copy_from_slice(taken);
            filled += taken.len();
            *part = rest;
        }
        let to = if filled == BLOCK { BLOCK } else { self.pad(&mut blocks, filled) };
        self.run = Run::Staged { blocks, from: 0, to };
    }

    /// Puts a one bit and the length in bits behind the last bytes; returns where the last block ends.
    fn pad(&mut self, blocks: &mut [u8; 2 * BLOCK], filled: usize) -> usize {
        self.is_padded = true;
        let to = if filled + 9 <= BLOCK { BLOCK } else { 2 * BLOCK };
        blocks[filled] = 0x80;
        blocks[to - 8..to].copy_from_slice(&(self.bytes * 8).to_be_bytes());
        to
    }
}
