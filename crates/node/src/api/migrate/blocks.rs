//! Copying blocks: one thread lists, several read and hash, the store takes them in groups.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use bytes::Bytes;
use merkury_api::ApiError;
use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::limits::BLOCK_BYTES_MAX;
use merkury_core::{Block, BlockHas, BlockPut, Cid, Multihash, codec};
use merkury_store::Store;
use parking_lot::Mutex;

use super::source::Reader;
use super::{Run, caller_gone};
use crate::kubo_view::kubo_error;

/// Names that may wait for a reader.
const QUEUE_NAMES: usize = 4096;
/// Blocks hashed and stored together …
const GROUP_BLOCKS: usize = 256;
/// … or this many bytes of them: each reader holds at most one group.
const GROUP_BYTES: usize = 8 << 20;
/// Between two progress events.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);
/// Between two flushes: what a kill costs at most.
const COMMIT_EVERY: Duration = Duration::from_secs(3);
/// Problems that may wait to be told.
const QUEUE_PROBLEMS: usize = 64;

#[derive(Default)]
struct Counts {
    copied: AtomicU64,
    copied_bytes: AtomicU64,
    known: AtomicU64,
    bad: AtomicU64,
    stop: AtomicBool,
}

enum Said {
    Problem(String, String),
    /// Nothing more can be done.
    Fatal(ApiError),
}

impl Run<'_> {
    /// Copies every block that is not here.
    pub(super) fn blocks(&mut self) -> Result<(), ApiError> {
        let store = self.handle.inner.store()?;
        let put = self.handle.inner.put()?;
        let (counts, source) = (Counts::default(), self.source);
        let (names, wanted) = mpsc::sync_channel::<Multihash>(QUEUE_NAMES);
        let wanted = Mutex::new(wanted);
        let (say, said) = mpsc::sync_channel(QUEUE_PROBLEMS);
        let outcome = std::thread::scope(|scope| {
            let (counts, wanted, store, put) = (&counts, &wanted, &*store, &*put);
            let lister_says = say.clone();
            scope.spawn(move || {
                let listed = source.each_block(&mut |hash| !counts.stop.load(Relaxed) && names.send(hash).is_ok());
                if let Err(error) = listed {
                    let _ = lister_says.send(Said::Fatal(kubo_error(error)));
                }
            });
            for _ in 0..source.readers() {
                let say = say.clone();
                scope.spawn(move || {
                    let next = || wanted.lock().recv().ok().filter(|_| !counts.stop.load(Relaxed));
                    let read = source.reader().map_err(kubo_error);
                    let done = read.and_then(|mut reader| copy(&mut *reader, &next, store, put, counts, &say));
                    if let Err(error) = done {
                        counts.stop.store(true, Relaxed);
                        let _ = say.send(Said::Fatal(error));
                    }
                    // Others may wait to hand over names that nobody will take.
                    while counts.stop.load(Relaxed) {
                        if wanted.lock().recv().is_err() {
                            break;
                        }
                    }
                });
            }
            drop(say);
            let outcome = self.follow(counts, &said, store);
            counts.stop.store(true, Relaxed);
            // So that nobody waits to be heard.
            drop(said);
            outcome
        });
        outcome?;
        store.commit()?;
        self.done.blocks_copied = counts.copied.load(Relaxed);
        self.done.bytes_copied = counts.copied_bytes.load(Relaxed);
        self.done.blocks_known = counts.known.load(Relaxed);
        self.progress(self.done.blocks_copied + self.done.blocks_known, self.done.bytes_copied)
    }

    /// Tells how far it is until all threads are done.
    fn follow(&mut self, counts: &Counts, said: &mpsc::Receiver<Said>, store: &Store) -> Result<(), ApiError> {
        let (mut told, mut committed) = (Instant::now(), Instant::now());
        loop {
            match said.recv_timeout(PROGRESS_EVERY) {
                Ok(Said::Problem(what, why)) => self.problem(what, why)?,
                Ok(Said::Fatal(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                let blocks = counts.copied.load(Relaxed) + counts.known.load(Relaxed) + counts.bad.load(Relaxed);
                self.progress(blocks, counts.copied_bytes.load(Relaxed))?;
            }
            if committed.elapsed() >= COMMIT_EVERY {
                store.commit()?;
                committed = Instant::now();
            }
        }
    }
}

/// Reads, checks and stores what `next` names, until there is no more.
fn copy(
    reader: &mut dyn Reader,
    next: &dyn Fn() -> Option<Multihash>,
    store: &Store,
    put: &dyn BlockPut,
    counts: &Counts,
    say: &SyncSender<Said>,
) -> Result<(), ApiError> {
    let (mut group, mut group_bytes) = (Vec::new(), 0);
    let problem = |what: String, why: String| {
        counts.bad.fetch_add(1, Relaxed);
        say.send(Said::Problem(what, why)).map_err(|_| caller_gone())
    };
    loop {
        let hash = next();
        let is_end = hash.is_none();
        if let Some(hash) = hash {
            if store.has(&Cid::v1(codec_code::RAW, hash.clone())) {
                counts.known.fetch_add(1, Relaxed);
                continue;
            }
            match reader.read(&hash).map_err(kubo_error)? {
                Some(bytes) => {
                    group_bytes += bytes.len();
                    group.push((name_of(hash, &bytes), Bytes::from(bytes)));
                }
                None => problem(format!("block {}", Cid::v1(codec_code::RAW, hash)), "it is gone".into())?,
            }
        }
        if is_end || group.len() >= GROUP_BLOCKS || group_bytes >= GROUP_BYTES {
            group_bytes = 0;
            let mut good = Vec::with_capacity(group.len());
            for checked in verify(std::mem::take(&mut group)) {
                match checked {
                    Ok(block) => good.push(block),
                    Err((cid, why)) => problem(format!("block {cid}"), why)?,
                }
            }
            let (blocks, bytes) = (good.len(), good.iter().map(|block| block.data().len() as u64).sum());
            put.put_many(good)?;
            counts.copied.fetch_add(blocks as u64, Relaxed);
            counts.copied_bytes.fetch_add(bytes, Relaxed);
        }
        if is_end {
            return Ok(());
        }
    }
}

fn verify(group: Vec<(Cid, Bytes)>) -> Vec<Result<Block, (Cid, String)>> {
    let (big, usual): (Vec<_>, Vec<_>) = group.into_iter().partition(|(_, bytes)| bytes.len() > BLOCK_BYTES_MAX);
    let cids: Vec<Cid> = usual.iter().chain(&big).map(|(cid, _)| cid.clone()).collect();
    let big = big.into_iter().map(|(cid, bytes)| Block::verify_big(cid, bytes));
    let checked = Block::verify_many(usual).into_iter().chain(big);
    checked.zip(cids).map(|(checked, cid)| checked.map_err(|error| (cid, error.to_string()))).collect()
}

/// A name for bytes whose codec nobody remembers. What they look like decides which links are recorded with them; when a pin
/// reaches them under another codec, they are read once more for that.
fn name_of(hash: Multihash, bytes: &[u8]) -> Cid {
    let links = |code| codec::links(code, bytes).is_ok_and(|links| !links.is_empty());
    let is_pb = PbNode::decode(&Bytes::copy_from_slice(bytes)).is_ok_and(|node| !node.links.is_empty());
    let code = match () {
        () if is_pb => codec_code::DAG_PB,
        () if links(codec_code::DAG_CBOR) => codec_code::DAG_CBOR,
        () => codec_code::RAW,
    };
    Cid::v1(code, hash)
}
