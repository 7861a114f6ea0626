//! One HTTP/1.1 connection for one thread: a request, its whole answer, the next request.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::{Address, refused};
use crate::KuboError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest silence of a Kubo that is working: listing a large directory of blocks takes its time on a slow disk.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest line of a stream.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Longest error body.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// An idle connection may have been closed by the other side between two requests: one more try.
const TRIES: usize = 2;

pub(super) struct Connection {
    address: Address,
    authorization: Option<String>,
    runtime: Runtime,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

impl Connection {
    pub(super) fn open(address: Address, authorization: Option<String>) -> Result<Self, KuboError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| KuboError::Unreachable { address: address.to_string(), why: error.to_string() })?;
        let mut made = Self { address, authorization, runtime, sender: None };
        made.sender = Some(made.connect()?);
        Ok(made)
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> KuboError {
        KuboError::Unreachable { address: self.address.to_string(), why: why.to_string() }
    }

    fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, KuboError> {
        let connecting = async {
            match &self.address {
                Address::Unix(path) => {
                    handshake(UnixStream::connect(path).await.map_err(|e| self.unreachable(e))?).await
                }
                Address::Tcp { host, port } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await;
                    let stream = stream.map_err(|e| self.unreachable(e))?;
                    stream.set_nodelay(true).map_err(|e| self.unreachable(e))?;
                    handshake(stream).await
                }
            }
            .map_err(|e| self.unreachable(e))
        };
        let connected = self.runtime.block_on(async { timeout(CONNECT_TIMEOUT, connecting).await });
        connected.map_err(|_| self.unreachable("no connection within 20 seconds"))?
    }

    /// Sends a command; what it answers is not read yet.
    fn send(&mut self, query: &str) -> Result<Incoming, KuboError> {
        let mut tries = 0;
        let response = loop {
            tries += 1;
            let mut sender = match self.sender.take() {
                Some(sender) if !sender.is_closed() => sender,
                _ => self.connect()?,
            };
            let request = self.request(query)?;
            let sent = self.runtime.block_on(async { timeout(SILENCE_TIMEOUT, sender.send_request(request)).await });
            match sent {
                Ok(Ok(response)) => {
                    self.sender = Some(sender);
                    break response;
                }
                Ok(Err(error)) if tries >= TRIES => return Err(self.unreachable(error)),
                Ok(Err(_)) => {}
                Err(_) => return Err(self.unreachable("no answer within 300 seconds")),
            }
        };
        let status = response.status();
        let body = response.into_body();
        if status.is_success() {
            return Ok(body);
        }
        let text = self.collect(body, query, ERROR_BYTES_MAX)?;
        let message =
            serde_json::from_slice::<Value>(&text).ok().and_then(|error| Some(error["Message"].as_str()?.to_owned()));
        let message = message.unwrap_or_else(|| format!("{status} {}", String::from_utf8_lossy(&text).trim()));
        Err(refused(&self.address.to_string(), query, &message))
    }

    fn request(&self, query: &str) -> Result<http::Request<Empty<Bytes>>, KuboError> {
        let mut builder = http::Request::post(format!("/api/v0/{query}"))
            .header(HOST, self.address.to_string().trim_start_matches('/').replace('/', "-"))
            .header(USER_AGENT, concat!("merkury/", env!("CARGO_PKG_VERSION")));
        if let Some(secret) = &self.authorization {
            builder = builder.header(AUTHORIZATION, secret);
        }
        builder.body(Empty::new()).map_err(|error| self.unreachable(error))
    }

    /// The next piece of an answer; `None` at its end.
    fn piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, KuboError> {
        loop {
            let frame = self.runtime.block_on(async { timeout(SILENCE_TIMEOUT, body.frame()).await });
            match frame {
                Err(_) => return Err(self.unreachable("it was silent for 300 seconds")),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(self.unreachable(error)),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => return Ok(Some(data)),
                    // The trailer says what ended a stream that had begun.
                    Err(other) => {
                        if let Ok(trailers) = other.into_trailers()
                            && let Some(message) = trailers.get("X-Stream-Error")
                        {
                            let message = String::from_utf8_lossy(message.as_bytes()).into_owned();
                            return Err(refused(&self.address.to_string(), "stream", &message));
                        }
                    }
                },
            }
        }
    }

    fn collect(&mut self, mut body: Incoming, query: &str, bytes_max: usize) -> Result<Vec<u8>, KuboError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(&mut body)? {
            if bytes.len() + piece.len() > bytes_max {
                self.sender = None;
                let message = format!("its answer has more than {bytes_max} bytes");
                return Err(refused(&self.address.to_string(), query, &message));
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// The whole answer.
    pub(super) fn bytes(&mut self, query: &str, bytes_max: usize) -> Result<Vec<u8>, KuboError> {
        let body = self.send(query)?;
        self.collect(body, query, bytes_max)
    }

    /// The answer as JSON values, one a line.
    pub(super) fn lines(&mut self, query: &str) -> Result<Lines<'_>, KuboError> {
        let body = self.send(query)?;
        Ok(Lines {
            connection: self,
            body,
            query: query.to_owned(),
            partial: BytesMut::new(),
            ready: VecDeque::new(),
            ended: false,
        })
    }
}

async fn handshake<S>(stream: S) -> hyper::Result<SendRequest<Empty<Bytes>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end shows in the answers.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// JSON values as they come.
pub(super) struct Lines<'a> {
    connection: &'a mut Connection,
    body: Incoming,
    query: String,
    partial: BytesMut,
    ready: VecDeque<Bytes>,
    ended: bool,
}

impl Lines<'_> {
    fn read(&mut self) -> Result<Option<Bytes>, KuboError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            if self.ended {
                return Ok(None);
            }
            match self.connection.piece(&mut self.body)? {
                None => {
                    self.ended = true;
                    self.ready.push_back(self.partial.split().freeze());
                }
                Some(piece) => {
                    self.partial.extend_from_slice(&piece);
                    while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
                        let mut line = self.partial.split_to(end + 1);
                        line.truncate(end);
                        self.ready.push_back(line.freeze());
                    }
                    if self.partial.len() > LINE_BYTES_MAX {
                        return Err(refused(&self.connection.address.to_string(), &self.query, "a line has no end"));
                    }
                }
            }
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Value, KuboError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.read() {
                Ok(line) => line?,
                Err(error) => {
                    self.ended = true;
                    self.ready.clear();
                    return Some(Err(error));
                }
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let value = serde_json::from_slice(&line);
            return Some(value.map_err(|error| {
                refused(&self.connection.address.to_string(), &self.query, &format!("a line is not JSON: {error}"))
            }));
        }
    }
}

impl Drop for Lines<'_> {
    /// An answer that was not read to its end leaves the connection in the middle of it.
    fn drop(&mut self) {
        if !self.ended {
            self.connection.sender = None;
        }
    }
}
