//! [`Mfs`]: the mutable file system over its root, which is a named root of the store.
//!
//! Order of a change: nodes are stored (under a temporary pin) → with `flush` committed, then the root's name is
//! pointed at the new root, durably. Without `flush` the new root lives in memory, kept from collection by a temporary
//! pin, until the next flush; a crash in between loses these changes and nothing else.

use futures::StreamExt;
use futures::executor::block_on;
use merkury_api::{
    Answer, ApiError, ByteStream, ItemStream, Mfs, MfsCopyOptions, MfsEntry, MfsNodeOptions, MfsStat, MfsWriteOptions,
    NodeKind,
};
use merkury_core::block::CidFormat;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockHas, Cid, ContentPath};
use merkury_store::TempPin;
use merkury_unixfs::build::CidOptions;
use merkury_unixfs::mfs::{self, MfsError, MfsOptions, MfsPath, WriteOptions};
use merkury_unixfs::read::File;
use merkury_unixfs::{dir, walk};

use super::files::{BodyReader, stat_of_block};
use super::with_kind;
use crate::config::import;
use crate::inner::{Handle, Inner, blocking, store_error};

/// Name of the root in the store.
pub(super) const ROOT: &str = "mfs";

/// The root as the last operation left it.
#[derive(Default)]
pub(crate) struct MfsState {
    /// There when it is not the one in the store.
    unsaved: Option<(Cid, TempPin)>,
}

impl MfsState {
    /// The root, while it is not the one in the store.
    pub(crate) fn unsaved_root(&self) -> Option<Cid> {
        self.unsaved.as_ref().map(|(root, _)| root.clone())
    }
}

fn mfs_error(error: MfsError) -> ApiError {
    with_kind(error.kind(), error)
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

impl Handle {
    /// Runs `change` on the file system, one at a time, on a blocking thread, and keeps the new root. It waits for blocks
    /// with a plain `block_on`: the runtime's own may not be nested, and a client's body is waited for inside.
    async fn change<T: Send + 'static>(
        &self,
        flush: bool,
        change: impl FnOnce(&mut mfs::Mfs) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let handle = self.clone();
        blocking(move || {
            let store = handle.inner.store()?;
            let mut state = handle.inner.mfs.blocking_lock();
            let keep = store.temp_pin();
            let root = current_root(&handle.inner, &state)?;
            let mut files = mfs::Mfs::new(handle.getter()?, handle.inner.put()?, handle.mfs_options()?, root.clone());
            let answer = change(&mut files)?;
            let new = files.root().clone();
            if flush {
                if new != root || state.unsaved.is_some() {
                    store.roots().set(ROOT, &new).map_err(store_error)?;
                }
                state.unsaved = None;
            } else if new != root {
                keep.protect(&new);
                state.unsaved = Some((new, keep));
            }
            Ok(answer)
        })
        .await
    }

    fn mfs_options(&self) -> Result<MfsOptions, ApiError> {
        Ok(import::mfs_options(&self.inner.config.read())?)
    }

    /// The file system as it is now, to look at.
    async fn look(&self) -> Result<mfs::Mfs, ApiError> {
        let state = self.inner.mfs.lock().await;
        let store = self.inner.store()?;
        let root = current_root(&self.inner, &state)?;
        Ok(mfs::Mfs::new(self.getter()?, store, self.mfs_options()?, root))
    }

    async fn node_at(&self, path: &str) -> Result<Block, ApiError> {
        if path.starts_with("/ipfs/") || path.starts_with("/ipns/") {
            let path = ContentPath::parse(path).map_err(|error| ApiError::invalid(error.to_string()))?;
            let found = merkury_api::Names::resolve(self, &path).await?;
            return Ok(self.getter()?.get(&found.cid).await?);
        }
        Ok(self.look().await?.look_up(&parse(path)?).await.map_err(mfs_error)?.block)
    }
}

impl Handle {
    /// Makes `root` the file system when nothing was ever put into ours; says whether it did. Call it from blocking threads.
    pub(crate) fn adopt_mfs_root(&self, root: &Cid) -> Result<bool, ApiError> {
        let store = self.inner.store()?;
        let state = self.inner.mfs.blocking_lock();
        let stored = store.roots().get(ROOT).map_err(store_error)?;
        let is_unused = match stored {
            Some(stored) => stored == mfs::Mfs::empty_root(&*store, &MfsOptions::default()).map_err(mfs_error)?,
            None => true,
        };
        if state.unsaved.is_some() || !is_unused {
            return Ok(false);
        }
        store.roots().set(ROOT, root).map_err(store_error)?;
        Ok(true)
    }
}

/// The root; a new file system is an empty directory.
fn current_root(inner: &Inner, state: &MfsState) -> Result<Cid, ApiError> {
    let stores = inner.stores()?;
    if let Some((root, _)) = &state.unsaved {
        return Ok(root.clone());
    }
    match stores.main.roots().get(ROOT).map_err(store_error)? {
        Some(root) => Ok(root),
        None => match stores.kubo.as_ref().map(|kubo| kubo.mfs_root()).transpose()?.flatten() {
            // Kubo's, until the first change makes one of ours.
            Some(root) => Ok(root),
            None => mfs::Mfs::empty_root(&*stores.main, &MfsOptions::default()).map_err(mfs_error),
        },
    }
}

impl Mfs for Handle {
    fn mkdir(&self, path: String, parents: bool, node: MfsNodeOptions, flush: bool) -> Answer<'_, ()> {
        Box::pin(async move {
            let (path, cid) = (parse(&path)?, cid_options(&node)?);
            self.change(flush, move |files| block_on(files.mkdir(&path, parents, cid)).map_err(mfs_error)).await
        })
    }

    fn write(&self, path: String, data: ByteStream, options: MfsWriteOptions) -> Answer<'_, ()> {
        Box::pin(async move {
            let path = parse(&path)?;
            let how = WriteOptions {
                offset: options.offset,
                create: options.create,
                parents: options.parents,
                truncate: options.truncate,
                count: options.count,
                raw_leaves: options.raw_leaves,
                cid: cid_options(&options.node)?,
            };
            self.change(options.flush, move |files| {
                let mut body = BodyReader::new(data);
                let written = block_on(files.write(&path, &mut body, &how));
                // The client's own error says more than the reader that stumbled over it.
                body.failure.map_or(written.map_err(mfs_error), Err)
            })
            .await
        })
    }

    fn read(&self, path: String, offset: u64, count: Option<u64>) -> Answer<'_, ByteStream> {
        Box::pin(async move {
            let block = self.node_at(&path).await?;
            let stat = stat_of_block(&block)?;
            if stat.kind == NodeKind::Directory {
                return Err(ApiError::invalid(format!("{path} was not a file")));
            }
            if offset > stat.size {
                return Err(ApiError::invalid(format!("offset was past end of file ({offset} > {})", stat.size)));
            }
            let file = File::open(self.getter()?, block.cid()).await.map_err(|error| with_kind(error.kind(), error))?;
            let bytes = file.read_range(offset, count);
            Ok(bytes.map(|part| part.map_err(|error| with_kind(error.kind(), error))).boxed())
        })
    }

    fn list(&self, path: String, long: bool) -> Answer<'_, ItemStream<MfsEntry>> {
        Box::pin(async move {
            let block = self.node_at(&path).await?;
            let stat = stat_of_block(&block)?;
            if stat.kind != NodeKind::Directory {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
                let entry = entry_of(name, &block, long)?;
                return Ok(futures::stream::iter([Ok(entry)]).boxed());
            }
            let get = self.getter()?;
            let mut entries: Vec<dir::DirEntry> = Vec::new();
            let mut listed = Box::pin(dir::list_block(get.clone(), &block));
            while let Some(entry) = listed.next().await {
                entries.push(entry.map_err(|error| with_kind(error.kind(), error))?);
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            let entries = futures::stream::iter(entries).map(move |entry| {
                let get = get.clone();
                async move {
                    let name = entry.name_text().into_owned();
                    if !long {
                        return Ok(short_entry(name));
                    }
                    entry_of(name, &get.get(&entry.cid).await?, true)
                }
            });
            Ok(entries.buffered(LISTED_AHEAD).boxed())
        })
    }

    fn stat(&self, path: String, with_local: bool) -> Answer<'_, MfsStat> {
        Box::pin(async move {
            let block = self.node_at(&path).await?;
            let stat = stat_of_block(&block)?;
            let local = if with_local { Some(self.local_part(block.cid()).await?) } else { None };
            Ok(MfsStat {
                cid: stat.cid,
                kind: stat.kind,
                size: stat.size,
                cumulative_size: stat.cumulative_size,
                blocks: stat.links,
                metadata: stat.metadata,
                local,
            })
        })
    }

    fn copy(&self, source: String, target: String, options: MfsCopyOptions) -> Answer<'_, ()> {
        Box::pin(async move {
            let node = self.node_at(&source).await?;
            let is_unixfs = stat_of_block(&node).is_ok_and(|stat| stat.kind != NodeKind::Other);
            if !is_unixfs && !options.force {
                return Err(ApiError::invalid(
                    "cp: source must be a valid UnixFS (dag-pb or raw codec); use --force to skip this check",
                ));
            }
            let target = parse(&target).map_err(|error| error.context("cp: cannot put node in path"))?;
            let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            self.change(options.flush, move |files| {
                let put = files.put(&node, &target, &name, options.parents, options.force, None);
                block_on(put)
                    .map_err(|error| mfs_error(error).context(&format!("cp: cannot put node in path {target}")))
            })
            .await
        })
    }

    fn rename(&self, source: String, target: String, flush: bool) -> Answer<'_, ()> {
        Box::pin(async move {
            let (source, target) = (parse(&source)?, parse(&target)?);
            self.change(flush, move |files| block_on(files.rename(&source, &target)).map_err(mfs_error)).await
        })
    }

    fn remove(&self, path: String, recursive: bool, force: bool, flush: bool) -> Answer<'_, ()> {
        Box::pin(async move {
            let path = parse(&path)?;
            // In a full repository this is how to make room.
            let _allowance = self.inner.store()?.allow_over_limit();
            self.change(flush, move |files| block_on(files.remove(&path, recursive, force)).map_err(mfs_error)).await
        })
    }

    fn flush(&self, path: String) -> Answer<'_, Cid> {
        Box::pin(async move {
            let path = parse(&path)?;
            self.change(true, move |files| {
                let node = block_on(files.look_up(&path)).map_err(mfs_error)?;
                Ok(node.block.cid().clone())
            })
            .await
        })
    }
}

/// Entries whose nodes are looked at ahead in a long listing.
const LISTED_AHEAD: usize = 32;

fn short_entry(name: String) -> MfsEntry {
    MfsEntry { name, cid: None, kind: NodeKind::File, size: 0, metadata: merkury_api::Metadata::default() }
}

fn entry_of(name: String, block: &Block, long: bool) -> Result<MfsEntry, ApiError> {
    if !long {
        return Ok(short_entry(name));
    }
    let stat = stat_of_block(block)?;
    Ok(MfsEntry { name, cid: Some(stat.cid), kind: stat.kind, size: stat.size, metadata: stat.metadata })
}

impl Handle {
    /// Whether everything below is here, and how many bytes are.
    async fn local_part(&self, root: &Cid) -> Result<(bool, u64), ApiError> {
        let store = self.inner.stores()?.blocks.clone();
        if !store.has(root) {
            return Ok((false, 0));
        }
        let mut blocks = walk::Preorder::new(store, root.clone(), true);
        let (mut is_whole, mut bytes) = (true, 0u64);
        while let Some(step) = blocks.next().await {
            match step {
                Ok(step) => {
                    bytes += step.block.data().len() as u64;
                    blocks.descend(&step).map_err(|error| with_kind(error.kind(), error))?;
                }
                Err(_) => is_whole = false,
            }
        }
        Ok((is_whole, bytes))
    }
}
