//! Limits of time and number.

use std::time::Duration;

use merkury_gateway::GatewayConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Memory, client, start};

fn short() -> GatewayConfig {
    GatewayConfig { retrieval_timeout: Some(Duration::from_millis(100)), ..GatewayConfig::default() }
}

#[tokio::test]
async fn content_that_does_not_come_is_504() {
    let memory = Memory::default();
    let lost = memory.raw("lost");
    memory.silence(&lost);
    let host = start(&memory, short()).await.to_string();
    let answer = client::get(&host, &format!("/ipfs/{lost}")).await;
    assert_eq!((answer.status, answer.field("cache-control").as_deref()), (504, Some("no-store")));
    assert!(answer.text().contains("no peer sent the content within"), "{}", answer.text());
    let page = client::ask(&host, "GET", &format!("/ipfs/{lost}"), &[("accept", "text/html")]).await;
    assert_eq!(page.status, 504);
    assert!(page.text().contains("The content did not come in time") && page.text().contains("What you can do"));
}

#[tokio::test]
async fn a_body_that_stalls_is_cut() {
    let memory = Memory::default();
    let chunk = vec![7; 300 * 1024];
    let long = memory.file(&[&chunk, b"lost"]);
    memory.silence(&memory.raw("lost"));
    let host = start(&memory, short()).await.to_string();
    let answer = client::get(&host, &format!("/ipfs/{long}")).await;
    assert_eq!((answer.status, answer.is_whole, answer.body.len()), (200, false, chunk.len()));
}

#[tokio::test]
async fn too_many_requests_are_429() {
    let memory = Memory::default();
    let (lost, hello) = (memory.raw("lost"), memory.raw("hello"));
    memory.silence(&lost);
    let config = GatewayConfig { requests_max: Some(1), retrieval_timeout: None, ..GatewayConfig::default() };
    let host = start(&memory, config).await.to_string();
    // A quick answer first; then one that never ends takes the only place.
    assert_eq!(client::get(&host, &format!("/ipfs/{hello}")).await.status, 200);
    let mut waiting = TcpStream::connect(&host).await.expect("a connection");
    let request = format!("GET /ipfs/{lost} HTTP/1.1\r\nHost: x\r\n\r\n");
    waiting.write_all(request.as_bytes()).await.expect("a write");
    let refused = loop {
        let answer = client::get(&host, &format!("/ipfs/{hello}?again={}", rand())).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!((refused.status, refused.field("retry-after").as_deref()), (429, Some("60")));
    // What is in memory is answered still.
    assert_eq!(client::get(&host, &format!("/ipfs/{hello}")).await.status, 200);
    // A client that goes away gives its place back.
    drop(waiting);
    while client::get(&host, &format!("/ipfs/{hello}?again={}", rand())).await.status != 200 {}
}

/// A number that did not come before, so that no cache answers.
fn rand() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn a_client_that_reads_slowly_takes_no_memory() {
    let memory = Memory::default();
    // The same leaf 1,000 times: 256 MB on the wire, 256 kB here.
    let leaf = vec![1_u8; 256 * 1024];
    let leaves: Vec<&[u8]> = std::iter::repeat_n(&leaf[..], 1000).collect();
    let long = memory.file(&leaves);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let mut stream = TcpStream::connect(&host).await.expect("a connection");
    let request = format!("GET /ipfs/{long} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a write");
    let mut first = [0; 16];
    stream.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200 OK\r");
    // Others are served meanwhile.
    assert_eq!(client::get(&host, "/ipfs/bafkqaaa").await.status, 200);
}
