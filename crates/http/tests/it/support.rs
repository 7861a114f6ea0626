//! A server on a free port and a client that speaks plain bytes.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use merkury_http::{Address, Limits, Listener, Request, Response, Surface, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest wait for something that must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) struct Handler<F>(pub(crate) F);

impl<F, R> Surface for Handler<F>
where
    F: Fn(Request) -> R + Send + Sync,
    R: Future<Output = Response> + Send + 'static,
{
    fn call(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + 'static>> {
        Box::pin(self.0(request))
    }
}

impl Server {
    pub(crate) async fn start<F, R>(limits: Limits, handler: F) -> Self
    where
        F: Fn(Request) -> R + Send + Sync + 'static,
        R: Future<Output = Response> + Send + 'static,
    {
        let listener = Listener::tcp("127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
        let Address::Tcp(address) = *listener.address() else { panic!("not TCP") };
        let (stop, stopped) = oneshot::channel();
        let stopped = Box::pin(async {
            let _ = stopped.await;
        });
        let task = tokio::spawn(serve(listener, Arc::new(Handler(handler)), limits, stopped));
        Self { address, stop: Some(stop), task }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Sends bytes and returns everything until the server closes.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // The server may answer and close before it has read all.
        let _ = stream.write_all(bytes.as_ref()).await;
        read_all(&mut stream).await
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }
}

pub(crate) async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset after the answer is a close too.
    let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("the server closes in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until `end` was seen.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    let read = async {
        while !String::from_utf8_lossy(&bytes).contains(end) {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk).await.expect("a read") {
                0 => break,
                count => bytes.extend_from_slice(&chunk[..count]),
            }
        }
    };
    tokio::time::timeout(DEADLINE, read).await.expect("bytes in time");
    String::from_utf8_lossy(&bytes).into_owned()
}
