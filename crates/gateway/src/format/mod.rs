//! One file per kind of answer.

mod car;
mod codec;
mod directory;
mod file;
mod ipns_record;
mod raw;
mod tar;

use http::header::{ACCEPT_RANGES, CONTENT_RANGE, CONTENT_TYPE, RANGE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, StatusCode};
use merkury_core::cid::codec_code;
use merkury_http::precondition::{self, Verdict};
use merkury_http::range::{self, Ranges};
use merkury_http::{Body, Response, reply};

use crate::ask::{Ask, Format};
use crate::failure::Failure;
use crate::fields::Freshness;
use crate::gateway::{Inner, Reply};

/// Answers a request in the format it asks for.
pub(crate) async fn serve(gateway: &Inner, ask: &mut Ask) -> Result<Reply, Failure> {
    match ask.format {
        Format::IpnsRecord => ipns_record::serve(ask),
        Format::Car => car::serve(gateway, ask).await,
        Format::Raw => raw::serve(gateway, ask).await,
        Format::Tar => tar::serve(gateway, ask).await,
        Format::DagJson | Format::DagCbor => codec::serve(gateway, ask).await,
        Format::Unknown => Err(Failure::bad_request("unsupported response format requested")),
        Format::Web | Format::Json | Format::Cbor => serve_default(gateway, ask).await,
    }
}

/// UnixFS for files and directories, the document itself for JSON and CBOR.
async fn serve_default(gateway: &Inner, ask: &mut Ask) -> Result<Reply, Failure> {
    let found = gateway.resolver.resolve(&ask.target).await?;
    match found.cid.codec() {
        codec_code::JSON | codec_code::CBOR | codec_code::DAG_JSON | codec_code::DAG_CBOR => {
            codec::serve_found(gateway, ask, &found).await
        }
        _ => file::serve_found(gateway, ask, &found).await,
    }
}

/// Answers 304 or 412 when the request's conditions say so.
fn conditional(ask: &Ask, fresh: &Freshness) -> Option<Response> {
    let mut response = match precondition::evaluate(&ask.headers, Some(&fresh.etag), fresh.modified) {
        Verdict::Proceed => return None,
        Verdict::NotModified => reply::empty(StatusCode::NOT_MODIFIED),
        Verdict::Failed => reply::empty(StatusCode::PRECONDITION_FAILED),
    };
    fresh.write_304(response.headers_mut());
    Some(response)
}

/// The part of some content that a request asks for.
enum Part {
    Whole,
    /// One range; of several the first is served, as Kubo does.
    Range(std::ops::Range<u64>),
}

/// Reads `Range` against content of `size` bytes.
fn part(ask: &Ask, fresh: &Freshness, size: u64) -> Result<Part, Failure> {
    if !precondition::range_allowed(&ask.headers, Some(&fresh.etag), fresh.modified) {
        return Ok(Part::Whole);
    }
    match range::parse(ask.headers.get(RANGE), size) {
        Ranges::Whole => Ok(Part::Whole),
        Ranges::Parts(parts) => Ok(parts.into_iter().next().map_or(Part::Whole, Part::Range)),
        Ranges::Unsatisfiable if size == 0 => Ok(Part::Whole),
        Ranges::Unsatisfiable => {
            let why = "invalid range: failed to overlap";
            let failure = Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, why);
            Err(failure.field(CONTENT_RANGE, range::unsatisfied_range(size)))
        }
        Ranges::Malformed => Err(Failure::bad_request("invalid range request: invalid range")),
    }
}

/// Answers with bytes at hand, or the part of them that is asked for.
fn serve_bytes(ask: &Ask, fresh: &Freshness, mut headers: HeaderMap, bytes: bytes::Bytes) -> Result<Reply, Failure> {
    if let Some(response) = conditional(ask, fresh) {
        return Ok(response.into());
    }
    let size = bytes.len() as u64;
    let part = part(ask, fresh, size)?;
    fresh.write(&mut headers);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let mut response = reply::empty(StatusCode::OK);
    let lasting = match part {
        Part::Whole => {
            *response.body_mut() = Body::full(bytes.clone());
            (!ask.target.is_mutable()).then_some(bytes)
        }
        Part::Range(part) => {
            headers.insert(CONTENT_RANGE, range::content_range(&part, size));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            *response.body_mut() = Body::full(slice(&bytes, &part));
            None
        }
    };
    response.headers_mut().extend(headers);
    Ok(Reply { response, lasting })
}

fn slice(bytes: &bytes::Bytes, part: &std::ops::Range<u64>) -> bytes::Bytes {
    let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(part.start)..at(part.end).max(at(part.start)))
}

/// The type of an answer that browsers must not reinterpret.
fn set_type(headers: &mut HeaderMap, media_type: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}
