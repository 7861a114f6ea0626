//! The surface: routes a request to its operation and its answer back.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_TYPE,
    ORIGIN, TE, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use merkury_api::{ApiError, ByteStream, EntryBody, ItemStream, Node};
use merkury_core::ErrorKind;
use merkury_http::{BodyError, Request as HttpRequest, Response, Surface};

use super::config::RpcConfig;
use super::reply::{self, Form};
use super::{guard, multipart};
use crate::op::{AnyOp, Body, BytesReply, Call, Cx, Request, WireReply};
use crate::query::{self, Query};
use crate::requests::{Requests, Running};
use crate::spec::{ArgKind, Spec};
use crate::tree;

/// Text arguments that come in the body instead of the query (`cat` of a list from standard input), in bytes.
const BODY_ARGS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How much of a body nobody wants is read before an error goes out, and how long. A client that is still sending
/// would otherwise lose the answer: closing a socket with unread bytes cuts what was just written to it.
const DRAIN_BYTES_MAX: usize = 32 * 1024 * 1024;
/// See [`DRAIN_BYTES_MAX`].
const DRAIN_WAIT: Duration = Duration::from_secs(2);
/// Where the RPC lives.
const PREFIX: &str = "/api/v0/";

/// The RPC as a surface. Cheap to clone.
#[derive(Clone)]
pub struct Rpc(Arc<Inner>);

struct Inner {
    node: Arc<dyn Node>,
    repo: PathBuf,
    config: RpcConfig,
    requests: Requests,
}

impl Rpc {
    /// Serves a node whose repository is at `repo`.
    pub fn new(node: Arc<dyn Node>, repo: PathBuf, config: RpcConfig) -> Self {
        Self(Arc::new(Inner { node, repo, config, requests: Requests::default() }))
    }
}

impl Surface for Rpc {
    fn call(&self, request: HttpRequest) -> Pin<Box<dyn Future<Output = Response> + Send + 'static>> {
        let rpc = self.clone();
        Box::pin(async move { rpc.answer(request).await })
    }
}

/// Why a request never became a call.
struct Refused {
    status: StatusCode,
    message: String,
}

impl Refused {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn unknown() -> Self {
        Self::new(StatusCode::NOT_FOUND, "404 page not found")
    }
}

impl Rpc {
    async fn answer(self, request: HttpRequest) -> Response {
        let cors = self.cors(request.method(), request.headers());
        let mut response = match self.route(request).await {
            Ok(response) => response,
            Err(refused) => reply::plain(refused.status, &refused.message),
        };
        response.headers_mut().extend(cors);
        let headers = std::mem::take(response.headers_mut());
        *response.headers_mut() = in_order(&headers);
        response
    }

    async fn route(&self, request: HttpRequest) -> Result<Response, Refused> {
        let config = &self.0.config;
        let path = request.uri().path();
        if !guard::host_is_ours(request.uri(), request.headers(), config) {
            return Err(Refused::new(
                StatusCode::FORBIDDEN,
                "403 - Forbidden: this Host is not allowed to control the node; list it in Merkury.RPC.Hosts",
            ));
        }
        if request.method() == Method::OPTIONS {
            return Ok(self.options(request.headers()));
        }
        if !guard::credential_opens(path, request.headers(), config) {
            return Err(Refused::new(
                StatusCode::FORBIDDEN,
                "Kubo RPC Access Denied: Please provide a valid authorization token as defined in the API.Authorizations configuration.",
            ));
        }
        let Some(name) = path.strip_prefix(PREFIX) else { return Err(Refused::unknown()) };
        if request.method() != Method::POST {
            return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "405 - Method Not Allowed"));
        }
        if !guard::page_is_allowed(request.method(), request.headers(), config) {
            return Err(Refused::new(StatusCode::FORBIDDEN, "403 - Forbidden"));
        }
        let words: Vec<&str> = name.split('/').collect();
        let (op, in_path) = operation(&words).ok_or_else(Refused::unknown)?;
        let known = tree::options_of(&words);
        let mut query = query::parse(op.spec(), &known, request.uri().query().unwrap_or("")).map_err(Refused::bad)?;
        query.args.splice(..0, in_path);
        self.run(op, query, request).await
    }

    async fn run(&self, op: &'static dyn AnyOp, query: Query, request: HttpRequest) -> Result<Response, Refused> {
        let form = Form::of(&query.options).map_err(|error| Refused::bad(error.message))?;
        let timeout = query.options.timeout().map_err(|error| Refused::bad(error.message))?;
        let wants_trailers = request.headers().get_all(TE).iter().any(|value| {
            value.to_str().is_ok_and(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case("trailers")))
        });
        let call = Call { args: query.args, options: query.options };
        let rest = Rest::default();
        let request = content(op.spec(), call, request, &rest).await?;
        query::check_args(op.spec(), &request.call.args).map_err(Refused::bad)?;
        let call = request.call.clone();
        let cx = Cx::new(self.0.node.clone(), self.0.repo.clone()).with_requests(self.0.requests.clone());
        let running = self.0.requests.begin(&call);
        let work = async {
            let reply = match op.run(cx, request).await {
                Ok(reply) => while_it_runs(reply, running),
                Err(error) => {
                    rest.drain().await;
                    return reply::error(&error);
                }
            };
            reply::success(op, &call, reply, form, wants_trailers, timeout).await
        };
        let mut response = within(timeout, work).await.unwrap_or_else(|| reply::error(&timed_out()));
        for (name, value) in &self.0.config.headers {
            if !response.headers().contains_key(name) || name == VARY {
                response.headers_mut().append(name.clone(), value.clone());
            }
        }
        Ok(response)
    }

    /// Headers that browsers need, on every answer.
    fn cors(&self, method: &Method, headers: &HeaderMap) -> HeaderMap {
        let mut cors = HeaderMap::new();
        let preflight = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let vary =
            if preflight { "Origin, Access-Control-Request-Method, Access-Control-Request-Headers" } else { "Origin" };
        cors.insert(VARY, HeaderValue::from_static(vary));
        let Some(origin) = headers.get(ORIGIN) else { return cors };
        let config = &self.0.config;
        if origin.to_str().is_ok_and(|text| guard::origin_is_allowed(text, headers, config)) {
            let any = !config.credentials && config.origins.iter().any(|allowed| allowed == "*");
            cors.insert(ACCESS_CONTROL_ALLOW_ORIGIN, if any { HeaderValue::from_static("*") } else { origin.clone() });
            if config.credentials {
                cors.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        cors
    }

    /// The answer to OPTIONS: what may be called, and whether a page may.
    fn options(&self, headers: &HeaderMap) -> Response {
        let mut response = merkury_http::reply::empty(StatusCode::NO_CONTENT);
        let allowed = response.headers_mut();
        let Some(method) = headers.get(ACCESS_CONTROL_REQUEST_METHOD) else {
            allowed.insert(ALLOW, HeaderValue::from_static("OPTIONS, POST"));
            return response;
        };
        let config = &self.0.config;
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
        let method_known = method == "POST" || config.methods.iter().any(|known| method == known.as_str());
        if method_known && origin.is_some_and(|origin| guard::origin_is_allowed(origin, headers, config)) {
            allowed.insert(ACCESS_CONTROL_ALLOW_METHODS, method.clone());
            if let Some(names) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                allowed.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
        }
        response
    }
}

/// Headers by name, as Kubo writes them: there are scripts that compare the head of an answer as a whole.
fn in_order(headers: &HeaderMap) -> HeaderMap {
    let mut pairs: Vec<_> = headers.iter().collect();
    pairs.sort_by_key(|(name, _)| name.as_str());
    let mut ordered = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        ordered.append(name.clone(), value.clone());
    }
    ordered
}

/// The operation of a path below [`PREFIX`]. A word behind its name is its first argument (`pin/add/CID`), as in Kubo.
fn operation(words: &[&str]) -> Option<(&'static dyn AnyOp, Option<String>)> {
    let find = |words: &[&str]| tree::find(words.iter().copied()).filter(|node| node.is_remote())?.op;
    if let Some(op) = find(words) {
        return Some((op, None));
    }
    let (last, name) = words.split_last()?;
    let op = find(name).filter(|op| !op.spec().args.is_empty())?;
    Some((op, Some(query::decode_path(last).ok()?)))
}

/// Counts a call as running until the last of its answer is taken, or nobody wants it any more.
fn while_it_runs(reply: WireReply, running: Running) -> WireReply {
    match reply {
        WireReply::One(line) => WireReply::One(line),
        WireReply::Stream(items) => WireReply::Stream(held(items, running)),
        WireReply::Bytes(bytes) => WireReply::Bytes(BytesReply { stream: held(bytes.stream, running), ..bytes }),
    }
}

fn held<T: Send + 'static>(items: ItemStream<T>, running: Running) -> ItemStream<T> {
    items
        .map(move |item| {
            let _ = &running;
            item
        })
        .boxed()
}

/// The error of a wait that ended; clients look for these words.
pub(super) fn timed_out() -> ApiError {
    ApiError::new(ErrorKind::Timeout, "context deadline exceeded")
}

async fn within<T>(timeout: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match timeout {
        None => Some(work.await),
        Some(limit) => tokio::time::timeout(limit, work).await.ok(),
    }
}

/// Puts the body of a request where its operation looks for it.
async fn content(spec: &'static Spec, mut call: Call, request: HttpRequest, rest: &Rest) -> Result<Request, Refused> {
    let boundary = request
        .headers()
        .get(CONTENT_TYPE)
        .map(|value| value.to_str().map_err(|_| Refused::bad("malformed Content-Type")))
        .transpose()?
        .map_or(Ok(None), multipart::boundary)
        .map_err(|error| Refused::bad(error.to_string()))?;
    let Some(boundary) = boundary else {
        let missing = spec.args.iter().find(|arg| arg.is_file() && arg.required);
        return match missing {
            Some(arg) => Err(Refused::bad(format!("file argument '{}' is required", arg.name))),
            None => Ok(Request { call, body: Body::None }),
        };
    };
    let entries = multipart::entries(rest.keep(request.into_body().into_stream()), &boundary);
    if spec.takes_files() {
        return Ok(Request { call, body: Body::Entries(entries) });
    }
    if spec.args.last().is_some_and(|arg| arg.stdin && matches!(arg.kind, ArgKind::Text)) {
        call.args.extend(body_args(entries).await.map_err(|error| Refused::bad(error.message))?);
    }
    Ok(Request { call, body: Body::None })
}

/// The body of a request, so that what an operation leaves of it can be read away.
#[derive(Clone, Default)]
struct Rest(Arc<Mutex<Option<Bytestream>>>);

type Bytestream = BoxStream<'static, Result<Bytes, BodyError>>;

impl Rest {
    /// Passes a body on, one item at a time.
    fn keep(&self, body: Bytestream) -> Bytestream {
        let slot = self.0.clone();
        *lock(&slot) = Some(body);
        stream::unfold(slot, |slot| async move {
            let mut body = lock(&slot).take()?;
            let item = body.next().await?;
            *lock(&slot) = Some(body);
            Some((item, slot))
        })
        .fuse()
        .boxed()
    }

    /// Reads what is left, within bounds.
    async fn drain(&self) {
        let Some(mut body) = lock(&self.0).take() else { return };
        let mut left = DRAIN_BYTES_MAX;
        let read = async {
            while let Some(Ok(bytes)) = body.next().await {
                left = left.saturating_sub(bytes.len());
                if left == 0 {
                    break;
                }
            }
        };
        // Whatever comes later is cut: the bound is the point.
        let _ = tokio::time::timeout(DRAIN_WAIT, read).await;
    }
}

fn lock<T>(slot: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Text arguments from the first file of a body, one a line.
async fn body_args(mut entries: merkury_api::ItemStream<merkury_api::InputEntry>) -> Result<Vec<String>, ApiError> {
    let Some(entry) = entries.next().await else { return Ok(Vec::new()) };
    let EntryBody::File(bytes) = entry?.body else { return Ok(Vec::new()) };
    let text = collect(bytes, BODY_ARGS_BYTES_MAX).await?;
    let text = String::from_utf8(text).map_err(|_| ApiError::invalid("arguments in the body are not UTF-8"))?;
    Ok(text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect())
}

/// All bytes of a stream, at most `limit`.
pub(crate) async fn collect(mut bytes: ByteStream, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut all = Vec::new();
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk?;
        if chunk.len() > limit.saturating_sub(all.len()) {
            return Err(ApiError::invalid(format!("input over {limit} bytes")));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}
