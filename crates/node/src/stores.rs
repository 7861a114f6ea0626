//! From `Merkury.Store` in the configuration to one store: what is written to, over what is only read.
//!
//! The [`Store`] in the repository decides what is kept; everything else wraps it (see `merkury_store::wrap`): copies on
//! other disks, references to parts of the user's files, and below it stores that are only read, first of all Kubo's own
//! when the repository was Kubo's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use merkury_api::ApiError;
use merkury_backends::{HttpUrls, Pool, PoolOptions};
use merkury_core::BlockStore;
use merkury_kubo::{KuboBlocks, KuboRepo, Layout};
use merkury_store::wrap::{CaughtUp, CopyDisk, Layers, Mirror, NoCopy, ReadCache, ReadOnly, UrlReader};
use merkury_store::{Options, Repo, RepoLock, Store};
use serde_json::Value;

use crate::config::View;
use crate::config::stores::{Layer, PoolSettings, StoreSettings};
use crate::inner::{repo_error, store_error};
use crate::kubo_view::{KuboView, kubo_error};

/// Between two looks whether the fast disk holds too much.
const SETTLE_EVERY: Duration = Duration::from_secs(5);

/// Between two looks whether a copy on another disk lacks something.
const TEND_EVERY: Duration = Duration::from_secs(5);
/// Table of the store: directories that hold copies.
const COPIES: &str = "copies";

/// The stores of a node.
pub(crate) struct Stores {
    /// Where everything is written and pinned.
    pub(crate) main: Arc<Store>,
    /// What everything is read through, and written through.
    pub(crate) blocks: Arc<Layers>,
    /// A layer may have to be waited for, as an object store has.
    pub(crate) has_slow_layers: bool,
    /// References to parts of files; there when they are switched on or were ever used.
    pub(crate) no_copy: Option<Arc<NoCopy>>,
    /// Copies on other disks.
    pub(crate) mirror: Option<Arc<Mirror>>,
    /// Kubo's pins and MFS root, when the repository was Kubo's.
    pub(crate) kubo: Option<Arc<KuboView>>,
    // Other directories that are ours while this lives.
    _locks: Vec<RepoLock>,
}

/// What to do with the index of the main store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexFile {
    /// Read it.
    Use,
    /// Build it anew from the segments.
    BuildAnew,
}

/// Whether there must be a record of pins: making a repository pins something. One that was Kubo's got none.
fn is_established(repo: &Repo) -> bool {
    repo.store_dir().join("segments").exists() && !repo.path().join("datastore").exists()
}

/// Opens everything that the configuration names. The caller holds the repository's lock.
pub(crate) fn open(repo: &Repo, config: &Value, index: IndexFile) -> Result<Stores, ApiError> {
    let settings = StoreSettings::read(config, repo.path())?;
    let mut options = Options::default();
    options.segment_bytes = settings.segment_bytes;
    options.slow_dir = settings.slow_dir.clone();
    options.limit_bytes = View(config).storage_limit()?;
    options.established = is_established(repo);
    let main = match index {
        IndexFile::Use => Store::open(&repo.store_dir(), options),
        IndexFile::BuildAnew => Store::open_without_index(&repo.store_dir(), options),
    };
    let main = main.map_err(store_error)?;
    if settings.slow_dir.is_some() {
        settle_now_and_then(Arc::downgrade(&main), settings.fast_bytes_max)?;
    }
    let mut locks = Vec::new();
    let mut top: Arc<dyn BlockStore> = main.clone();
    let mirror = open_mirror(&main, &settings.mirrors)?;
    if let Some(mirror) = &mirror {
        top = mirror.clone();
    }
    let no_copy = open_no_copy(repo, config, &main, &top)?;
    if let Some(no_copy) = &no_copy {
        top = no_copy.clone();
    }
    let kubo = if settings.kubo_in_place { in_place(repo.path())? } else { None };
    let mut below: Vec<Arc<dyn BlockStore>> = Vec::new();
    if let Some(kubo) = &kubo {
        below.push(kubo.blocks().clone());
    }
    for layer in &settings.layers {
        below.push(open_layer(layer, repo, &main, &mut locks)?);
    }
    let below = cached(below, settings.read_cache_bytes);
    let blocks = Arc::new(Layers::new(top, below));
    let has_slow_layers = settings.layers.iter().any(|layer| matches!(layer, Layer::Pool(_)));
    Ok(Stores { main, blocks, has_slow_layers, no_copy, mirror, kubo, _locks: locks })
}

/// Copies on other disks. One that is not there, full or damaged does not keep the node from starting: it is left out, told, and
/// taken back when it can be opened.
fn open_mirror(main: &Arc<Store>, paths: &[PathBuf]) -> Result<Option<Arc<Mirror>>, ApiError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let disk = |path: &PathBuf| {
        let (main, path) = (main.clone(), path.clone());
        CopyDisk { name: path.display().to_string(), open: Box::new(move || open_copy(&main, &path)) }
    };
    let mirror = Arc::new(Mirror::over(main.clone(), paths.iter().map(disk).collect()));
    let tended = Arc::downgrade(&mirror);
    now_and_then("mirror", TEND_EVERY, move || {
        let Some(mirror) = tended.upgrade() else { return false };
        let done = mirror.tend();
        if done != CaughtUp::default() {
            tracing::info!(
                written = done.written,
                removed = done.removed,
                "copies of the store were brought up to date"
            );
        }
        true
    })?;
    Ok(Some(mirror))
}

/// Opens the store of a copy. A directory that held one before and holds nothing now is a disk that is not mounted: writing there
/// would fill the wrong disk.
fn open_copy(main: &Store, path: &Path) -> Result<(Arc<Store>, Option<RepoLock>), String> {
    let (key, segments) = (path.as_os_str().as_encoded_bytes(), path.join("merkury/segments"));
    let is_known = main.meta().get(COPIES, key).map_err(|error| error.to_string())?.is_some();
    if is_known && !segments.is_dir() {
        return Err(format!(
            "{} is not there, and was: mount its disk, or make that directory for a copy on a new disk",
            segments.display()
        ));
    }
    let mut locks = Vec::new();
    let store = open_other(path, &mut locks).map_err(|error| error.to_string())?;
    if !is_known {
        main.meta().set(COPIES, key, b"1").map_err(|error| error.to_string())?;
    }
    Ok((store, locks.pop()))
}

/// A store in another directory, locked as a repository is.
fn open_other(path: &Path, locks: &mut Vec<RepoLock>) -> Result<Arc<Store>, ApiError> {
    let other = Repo::at(path);
    locks.push(other.lock().map_err(repo_error)?);
    Store::open(&other.store_dir(), Options::default()).map_err(store_error)
}

fn open_no_copy(
    repo: &Repo,
    config: &Value,
    main: &Arc<Store>,
    top: &Arc<dyn BlockStore>,
) -> Result<Option<Arc<NoCopy>>, ApiError> {
    let on = |name: &str| config.pointer(&format!("/Experimental/{name}")).and_then(Value::as_bool) == Some(true);
    if !on("FilestoreEnabled") && !on("UrlstoreEnabled") && !NoCopy::was_used(main) {
        return Ok(None);
    }
    // As in Kubo: files beside the repository and below its parent.
    let path = repo.path().canonicalize().unwrap_or_else(|_| repo.path().to_owned());
    let root = path.parent().unwrap_or(Path::new("/")).to_owned();
    let urls: Option<Arc<dyn UrlReader>> = match on("UrlstoreEnabled") {
        true => {
            Some(Arc::new(HttpUrls::new().map_err(|error| ApiError::internal(format!("no HTTP client: {error}")))?))
        }
        false => None,
    };
    NoCopy::open_over(main.clone(), top.clone(), root, urls).map(Some).map_err(store_error)
}

/// Kubo's own stores, when the repository was made by it.
fn in_place(path: &Path) -> Result<Option<Arc<KuboView>>, ApiError> {
    let repo = KuboRepo::at(path);
    match repo.has_datastore() {
        Ok(true) => {}
        // A repository without the file, or one that was never Kubo's.
        Ok(false) | Err(_) => return Ok(None),
    }
    if let Ok(Layout::Other { kind }) = repo.layout() {
        tracing::warn!(
            kind,
            "this repository is Kubo's and keeps its content in a database that is not read; start Kubo on it and run \
             merkury migrate --from its address"
        );
        return Ok(None);
    }
    KuboView::open(repo).map(|view| Some(Arc::new(view))).map_err(kubo_error)
}

fn open_layer(
    layer: &Layer,
    repo: &Repo,
    main: &Arc<Store>,
    locks: &mut Vec<RepoLock>,
) -> Result<Arc<dyn BlockStore>, ApiError> {
    match layer {
        Layer::Kubo(path) => {
            let blocks = KuboRepo::at(path).blocks().map_err(kubo_error)?;
            Ok(Arc::new(KuboBlocks::new(blocks)))
        }
        Layer::Merkury(path) => Ok(Arc::new(ReadOnly::new(open_other(path, locks)?))),
        Layer::Pool(settings) => {
            let pool = open_pool(settings, &repo.store_dir().join("pool"))?;
            if settings.upload {
                upload_now_and_then(Arc::downgrade(&pool), Arc::downgrade(main), settings.refresh_every)?;
            }
            Ok(pool)
        }
    }
}

fn open_pool(settings: &PoolSettings, dir: &Path) -> Result<Arc<Pool>, ApiError> {
    let options = PoolOptions {
        url: settings.url.clone(),
        endpoint: settings.endpoint.clone(),
        region: settings.region.clone(),
        credentials_file: settings.credentials_file.clone(),
        cache_bytes: settings.cache_bytes,
        refresh_every: settings.refresh_every,
    };
    // Each pool has a directory of its own, for two may stand in one list.
    let name: String = settings.url.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    Pool::open(&options, &dir.join(name)).map_err(|error| ApiError::new(error.kind(), error.to_string()))
}

/// Moves the oldest segments to the slow disk, for as long as the store is open.
fn settle_now_and_then(store: Weak<Store>, fast_bytes_max: u64) -> Result<(), ApiError> {
    now_and_then("settle", SETTLE_EVERY, move || {
        let Some(store) = store.upgrade() else { return false };
        match store.settle(fast_bytes_max) {
            Ok(done) if done.segments > 0 => tracing::info!(segments = done.segments, bytes = done.bytes, "moved"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "segments could not be moved to the slow disk; tried again later"),
        }
        true
    })
}

/// Does `work` on a thread of its own every so often, until it answers `false`.
fn now_and_then(name: &str, every: Duration, mut work: impl FnMut() -> bool + Send + 'static) -> Result<(), ApiError> {
    let run = move || {
        while work() {
            std::thread::sleep(every);
        }
    };
    let started = std::thread::Builder::new().name(name.into()).spawn(run);
    started.map(drop).map_err(|error| ApiError::internal(format!("cannot start a thread: {error}")))
}

/// Uploads what is sealed, for as long as the store is open. A failed upload is tried again the next time.
fn upload_now_and_then(pool: Weak<Pool>, store: Weak<Store>, every: Duration) -> Result<(), ApiError> {
    now_and_then("pool-upload", every, move || {
        let (Some(pool), Some(store)) = (pool.upgrade(), store.upgrade()) else { return false };
        match pool.upload(&store) {
            Ok(done) if done.segments > 0 => {
                tracing::info!(segments = done.segments, bytes = done.bytes, "uploaded");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "segments could not be uploaded; tried again later"),
        }
        true
    })
}

/// One cache before all that is only read.
fn cached(below: Vec<Arc<dyn BlockStore>>, bytes: usize) -> Vec<Arc<dyn BlockStore>> {
    if bytes == 0 {
        return below;
    }
    let mut below = below.into_iter();
    match below.next() {
        Some(first) => {
            let all = Arc::new(Layers::new(first, below.collect()));
            vec![Arc::new(ReadCache::new(all, bytes))]
        }
        None => Vec::new(),
    }
}
