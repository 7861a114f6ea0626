//! What each change does to the file system.

use futures::executor::block_on;
use merkury_api::{ApiError, ByteStream, MfsChange, MfsCopyOptions, MfsRootChange, MfsWriteOptions, Names, NodeKind};
use merkury_core::{Block, BlockHas, Cid, ContentPath};
use merkury_unixfs::mfs::{self, MfsError, MfsOptions, WriteOptions};
use merkury_unixfs::{Metadata, Mtime};

use super::{Flush, cid_options, current_root, mfs_error, parse};
use crate::api::files::{BodyReader, stat_of_block};
use crate::inner::{Handle, blocking, store_error};

/// Changes of a batch after which what it holds open is written: bounds its memory.
const SETTLE_EVERY: usize = 4096;
/// Most changes of one batch.
pub(super) const BATCH_CHANGES_MAX: usize = 1_000_000;

/// The words for a source that is no UnixFS node.
const NOT_UNIXFS: &str = "cp: source must be a valid UnixFS (dag-pb or raw codec)";

/// How the bytes of a write come to be written.
fn write_options(options: &MfsWriteOptions) -> Result<WriteOptions, ApiError> {
    Ok(WriteOptions {
        offset: options.offset,
        create: options.create,
        parents: options.parents,
        truncate: options.truncate,
        count: options.count,
        raw_leaves: options.raw_leaves,
        cid: cid_options(&options.node)?,
    })
}

/// A path into content, if it is one. Everything else is a path of the file system.
pub(super) fn content_path(path: &str) -> Option<ContentPath> {
    ["/ipfs/", "/ipns/"].iter().any(|start| path.starts_with(start)).then(|| ContentPath::parse(path).ok()).flatten()
}

impl Handle {
    pub(super) async fn write_stream(
        &self,
        path: String,
        data: ByteStream,
        options: MfsWriteOptions,
    ) -> Result<(), ApiError> {
        let (target, how) = (parse(&path)?, write_options(&options)?);
        self.changed(format!("files write {path}"), Flush::of(options.flush), move |_, files| {
            let mut body = BodyReader::new(data);
            let written = block_on(files.write(&target, &mut body, &how));
            // The client's own error says more than the reader that stumbled over it.
            body.failure.map_or(written.map_err(mfs_error), Err)
        })
        .await
    }

    /// What a copy from content copies; got before the change has its turn, however long that takes.
    pub(super) async fn find_source(&self, change: &MfsChange) -> Result<Option<Block>, ApiError> {
        let MfsChange::Copy { source, .. } = change else { return Ok(None) };
        let Some(path) = content_path(source) else { return Ok(None) };
        let found = async {
            let found = Names::resolve(self, &path).await?;
            Ok::<_, ApiError>(self.getter()?.get(&found.cid).await?)
        };
        found.await.map(Some).map_err(|error: ApiError| error.context(&no_source(source)))
    }

    /// Makes one change. `found`: the source of a copy from content.
    pub(super) fn apply(&self, files: &mut mfs::Mfs, change: MfsChange, found: Option<Block>) -> Result<(), ApiError> {
        match change {
            MfsChange::Mkdir { path, parents, node } => {
                block_on(files.mkdir(&parse(&path)?, parents, cid_options(&node)?)).map_err(mfs_error)
            }
            MfsChange::Write { path, data, options } => {
                block_on(files.write(&parse(&path)?, &mut &data[..], &write_options(&options)?)).map_err(mfs_error)
            }
            MfsChange::Copy { source, target, options } => copy(files, &source, found, &target, &options),
            MfsChange::Rename { source, target } => {
                block_on(files.rename(&parse(&source)?, &parse(&target)?)).map_err(mfs_error)
            }
            MfsChange::Remove { path, recursive, force } => {
                block_on(files.remove(&parse(&path)?, recursive, force)).map_err(mfs_error)
            }
            MfsChange::SetMode { path, mode } => {
                let meta = Metadata { mode: Some(mode), mtime: None };
                block_on(files.set_metadata(&parse(&path)?, meta)).map_err(mfs_error)
            }
            MfsChange::Touch { path, mtime: (seconds, nanos) } => {
                let meta = Metadata { mode: None, mtime: Some(Mtime { seconds, nanos }) };
                block_on(files.set_metadata(&parse(&path)?, meta)).map_err(mfs_error)
            }
            MfsChange::ChangeCid { path, node } => match cid_options(&node)? {
                Some(cid) => block_on(files.set_cid_options(&parse(&path)?, cid)).map_err(mfs_error),
                None => block_on(files.look_up_mut(&parse(&path)?)).map(drop).map_err(mfs_error),
            },
        }
    }

    pub(super) async fn make_batch(&self, changes: Vec<MfsChange>) -> Result<Cid, ApiError> {
        if changes.len() > BATCH_CHANGES_MAX {
            let message =
                format!("a batch has {} changes, at most {BATCH_CHANGES_MAX} are made at once", changes.len());
            return Err(ApiError::invalid(message));
        }
        let mut steps = Vec::with_capacity(changes.len());
        for (index, change) in changes.into_iter().enumerate() {
            let found = self.find_source(&change).await.map_err(|error| of_batch(error, index, &change))?;
            steps.push((change, found));
        }
        let what = match &steps[..] {
            [] => return current_root(&*self.inner.stores()?, &self.inner.mfs, &self.mfs_options()?),
            [(only, _)] => only.to_string(),
            [(first, _), ..] => format!("files batch ({} changes, the first: {first})", steps.len()),
        };
        self.changed(what, Flush::Now, move |handle, files| {
            files.hold();
            for (index, (change, found)) in steps.into_iter().enumerate() {
                let shown = change.clone();
                handle.apply(files, change, found).map_err(|error| of_batch(error, index, &shown))?;
                if (index + 1) % SETTLE_EVERY == 0 {
                    block_on(files.settle()).map_err(mfs_error)?;
                }
            }
            block_on(files.settle()).map_err(mfs_error)?;
            Ok(files.root().clone())
        })
        .await
    }

    pub(super) async fn put_root(&self, root: Option<Cid>) -> Result<MfsRootChange, ApiError> {
        let mut turn = self.inner.mfs.turn().await;
        let handle = self.clone();
        blocking(move || {
            let stores = handle.inner.stores()?;
            let store = &stores.main;
            let empty = mfs::Mfs::empty_root(&**store, &MfsOptions::default()).map_err(mfs_error)?;
            let new = root.unwrap_or(empty);
            if !store.has(&new) {
                return Err(ApiError::not_found(format!(
                    "new root {new} does not exist locally; fetch it first with 'ipfs block get'"
                )));
            }
            let block = store.get(&new).map_err(store_error)?;
            let block = block.ok_or_else(|| ApiError::not_found(format!("reading new root block: {new} is gone")))?;
            let kind =
                stat_of_block(&block).map_err(|error| error.context("new root is not a valid UnixFS node"))?.kind;
            if kind != NodeKind::Directory {
                return Err(ApiError::invalid(format!("new root must be a directory, got {}", kind_word(kind))));
            }
            let old = super::saved_root(store)?;
            handle.inner.mfs.point_at(&stores, &mut turn, &new, &handle.mfs_options()?, "files chroot")?;
            Ok(MfsRootChange { old, new })
        })
        .await
    }
}

fn kind_word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::File => "File",
        NodeKind::Raw => "Raw",
        NodeKind::Symlink => "Symlink",
        NodeKind::Directory => "Directory",
        NodeKind::Other => "another node",
    }
}

fn no_source(source: &str) -> String {
    format!("cp: cannot get node from path {source}")
}

fn of_batch(error: ApiError, index: usize, change: &MfsChange) -> ApiError {
    error
        .context(&format!("change {} ({change})", index + 1))
        .hint("nothing was changed: mend that line and run the whole batch again")
}

fn copy(
    files: &mut mfs::Mfs,
    source: &str,
    found: Option<Block>,
    target: &str,
    options: &MfsCopyOptions,
) -> Result<(), ApiError> {
    let node = match found {
        Some(block) => block,
        None => {
            let source_path = if source.is_empty() { "/" } else { source };
            let found = block_on(files.look_up_mut(&parse(source_path)?));
            found.map_err(|error| mfs_error(error).context(&no_source(source)))?.block
        }
    };
    match stat_of_block(&node) {
        Ok(stat) if stat.kind != NodeKind::Other => {}
        Ok(_) => return Err(ApiError::invalid(NOT_UNIXFS)),
        Err(error) => {
            // Kubo's words for bytes that are no message at all; for others there are no words that say more than ours.
            let is_garbage = error.message.contains("malformed unixfs message");
            let why = if is_garbage { "proto: cannot parse invalid wire-format data" } else { &error.message };
            return Err(ApiError::invalid(format!("{NOT_UNIXFS}: {why}")));
        }
    }
    let path = parse(target)?;
    let name = source.rsplit('/').next().unwrap_or_default();
    block_on(files.put(&node, &path, name, options.parents, options.force, None)).map_err(|error| {
        let words = match &error {
            MfsError::Replace(_) => Some("cp".to_owned()),
            MfsError::Exists | MfsError::WasNotADirectory(_) => None,
            _ => Some(format!("cp: cannot put node in path {target}")),
        };
        let made = mfs_error(error);
        words.map_or(made.clone(), |words| made.context(&words))
    })
}
