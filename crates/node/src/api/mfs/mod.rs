//! [`Mfs`]: the mutable file system over its root, which is a named root of the store.
//!
//! Parts: this file (the root, turns, saving), [`changes`] (what a change does), [`look`] (reading), [`bounded`] (waiting
//! for blocks during a change).
//!
//! Order of a change: nodes are stored (under a temporary pin) → with `flush` committed, then the root's name is pointed at
//! the new root and the old one becomes a step that can be undone, in one durable step. Without `flush` the new root lives
//! in memory, kept from collection by a temporary pin, until the next flush or until the node closes; a crash in between
//! loses these changes and nothing else.
//!
//! Invariants:
//! - One change at a time ([`MfsState::turn`]); who only reads never waits for a turn.
//! - A change that fails, and a batch of which one change fails, leaves the root as it was.

mod bounded;
mod changes;
mod look;

use futures::executor::block_on;
use merkury_api::{
    Answer, ApiError, ByteStream, ItemStream, Mfs, MfsChange, MfsCopyOptions, MfsEntry, MfsNodeOptions, MfsRootChange,
    MfsStat, MfsWriteOptions,
};
use merkury_core::block::CidFormat;
use merkury_core::multihash::code;
use merkury_core::{BlockGet, Cid};
use merkury_store::{Store, TempPin};
use merkury_unixfs::build::CidOptions;
use merkury_unixfs::mfs::{self, MfsError, MfsOptions, MfsPath};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, watch};

use super::with_kind;
use crate::config::View;
use crate::history;
use crate::inner::{Handle, blocking, store_error};
use crate::stores::Stores;
use bounded::Bounded;

/// Name of the root in the store.
pub(crate) const ROOT: &str = "mfs";
/// Changes without a flush that may pile up, as Kubo has it.
const UNFLUSHED_DEFAULT: u64 = 256;

/// The file system as the last change left it.
#[derive(Default)]
pub(crate) struct MfsState {
    turn: Arc<tokio::sync::Mutex<Turn>>,
    /// There when it is not the one in the store.
    unsaved: Mutex<Option<(Cid, TempPin)>>,
}

/// Who holds it may change the file system.
#[derive(Default)]
pub(crate) struct Turn {
    /// Changes since the last flush.
    unflushed: u64,
}

impl MfsState {
    /// The root, while it is not the one in the store.
    pub(crate) fn unsaved_root(&self) -> Option<Cid> {
        self.unsaved.lock().as_ref().map(|(root, _)| root.clone())
    }

    /// Waits for the turn; giving up the future leaves the queue.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<Turn> {
        self.turn.clone().lock_owned().await
    }

    /// Makes durable what was changed without a flush.
    pub(super) fn save(&self, stores: &Stores, turn: &mut Turn, options: &MfsOptions) -> Result<(), ApiError> {
        let root = current_root(stores, self, options)?;
        self.point_at(stores, turn, &root, options, "changes that were not flushed")
    }

    /// Points the name at `root`, durably, and makes what stood there a step that can be undone.
    fn point_at(
        &self,
        stores: &Stores,
        turn: &mut Turn,
        root: &Cid,
        options: &MfsOptions,
        what: &str,
    ) -> Result<(), ApiError> {
        let saved = saved_root(&stores.main)?;
        if saved.as_ref() != Some(root) {
            let before = saved.map_or_else(|| first_root(stores), Ok)?;
            let mut change = stores.main.roots().change().set(ROOT, root);
            // A root that has another name by another configuration is no change.
            if named(stores, before.clone(), options)? != *root {
                change = history::record_root(change, &stores.main, &before, what)?;
            }
            change.commit().map_err(store_error)?;
        }
        *self.unsaved.lock() = None;
        turn.unflushed = 0;
        Ok(())
    }

    /// The same when the node closes. Nobody waits for the outcome: what was not flushed was never promised.
    pub(crate) fn save_at_close(&self, stores: &Stores, options: &MfsOptions) {
        if self.unsaved.lock().is_none() {
            return;
        }
        let Ok(mut turn) = self.turn.clone().try_lock_owned() else { return };
        if let Err(error) = self.save(stores, &mut turn, options) {
            tracing::warn!(%error, "changes of files that were not flushed are lost");
        }
    }
}

fn saved_root(store: &Store) -> Result<Option<Cid>, ApiError> {
    store.roots().get(ROOT).map_err(store_error)
}

/// The root before the first change: Kubo's when the repository was Kubo's, else an empty directory.
fn first_root(stores: &Stores) -> Result<Cid, ApiError> {
    match stores.kubo.as_ref().map(|kubo| kubo.mfs_root()).transpose()?.flatten() {
        Some(root) => Ok(root),
        None => mfs::Mfs::empty_root(&*stores.main, &MfsOptions::default()).map_err(mfs_error),
    }
}

/// The root as the configuration names it; one whose block is missing keeps its name.
fn named(stores: &Stores, root: Cid, options: &MfsOptions) -> Result<Cid, ApiError> {
    match stores.blocks.get_local(&root) {
        Ok(Some(block)) => mfs::Mfs::name_root(&*stores.main, &block, options).map_err(mfs_error),
        Ok(None) | Err(_) => Ok(root),
    }
}

/// The root.
pub(super) fn current_root(stores: &Stores, state: &MfsState, options: &MfsOptions) -> Result<Cid, ApiError> {
    let root = match state.unsaved_root() {
        Some(root) => root,
        None => saved_root(&stores.main)?.map_or_else(|| first_root(stores), Ok)?,
    };
    named(stores, root, options)
}

fn mfs_error(error: MfsError) -> ApiError {
    let made = with_kind(error.kind(), &error);
    match (&error, error.missing_block()) {
        (_, Some(cid)) => made
            .hint(format!("the block {cid} is a part of it: merkury routing findprovs {cid} says who may have it"))
            .hint("merkury files rm --force PATH removes an entry that cannot be read"),
        (MfsError::ParentIsAFile, _) => made.hint("a name on the way to that path is a file, not a directory"),
        (MfsError::IntoItself(_), _) => made.hint("choose a target outside of the directory that is moved"),
        _ => made,
    }
}

fn parse(path: &str) -> Result<MfsPath, ApiError> {
    MfsPath::parse(path).map_err(mfs_error)
}

/// CID options of new nodes; `None` when neither was asked for.
fn cid_options(options: &MfsNodeOptions) -> Result<Option<CidOptions>, ApiError> {
    if options.cid_version.is_none() && options.hash.is_none() {
        return Ok(None);
    }
    let hash_code = options.hash.unwrap_or(code::SHA2_256);
    // A hash other than the default needs version 1.
    let version = options.cid_version.unwrap_or(u8::from(hash_code != code::SHA2_256));
    let format = match version {
        0 => CidFormat::V0,
        1 => CidFormat::V1,
        other => return Err(ApiError::invalid(format!("unknown CID version: {other}"))),
    };
    Ok(Some(CidOptions { format, hash_code, inline_bytes_max: None }))
}

/// Whether a change is durable when it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    /// Yes, and what came before it too.
    Now,
    /// It waits for a flush, and counts among those that may.
    Later,
    /// It waits for a flush if others do.
    AsBefore,
}

impl Flush {
    fn of(flush: bool) -> Self {
        if flush { Self::Now } else { Self::Later }
    }
}

impl Handle {
    /// Runs `change` on the file system, one at a time, on a blocking thread, and keeps the new root. It waits for blocks
    /// with a plain `block_on`: the runtime's own may not be nested, and a client's body is waited for inside.
    async fn changed<T: Send + 'static>(
        &self,
        what: String,
        flush: Flush,
        change: impl FnOnce(&Self, &mut mfs::Mfs) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let handle = self.clone();
        // Lives as long as the caller waits.
        let (_caller, caller) = watch::channel(());
        let mut turn = self.inner.mfs.turn().await;
        blocking(move || {
            let stores = handle.inner.stores()?;
            let state = &handle.inner.mfs;
            if flush == Flush::Later {
                handle.count_unflushed(&mut turn)?;
            }
            let _keep = stores.main.temp_pin();
            let options = handle.mfs_options()?;
            let root = current_root(&stores, state, &options)?;
            let get = Arc::new(Bounded::new(handle.getter()?, caller));
            let mut files = mfs::Mfs::new(get, handle.inner.put()?, options, root.clone());
            let answer = change(&handle, &mut files)?;
            let new = files.root().clone();
            if flush == Flush::Now {
                state.point_at(&stores, &mut turn, &new, &options, &what)?;
            } else if new != root {
                // The name keeps all of it; `keep` would also keep what others put until the next flush.
                let named = stores.main.reader_pin();
                named.protect(&new);
                *state.unsaved.lock() = Some((new, named));
            }
            Ok(answer)
        })
        .await
    }

    /// Makes `root` the file system when nothing was ever put into ours; says whether it did. Call it from blocking threads.
    pub(crate) fn adopt_mfs_root(&self, root: &Cid) -> Result<bool, ApiError> {
        let store = self.inner.store()?;
        let state = &self.inner.mfs;
        let _turn = state.turn.blocking_lock();
        let is_unused = match saved_root(&store)? {
            Some(saved) => saved == mfs::Mfs::empty_root(&*store, &MfsOptions::default()).map_err(mfs_error)?,
            None => true,
        };
        if state.unsaved.lock().is_some() || !is_unused {
            return Ok(false);
        }
        store.roots().set(ROOT, root).map_err(store_error)?;
        Ok(true)
    }

    /// Refuses one change too many without a flush: memory and what a crash may lose are bounded.
    fn count_unflushed(&self, turn: &mut Turn) -> Result<(), ApiError> {
        let limit = View(&self.inner.config.read()).number("Internal.MFSNoFlushLimit", UNFLUSHED_DEFAULT)?;
        if limit > 0 && turn.unflushed >= limit {
            return Err(ApiError::invalid(format!(
                "reached limit of {limit} unflushed MFS operations. To resolve: 1) run 'ipfs files flush' to persist \
                 changes, 2) use --flush=true (default), or 3) increase Internal.MFSNoFlushLimit in config"
            )));
        }
        turn.unflushed += 1;
        Ok(())
    }

    pub(super) fn mfs_options(&self) -> Result<MfsOptions, ApiError> {
        self.inner.mfs_options()
    }
}

impl Mfs for Handle {
    fn mkdir(&self, path: String, parents: bool, node: MfsNodeOptions, flush: bool) -> Answer<'_, ()> {
        self.change(MfsChange::Mkdir { path, parents, node }, flush)
    }

    fn write(&self, path: String, data: ByteStream, options: MfsWriteOptions) -> Answer<'_, ()> {
        Box::pin(self.write_stream(path, data, options))
    }

    fn read(&self, path: String, offset: u64, count: Option<u64>) -> Answer<'_, ByteStream> {
        Box::pin(self.read_file(path, offset, count))
    }

    fn list(&self, path: String, long: bool) -> Answer<'_, ItemStream<MfsEntry>> {
        Box::pin(self.list_entries(path, long))
    }

    fn stat(&self, path: String, with_local: bool) -> Answer<'_, MfsStat> {
        Box::pin(self.stat_path(path, with_local))
    }

    fn copy(&self, source: String, target: String, options: MfsCopyOptions) -> Answer<'_, ()> {
        let flush = options.flush;
        self.change(MfsChange::Copy { source, target, options }, flush)
    }

    fn rename(&self, source: String, target: String, flush: bool) -> Answer<'_, ()> {
        self.change(MfsChange::Rename { source, target }, flush)
    }

    fn remove(&self, path: String, recursive: bool, force: bool, flush: bool) -> Answer<'_, ()> {
        self.change(MfsChange::Remove { path, recursive, force }, flush)
    }

    fn flush(&self, path: String) -> Answer<'_, Cid> {
        Box::pin(async move {
            let path = if path.starts_with('/') { path } else { format!("/{path}") };
            let path = parse(&path)?;
            self.changed("files flush".to_owned(), Flush::Now, move |_, files| {
                let node = block_on(files.look_up(&path)).map_err(mfs_error)?;
                Ok(node.block.cid().clone())
            })
            .await
        })
    }

    fn change(&self, change: MfsChange, flush: bool) -> Answer<'_, ()> {
        Box::pin(async move {
            let flush = match change {
                // Kubo neither counts nor defers these.
                MfsChange::SetMode { .. } | MfsChange::Touch { .. } => Flush::Now,
                MfsChange::ChangeCid { .. } if !flush => Flush::AsBefore,
                _ => Flush::of(flush),
            };
            // In a full repository this is how to make room.
            let is_removal = matches!(change, MfsChange::Remove { .. });
            let store = self.inner.store()?;
            let _allowance = is_removal.then(|| store.allow_over_limit());
            let found = self.find_source(&change).await?;
            let what = change.to_string();
            self.changed(what, flush, move |handle, files| handle.apply(files, change, found)).await
        })
    }

    fn batch(&self, changes: Vec<MfsChange>) -> Answer<'_, Cid> {
        Box::pin(self.make_batch(changes))
    }

    fn replace_root(&self, root: Option<Cid>) -> Answer<'_, MfsRootChange> {
        Box::pin(self.put_root(root))
    }
}
