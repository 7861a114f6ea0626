//! The other side of the RPC: sends a call to a daemon and yields its items. HTTP/1.1, one connection a call, over TCP
//! or a Unix socket. Works against Kubo's daemon as against ours.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use merkury_api::{ApiError, ByteStream, ItemStream};
use merkury_core::ErrorKind;
use merkury_http::BodyError;
use tokio::io::{AsyncRead, AsyncWrite};

use super::multipart;
use super::reply::ErrorOut;
use crate::op::{Body, Call, Request};
use crate::spec::Spec;
use crate::{query, version};

/// Longest item of an answer: a listing of a large directory is one item.
const ITEM_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// Longest error body.
const ERROR_BYTES_MAX: usize = 1024 * 1024;
/// Longest query of our own making; more arguments travel in the body.
const QUERY_BYTES: usize = 32 * 1024;

/// Where a daemon can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// TCP, by name or address.
    Tcp {
        /// Host name or IP.
        host: String,
        /// Port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Target {
    /// Reads the multiaddr of an `api` file or of `--api`: `/ip4/…/tcp/…`, `/dns/…/tcp/…`, `/unix/…`, and `http://…`.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let text = text.trim();
        let wrong =
            || ApiError::invalid(format!("{text:?} is not the address of a daemon; use /ip4/127.0.0.1/tcp/5001"));
        if let Some(path) = text.strip_prefix("/unix/") {
            return Ok(Self::Unix(PathBuf::from("/").join(path)));
        }
        if let Some(rest) = text.strip_prefix("http://") {
            let authority: http::uri::Authority =
                rest.split('/').next().unwrap_or_default().parse().map_err(|_| wrong())?;
            let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
            return Ok(Self::Tcp { host, port: authority.port_u16().unwrap_or(80) });
        }
        if !text.starts_with('/') {
            return Err(ApiError::invalid(format!("failed to parse multiaddr {text:?}: must begin with /"))
                .hint("addresses of daemons look like /ip4/127.0.0.1/tcp/5001"));
        }
        let mut parts = text.split('/').skip(1);
        let kind = parts.next().ok_or_else(wrong)?;
        let host = parts.next().ok_or_else(wrong)?.to_owned();
        if !matches!(kind, "ip4" | "ip6" | "dns" | "dns4" | "dns6") || parts.next() != Some("tcp") {
            return Err(wrong());
        }
        let port = parts.next().and_then(|port| port.parse().ok()).ok_or_else(wrong)?;
        match parts.next() {
            None | Some("http") => Ok(Self::Tcp { host, port }),
            Some("https" | "tls") => {
                Err(ApiError::invalid("daemons behind TLS are not supported by this version of merkury"))
            }
            Some(_) => Err(wrong()),
        }
    }

    fn host_header(&self) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".into(),
        }
    }
}

/// A daemon.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where it is.
    pub target: Target,
    /// The `Authorization` header to send.
    pub authorization: Option<String>,
}

/// Why a call got no answer.
#[derive(Debug)]
pub enum CallError {
    /// Nobody listens there.
    Unreachable(std::io::Error),
    /// The daemon, or the way to it, failed.
    Failed(ApiError),
}

/// An answer of a daemon.
pub enum Answer {
    /// Items in wire form.
    Items(ItemStream<Bytes>),
    /// Bytes, and how many content bytes the daemon announces.
    Bytes {
        /// `X-Content-Length`.
        length: Option<u64>,
        /// The bytes.
        stream: ByteStream,
    },
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

impl Client {
    async fn connect(&self) -> std::io::Result<Box<dyn Socket>> {
        match &self.target {
            Target::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            Target::Tcp { host, port } => {
                let addresses: Vec<SocketAddr> = match host.parse() {
                    Ok(ip) => vec![SocketAddr::new(ip, *port)],
                    // Resolving blocks for a moment; this program does nothing else meanwhile.
                    Err(_) => (host.as_str(), *port).to_socket_addrs()?.collect(),
                };
                let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
                for address in addresses {
                    match tokio::net::TcpStream::connect(address).await {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Box::new(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    /// Sends a call and waits for the head of its answer.
    pub async fn call(&self, spec: &Spec, request: Request) -> Result<Answer, CallError> {
        let socket = self.connect().await.map_err(CallError::Unreachable)?;
        self.call_on(socket, spec, request).await.map_err(CallError::Failed)
    }

    async fn call_on(&self, socket: Box<dyn Socket>, spec: &Spec, request: Request) -> Result<Answer, ApiError> {
        let broken =
            |error: hyper::Error| ApiError::new(ErrorKind::Unavailable, format!("the daemon hung up: {error}"));
        // A failure while reading what is sent (a file that is gone) is the error to show, not the broken connection.
        let failure: Arc<Mutex<Option<ApiError>>> = Arc::default();
        let http = self.request(spec, request, failure.clone())?;
        let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
            .max_buf_size(512 * 1024)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(broken)?;
        tokio::spawn(async move {
            // Its end shows in the answer.
            let _ = connection.await;
        });
        let response = sender.send_request(http).await.map_err(|error| {
            let ours = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
            ours.unwrap_or_else(|| broken(error))
        })?;
        answer(response).await
    }

    fn request(
        &self,
        spec: &Spec,
        request: Request,
        failure: Arc<Mutex<Option<ApiError>>>,
    ) -> Result<http::Request<http_body_util::combinators::BoxBody<Bytes, BodyError>>, ApiError> {
        let Request { call, body } = request;
        let (args, body) = arguments_in_body(spec, &call, body);
        let query = query::write(args, &call.options);
        let uri = format!("/api/v0/{}?encoding=json&stream-channels=true&{query}", spec.path);
        let mut builder = http::Request::post(uri.trim_end_matches('&'))
            .header(HOST, self.target.host_header())
            .header(USER_AGENT, version::USER_AGENT)
            .header(TE, "trailers")
            .header(CONNECTION, "close, TE");
        if let Some(secret) = &self.authorization {
            builder = builder.header(AUTHORIZATION, secret);
        }
        let made = match body {
            Body::Entries(entries) => {
                let boundary = multipart::new_boundary();
                builder = builder.header(CONTENT_TYPE, format!("multipart/form-data; boundary={boundary}"));
                let bytes = multipart::encode(entries, boundary).map(move |item| match item {
                    Ok(bytes) => Ok(Frame::data(bytes)),
                    Err(error) => {
                        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
                        Err(BodyError::from(error))
                    }
                });
                builder.body(BodyExt::boxed(SyncBody(Mutex::new(StreamBody::new(bytes)))))
            }
            Body::None => builder.body(BodyExt::boxed(http_body_util::Empty::new().map_err(|never| match never {}))),
            Body::Local { .. } => return Err(ApiError::internal("local paths cannot be sent to a daemon")),
        };
        made.map_err(|error| ApiError::invalid(format!("cannot write the request: {error}")))
    }
}

/// Makes a body that one task polls acceptable where `Sync` is asked for.
struct SyncBody<B>(Mutex<B>);

impl<B: http_body::Body + Unpin> http_body::Body for SyncBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let body = self.get_mut().0.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::pin::Pin::new(body).poll_frame(cx)
    }
}

/// Moves a long list of text arguments into the body, where the operation takes it from.
fn arguments_in_body<'a>(spec: &Spec, call: &'a Call, body: Body) -> (&'a [String], Body) {
    let long = call.args.iter().map(|arg| arg.len() + 5).sum::<usize>() > QUERY_BYTES;
    let fits = spec.args.last().is_some_and(|arg| arg.stdin && arg.variadic && !arg.is_file());
    if !long || !fits || !matches!(body, Body::None) {
        return (&call.args, body);
    }
    let fixed = spec.args.len() - 1;
    let lines = call.args.iter().skip(fixed).fold(String::new(), |all, arg| all + arg + "\n");
    let entry = merkury_api::InputEntry {
        path: "stdin".into(),
        body: merkury_api::EntryBody::File(stream::iter([Ok(Bytes::from(lines))]).boxed()),
        metadata: merkury_api::Metadata::default(),
        source: None,
    };
    (&call.args[..fixed.min(call.args.len())], Body::Entries(stream::iter([Ok(entry)]).boxed()))
}

async fn answer(response: http::Response<Incoming>) -> Result<Answer, ApiError> {
    let (head, body) = response.into_parts();
    let mime = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mime = mime.split(';').next().unwrap_or_default().trim().to_owned();
    if head.status.is_client_error() || head.status.is_server_error() {
        return Err(failure(head.status, &mime, body).await);
    }
    let bytes = body_bytes(body);
    if mime == "application/json" && !head.headers.contains_key("x-stream-output") {
        return Ok(Answer::Items(lines(bytes)));
    }
    let length = head.headers.get("x-content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Answer::Bytes { length, stream: bytes })
}

/// The bytes of an answer; the error trailer is an error at the end.
fn body_bytes(body: Incoming) -> ByteStream {
    stream::unfold(Some(body), |body| async move {
        let mut body = body?;
        loop {
            let frame = match body.frame().await? {
                Ok(frame) => frame,
                Err(error) => {
                    let why = format!("the daemon broke off its answer: {error}");
                    return Some((Err(ApiError::new(ErrorKind::Unavailable, why)), None));
                }
            };
            match frame.into_data() {
                Ok(data) => return Some((Ok(data), Some(body))),
                Err(frame) => {
                    if let Some(error) = frame.into_trailers().ok().as_ref().and_then(trailer_error) {
                        return Some((Err(error), None));
                    }
                }
            }
        }
    })
    .fuse()
    .boxed()
}

fn trailer_error(trailers: &HeaderMap) -> Option<ApiError> {
    let value: &HeaderValue = trailers.get("x-stream-error")?;
    Some(ApiError::internal(String::from_utf8_lossy(value.as_bytes()).into_owned()))
}

/// Lines of an answer; an error object among them ends it as an error.
fn lines(bytes: ByteStream) -> ItemStream<Bytes> {
    stream::unfold(Some((bytes, BytesMut::new())), |state| async move {
        let (mut bytes, mut buffer) = state?;
        let mut looked_at = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', buffer.get(looked_at..).unwrap_or_default()) {
                let line = buffer.split_to(looked_at + end + 1).freeze();
                looked_at = 0;
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Some(match error_object(&line) {
                    Some(error) => (Err(error), None),
                    None => (Ok(line), Some((bytes, buffer))),
                });
            }
            looked_at = buffer.len();
            if looked_at > ITEM_BYTES_MAX {
                return Some((Err(ApiError::invalid("an item of the answer is over 1 GiB")), None));
            }
            match bytes.next().await {
                Some(Ok(more)) => buffer.extend_from_slice(&more),
                Some(Err(error)) => return Some((Err(error), None)),
                None if buffer.iter().all(u8::is_ascii_whitespace) => return None,
                None => buffer.extend_from_slice(b"\n"),
            }
        }
    })
    .fuse()
    .boxed()
}

fn error_object(line: &[u8]) -> Option<ApiError> {
    // Cheap look first: most items are no errors.
    memchr::memmem::find(line, b"\"Type\":\"error\"")?;
    let error: ErrorOut = serde_json::from_slice(line).ok()?;
    (error.r#type == "error").then(|| from_wire(error))
}

fn from_wire(error: ErrorOut) -> ApiError {
    let kind = match error.code {
        _ if error.message.contains("context deadline exceeded") => ErrorKind::Timeout,
        // Kubo's code for calls that make no sense.
        1 => ErrorKind::Invalid,
        4 => ErrorKind::Denied,
        _ => ErrorKind::Internal,
    };
    error.hints.into_iter().fold(ApiError::new(kind, error.message), ApiError::hint)
}

async fn failure(status: StatusCode, mime: &str, body: Incoming) -> ApiError {
    if status == StatusCode::NOT_FOUND {
        return ApiError::invalid("Command not found.");
    }
    let text = super::server::collect(body_bytes(body), ERROR_BYTES_MAX).await.unwrap_or_default();
    if mime == "application/json"
        && let Ok(error) = serde_json::from_slice::<ErrorOut>(&text)
    {
        return from_wire(error);
    }
    let message = String::from_utf8_lossy(&text).trim().to_owned();
    let kind = match status {
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ErrorKind::Denied,
        StatusCode::BAD_REQUEST => ErrorKind::Invalid,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Busy,
        _ => ErrorKind::Internal,
    };
    if message.is_empty() {
        ApiError::new(kind, format!("the daemon answered {status}"))
    } else {
        ApiError::new(kind, message)
    }
}
