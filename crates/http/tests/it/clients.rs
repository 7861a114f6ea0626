//! Hostile, slow and ordinary clients.

use std::time::Duration;

use http::StatusCode;
use merkury_http::{Body, Limits, Listener, reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::support::{DEADLINE, Server, read_all, read_until};

async fn hello(_request: merkury_http::Request) -> merkury_http::Response {
    reply::text(StatusCode::OK, "hello")
}

fn short() -> Limits {
    let soon = Duration::from_millis(200);
    Limits {
        head_timeout: soon,
        idle_timeout: soon,
        body_idle: Some(soon),
        write_stall: soon,
        drain: Duration::from_millis(200),
        ..Limits::default()
    }
}

#[tokio::test]
async fn keep_alive_and_close() {
    let server = Server::start(Limits::default(), hello).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
        let answer = read_until(&mut stream, "hello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("Content-Length: 5\r\n"), "{answer}");
    }
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("a write");
    assert!(read_all(&mut stream).await.ends_with("hello"));
}

#[tokio::test]
async fn head_flood_is_431() {
    let server = Server::start(Limits::default(), hello).await;
    let flood = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(1024 * 1024));
    assert!(server.exchange(flood).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(500));
    assert!(server.exchange(many).await.starts_with("HTTP/1.1 431 "));
    let fits = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nA: {}\r\n\r\n", "a".repeat(32 * 1024));
    assert!(server.exchange(fits).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn smuggling_is_400() {
    let server = Server::start(Limits::default(), hello).await;
    for head in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 50\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        let answer = server.exchange(head).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
    }
}

#[tokio::test]
async fn chunked_and_length_together_are_400_and_closed() {
    let server = Server::start(Limits::default(), hello).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n\
                0\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = server.exchange(head).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn slow_heads_are_closed() {
    let server = Server::start(short(), hello).await;
    for start in ["", "GET", "PRI * HT", "GET / HTTP/1.1\r\nHost: x\r\nA: "] {
        let mut stream = server.connect().await;
        stream.write_all(start.as_bytes()).await.expect("a write");
        read_all(&mut stream).await;
    }
}

#[tokio::test]
async fn trickled_heads_are_closed() {
    let server = Server::start(short(), hello).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.expect("a write");
    let trickle = async {
        while stream.write_all(b"A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, trickle).await.expect("closed although bytes keep coming");
}

#[tokio::test]
async fn idle_connections_are_closed_after_an_answer() {
    let server = Server::start(short(), hello).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    assert!(read_all(&mut stream).await.ends_with("hello"));
}

#[tokio::test]
async fn a_surface_that_waits_is_not_cut() {
    let server = Server::start(short(), |_| async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        reply::text(StatusCode::OK, "late")
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    assert!(read_all(&mut stream).await.ends_with("late"));
}

#[tokio::test]
async fn stalled_request_bodies_are_errors() {
    let server = Server::start(short(), |request: merkury_http::Request| async move {
        let error = request.into_body().collect(100).await.expect_err("the body stalls");
        reply::text(StatusCode::REQUEST_TIMEOUT, error.to_string())
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await.expect("a write");
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("sent nothing"), "{answer}");
}

#[tokio::test]
async fn clients_that_do_not_read_are_cut_and_bound_the_producer() {
    let made = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let dropped = std::sync::Arc::new(tokio::sync::Notify::new());
    struct OnDrop(std::sync::Arc<tokio::sync::Notify>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (counter, signal) = (made.clone(), dropped.clone());
    let server = Server::start(short(), move |_| {
        let (counter, guard) = (counter.clone(), OnDrop(signal.clone()));
        async move {
            let chunk = bytes::Bytes::from(vec![0; 64 * 1024]);
            let endless = futures::stream::repeat_with(move || {
                let _guard = &guard;
                counter.fetch_add(chunk.len() as u64, std::sync::atomic::Ordering::Relaxed);
                Ok::<_, std::io::Error>(chunk.clone())
            });
            http::Response::new(Body::stream(endless))
        }
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    tokio::time::timeout(DEADLINE, dropped.notified()).await.expect("the answer is dropped");
    // What the kernel buffers on both ends, and little more.
    assert!(made.load(std::sync::atomic::Ordering::Relaxed) < 64 * 1024 * 1024);
}

#[tokio::test]
async fn panics_are_answered_and_the_connection_lives() {
    let server = Server::start(Limits::default(), |request: merkury_http::Request| async move {
        assert!(request.uri().path() != "/panic", "as asked");
        reply::text(StatusCode::OK, "hello")
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    assert!(read_until(&mut stream, "answered").await.starts_with("HTTP/1.1 500 "));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    assert!(read_until(&mut stream, "hello").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_stop_drains_and_then_cuts() {
    let mut server = Server::start(short(), |_| std::future::pending()).await;
    let mut idle = server.connect().await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    server.stop();
    tokio::time::timeout(DEADLINE, &mut server.task).await.expect("ends in time").expect("no panic");
    assert_eq!(read_all(&mut idle).await, "");
    assert_eq!(read_all(&mut waiting).await, "");
    TcpStream::connect(server.address).await.expect_err("nobody listens any more");
}

#[tokio::test]
async fn requests_in_work_end_after_a_stop() {
    let (started, start) = tokio::sync::mpsc::unbounded_channel();
    let (finish, finished) = tokio::sync::watch::channel(false);
    let mut server = Server::start(Limits::default(), move |_| {
        let (started, mut finished) = (started.clone(), finished.clone());
        async move {
            let _ = started.send(());
            let _ = finished.wait_for(|finished| *finished).await;
            reply::text(StatusCode::OK, "done")
        }
    })
    .await;
    let mut start = start;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    start.recv().await.expect("the request is in work");
    server.stop();
    finish.send(true).expect("someone waits");
    assert!(read_all(&mut stream).await.ends_with("done"));
    tokio::time::timeout(DEADLINE, server.task).await.expect("ends in time").expect("no panic");
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let server = Server::start(limits, hello).await;
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    read_until(&mut first, "hello").await;
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("a write");
    drop(first);
    assert!(read_until(&mut second, "hello").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn unix_sockets() {
    let directory = std::env::temp_dir().join(format!("merkury-http-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let path = directory.join("api.sock");
    let _ = std::fs::remove_file(&path);
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket that nobody serves"));

    let listener = Listener::unix(&path).await.expect("the stale file is replaced");
    let used = Listener::unix(&path).await.expect_err("it is in use");
    assert_eq!(used.kind(), std::io::ErrorKind::AddrInUse);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = Box::pin(async {
        let _ = stopped.await;
    });
    let surface = std::sync::Arc::new(crate::support::Handler(hello));
    let task = tokio::spawn(merkury_http::serve(listener, surface, Limits::default(), stopped));

    let mut stream = UnixStream::connect(&path).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("a write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.ends_with("hello"));
    drop(stop);
    task.await.expect("no panic");
    assert!(!path.exists());

    std::fs::write(&path, "precious").expect("a file");
    Listener::unix(&path).await.expect_err("a file is not replaced");
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), "precious");
    std::fs::remove_dir_all(&directory).expect("cleaned up");
}
