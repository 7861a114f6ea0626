//! UnixFS files: bytes with a type.

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};
use merkury_api::{FileStat, NodeKind, ReadRange};
use merkury_core::cid::codec_code;
use merkury_core::codec::unixfs::UnixFs;
use merkury_core::{Block, Cid};
use merkury_http::{Body, range, reply};

use super::{Part, conditional, directory, part, serve_bytes};
use crate::ask::Ask;
use crate::failure::Failure;
use crate::fields::{self, Freshness};
use crate::gateway::{CACHED_BODY_BYTES_MAX, Inner, Reply};
use crate::mime;
use crate::resolve::Found;
use crate::stream;

/// A file to serve, and under what.
pub(super) struct Serving<'a> {
    /// Where the path leads; the answer's tag names that node, also when an `index.html` in it is served.
    pub(super) found: &'a Found,
    /// The file's node.
    pub(super) cid: &'a Cid,
    /// Bytes of the file.
    pub(super) size: u64,
    /// Time of modification in seconds since 1970.
    pub(super) modified: Option<i64>,
    /// The type, when the name does not decide it.
    pub(super) media_type: Option<&'static str>,
}

pub(super) async fn serve_found(gateway: &Inner, ask: &mut Ask, found: &Found) -> Result<Reply, Failure> {
    let failed = |error| Failure::from(error).context(&format!("failed to resolve {}", ask.target.text));
    let block = gateway.api.blocks.get(&found.cid).await.map_err(failed)?;
    if let Some(reply) = serve_leaf(gateway, ask, found, &block, None) {
        return reply;
    }
    let stat = gateway.api.files.stat(&found.cid).await.map_err(failed)?;
    let serving = |media_type| Serving::new(found, &stat, media_type);
    match stat.kind {
        NodeKind::Directory => directory::serve(gateway, ask, found, &stat).await,
        NodeKind::File | NodeKind::Raw => serve(gateway, ask, serving(None)).await,
        NodeKind::Symlink => {
            let target = Bytes::from(stat.target.clone().unwrap_or_default());
            serve_whole(ask, &serving(Some("inode/symlink")), target)
        }
        NodeKind::Other if found.cid.codec() == codec_code::DAG_PB => {
            Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "the node is not a UnixFS file or directory"))
        }
        NodeKind::Other => serve_whole(ask, &serving(None), block.data().clone()),
    }
}

/// Answers with a file that is one block; `None` for other nodes. Most files are: then one look at one block answers the
/// request.
pub(super) fn serve_leaf(
    gateway: &Inner,
    ask: &Ask,
    found: &Found,
    block: &Block,
    media_type: Option<&'static str>,
) -> Option<Result<Reply, Failure>> {
    let leaf = Leaf::of(block)?;
    let size = leaf.bytes.len() as u64;
    let serving = Serving { found, cid: block.cid(), size, modified: leaf.modified, media_type };
    Some(refuse_large_ranges(gateway, ask, size).and_then(|()| serve_whole(ask, &serving, leaf.bytes)))
}

/// A file in one block.
struct Leaf {
    bytes: Bytes,
    modified: Option<i64>,
}

impl Leaf {
    fn of(block: &Block) -> Option<Self> {
        match block.cid().codec() {
            codec_code::RAW => Some(Self { bytes: block.data().clone(), modified: None }),
            codec_code::DAG_PB => {
                let (node, message) = UnixFs::of_block(block.data()).ok()?;
                let is_leaf = message.kind.is_file() && node.links.is_empty();
                is_leaf.then(|| Self {
                    modified: message.mtime.map(|mtime| mtime.seconds),
                    bytes: message.data.unwrap_or_default(),
                })
            }
            _ => None,
        }
    }
}

/// Answers with a file: small ones whole from memory, others as they come.
pub(super) async fn serve(gateway: &Inner, ask: &mut Ask, serving: Serving<'_>) -> Result<Reply, Failure> {
    let size = serving.size;
    refuse_large_ranges(gateway, ask, size)?;
    let fresh = serving.freshness(ask);
    if let Some(response) = conditional(ask, &fresh) {
        return Ok(response.into());
    }
    match part(ask, &fresh, size)? {
        Part::Whole if size <= CACHED_BODY_BYTES_MAX as u64 => {
            let bytes = read_small(gateway, ask, &serving).await?;
            serve_whole(ask, &serving, bytes)
        }
        Part::Whole => serve_part(gateway, ask, &serving, &fresh, None).await,
        Part::Range(part) => serve_part(gateway, ask, &serving, &fresh, Some(part)).await,
    }
}

fn refuse_large_ranges(gateway: &Inner, ask: &Ask, size: u64) -> Result<(), Failure> {
    if let Some(most) = gateway.config.range_file_bytes_max.filter(|most| *most > 0 && size > *most)
        && ask.headers.contains_key(RANGE)
    {
        let why = format!(
            "range requests not supported for files larger than {most} bytes: switch to verifiable block requests \
             (application/vnd.ipld.raw)"
        );
        return Err(Failure::new(StatusCode::NOT_IMPLEMENTED, why));
    }
    Ok(())
}

async fn read_small(gateway: &Inner, ask: &Ask, serving: &Serving<'_>) -> Result<Bytes, Failure> {
    let failed = |error| Failure::from(error).context(&format!("failed to read {}", ask.target.text));
    let read = gateway.api.files.read(serving.cid, ReadRange::default()).await.map_err(failed)?;
    let size = usize::try_from(read.size).unwrap_or(usize::MAX);
    if size > CACHED_BODY_BYTES_MAX {
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the file is larger than its node says"));
    }
    stream::collect(read.bytes, size).await.map_err(failed)
}

fn serve_whole(ask: &Ask, serving: &Serving<'_>, bytes: Bytes) -> Result<Reply, Failure> {
    let mut headers = serving.headers(ask);
    set_media_type(&mut headers, serving.media_type(ask).unwrap_or_else(|| mime::of_start(&bytes).into()));
    serve_bytes(ask, &serving.freshness(ask), headers, bytes)
}

async fn serve_part(
    gateway: &Inner,
    ask: &mut Ask,
    serving: &Serving<'_>,
    fresh: &Freshness,
    part: Option<std::ops::Range<u64>>,
) -> Result<Reply, Failure> {
    let size = serving.size;
    let wanted = part.clone().unwrap_or(0..size);
    let length = wanted.end - wanted.start;
    let named = serving.media_type(ask);
    let mut response = reply::empty(StatusCode::OK);
    let mut first = Bytes::new();
    if ask.is_head && named.is_some() {
        *response.body_mut() = Body::sized_stream(length, futures::stream::empty::<Result<Bytes, std::io::Error>>());
    } else {
        let failed = |error| Failure::from(error).context(&format!("failed to read {}", ask.target.text));
        let range = ReadRange { offset: wanted.start, length: Some(length) };
        let read = gateway.api.files.read(serving.cid, range).await.map_err(failed)?;
        let opened = stream::open(read.bytes).await.map_err(failed)?;
        first = opened.first.clone().unwrap_or_default();
        let bytes = opened.into_body(ask, gateway.config.retrieval_timeout);
        *response.body_mut() = Body::sized_stream(length, bytes);
    }
    let mut headers = serving.headers(ask);
    let sniffed = || if wanted.start == 0 { mime::of_start(&first) } else { mime::of_middle(&first) };
    set_media_type(&mut headers, named.unwrap_or_else(|| sniffed().into()));
    fresh.write(&mut headers);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(part) = part {
        headers.insert(CONTENT_RANGE, range::content_range(&part, size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response.headers_mut().extend(headers);
    Ok(response.into())
}

fn set_media_type(headers: &mut HeaderMap, media_type: String) {
    if let Ok(value) = HeaderValue::try_from(media_type) {
        headers.insert(CONTENT_TYPE, value);
    }
}

impl<'a> Serving<'a> {
    pub(super) fn new(found: &'a Found, stat: &'a FileStat, media_type: Option<&'static str>) -> Self {
        let modified = stat.metadata.mtime.map(|(seconds, _)| seconds);
        Self { found, cid: &stat.cid, size: stat.size, modified, media_type }
    }

    fn freshness(&self, ask: &Ask) -> Freshness {
        Freshness::of_content(ask, fields::etag(&self.found.cid, ""), self.found.ttl_secs, self.modified)
    }

    /// Headers beside type and freshness.
    fn headers(&self, ask: &Ask) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(fields::IPFS_ROOTS, self.found.roots_field());
        if let Some(name) = ask.filename() {
            fields::disposition(&mut headers, ask.is_download(), &name);
        }
        headers
    }

    /// The type by what is known without the bytes: told, or by name.
    fn media_type(&self, ask: &Ask) -> Option<String> {
        let told = self.media_type.map(str::to_owned);
        told.or_else(|| match ask.filename() {
            Some(name) => mime::of_name(&name),
            None => mime::of_name(ask.target.path.segments().last()?),
        })
    }
}
