//! Reads parts of what `http` and `https` addresses serve, for no-copy references.

use std::io;
use std::time::Duration;

use merkury_store::wrap::UrlReader;
use reqwest::header::RANGE;
use reqwest::{Client, StatusCode};
use tokio::runtime::Runtime;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(60);

/// An HTTP client that asks for ranges.
pub struct HttpUrls {
    client: Client,
    runtime: Option<Runtime>,
}

impl HttpUrls {
    /// A client with a thread of its own.
    pub fn new() -> io::Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("urls").enable_all().build()?;
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .user_agent(concat!("merkury/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { client, runtime: Some(runtime) })
    }
}

async fn fetch(client: Client, url: String, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let end = offset.saturating_add(len as u64).saturating_sub(1);
    let asked = client.get(&url).header(RANGE, format!("bytes={offset}-{end}"));
    let mut answer = asked.send().await.map_err(io::Error::other)?;
    let skip = match answer.status() {
        StatusCode::PARTIAL_CONTENT => 0,
        // A server without ranges sends everything.
        StatusCode::OK => offset,
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(io::Error::new(io::ErrorKind::NotFound, url)),
        StatusCode::RANGE_NOT_SATISFIABLE => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, url)),
        status => return Err(io::Error::other(format!("{url} answers {status}"))),
    };
    let (mut skip, mut bytes) = (skip, Vec::new());
    while bytes.len() < len {
        let Some(chunk) = answer.chunk().await.map_err(io::Error::other)? else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, url));
        };
        let from = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
        skip -= from as u64;
        let rest = chunk.get(from..).unwrap_or_default();
        bytes.extend_from_slice(rest.get(..(len - bytes.len()).min(rest.len())).unwrap_or_default());
    }
    Ok(bytes)
}

impl UrlReader for HttpUrls {
    fn read(&self, url: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let closed = || io::Error::other("the client is closed");
        let runtime = self.runtime.as_ref().ok_or_else(closed)?;
        crate::pool::wait_for(runtime.handle(), fetch(self.client.clone(), url.to_owned(), offset, len))
            .ok_or_else(closed)?
    }
}

impl Drop for HttpUrls {
    fn drop(&mut self) {
        // The last handle may be dropped on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
