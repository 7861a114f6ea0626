//! Answers on the wire.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_TYPE, SERVER, TRAILER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use merkury_api::{ApiError, ItemStream};
use merkury_core::ErrorKind;
use merkury_http::{Body, Response};
use serde::Serialize;

use crate::op::{AnyOp, Call, Render, TextError, WireReply};
use crate::options::Options;
use crate::text::{Out, Style};
use crate::{json, version};

const STREAM_ERROR: HeaderName = HeaderName::from_static("x-stream-error");
const STREAM_OUTPUT: HeaderName = HeaderName::from_static("x-stream-output");
const CHUNKED_OUTPUT: HeaderName = HeaderName::from_static("x-chunked-output");
const CONTENT_LENGTH: HeaderName = HeaderName::from_static("x-content-length");
const EXPOSED: HeaderValue = HeaderValue::from_static("X-Stream-Output, X-Chunked-Output, X-Content-Length");
const ONE: HeaderValue = HeaderValue::from_static("1");

/// Most lines of an answer in one chunk.
const LINES_JOINED: usize = 128;

/// The form of an answer's items (`encoding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
}

impl Form {
    /// By the options of a call; JSON unless asked otherwise.
    pub(super) fn of(options: &Options) -> Result<Self, ApiError> {
        if !options.is_given("encoding") {
            return Ok(Self::Json);
        }
        match options.text("encoding").as_deref() {
            Some("json" | "") | None => Ok(Self::Json),
            Some("text") => Ok(Self::Text),
            Some(other) => Err(ApiError::invalid(format!("invalid encoding: {other}"))),
        }
    }

    fn mime(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Text => "text/plain",
        })
    }
}

/// The error object of the wire.
#[derive(Debug, Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ErrorOut {
    pub(super) message: String,
    pub(super) code: i64,
    pub(super) r#type: String,
    /// What to try next; ours alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hints: Vec<String>,
}

fn error_line(error: &ApiError) -> Bytes {
    let out = ErrorOut {
        message: error.message.clone(),
        code: i64::from(error.kind == ErrorKind::Denied) * 4,
        r#type: "error".into(),
        hints: error.hints.clone(),
    };
    json::line(&out).unwrap_or_default()
}

/// Plain text for requests that never became a call.
pub(super) fn plain(status: StatusCode, message: &str) -> Response {
    let mut response = merkury_http::reply::text(status, format!("{message}\n"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("OPTIONS, POST"));
    }
    response
}

/// The error of a call that failed before its first byte.
pub(super) fn error(error: &ApiError) -> Response {
    let line = error_line(error);
    let mut response = Response::new(chunked(stream::iter([Ok(line)])));
    *response.status_mut() =
        if error.kind == ErrorKind::Denied { StatusCode::FORBIDDEN } else { StatusCode::INTERNAL_SERVER_ERROR };
    common(response.headers_mut(), Form::Json.mime());
    response
}

fn common(headers: &mut HeaderMap, mime: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, EXPOSED);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.insert(CONTENT_TYPE, mime);
    headers.insert(SERVER, HeaderValue::from_static(version::SERVER_HEADER));
    headers.insert(TRAILER, HeaderValue::from_static("X-Stream-Error"));
}

/// A body of unknown length: Kubo's answers are always chunked, and clients check the header block as a whole.
fn chunked(items: impl Stream<Item = Result<Bytes, ApiError>> + Send + 'static) -> Body {
    Body::stream_with_trailers(items, |error| error.map(|error| trailers(&error)))
}

fn trailers(error: &ApiError) -> HeaderMap {
    let text: String = error.message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let value = HeaderValue::from_bytes(text.as_bytes());
    let value = value.unwrap_or_else(|_| HeaderValue::from_static("the operation failed"));
    HeaderMap::from_iter([(STREAM_ERROR, value)])
}

/// The answer of a call. Waits for the first item, so that a failure at the start is a status.
pub(super) async fn success(
    op: &'static dyn AnyOp,
    call: &Call,
    reply: WireReply,
    form: Form,
    wants_trailers: bool,
    timeout: Option<Duration>,
) -> Response {
    let mut headers = HeaderMap::new();
    let body = match reply {
        WireReply::Bytes(bytes) => {
            let (first, rest) = match first_of(bytes.stream).await {
                Ok(parts) => parts,
                Err(failed) => return error(&failed),
            };
            headers.insert(STREAM_OUTPUT, ONE);
            if let Some(length) = bytes.length.filter(|length| *length > 0) {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            common(&mut headers, HeaderValue::from_static(bytes.content_type));
            let items = deadline(stream::iter(first.map(Ok)).chain(rest).boxed(), timeout);
            if wants_trailers { chunked(items) } else { Body::stream(items) }
        }
        WireReply::One(line) if line.is_empty() => {
            headers.insert(CHUNKED_OUTPUT, ONE);
            common(&mut headers, form.mime());
            chunked(stream::empty())
        }
        WireReply::One(line) => {
            common(&mut headers, form.mime());
            chunked(shown(op, call, stream::iter([Ok(line)]).boxed(), form))
        }
        WireReply::Stream(items) => {
            let (first, rest) = match first_of(items).await {
                Ok(parts) => parts,
                Err(failed) => return error(&failed),
            };
            headers.insert(CHUNKED_OUTPUT, ONE);
            common(&mut headers, form.mime());
            let items = deadline(stream::iter(first.map(Ok)).chain(rest).boxed(), timeout);
            let items = shown(op, call, items, form);
            // Who asks for trailers finds the error there, as from Kubo; for others it is the last line.
            chunked(joined(if wants_trailers { items } else { with_error_line(items) }))
        }
    };
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

type FirstAndRest<T> = (Option<T>, ItemStream<T>);

async fn first_of<T: Send + 'static>(mut items: ItemStream<T>) -> Result<FirstAndRest<T>, ApiError> {
    match items.next().await {
        Some(Ok(first)) => Ok((Some(first), items)),
        Some(Err(error)) => Err(error),
        // What has ended must not be asked again.
        None => Ok((None, stream::empty().boxed())),
    }
}

/// Ends a stream with an error when the call's time is over.
fn deadline<T: Send + 'static>(items: ItemStream<T>, timeout: Option<Duration>) -> ItemStream<T> {
    let Some(limit) = timeout else { return items };
    let end = tokio::time::Instant::now() + limit;
    stream::unfold(Some(items), move |items| async move {
        let mut items = items?;
        match tokio::time::timeout_at(end, items.next()).await {
            Ok(Some(Ok(item))) => Some((Ok(item), Some(items))),
            Ok(Some(Err(error))) => Some((Err(error), None)),
            Ok(None) => None,
            Err(_) => Some((Err(super::server::timed_out()), None)),
        }
    })
    .fuse()
    .boxed()
}

/// Puts the error object before the error itself, which becomes the trailer.
fn with_error_line(items: ItemStream<Bytes>) -> ItemStream<Bytes> {
    items
        .flat_map(|item| match item {
            Ok(bytes) => stream::iter(vec![Ok(bytes)]),
            Err(error) => stream::iter(vec![Ok(error_line(&error)), Err(error)]),
        })
        .boxed()
}

/// Lines that are ready together go together: a chunk for each of a million costs more than to make them.
fn joined(items: ItemStream<Bytes>) -> impl Stream<Item = Result<Bytes, ApiError>> + Send {
    items.ready_chunks(LINES_JOINED).flat_map(|lines| {
        let mut parts: Vec<Result<Bytes, ApiError>> = Vec::with_capacity(1);
        let mut text = Vec::new();
        for line in lines {
            match line {
                Ok(line) => text.extend_from_slice(&line),
                Err(error) => {
                    parts.extend((!text.is_empty()).then(|| Ok(std::mem::take(&mut text).into())));
                    parts.push(Err(error));
                }
            }
        }
        parts.extend((!text.is_empty()).then(|| Ok(text.into())));
        stream::iter(parts)
    })
}

/// Items in the form that was asked for.
fn shown(op: &'static dyn AnyOp, call: &Call, items: ItemStream<Bytes>, form: Form) -> ItemStream<Bytes> {
    if form == Form::Json {
        return items;
    }
    let text = Arc::new(Mutex::new(op.renderer(call)));
    let end = text.clone();
    let lines = items.map(move |item| item.and_then(|line| render(&text, |render, out| render.item(&line, out))));
    let last = stream::once(async move { render(&end, |render, out| render.finish(out)) });
    lines.chain(last).boxed()
}

fn render(
    renderer: &Mutex<Box<dyn Render>>,
    act: impl FnOnce(&mut dyn Render, &mut Out<'_>) -> Result<(), TextError>,
) -> Result<Bytes, ApiError> {
    let mut text = Vec::new();
    let mut notes = std::io::sink();
    let mut renderer = renderer.lock().unwrap_or_else(PoisonError::into_inner);
    act(renderer.as_mut(), &mut Out::new(&mut text as &mut dyn Write, &mut notes, Style::default())).map_err(
        |error| match error {
            TextError::Failed(error) => error,
            TextError::Io(error) => ApiError::internal(error.to_string()),
        },
    )?;
    Ok(text.into())
}
