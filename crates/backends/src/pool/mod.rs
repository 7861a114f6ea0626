//! Sealed segments of many nodes in one object store: a pool larger than any of their disks.
//!
//! Parts: [`open`] (which object store), [`index`] (which block is where), [`cache`] (parts of segments on the local disk),
//! [`upload`] (from a store into the pool), this file (reading).
//!
//! In the pool, under its prefix: `segments/ID.car`, a segment as the store wrote it (a CAR file), and `segments/ID.index`. The
//! index is written last, so a segment that has one is whole. Nothing in the pool is ever changed or removed from here: nodes
//! need not know of each other. Each keeps a copy of the indexes on its disk and the names of the blocks in memory.
//!
//! Invariants: every block is hashed when it is read, for others write to the pool too. What this node does not know of yet
//! (uploaded by another since the last look) counts as absent.
//!
//! A crash loses nothing: an upload is begun again, an index copy that is torn is fetched again.

mod cache;
mod index;
mod open;
mod upload;

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt, Shared};
use futures::{StreamExt, TryStreamExt};
use merkury_core::{Block, BlockGet, BlockHas, BlockPut, Cid, GetError, PutError};
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::{Handle, Runtime, RuntimeFlavor};
use tokio::sync::{Semaphore, watch};

use crate::PoolError;
use cache::{CHUNK_BYTES, Chunks, Key};
use index::{PoolIndex, Segment, Spot};
pub use upload::Uploaded;

/// Requests to the object store at a time.
const REQUESTS_MAX: usize = 32;
/// Indexes fetched at a time.
const INDEXES_AT_A_TIME: usize = 8;
/// How long a reader waits for the first look into the pool.
const FIRST_LOOK_TIMEOUT: Duration = Duration::from_secs(20);

/// What pool, and how to use it.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// `s3://bucket/prefix` or `file:///directory`.
    pub url: String,
    /// Another S3-compatible server than Amazon's, as `http://127.0.0.1:9000`.
    pub endpoint: Option<String>,
    /// Its region; `AWS_REGION` or `us-east-1` without.
    pub region: Option<String>,
    /// A file with keys as the tools of AWS write it; the environment without.
    pub credentials_file: Option<PathBuf>,
    /// Bytes of segments kept on the local disk.
    pub cache_bytes: u64,
    /// How often to look for what other nodes have uploaded.
    pub refresh_every: Duration,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: None,
            region: None,
            credentials_file: None,
            cache_bytes: 1 << 30,
            refresh_every: Duration::from_secs(60),
        }
    }
}

/// A pool, to read from and to upload to.
pub struct Pool {
    shared: Arc<Inner>,
    runtime: Option<Runtime>,
}

struct Inner {
    objects: Arc<dyn ObjectStore>,
    /// Copies of the indexes.
    index_dir: PathBuf,
    index: RwLock<PoolIndex>,
    chunks: Chunks,
    fetching: Mutex<HashMap<Key, Fetch>>,
    requests: Semaphore,
    /// Whether the pool was looked into since the start.
    looked: watch::Sender<bool>,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
}

type Fetch = Shared<BoxFuture<'static, Result<Bytes, Arc<PoolError>>>>;

impl Pool {
    /// Opens the pool; copies of indexes and parts of segments are kept in `dir`. What the copies name is known at once,
    /// the pool itself is looked into in the background.
    pub fn open(options: &PoolOptions, dir: &Path) -> Result<Arc<Self>, PoolError> {
        Self::open_with(open::object_store(options)?, options, dir)
    }

    /// As [`Pool::open`], on any object store.
    pub fn open_with(objects: Arc<dyn ObjectStore>, options: &PoolOptions, dir: &Path) -> Result<Arc<Self>, PoolError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("pool")
            .enable_all()
            .build()
            .map_err(|e| PoolError::io("start threads for", dir, e))?;
        let index_dir = dir.join("index");
        std::fs::create_dir_all(&index_dir).map_err(|e| PoolError::io("create", &index_dir, e))?;
        let shared = Arc::new(Inner {
            objects,
            index: RwLock::new(read_copies(&index_dir)?),
            index_dir,
            chunks: Chunks::open(&dir.join("chunks"), options.cache_bytes)?,
            fetching: Mutex::default(),
            requests: Semaphore::new(REQUESTS_MAX),
            looked: watch::Sender::new(false),
            looking: tokio::sync::Mutex::default(),
        });
        runtime.spawn(look_now_and_then(Arc::downgrade(&shared), options.refresh_every));
        Ok(Arc::new(Self { shared, runtime: Some(runtime) }))
    }

    /// Looks into the pool now; returns how many segments were new. Blocks.
    pub fn refresh(&self) -> Result<usize, PoolError> {
        let shared = self.shared.clone();
        self.wait(async move { shared.look().await })?
    }

    /// How many segments and blocks are known.
    pub fn counts(&self) -> (usize, usize) {
        self.shared.index.read().counts()
    }

    /// Bytes of segments on the local disk.
    pub fn cached_bytes(&self) -> u64 {
        self.shared.chunks.bytes()
    }

    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, PoolError> {
        let runtime = self.runtime.as_ref().ok_or(PoolError::Closed)?;
        wait_for(runtime.handle(), work).ok_or(PoolError::Closed)
    }
}

/// Runs `work` on another runtime and blocks until it is done; `None` when that runtime was shut down. On a worker thread of a
/// runtime, the others of its tasks go on elsewhere meanwhile.
pub(crate) fn wait_for<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (answer, answered) = mpsc::sync_channel(1);
    handle.spawn(async move {
        // Nobody waits any more when this fails.
        let _ = answer.send(work.await);
    });
    let on_worker = Handle::try_current().is_ok_and(|here| here.runtime_flavor() == RuntimeFlavor::MultiThread);
    if on_worker { tokio::task::block_in_place(|| answered.recv().ok()) } else { answered.recv().ok() }
}

async fn look_now_and_then(pool: Weak<Inner>, every: Duration) {
    while let Some(pool) = pool.upgrade() {
        if let Err(error) = pool.look().await {
            tracing::warn!(%error, "the pool could not be looked into");
        }
        // Those who wait for the first look have waited long enough, whatever came of it.
        pool.looked.send_replace(true);
        drop(pool);
        tokio::time::sleep(every).await;
    }
}

fn read_copies(dir: &Path) -> Result<PoolIndex, PoolError> {
    let mut found = PoolIndex::default();
    for entry in std::fs::read_dir(dir).map_err(|e| PoolError::io("list", dir, e))? {
        let path = entry.map_err(|e| PoolError::io("list", dir, e))?.path();
        let id = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".index")).map(str::to_owned);
        let bytes = std::fs::read(&path).map_err(|e| PoolError::io("read", &path, e))?;
        let whole = id.filter(|id| *id == index::id_of(&bytes));
        match whole.and_then(|id| Some((id, index::decode(&bytes).ok()?))) {
            Some((id, (segment_bytes, entries))) => {
                if !found.add(id, segment_bytes, entries) {
                    return Err(PoolError::TooLarge { limit: index::BLOCKS_MAX });
                }
            }
            // Torn by a crash: it is fetched again.
            None => std::fs::remove_file(&path).map_err(|e| PoolError::io("remove", &path, e))?,
        }
    }
    Ok(found)
}

fn object_path(id: &str, ending: &str) -> object_store::path::Path {
    object_store::path::Path::from(format!("segments/{id}.{ending}"))
}

impl Inner {
    /// Fetches the indexes that are not known yet; returns how many.
    async fn look(&self) -> Result<usize, PoolError> {
        let _alone = self.looking.lock().await;
        let prefix = object_store::path::Path::from("segments");
        let mut objects = self.objects.list(Some(&prefix));
        let mut new = Vec::new();
        while let Some(object) = objects.next().await {
            let object = object?;
            let id = object.location.filename().and_then(|name| name.strip_suffix(".index")).map(str::to_owned);
            let Some(id) = id.filter(|id| !self.index.read().knows(id)) else { continue };
            if object.size > index::INDEX_BYTES_MAX {
                tracing::warn!(id, size = object.size, "an index in the pool is too large and is passed over");
                continue;
            }
            new.push(id);
        }
        let fetched = futures::stream::iter(new).map(|id| self.fetch_index(id)).buffer_unordered(INDEXES_AT_A_TIME);
        let fetched: Vec<bool> = fetched.try_collect().await?;
        Ok(fetched.into_iter().filter(|good| *good).count())
    }

    /// Fetches an index and believes it if it is what its name says.
    async fn fetch_index(&self, id: String) -> Result<bool, PoolError> {
        let bytes = self.objects.get(&object_path(&id, "index")).await?.bytes().await?;
        if index::id_of(&bytes) != id {
            tracing::warn!(id, "an index in the pool is not what its name says and is passed over");
            return Ok(false);
        }
        self.learn(id, &bytes)?;
        Ok(true)
    }

    /// Keeps a copy of an index and knows its blocks.
    fn learn(&self, id: String, bytes: &[u8]) -> Result<(), PoolError> {
        let (segment_bytes, entries) = index::decode(bytes).map_err(|why| PoolError::Index { id: id.clone(), why })?;
        let path = self.index_dir.join(format!("{id}.index"));
        let aside = self.index_dir.join(format!("{id}.new"));
        std::fs::write(&aside, bytes)
            .and_then(|()| std::fs::rename(&aside, &path))
            .map_err(|e| PoolError::io("write", &path, e))?;
        match self.index.write().add(id, segment_bytes, entries) {
            true => Ok(()),
            false => Err(PoolError::TooLarge { limit: index::BLOCKS_MAX }),
        }
    }

    async fn first_look(&self) {
        let mut looked = self.looked.subscribe();
        // The sender lives as long as `self`; after the limit the answer is what is known.
        let _ = tokio::time::timeout(FIRST_LOOK_TIMEOUT, looked.wait_for(|looked| *looked)).await;
    }

    async fn get(self: &Arc<Self>, cid: &Cid) -> Result<Block, GetError> {
        let known = self.index.read().find(cid.hash());
        let found = match known {
            Some(found) => Some(found),
            None => {
                self.first_look().await;
                self.index.read().find(cid.hash())
            }
        };
        let Some((segment, spot)) = found else { return Err(GetError::NotHere { cid: cid.clone() }) };
        let failed =
            |error: Arc<PoolError>| GetError::Failed { cid: cid.clone(), why: format!("in the pool: {error}") };
        let bytes = self.read(&segment, spot).await.map_err(failed)?;
        if let Ok(block) = Block::verify_big(cid.clone(), bytes) {
            return Ok(block);
        }
        // The copy on this disk may be what is wrong.
        chunks_of(&segment, spot).for_each(|key| self.chunks.remove(&key));
        let bytes = self.read(&segment, spot).await.map_err(failed)?;
        Block::verify_big(cid.clone(), bytes).map_err(|error| {
            chunks_of(&segment, spot).for_each(|key| self.chunks.remove(&key));
            GetError::Corrupt { cid: cid.clone(), why: format!("in the pool, segment {}: {error}", segment.id) }
        })
    }

    /// The bytes at a spot, put together from chunks.
    async fn read(self: &Arc<Self>, segment: &Segment, spot: Spot) -> Result<Bytes, Arc<PoolError>> {
        let (from, len) = (u64::from(spot.offset), u64::from(spot.len));
        let mut bytes = BytesMut::new();
        for key in chunks_of(segment, spot) {
            let start = key.1 * CHUNK_BYTES;
            let chunk = self.chunk(key, segment.bytes).await?;
            let skip = usize::try_from(from.saturating_sub(start)).unwrap_or(usize::MAX).min(chunk.len());
            let left = usize::try_from(len).unwrap_or(usize::MAX).saturating_sub(bytes.len());
            let part = chunk.slice(skip..skip + left.min(chunk.len() - skip));
            if part.len() as u64 == len {
                return Ok(part);
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    }

    /// A chunk, from this disk or from the pool; those who want the same one at the same time share a request.
    async fn chunk(self: &Arc<Self>, key: Key, segment_bytes: u64) -> Result<Bytes, Arc<PoolError>> {
        if let Some(bytes) = self.chunks.get(&key) {
            return Ok(bytes);
        }
        let fetch = {
            let mut fetching = self.fetching.lock();
            let begin = || self.clone().fetch_chunk(key.clone(), segment_bytes).boxed().shared();
            fetching.entry(key.clone()).or_insert_with(begin).clone()
        };
        let fetched = fetch.await;
        self.fetching.lock().remove(&key);
        fetched
    }

    async fn fetch_chunk(self: Arc<Self>, key: Key, segment_bytes: u64) -> Result<Bytes, Arc<PoolError>> {
        let start = key.1 * CHUNK_BYTES;
        let end = (start + CHUNK_BYTES).min(segment_bytes);
        let _permit = self.requests.acquire().await.map_err(|_| Arc::new(PoolError::Closed))?;
        let bytes = self.objects.get_range(&object_path(&key.0, "car"), start..end).await;
        let bytes = bytes.map_err(|error| Arc::new(PoolError::from(error)))?;
        self.chunks.put(&key, &bytes);
        Ok(bytes)
    }
}

/// The chunks that a block lies in.
fn chunks_of(segment: &Segment, spot: Spot) -> impl Iterator<Item = Key> + '_ {
    let from = u64::from(spot.offset);
    let to = from + u64::from(spot.len);
    (from / CHUNK_BYTES..to.div_ceil(CHUNK_BYTES).max(from / CHUNK_BYTES + 1))
        .map(|number| (segment.id.clone(), number))
}

impl BlockGet for Pool {
    fn get<'a>(&'a self, cid: &'a Cid) -> merkury_core::BoxFuture<'a, Result<Block, GetError>> {
        if let Some(block) = Block::from_identity(cid) {
            return Box::pin(std::future::ready(Ok(block)));
        }
        let closed = || GetError::Failed { cid: cid.clone(), why: "the pool is closed".into() };
        let Some(runtime) = &self.runtime else { return Box::pin(std::future::ready(Err(closed()))) };
        let (shared, wanted) = (self.shared.clone(), cid.clone());
        let task = runtime.spawn(async move { shared.get(&wanted).await });
        Box::pin(async move { task.await.unwrap_or_else(|_| Err(closed())) })
    }

    /// Waits for the object store when the block is not on this disk.
    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        if !self.has(cid) {
            return Ok(None);
        }
        let (shared, wanted) = (self.shared.clone(), cid.clone());
        match self.wait(async move { shared.get(&wanted).await }) {
            Ok(Ok(block)) => Ok(Some(block)),
            Ok(Err(GetError::NotHere { .. })) => Ok(None),
            Ok(Err(error)) => Err(error),
            Err(error) => Err(GetError::Failed { cid: cid.clone(), why: error.to_string() }),
        }
    }
}

impl BlockPut for Pool {
    /// Refused, unless there is nothing to put: whole segments are uploaded.
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        if blocks.is_empty() { Ok(()) } else { Err(PutError::Failed("a pool takes whole segments alone".into())) }
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

impl BlockHas for Pool {
    fn has(&self, cid: &Cid) -> bool {
        self.size_of(cid).is_some()
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        match Block::from_identity(cid) {
            Some(block) => Some(block.data().len() as u64),
            None => self.shared.index.read().size_of(cid.hash()),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The last handle may be dropped on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
