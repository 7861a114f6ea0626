//! What the parts of the node share: repository, store, configuration, network.
//!
//! Invariants:
//! - The store is opened when it is first needed, under the repository's lock: commands that only look at the
//!   configuration stay cheap and work beside a daemon.
//! - Work that touches the disk runs on blocking threads ([`blocking`]); nothing here holds a lock across an await.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use merkury_api::{ApiError, Checkup, Reach};
use merkury_core::{BlockPut, ErrorKind};
use merkury_net::Net;
use merkury_store::wrap::NoCopy;
use merkury_store::{Repo, RepoError, RepoLock, Store, StoreError};
use merkury_unixfs::mfs::MfsOptions;
use parking_lot::{Mutex, RwLock};
use serde_json::Value;

use crate::api::{MfsState, NameState, well};
use crate::config::{self, View};
use crate::ingest::{Ingest, ToldPut};
use crate::stores::{self, IndexFile, Stores};

/// Everything behind the handles.
pub(crate) struct Inner {
    pub(crate) repo: Repo,
    /// What this process works by: the file when it was opened, with changes made through here, and `overrides`.
    pub(crate) config: RwLock<Value>,
    /// Keys set for this run alone.
    pub(crate) overrides: Mutex<Vec<(String, Value)>>,
    pub(crate) net: OnceLock<Net>,
    /// There with the network: fetched blocks go through it.
    pub(crate) ingest: OnceLock<Ingest>,
    store: Mutex<Option<OpenStore>>,
    pub(crate) mfs: MfsState,
    /// Records of names.
    pub(crate) names: NameState,
    pub(crate) stop: tokio::sync::watch::Sender<bool>,
    /// The tasks that look after the store, in a daemon.
    pub(crate) upkeep: Mutex<Vec<tokio::task::AbortHandle>>,
    /// The store is being given back: nobody shall begin to write.
    pub(crate) closing: AtomicBool,
}

struct OpenStore {
    stores: Arc<Stores>,
    // Dropped after the store: the repository is ours until the store is closed.
    _lock: Arc<RepoLock>,
}

/// One API handle: the shared node and how far it may go.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) inner: Arc<Inner>,
    pub(crate) reach: Reach,
}

pub(crate) fn repo_error(error: RepoError) -> ApiError {
    match &error {
        // The sentence is Kubo's; the hints say who holds it.
        RepoError::Locked { path, holder } => {
            let message = format!("lock {}: someone else has the lock", path.join("repo.lock").display());
            ApiError::new(error.kind(), message)
                .hint(format!("{holder} uses this repository: stop it (merkury shutdown), or set another IPFS_PATH"))
                .hint("a daemon that runs there answers the same commands")
        }
        RepoError::Io { what, path, source } => {
            ApiError::new(error.kind(), format!("cannot {what} {}: {}", path.display(), plain(source)))
        }
        _ => ApiError::new(error.kind(), error.to_string()),
    }
}

/// The system's words as other programs print them: `permission denied`, without a number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

pub(crate) fn store_error(error: StoreError) -> ApiError {
    let made = ApiError::new(error.kind(), error.to_string());
    match error {
        StoreError::PinsInDoubt { .. } => made
            .hint("merkury pin ls --names shows the pins that are left; pin what is missing")
            .hint("then merkury repo fsck --accept-pins lets collection run again"),
        _ => made,
    }
}

impl Inner {
    /// Reads the configuration of an existing repository. Takes no lock.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>, ApiError> {
        let repo = Repo::at(path);
        if !repo.is_initialised() {
            return Err(ApiError::not_found(format!(
                "no IPFS repo found in {}.\nplease run: 'ipfs init'",
                path.display()
            ))
            .hint("merkury init makes one; IPFS_PATH names another place"));
        }
        repo.check_version().map_err(repo_error)?;
        let config = config::parse(&repo.read_config().map_err(repo_error)?)?;
        config::datastore::check(&config, &repo.read_datastore_spec().map_err(repo_error)?)?;
        Ok(Arc::new(Self {
            repo,
            config: RwLock::new(config),
            overrides: Mutex::default(),
            net: OnceLock::new(),
            ingest: OnceLock::new(),
            store: Mutex::new(None),
            mfs: MfsState::default(),
            names: NameState::default(),
            stop: tokio::sync::watch::Sender::new(false),
            upkeep: Mutex::new(Vec::new()),
            closing: AtomicBool::new(false),
        }))
    }

    /// The store in which everything is kept, opened and locked on first use.
    pub(crate) fn store(&self) -> Result<Arc<Store>, ApiError> {
        Ok(self.stores()?.main.clone())
    }

    /// The store with all that wraps it.
    pub(crate) fn stores(&self) -> Result<Arc<Stores>, ApiError> {
        let mut slot = self.store.lock();
        if let Some(open) = slot.as_ref() {
            return Ok(open.stores.clone());
        }
        let lock = Arc::new(self.repo.lock().map_err(repo_error)?);
        self.forget_addresses();
        let stores = Arc::new(stores::open(&self.repo, &self.config.read(), IndexFile::Use)?);
        *slot = Some(OpenStore { stores: stores.clone(), _lock: lock });
        Ok(stores)
    }

    /// Whoever holds the lock knows that no daemon runs: address files that are there were left by one that was killed,
    /// and would send others to a port where nobody answers.
    fn forget_addresses(&self) {
        for removed in [self.repo.remove_api_address(), self.repo.remove_gateway_address()] {
            if let Err(error) = removed {
                tracing::debug!(%error, "an address file of a former daemon stays");
            }
        }
    }

    /// References to parts of the user's files; switched on by `Experimental.FilestoreEnabled` or `UrlstoreEnabled`.
    pub(crate) fn no_copy(&self) -> Result<Arc<NoCopy>, ApiError> {
        self.stores()?.no_copy.clone().ok_or_else(|| {
            ApiError::new(ErrorKind::Invalid, "filestore is not enabled, see https://git.io/vNItf")
                .hint("merkury config --json Experimental.FilestoreEnabled true, then start the daemon again")
        })
    }

    /// Opens the store with an index built anew from the segments; where it is open already, it stays as it is.
    pub(crate) fn rebuild_index(&self) -> Result<(Arc<Store>, Checkup), ApiError> {
        let mut slot = self.store.lock();
        if let Some(open) = slot.as_ref() {
            let found = "in use by the daemon, not built anew: stop it first to do that";
            return Ok((open.stores.main.clone(), well("index", found.to_owned())));
        }
        let lock = Arc::new(self.repo.lock().map_err(repo_error)?);
        let stores = Arc::new(stores::open(&self.repo, &self.config.read(), IndexFile::BuildAnew)?);
        let store = stores.main.clone();
        *slot = Some(OpenStore { stores, _lock: lock });
        let found = format!("built anew from the segments: {} blocks", store.stat().blocks);
        Ok((store, well("index", found)))
    }

    /// Where new blocks go: the store, and with a network the exchange hears of them.
    pub(crate) fn put(&self) -> Result<Arc<dyn BlockPut>, ApiError> {
        let store = self.stores()?.blocks.clone();
        Ok(match self.net.get() {
            Some(net) => Arc::new(ToldPut { store, exchange: net.exchange().clone() }),
            None => store,
        })
    }

    /// Makes durable what was changed in the mutable file system without a flush, before the node closes.
    pub(crate) fn save_files(&self) {
        let stores = self.store.lock().as_ref().map(|open| open.stores.clone());
        if let (Some(stores), Ok(options)) = (stores, self.mfs_options()) {
            self.mfs.save_at_close(&stores, &options);
        }
    }

    /// How the mutable file system builds nodes, by the configuration.
    pub(crate) fn mfs_options(&self) -> Result<MfsOptions, ApiError> {
        Ok(config::import::mfs_options(&self.config.read())?)
    }

    /// Gives the store and the lock back; handles that still work keep them until they end.
    pub(crate) fn close_store(&self) {
        self.closing.store(true, Ordering::Relaxed);
        *self.store.lock() = None;
    }

    /// The configuration file as it stands now: people edit it while a daemon runs.
    pub(crate) fn config_file(&self) -> Result<Value, ApiError> {
        Ok(config::parse(&self.repo.read_config().map_err(repo_error)?)?)
    }

    /// Changes the configuration file: checked, written durably, then in force. Starts from the file, so that nothing
    /// that somebody else wrote there is lost.
    pub(crate) fn change_config(
        &self,
        change: impl FnOnce(&mut Value) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        // Held to the end: one change at a time.
        let mut current = self.config.write();
        let mut next = self.config_file()?;
        change(&mut next)?;
        config::check(&next)?;
        self.repo.write_config(&config::render(&next)).map_err(repo_error)?;
        for (key, value) in self.overrides.lock().iter() {
            config::document::set(&mut next, key, value.clone())?;
        }
        if let Some(open) = self.store.lock().as_ref() {
            open.stores.main.set_limit(View(&next).storage_limit()?);
        }
        *current = next;
        Ok(())
    }

    /// The network, or Kubo's words for its absence.
    pub(crate) fn net(&self) -> Result<&Net, ApiError> {
        self.net.get().ok_or_else(|| {
            ApiError::new(
                ErrorKind::Unavailable,
                "this command must be run in online mode. Try running 'ipfs daemon' first",
            )
            .hint("start the node in another terminal: merkury daemon")
        })
    }
}

/// Runs disk and CPU work on a blocking thread. Dropping the future does not stop work that has begun.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ApiError::internal(format!("the work ended unexpectedly: {error}"))),
    }
}
