//! Documents: dag-json, dag-cbor, JSON and CBOR blocks as they are. Nothing is converted (IPIP-524).

use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderMap, HeaderValue, StatusCode};
use merkury_core::Cid;
use merkury_core::cid::codec_code;
use merkury_http::reply;

use super::{conditional, serve_bytes, set_type};
use crate::ask::{Ask, Format};
use crate::failure::Failure;
use crate::fields::{self, Freshness};
use crate::gateway::{Inner, Reply};
use crate::resolve::Found;
use crate::{mime, page};

pub(super) async fn serve(gateway: &Inner, ask: &mut Ask) -> Result<Reply, Failure> {
    let found = gateway.resolver.resolve(&ask.target).await?;
    serve_found(gateway, ask, &found).await
}

pub(super) async fn serve_found(gateway: &Inner, ask: &Ask, found: &Found) -> Result<Reply, Failure> {
    refuse_rest(ask, found)?;
    let format = choose(ask, &found.cid)?;
    let is_dag = matches!(found.cid.codec(), codec_code::DAG_JSON | codec_code::DAG_CBOR);
    if ask.format == Format::Web && is_dag && ask.accepts_html() && !ask.is_download() {
        return serve_page(gateway, ask, found).await;
    }
    let block = gateway
        .api
        .blocks
        .get(&found.cid)
        .await
        .map_err(|error| Failure::from(error).context(&format!("failed to resolve {}", ask.target.text)))?;
    let mut headers = HeaderMap::new();
    headers.insert(fields::IPFS_ROOTS, found.roots_field());
    let is_json = matches!(format, Format::Json | Format::DagJson);
    let extension = if is_json { "json" } else { "cbor" };
    let name = ask.filename().unwrap_or_else(|| format!("{}.{extension}", found.cid));
    fields::disposition(&mut headers, ask.is_download() || !is_json, &name);
    set_type(&mut headers, format.media_type());
    let etag = fields::etag(&found.cid, format.name());
    let fresh = Freshness::of_content(ask, etag, found.ttl_secs, None);
    let mut reply = serve_bytes(ask, &fresh, headers, block.data().clone())?;
    if is_dag {
        // Browsers get a page instead, at the same URL.
        reply.lasting = None;
    }
    Ok(reply)
}

/// The type to send the block as: its own, or a plain one that it also is.
fn choose(ask: &Ask, cid: &Cid) -> Result<Format, Failure> {
    let own = match cid.codec() {
        codec_code::JSON => Some(Format::Json),
        codec_code::CBOR => Some(Format::Cbor),
        codec_code::DAG_JSON => Some(Format::DagJson),
        codec_code::DAG_CBOR => Some(Format::DagCbor),
        _ => None,
    };
    match (&ask.format, own) {
        (Format::Web, Some(own)) => Ok(own),
        (Format::Json, Some(Format::Json | Format::DagJson)) => Ok(Format::Json),
        (Format::Cbor, Some(Format::Cbor | Format::DagCbor)) => Ok(Format::Cbor),
        (wanted, Some(own)) if *wanted == own => Ok(own),
        (Format::Json | Format::Cbor, _) => {
            Err(Failure::bad_request("converting to requested format is not supported"))
        }
        (wanted, _) => Err(Failure::new(
            StatusCode::NOT_ACCEPTABLE,
            format!(
                "format {:?} requested but block has codec {:?}: codec conversion is not supported, fetch raw block \
                 with ?format=raw and convert client-side",
                wanted.media_type(),
                codec_name(cid.codec()),
            ),
        )),
    }
}

/// Names inside a document are not served by themselves.
fn refuse_rest(ask: &Ask, found: &Found) -> Result<(), Failure> {
    if found.rest.is_empty() {
        return Ok(());
    }
    let path = ask.target.text.trim_end_matches('/');
    let rest = format!("/{}", found.rest.join("/"));
    let whole = path.strip_suffix(rest.as_str()).unwrap_or(path);
    let why = format!(
        "{rest:?} of {path:?} could not be returned: reading IPLD Kinds other than Links (CBOR Tag 42) is not \
         implemented: try reading {whole:?} instead"
    );
    Err(Failure::new(StatusCode::NOT_IMPLEMENTED, why))
}

/// A page about the node, for browsers.
async fn serve_page(gateway: &Inner, ask: &Ask, found: &Found) -> Result<Reply, Failure> {
    if let Some(redirect) = super::directory::to_slash(ask) {
        return Ok(redirect.into());
    }
    let etag = format!("\"DagIndex-{:x}_CID-{}\"", page::version(), found.cid);
    let fresh = Freshness { etag, cache_control: String::new(), modified: None };
    if let Some(response) = conditional(ask, &fresh) {
        return Ok(response.into());
    }
    let failed = |error| Failure::from(error).context(&format!("failed to resolve {}", ask.target.text));
    let block = gateway.api.blocks.get(&found.cid).await.map_err(failed)?;
    let links = gateway.api.dag.links(&found.cid).await.map_err(failed)?;
    let body = page::node::render(&ask.target, &found.cid, codec_name(found.cid.codec()), block.data(), &links);
    let mut response = reply::html(StatusCode::OK, body);
    let headers = response.headers_mut();
    headers.insert(fields::IPFS_ROOTS, found.roots_field());
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    set_type(headers, mime::HTML);
    fresh.write(headers);
    Ok(response.into())
}

fn codec_name(codec: u64) -> &'static str {
    match codec {
        codec_code::RAW => "raw",
        codec_code::DAG_PB => "dag-pb",
        codec_code::DAG_CBOR => "dag-cbor",
        codec_code::LIBP2P_KEY => "libp2p-key",
        codec_code::GIT_RAW => "git-raw",
        codec_code::DAG_JOSE => "dag-jose",
        codec_code::DAG_JSON => "dag-json",
        codec_code::CBOR => "cbor",
        codec_code::JSON => "json",
        _ => "unknown",
    }
}
