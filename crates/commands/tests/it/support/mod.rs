//! A node in memory and an RPC server around it.

mod node;

use std::net::SocketAddr;
use std::sync::Arc;

use merkury_commands::rpc::client::{Answer, CallError, Client, Target};
use merkury_commands::rpc::{Rpc, RpcConfig};
use merkury_commands::{Body, Call, Options, Request, tree};
use merkury_http::{Limits, Listener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) use node::FakeNode;

/// A server on a free port of loopback; stops when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) node: Arc<FakeNode>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Server {
    pub(crate) async fn start(config: RpcConfig) -> Self {
        let node = Arc::new(FakeNode::default());
        let listener = Listener::tcp("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
        let merkury_http::Address::Tcp(address) = listener.address().clone() else { panic!("TCP was asked for") };
        let rpc = Rpc::new(node.clone(), "/repo".into(), config);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let limits = Limits { body_idle: None, ..Limits::default() };
        let stopped = Box::pin(async move {
            let _ = stopped.await;
        });
        tokio::spawn(merkury_http::serve(listener, Arc::new(rpc), limits, stopped));
        Self { address, node, stop: Some(stop) }
    }

    /// Sends bytes as they are and returns all that comes back until the server closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> String {
        let mut socket = tokio::net::TcpStream::connect(self.address).await.expect("the server listens");
        // The server may answer and close before it has read everything.
        let _ = socket.write_all(request).await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// POST without a body; `headers` are whole lines.
    pub(crate) async fn post(&self, path: &str, headers: &[&str]) -> Reply {
        self.post_with(path, headers, b"").await
    }

    pub(crate) async fn post_with(&self, path: &str, headers: &[&str], body: &[u8]) -> Reply {
        let mut request = format!("POST {path} HTTP/1.1\r\n");
        if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
            request.push_str(&format!("Host: {}\r\n", self.address));
        }
        for line in headers {
            request.push_str(&format!("{line}\r\n"));
        }
        request.push_str(&format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()));
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        Reply::parse(&self.raw(&bytes).await)
    }

    pub(crate) fn client(&self) -> Client {
        let target = Target::Tcp { host: self.address.ip().to_string(), port: self.address.port() };
        Client { target, authorization: None }
    }

    /// Calls through our own client.
    pub(crate) async fn call(&self, path: &str, args: &[&str], body: Body) -> Result<Answer, CallError> {
        let node = tree::find(path.split('/')).expect("a known path");
        let call = Call { args: args.iter().map(|arg| (*arg).to_owned()).collect(), options: Options::new(node.spec) };
        self.client().call(node.spec, Request { call, body }).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Header lines without `Date`, names in lower case, sorted.
    pub(crate) headers: Vec<String>,
    /// The body without its chunks.
    pub(crate) body: String,
    /// Trailer lines.
    pub(crate) trailers: Vec<String>,
}

impl Reply {
    fn parse(text: &str) -> Self {
        let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
        let mut headers: Vec<String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
            .filter(|line| !line.starts_with("date:"))
            .collect();
        headers.sort();
        let chunked = headers.iter().any(|line| line == "transfer-encoding: chunked");
        let (body, trailers) = if chunked { unchunk(rest) } else { (rest.to_owned(), Vec::new()) };
        Self { status, headers, body, trailers }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn unchunk(mut text: &str) -> (String, Vec<String>) {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            let trailers = rest.lines().filter(|line| !line.is_empty()).map(|line| line.to_ascii_lowercase());
            return (body, trailers.collect());
        }
        body.push_str(rest.get(..size).unwrap_or(rest));
        text = rest.get(size + 2..).unwrap_or("");
    }
    (body, Vec::new())
}
