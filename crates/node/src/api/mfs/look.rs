//! Reading the file system: no turn is waited for, and what is read is the state at the beginning.

use futures::StreamExt;
use merkury_api::{ApiError, ByteStream, ItemStream, Metadata, MfsEntry, MfsStat, Names, NodeKind};
use merkury_core::{Block, BlockHas, Cid};
use merkury_unixfs::read::File;
use merkury_unixfs::{dir, mfs, walk};

use super::changes::content_path;
use super::{current_root, mfs_error, parse};
use crate::api::files::stat_of_block;
use crate::api::with_kind;
use crate::inner::Handle;

/// Entries whose nodes are looked at ahead in a long listing.
const LISTED_AHEAD: usize = 32;

impl Handle {
    /// The file system as it is now, to look at.
    fn look(&self) -> Result<mfs::Mfs, ApiError> {
        let stores = self.inner.stores()?;
        let options = self.mfs_options()?;
        let root = current_root(&stores, &self.inner.mfs, &options)?;
        Ok(mfs::Mfs::new(self.getter()?, stores.main.clone(), options, root))
    }

    async fn block_at(&self, path: &str) -> Result<Block, ApiError> {
        Ok(self.look()?.look_up(&parse(path)?).await.map_err(mfs_error)?.block)
    }

    pub(super) async fn read_file(
        &self,
        path: String,
        offset: u64,
        count: Option<u64>,
    ) -> Result<ByteStream, ApiError> {
        let block = self.block_at(&path).await.map_err(|error| error.context(&path))?;
        let stat = stat_of_block(&block)?;
        match stat.kind {
            NodeKind::Directory => return Err(ApiError::invalid(format!("{path} was not a file"))),
            NodeKind::Symlink => return Err(ApiError::invalid("symlinks not yet supported")),
            _ => {}
        }
        if offset > stat.size {
            return Err(ApiError::invalid(format!("offset was past end of file ({offset} > {})", stat.size)));
        }
        let file = File::open(self.getter()?, block.cid()).await.map_err(|error| with_kind(error.kind(), error))?;
        let bytes = file.read_range(offset, count);
        Ok(bytes.map(|part| part.map_err(|error| with_kind(error.kind(), error))).boxed())
    }

    pub(super) async fn list_entries(&self, path: String, long: bool) -> Result<ItemStream<MfsEntry>, ApiError> {
        let block = self.block_at(&path).await?;
        let stat = stat_of_block(&block)?;
        if stat.kind != NodeKind::Directory {
            // Behind a slash there is no name.
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            let entry = entry_of(name, &block, long)?;
            return Ok(futures::stream::iter([Ok(entry)]).boxed());
        }
        let get = self.getter()?;
        let entries = dir::list_block(get.clone(), &block).map(move |entry| {
            let get = get.clone();
            async move {
                let entry = entry.map_err(|error| with_kind(error.kind(), error))?;
                let name = entry.name_text().into_owned();
                if !long {
                    return Ok(short_entry(name));
                }
                entry_of(name, &get.get(&entry.cid).await?, true)
            }
        });
        Ok(entries.buffered(LISTED_AHEAD).boxed())
    }

    pub(super) async fn stat_path(&self, path: String, with_local: bool) -> Result<MfsStat, ApiError> {
        let block = match content_path(&path) {
            Some(path) => {
                let found = Names::resolve(self, &path).await?;
                self.getter()?.get(&found.cid).await?
            }
            None => self.block_at(&path).await?,
        };
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
    }

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

fn short_entry(name: String) -> MfsEntry {
    MfsEntry { name, cid: None, kind: NodeKind::File, size: 0, metadata: Metadata::default() }
}

fn entry_of(name: String, block: &Block, long: bool) -> Result<MfsEntry, ApiError> {
    if !long {
        return Ok(short_entry(name));
    }
    let stat = stat_of_block(block)?;
    // Only files have a size here.
    let size = if stat.kind == NodeKind::Directory { 0 } else { stat.size };
    Ok(MfsEntry { name, cid: Some(stat.cid), kind: stat.kind, size, metadata: stat.metadata })
}
