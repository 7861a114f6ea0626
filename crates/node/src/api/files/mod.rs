//! [`Files`]: UnixFS by CID.

mod add;
mod no_copy;

use futures::{StreamExt, TryStreamExt};
use merkury_api::{
    AddEvent, AddInput, AddOptions, Answer, ApiError, ByteStream, DirEntry, FileRead, FileStat, Files, ItemStream,
    ListOptions, Metadata, NodeKind, ReadRange, TarOptions,
};
use merkury_core::cid::codec_code;
use merkury_core::codec::unixfs::Kind;
use merkury_core::{Block, BlockGet, Cid, ErrorKind};
use merkury_unixfs::dir;
use merkury_unixfs::node::{Node, NodeError, NodeType};
use merkury_unixfs::read::File;
use merkury_unixfs::tar;

pub(crate) use add::BodyReader;

use super::with_kind;
use crate::inner::Handle;

/// Children looked at ahead while a directory is listed with their sizes.
const CHILDREN_AHEAD: usize = 32;

impl Files for Handle {
    fn add(&self, input: AddInput, options: AddOptions) -> ItemStream<AddEvent> {
        add::add(self, input, options)
    }

    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, FileStat> {
        Box::pin(async move { stat_of_block(&self.getter()?.get(cid).await?) })
    }

    fn read<'a>(&'a self, cid: &'a Cid, range: ReadRange) -> Answer<'a, FileRead> {
        Box::pin(async move {
            let is_file = matches!(cid.codec(), codec_code::RAW | codec_code::DAG_PB);
            let file = File::open(self.getter()?, cid).await.map_err(|error| match is_file {
                // Kubo's words for nodes that are not UnixFS.
                false if error.kind() == ErrorKind::Invalid => {
                    ApiError::invalid("unknown node type").hint(format!("{error}; merkury dag get shows it"))
                }
                _ => with_kind(error.kind(), error),
            })?;
            let bytes = file.read_range(range.offset, range.length);
            Ok(FileRead { size: file.size(), bytes: bytes.map_err(|error| with_kind(error.kind(), error)).boxed() })
        })
    }

    fn list<'a>(&'a self, cid: &'a Cid, options: ListOptions) -> Answer<'a, ItemStream<DirEntry>> {
        Box::pin(async move {
            let get = self.getter()?;
            let block = get.get(cid).await?;
            if cid.codec() == codec_code::RAW || stat_of_block(&block)?.kind != NodeKind::Directory {
                return Ok(futures::stream::empty().boxed());
            }
            let entries = dir::list_block(get.clone(), &block).map_err(listing_error);
            let entries: ItemStream<dir::DirEntry> =
                if options.sorted { sort(entries.boxed()).await? } else { entries.boxed() };
            Ok(entries
                .map(move |entry| {
                    let get = get.clone();
                    async move { list_entry(&*get, entry?, options.stat_children).await }
                })
                .buffered(CHILDREN_AHEAD)
                .boxed())
        })
    }

    fn lookup<'a>(&'a self, directory: &'a Cid, name: &'a str) -> Answer<'a, Option<Cid>> {
        Box::pin(async move {
            let get = self.getter()?;
            let found = dir::find(&*get, directory, name.as_bytes()).await;
            Ok(found.map_err(|error| with_kind(error.kind(), error))?.map(|entry| entry.cid))
        })
    }

    fn tar<'a>(&'a self, cid: &'a Cid, options: TarOptions) -> Answer<'a, ByteStream> {
        Box::pin(async move {
            let get = self.getter()?;
            // A root that cannot be had is an answer, not the end of a stream that has begun.
            get.get(cid).await?;
            let bytes = tar::write(get, cid.clone(), options.name);
            Ok(bytes.map_err(|error| with_kind(error.kind(), error)).boxed())
        })
    }
}

/// In Kubo's words when a part of a sharded directory is missing; which one stands in the hint.
fn listing_error(error: dir::DirError) -> ApiError {
    match error {
        dir::DirError::Get(missing) if missing.kind() == ErrorKind::NotFound => {
            ApiError::not_found("failed to fetch all nodes").hint(missing.to_string())
        }
        error => with_kind(error.kind(), error),
    }
}

async fn sort(entries: ItemStream<dir::DirEntry>) -> Result<ItemStream<dir::DirEntry>, ApiError> {
    let mut all: Vec<dir::DirEntry> = entries.try_collect().await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(futures::stream::iter(all.into_iter().map(Ok)).boxed())
}

async fn list_entry(get: &dyn BlockGet, entry: dir::DirEntry, stat: bool) -> Result<DirEntry, ApiError> {
    let stat = match (stat, entry.cid.codec()) {
        (false, _) => None,
        // The link of a plain block says its size; the block need not be read.
        (true, codec_code::RAW) => Some(FileStat {
            kind: NodeKind::Raw,
            size: entry.tsize,
            cumulative_size: entry.tsize,
            ..plain_stat(entry.cid.clone())
        }),
        (true, _) => Some(stat_of_block(&get.get(&entry.cid).await?)?),
    };
    Ok(DirEntry { name: entry.name_text().into_owned(), link_size: entry.tsize, cid: entry.cid, stat })
}

fn plain_stat(cid: Cid) -> FileStat {
    FileStat {
        cid,
        kind: NodeKind::Other,
        sharded: false,
        size: 0,
        cumulative_size: 0,
        links: 0,
        target: None,
        metadata: Metadata::default(),
    }
}

/// What a block is, as a UnixFS node. A codec that is not UnixFS is [`NodeKind::Other`]; malformed dag-pb is an error.
pub(crate) fn stat_of_block(block: &Block) -> Result<FileStat, ApiError> {
    let bytes = block.data().len() as u64;
    let node = match Node::of_block(block) {
        Ok(node) => node,
        Err(NodeError::Codec { .. }) => {
            return Ok(FileStat { size: bytes, cumulative_size: bytes, ..plain_stat(block.cid().clone()) });
        }
        Err(error) => return Err(with_kind(error.kind(), error)),
    };
    Ok(FileStat {
        cid: block.cid().clone(),
        kind: match (&node, node.node_type()) {
            (Node::Raw(_), _) => NodeKind::Raw,
            (_, Some(NodeType::File)) => NodeKind::File,
            (_, Some(NodeType::Directory)) => NodeKind::Directory,
            (_, Some(NodeType::Symlink)) => NodeKind::Symlink,
            (_, None) => NodeKind::Other,
        },
        sharded: matches!(&node, Node::Pb(_, message) if message.kind == Kind::HamtShard),
        size: node.file_bytes(),
        cumulative_size: node.cumulative_bytes(block.data().len()),
        links: node.link_count() as u64,
        target: node.symlink_target().map(|target| String::from_utf8_lossy(target).into_owned()),
        metadata: api_metadata(node.metadata()),
    })
}

/// UnixFS metadata in the API's form.
pub(crate) fn api_metadata(metadata: merkury_unixfs::Metadata) -> Metadata {
    Metadata { mode: metadata.mode, mtime: metadata.mtime.map(|mtime| (mtime.seconds, mtime.nanos)) }
}
