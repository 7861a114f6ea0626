//! The surface: what happens to every request, whatever its format.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LOCATION, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE, RETRY_AFTER,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use merkury_api::{Api, Node, Reach};
use merkury_core::PeerId;
use merkury_core::path::Root;
use merkury_http::{Body, Request, Response, Surface, query, reply};
use multibase::Base;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::ask::{self, Ask, Format};
use crate::cache::Cache;
use crate::failure::Failure;
use crate::resolve::Resolver;
use crate::target::{self, Detour, Target};
use crate::{GatewayConfig, fields, format};

/// Largest body kept in the answer cache: one block of the usual size.
pub(crate) const CACHED_BODY_BYTES_MAX: usize = 256 * 1024;
/// What clients are told who come while too many requests are in work.
const RETRY_SECS: &str = "60";
/// A request with one of these is answered the long way.
const SPECIAL_FIELDS: [HeaderName; 7] =
    [RANGE, IF_NONE_MATCH, IF_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE, IF_RANGE, CACHE_CONTROL];

/// The gateway over a node.
pub struct Gateway(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) config: GatewayConfig,
    /// For content, of the reach that is configured.
    pub(crate) api: Api,
    /// For questions about what is stored here.
    pub(crate) local: Api,
    pub(crate) resolver: Resolver,
    base: HeaderMap,
    answers: Cache<Arc<Answer>>,
    room: Option<Arc<Semaphore>>,
}

/// A whole answer to a plain GET of an immutable URL.
struct Answer {
    /// Without the headers that all answers share.
    headers: Box<[(HeaderName, HeaderValue)]>,
    body: Bytes,
}

/// A response, and whether it is the same for every plain request of its URL, for ever.
pub(crate) struct Reply {
    pub(crate) response: Response,
    pub(crate) lasting: Option<Bytes>,
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self { response, lasting: None }
    }
}

/// What ends a request before its content is looked at.
enum Early {
    Answer(Box<Response>),
    Failed(Failure),
}

impl From<Response> for Early {
    fn from(response: Response) -> Self {
        Self::Answer(Box::new(response))
    }
}

impl From<Failure> for Early {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Gateway {
    /// A gateway over `node`.
    pub fn new(node: &dyn Node, config: GatewayConfig) -> Self {
        let local = node.api(Reach::Local);
        let api = if config.no_fetch { local.clone() } else { node.api(Reach::Network) };
        Self(Arc::new(Inner {
            resolver: Resolver::new(api.clone(), config.path_cache_bytes),
            base: fields::base(&config),
            answers: Cache::new(config.answer_cache_bytes),
            room: config.requests_max.map(|most| Arc::new(Semaphore::new(most))),
            api,
            local,
            config,
        }))
    }
}

impl Surface for Gateway {
    fn call(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + 'static>> {
        let inner = &self.0;
        if let Some(response) = inner.fast(&request) {
            return Box::pin(std::future::ready(response));
        }
        let inner = inner.clone();
        Box::pin(async move { inner.answer(request).await })
    }
}

impl Inner {
    /// An answer from memory, without waiting for anything.
    fn fast(&self, request: &Request) -> Option<Response> {
        if !is_plain(request) {
            return None;
        }
        let answer = self.answers.get(request.uri().path_and_query()?.as_str().as_bytes())?;
        let mut response = Response::new(Body::full(answer.body.clone()));
        let headers = response.headers_mut();
        *headers = self.base.clone();
        headers.reserve(answer.headers.len());
        for (name, value) in &answer.headers {
            headers.insert(name.clone(), value.clone());
        }
        Some(response)
    }

    async fn answer(&self, request: Request) -> Response {
        let is_plain = is_plain(&request);
        let (parts, _) = request.into_parts();
        let key = parts.uri.path_and_query().map(|key| key.as_str().to_owned()).filter(|_| is_plain);
        let Reply { mut response, lasting } = self.dispatch(parts).await;
        if let (Some(key), Some(body)) = (key, lasting) {
            self.remember(&key, response.headers(), &body);
        }
        // What the answer says itself replaces what all answers say.
        let own = std::mem::replace(response.headers_mut(), self.base.clone());
        response.headers_mut().extend(own);
        response
    }

    fn remember(&self, key: &str, headers: &HeaderMap, body: &Bytes) {
        if body.len() > CACHED_BODY_BYTES_MAX {
            return;
        }
        let headers: Box<[_]> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let fields: usize = headers.iter().map(|field| size_of_val(field) + field.1.len()).sum();
        // A copy, because the bytes may be a part of something much larger.
        let answer = Answer { headers, body: Bytes::copy_from_slice(body) };
        self.answers.insert(key.as_bytes(), Arc::new(answer), body.len() + fields);
    }

    async fn dispatch(&self, parts: http::request::Parts) -> Reply {
        let is_head = parts.method == Method::HEAD;
        if parts.method == Method::OPTIONS {
            return allow(reply::empty(StatusCode::OK)).into();
        }
        if parts.method != Method::GET && !is_head {
            let message = format!("Method {} not allowed: read only access\n", parts.method);
            return allow(reply::text(StatusCode::METHOD_NOT_ALLOWED, message)).into();
        }
        let as_page = self.config.html_errors && ask::accepts_html(&parts.headers);
        let target = match self.target(&parts) {
            Ok(target) => target,
            Err(Early::Answer(response)) => return (*response).into(),
            Err(Early::Failed(failure)) => return failure.into_response(as_page).into(),
        };
        let ask = Ask::new(is_head, parts.uri, parts.headers, target);
        let fields = self.path_fields(&ask);
        let mut reply = self.limited(ask).await.unwrap_or_else(|failure| failure.into_response(as_page).into());
        reply.response.headers_mut().extend(fields);
        reply
    }

    /// The content path, or an answer or a failure that needs none.
    fn target(&self, parts: &http::request::Parts) -> Result<Target, Early> {
        let path = parts.uri.path();
        if let Some(uri) = query::first(parts.uri.query(), "uri").filter(|_| is_namespace(path)) {
            return Err(protocol_handler(&uri));
        }
        let redirect = |status, path: String| {
            let target = match parts.uri.query() {
                Some(query) => format!("{path}?{query}"),
                None => path,
            };
            Early::from(reply::redirect(status, &target))
        };
        let target = Target::parse(path).map_err(|detour| match detour {
            Detour::Clean(path) => redirect(StatusCode::TEMPORARY_REDIRECT, path),
            Detour::Superfluous(path) => redirect(StatusCode::MOVED_PERMANENTLY, path),
            Detour::Bad(why) => Failure::bad_request(why).into(),
            Detour::Elsewhere => self.elsewhere(path),
        })?;
        match canonical_name(&target) {
            Some(path) => Err(redirect(StatusCode::FOUND, path)),
            None => Ok(target),
        }
    }

    /// Paths that are no content.
    fn elsewhere(&self, path: &str) -> Early {
        match path {
            "/version" => {
                let text = format!("Commit: {}\nClient Version: {}\n", self.config.commit, self.config.agent);
                reply::text(StatusCode::OK, text).into()
            }
            "/" if !self.config.root_redirect.is_empty() => {
                reply::redirect(StatusCode::FOUND, &self.config.root_redirect).into()
            }
            _ => {
                let mut failure = Failure::new(StatusCode::NOT_FOUND, "404 page not found");
                failure.hints.push("content is below /ipfs/CID and /ipns/NAME".into());
                failure.into()
            }
        }
    }

    /// Headers that name the path: of answers and of failures.
    fn path_fields(&self, ask: &Ask) -> HeaderMap {
        let mut map = HeaderMap::new();
        if let Some(uri) = fields::ipfs_uri(&ask.target) {
            map.insert(fields::IPFS_URI, uri);
        }
        if let Some(path) = fields::ipfs_path(&ask.target).filter(|_| self.config.deprecated_x_ipfs_path) {
            map.insert(fields::IPFS_PATH, path);
        }
        if let Some(location) = fields::content_location(ask) {
            map.insert(CONTENT_LOCATION, location);
        }
        map
    }

    /// Answers within the limits of number and time.
    async fn limited(&self, mut ask: Ask) -> Result<Reply, Failure> {
        if let Some(room) = &self.room {
            let permit = room.clone().try_acquire_owned().map_err(|_| too_many())?;
            ask.permit = Some(permit);
        }
        let now = Instant::now();
        ask.deadline = self.config.request_duration_max.map(|longest| now + longest);
        let first = self.config.retrieval_timeout.map(|longest| now + longest);
        let Some(until) = [first, ask.deadline].into_iter().flatten().min() else {
            return self.content(&mut ask).await;
        };
        let answer = tokio::time::timeout_at(until, self.content(&mut ask)).await;
        answer.unwrap_or_else(|_| Err(self.too_late(&ask.target)))
    }

    async fn content(&self, ask: &mut Ask) -> Result<Reply, Failure> {
        refuse_service_worker(ask)?;
        if ask.header(CACHE_CONTROL) == Some("only-if-cached")
            && let Some(response) = self.only_if_cached(ask).await?
        {
            return Ok(response.into());
        }
        if !self.config.deserialized_responses && !is_trustless(ask) {
            let why = "only trustless requests are accepted on this gateway: \
                       https://specs.ipfs.tech/http-gateways/trustless-gateway/";
            return Err(Failure::new(StatusCode::NOT_ACCEPTABLE, why));
        }
        format::serve(self, ask).await
    }

    /// `Cache-Control: only-if-cached`: nothing but a look at what is stored here. `None` goes on.
    async fn only_if_cached(&self, ask: &Ask) -> Result<Option<Response>, Failure> {
        let here = match self.local.names.resolve(&ask.target.path).await {
            Ok(resolved) => self.local.blocks.has(&resolved.cid).await.unwrap_or(false),
            Err(_) => false,
        };
        if here {
            return Ok(ask.is_head.then(|| reply::empty(StatusCode::OK)));
        }
        let message = format!("{:?} not in local datastore", ask.target.text);
        Err(Failure::new(StatusCode::PRECONDITION_FAILED, message))
    }

    fn too_late(&self, target: &Target) -> Failure {
        let waited = self.config.retrieval_timeout.map_or(0, |longest| longest.as_secs());
        let message = format!("failed to retrieve {}: no peer sent the content within {waited} seconds", target.text);
        let mut failure = Failure::new(StatusCode::GATEWAY_TIMEOUT, message);
        failure.hints = vec![
            "the content may be on no computer that is online now; ask whoever shared the link".into(),
            "try again in a minute: what was found on the way is kept, and providers are remembered".into(),
            "see who has it: ipfs routing findprovs CID".into(),
        ];
        failure
    }
}

/// Whether a request is a GET or HEAD whose answer depends on its URL alone.
fn is_plain(request: &Request) -> bool {
    let headers = request.headers();
    matches!(*request.method(), Method::GET | Method::HEAD)
        && !SPECIAL_FIELDS.iter().any(|name| headers.contains_key(name))
        && !headers.contains_key("service-worker")
        && !ask::accept_is_special(headers)
}

fn allow(mut response: Response) -> Response {
    for method in ["GET", "HEAD", "OPTIONS"] {
        response.headers_mut().append(ALLOW, HeaderValue::from_static(method));
    }
    response
}

fn too_many() -> Failure {
    Failure::new(StatusCode::TOO_MANY_REQUESTS, format!("Too many requests. Please retry after {RETRY_SECS} seconds."))
        .field(RETRY_AFTER, HeaderValue::from_static(RETRY_SECS))
}

fn is_namespace(path: &str) -> bool {
    path.starts_with("/ipfs/") || path.starts_with("/ipns/")
}

/// `/ipfs/?uri=ipfs://CID/path`: what browsers send for a registered protocol.
fn protocol_handler(uri: &str) -> Early {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Failure::bad_request("failed to parse uri query parameter").into();
    };
    if scheme != "ipfs" && scheme != "ipns" {
        return Failure::bad_request("uri query parameter scheme must be ipfs or ipns").into();
    }
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let path = match Target::parse(&format!("/{scheme}/{path}")) {
        Ok(_) => format!("/{scheme}/{path}"),
        Err(Detour::Clean(clean)) => clean,
        Err(_) => return Failure::bad_request("failed to parse uri query parameter").into(),
    };
    let query = query.map(|query| format!("?{}", target::encode_path(query))).unwrap_or_default();
    reply::redirect(StatusCode::MOVED_PERMANENTLY, &format!("{path}{query}")).into()
}

/// `/ipns/12D3…` and the like in the spelling that subdomains can hold.
fn canonical_name(target: &Target) -> Option<String> {
    let Root::Ipns(name) = target.path.root() else { return None };
    let canonical = PeerId::parse(name).ok()?.to_cid().to_string_of_base(Base::Base36Lower);
    let rest = target.text.strip_prefix("/ipns/")?.strip_prefix(name.as_str())?;
    (canonical != *name).then(|| format!("/ipns/{canonical}{}", target::encode_path(rest)))
}

/// A service worker at a root would take over every other root of this origin.
fn refuse_service_worker(ask: &Ask) -> Result<(), Failure> {
    let at_root = ask.target.path.segments().is_empty() && !ask.target.text.ends_with('/');
    if at_root && ask.header("service-worker") == Some("script") {
        return Err(Failure::bad_request("navigator.serviceWorker: registration is not allowed for this scope"));
    }
    Ok(())
}

/// Whether the client can verify the answer by itself.
fn is_trustless(ask: &Ask) -> bool {
    let is_root = ask.target.path.segments().is_empty();
    match (&ask.format, ask.target.path.root()) {
        (Format::Raw, Root::Ipfs(_)) => is_root,
        (Format::Car, Root::Ipfs(_)) => true,
        (Format::IpnsRecord, Root::Ipns(name)) => is_root && PeerId::parse(name).is_ok(),
        _ => false,
    }
}
