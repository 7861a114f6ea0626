//! UnixFS and archives over blocks in memory: simple, whole, and only for tests.

use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use merkury_api::*;
use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::codec::unixfs::{HamtEntry, HamtShard, Kind, UnixFs};
use merkury_core::{BoxFuture, Cid, ErrorKind};

use super::{Memory, items, nothing};

fn wrong(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Corrupt, error.to_string())
}

async fn node(memory: &Memory, cid: &Cid) -> Result<(PbNode, UnixFs), ApiError> {
    let block = memory.block(cid).await?;
    UnixFs::of_block(block.data()).map_err(wrong)
}

/// A node, if there is one, and what was passed before it.
pub(crate) type Entry = (Option<Cid>, Vec<Cid>);
/// Pieces of a file with the place where each begins.
type Leaves = Pin<Box<dyn Stream<Item = Result<(u64, Bytes), ApiError>> + Send>>;

/// The entry of a name, and the inner shards passed on the way.
pub(crate) fn lookup<'a>(
    memory: &'a Memory,
    directory: &'a Cid,
    name: &'a str,
) -> BoxFuture<'a, Result<Entry, ApiError>> {
    Box::pin(async move {
        if directory.codec() != codec_code::DAG_PB {
            memory.block(directory).await?;
            return Ok((None, Vec::new()));
        }
        let (node, message) = node(memory, directory).await?;
        if message.kind != Kind::HamtShard {
            let found = node.links.iter().find(|link| link.name_bytes() == name.as_bytes());
            return Ok((found.map(|link| link.cid.clone()), Vec::new()));
        }
        for (entry, link) in HamtShard::new(&message, &node.links).map_err(wrong)?.entries() {
            match entry {
                HamtEntry::Entry(entry) if entry == name.as_bytes() => return Ok((Some(link.cid.clone()), Vec::new())),
                HamtEntry::Entry(_) => {}
                HamtEntry::Shard => {
                    if let (Some(found), mut passed) = lookup(memory, &link.cid, name).await? {
                        passed.insert(0, link.cid.clone());
                        return Ok((Some(found), passed));
                    }
                }
            }
        }
        Ok((None, Vec::new()))
    })
}

fn entries<'a>(memory: &'a Memory, directory: &'a Cid) -> BoxFuture<'a, Result<Vec<DirEntry>, ApiError>> {
    Box::pin(async move {
        let (node, message) = node(memory, directory).await?;
        let mut found = Vec::new();
        let entry = |name: &[u8], link: &merkury_core::codec::dag_pb::PbLink| DirEntry {
            name: String::from_utf8_lossy(name).into_owned(),
            cid: link.cid.clone(),
            link_size: link.tsize.unwrap_or(0),
            stat: None,
        };
        if message.kind != Kind::HamtShard {
            return Ok(node.links.iter().map(|link| entry(link.name_bytes(), link)).collect());
        }
        for (slot, link) in HamtShard::new(&message, &node.links).map_err(wrong)?.entries() {
            match slot {
                HamtEntry::Entry(name) => found.push(entry(name, link)),
                HamtEntry::Shard => found.extend(entries(memory, &link.cid).await?),
            }
        }
        Ok(found)
    })
}

/// The leaves of a file that touch a part of it, as (where it begins, bytes), one after the other.
fn leaves(memory: Memory, cid: Cid, begin: u64, part: std::ops::Range<u64>) -> Leaves {
    let opened = async move {
        if cid.codec() != codec_code::DAG_PB {
            let block = memory.block(&cid).await?;
            return Ok(items(vec![Ok((begin, block.data().clone()))]));
        }
        let (node, message) = node(&memory, &cid).await?;
        let own = message.data.clone().unwrap_or_default();
        let mut at = begin + own.len() as u64;
        let mut streams: Vec<Pin<Box<dyn Stream<Item = _> + Send>>> = vec![Box::pin(items(vec![Ok((begin, own))]))];
        for (link, size) in node.links.iter().zip(&message.block_sizes) {
            if at < part.end && at + size > part.start {
                streams.push(leaves(memory.clone(), link.cid.clone(), at, part.clone()));
            }
            at += size;
        }
        Ok(futures::stream::iter(streams).flatten().boxed())
    };
    Box::pin(futures::stream::once(opened).flat_map(|opened| opened.unwrap_or_else(|error| items(vec![Err(error)]))))
}

impl Files for Memory {
    fn add(&self, _: AddInput, _: AddOptions) -> ItemStream<AddEvent> {
        nothing::nothing()
    }

    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, FileStat> {
        Box::pin(async move {
            let block = self.block(cid).await?;
            let bytes = block.data().len() as u64;
            let mut stat = FileStat {
                cid: cid.clone(),
                kind: NodeKind::Other,
                sharded: false,
                size: bytes,
                cumulative_size: bytes,
                links: 0,
                target: None,
                metadata: Metadata::default(),
            };
            if cid.codec() == codec_code::RAW {
                stat.kind = NodeKind::Raw;
            }
            if cid.codec() != codec_code::DAG_PB {
                return Ok(stat);
            }
            let Ok((node, message)) = UnixFs::of_block(block.data()) else { return Ok(stat) };
            stat.cumulative_size += node.links.iter().filter_map(|link| link.tsize).sum::<u64>();
            stat.sharded = message.kind == Kind::HamtShard;
            stat.size = message.content_len();
            stat.metadata.mtime = message.mtime.map(|mtime| (mtime.seconds, mtime.nanos));
            stat.kind = match message.kind {
                Kind::Directory | Kind::HamtShard => NodeKind::Directory,
                Kind::Symlink => NodeKind::Symlink,
                _ => NodeKind::File,
            };
            if stat.kind == NodeKind::Symlink {
                stat.target = Some(String::from_utf8_lossy(&message.data.unwrap_or_default()).into_owned());
            }
            Ok(stat)
        })
    }

    fn read<'a>(&'a self, cid: &'a Cid, range: ReadRange) -> Answer<'a, FileRead> {
        Box::pin(async move {
            let size = Files::stat(self, cid).await?.size;
            let start = range.offset.min(size);
            let end = range.length.map_or(size, |length| start.saturating_add(length).min(size));
            let bytes = leaves(self.clone(), cid.clone(), 0, start..end).filter_map(move |leaf| async move {
                let (begin, bytes) = match leaf {
                    Ok(leaf) => leaf,
                    Err(error) => return Some(Err(error)),
                };
                let length = bytes.len() as u64;
                let from = start.clamp(begin, begin + length) - begin;
                let to = end.clamp(begin, begin + length) - begin;
                (from < to).then(|| Ok(bytes.slice(from as usize..to as usize)))
            });
            Ok(FileRead { size, bytes: bytes.boxed() })
        })
    }

    fn list<'a>(&'a self, cid: &'a Cid, options: ListOptions) -> Answer<'a, ItemStream<DirEntry>> {
        Box::pin(async move {
            let mut entries = entries(self, cid).await?;
            if options.sorted {
                entries.sort_by(|one, other| one.name.cmp(&other.name));
            }
            Ok(items(entries.into_iter().map(Ok).collect()))
        })
    }

    fn lookup<'a>(&'a self, directory: &'a Cid, name: &'a str) -> Answer<'a, Option<Cid>> {
        Box::pin(async move { Ok(lookup(self, directory, name).await?.0) })
    }

    fn tar<'a>(&'a self, cid: &'a Cid, options: TarOptions) -> Answer<'a, ByteStream> {
        Box::pin(async move {
            let mut text = options.name.into_bytes();
            if Files::stat(self, cid).await?.kind == NodeKind::Directory {
                for entry in entries(self, cid).await? {
                    if entry.name.contains("..") {
                        let why = "relative UnixFS paths outside the root are not allowed, use CAR instead";
                        return Err(ApiError::invalid(why));
                    }
                }
            }
            text.resize(1024, 0);
            Ok(items(vec![Ok(Bytes::from(text))]))
        })
    }
}

/// The blocks below a node, depth first; the walk into a directory's children is `All`'s.
fn below<'a>(
    memory: &'a Memory,
    cid: &'a Cid,
    request: &'a ExportRequest,
    out: &'a mut Vec<Result<(Cid, Bytes), ApiError>>,
) -> BoxFuture<'a, ()> {
    Box::pin(async move {
        let block = match memory.block(cid).await {
            Ok(block) => block,
            Err(error) => return out.push(Err(error)),
        };
        let seen = out.iter().flatten().any(|(known, _)| known == cid);
        if seen && !request.duplicates {
            return;
        }
        out.push(Ok((cid.clone(), block.data().clone())));
        if request.scope == CarScope::Block || cid.codec() != codec_code::DAG_PB {
            return;
        }
        let Ok((node, message)) = UnixFs::of_block(block.data()) else { return };
        let is_directory = message.kind.is_directory();
        let shard = HamtShard::new(&message, &node.links).ok();
        let is_shard = |at: usize| {
            shard.as_ref().is_some_and(|shard| matches!(shard.entries().nth(at), Some((HamtEntry::Shard, _))))
        };
        for (at, link) in node.links.iter().enumerate() {
            if request.scope == CarScope::All || !is_directory || is_shard(at) {
                below(memory, &link.cid, request, out).await;
            }
        }
    })
}

fn section(cid: &Cid, data: &[u8]) -> Bytes {
    let mut out = Vec::new();
    merkury_core::varint::encode((cid.encoded_len() + data.len()) as u64, &mut out);
    cid.encode(&mut out);
    out.extend_from_slice(data);
    out.into()
}

fn header(roots: &[Cid]) -> Bytes {
    let mut body = vec![0xa2, 0x65];
    body.extend_from_slice(b"roots");
    body.push(0x80 | roots.len() as u8);
    for root in roots {
        body.extend_from_slice(&[0xd8, 0x2a, 0x58, (root.encoded_len() + 1) as u8, 0]);
        root.encode(&mut body);
    }
    body.extend_from_slice(b"\x67version\x01");
    let mut out = Vec::new();
    merkury_core::varint::encode(body.len() as u64, &mut out);
    out.extend_from_slice(&body);
    out.into()
}

impl Dag for Memory {
    fn links<'a>(&'a self, cid: &'a Cid) -> Answer<'a, Vec<Link>> {
        Box::pin(async move {
            self.block(cid).await?;
            Ok(Vec::new())
        })
    }

    fn refs(&self, _: Cid, _: RefsOptions) -> ItemStream<RefItem> {
        nothing::nothing()
    }

    fn stat(&self, _: Vec<Cid>) -> ItemStream<DagStatItem> {
        nothing::nothing()
    }

    fn import(&self, _: ItemStream<ByteStream>, _: DagImportOptions) -> ItemStream<CarImported> {
        nothing::nothing()
    }

    fn export(&self, request: ExportRequest) -> Answer<'_, ByteStream> {
        Box::pin(async move {
            let mut out = Vec::new();
            for cid in &request.path_blocks {
                out.push(self.block(cid).await.map(|block| (cid.clone(), block.data().clone())));
            }
            below(self, &request.root, &request, &mut out).await;
            let mut pieces = vec![Ok(header(&request.header_roots))];
            pieces.extend(out.into_iter().map(|block| block.map(|(cid, data)| section(&cid, &data))));
            Ok(items(pieces))
        })
    }
}
