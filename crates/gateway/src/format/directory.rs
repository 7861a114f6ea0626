//! UnixFS directories: their `index.html`, or a listing.

use futures::StreamExt;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use merkury_api::{DirEntry, FileStat, ItemStream, ListOptions, NodeKind};
use merkury_core::Cid;
use merkury_core::cid::codec_code;
use merkury_http::{Body, Response, reply};

use super::file::Serving;
use super::{conditional, file};
use crate::ask::Ask;
use crate::failure::Failure;
use crate::fields::{self, Freshness};
use crate::gateway::{CACHED_BODY_BYTES_MAX, Inner, Reply};
use crate::mime;
use crate::page::{self, directory as listing};
use crate::resolve::Found;

/// Directories with more entries are shown as their entries come, not sorted, so that memory does not grow with them.
const SORTED_MAX: usize = 20_000;
/// Directories with more entries are shown without a look at each child.
const LOOKED_AT_MAX: usize = 500;
/// Children looked at side by side.
const LOOKS_AT_ONCE: usize = 16;

pub(super) async fn serve(gateway: &Inner, ask: &mut Ask, found: &Found, stat: &FileStat) -> Result<Reply, Failure> {
    if let Some(redirect) = to_slash(ask) {
        let mut reply = Reply::from(redirect);
        reply.response.headers_mut().insert(fields::IPFS_ROOTS, found.roots_field());
        return Ok(reply);
    }
    let failed = |error| Failure::from(error).context(&format!("failed to resolve {}", ask.target.text));
    if let Some(index) = gateway.api.files.lookup(&found.cid, "index.html").await.map_err(failed)? {
        return serve_index(gateway, ask, found, &index).await;
    }
    serve_listing(gateway, ask, found, stat).await
}

async fn serve_index(gateway: &Inner, ask: &mut Ask, found: &Found, index: &Cid) -> Result<Reply, Failure> {
    let failed = |error| Failure::from(error).context(&format!("failed to resolve {}", ask.target.text));
    let block = gateway.api.blocks.get(index).await.map_err(failed)?;
    if let Some(reply) = file::serve_leaf(gateway, ask, found, &block, Some(mime::HTML)) {
        return reply;
    }
    let index = gateway.api.files.stat(index).await.map_err(failed)?;
    if !matches!(index.kind, NodeKind::File | NodeKind::Raw) {
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "index.html could not be read: not a file"));
    }
    file::serve(gateway, ask, Serving::new(found, &index, Some(mime::HTML))).await
}

/// Directories end with `/`, so that relative links in them work.
pub(super) fn to_slash(ask: &Ask) -> Option<Response> {
    let path = ask.uri.path();
    if path.ends_with('/') || ask.query("go-get").as_deref() == Some("1") {
        return None;
    }
    let query = ask.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(reply::redirect(StatusCode::MOVED_PERMANENTLY, &format!("{path}/{query}")))
}

async fn serve_listing(gateway: &Inner, ask: &mut Ask, found: &Found, stat: &FileStat) -> Result<Reply, Failure> {
    let etag = format!("\"DirIndex-{:x}_CID-{}\"", page::version(), found.cid);
    let fresh = Freshness::of_page(ask, etag, found.ttl_secs);
    if let Some(response) = conditional(ask, &fresh) {
        return Ok(response.into());
    }
    let mut response = reply::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime::HTML));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    headers.insert(fields::IPFS_ROOTS, found.roots_field());
    fresh.write(headers);
    if ask.is_head {
        return Ok(response.into());
    }
    let failed = |error| Failure::from(error).context(&format!("failed to list {}", ask.target.text));
    let options = ListOptions { stat_children: false, sorted: false };
    let mut entries = gateway.api.files.list(&found.cid, options).await.map_err(failed)?;
    let (seen, is_all) = take_some(&mut entries).await.map_err(failed)?;
    let head = listing::Head { target: &ask.target, cid: &found.cid, size: stat.cumulative_size };
    if !is_all {
        *response.body_mut() = Body::stream(endless(head.render(None), seen, entries, gateway, ask));
        return Ok(response.into());
    }
    let (rows, is_complete) = rows(gateway, seen).await;
    let body = bytes::Bytes::from(listing::render(&head, rows));
    let lasting =
        (is_complete && !ask.target.is_mutable() && body.len() <= CACHED_BODY_BYTES_MAX).then(|| body.clone());
    *response.body_mut() = Body::full(body);
    Ok(Reply { response, lasting })
}

/// Up to [`SORTED_MAX`] entries, and whether that is all.
async fn take_some(entries: &mut ItemStream<DirEntry>) -> Result<(Vec<DirEntry>, bool), merkury_api::ApiError> {
    let mut seen = Vec::new();
    while seen.len() < SORTED_MAX {
        match entries.next().await.transpose()? {
            Some(entry) => seen.push(entry),
            None => return Ok((seen, true)),
        }
    }
    Ok((seen, false))
}

/// Rows with what is known of each child without asking peers, and whether everything was known.
async fn rows(gateway: &Inner, entries: Vec<DirEntry>) -> (Vec<listing::Row>, bool) {
    if entries.len() > LOOKED_AT_MAX {
        return (entries.into_iter().map(listing::Row::unseen).collect(), true);
    }
    let rows: Vec<listing::Row> = futures::stream::iter(entries)
        .map(|entry| async move {
            if entry.cid.codec() == codec_code::RAW {
                return listing::Row::of_raw(entry);
            }
            match gateway.local.files.stat(&entry.cid).await {
                Ok(stat) => listing::Row::seen(entry, &stat),
                Err(_) => listing::Row::unseen(entry),
            }
        })
        .buffer_unordered(LOOKS_AT_ONCE)
        .collect()
        .await;
    let is_complete = rows.iter().all(|row| row.is_known());
    (rows, is_complete)
}

/// A listing too long to hold: rows as they come.
fn endless(
    head: String,
    seen: Vec<DirEntry>,
    entries: ItemStream<DirEntry>,
    gateway: &Inner,
    ask: &mut Ask,
) -> impl futures::Stream<Item = Result<bytes::Bytes, merkury_api::ApiError>> + Send + use<> {
    let all = futures::stream::iter(seen.into_iter().map(Ok)).chain(entries);
    let rows = all.ready_chunks(512).map(|entries| {
        let mut text = String::new();
        for entry in entries {
            listing::Row::unseen(entry?).render(&mut text);
        }
        Ok(bytes::Bytes::from(text))
    });
    let first = futures::stream::iter([Ok(bytes::Bytes::from(head))]);
    let last = futures::stream::iter([Ok(bytes::Bytes::from(listing::tail()))]);
    let pieces = crate::stream::Opened::new(first.chain(rows).chain(last).boxed());
    pieces.into_body(ask, gateway.config.retrieval_timeout)
}
