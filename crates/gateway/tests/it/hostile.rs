//! Requests that want something else than content.

use std::time::Duration;

use merkury_gateway::GatewayConfig;
use merkury_http::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Memory, client, start, start_with};

#[tokio::test]
async fn header_floods_are_431() {
    let host = start(&Memory::default(), GatewayConfig::default()).await.to_string();
    let flood = format!("GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "a".repeat(1024 * 1024));
    let answer = client::parse(&client::exchange(&host, flood.as_bytes()).await, false);
    assert_eq!(answer.status, 431);
    let long = format!("GET /ipfs/bafkqaaa/{} HTTP/1.1\r\nHost: x\r\n\r\n", "a/".repeat(100_000));
    let answer = client::parse(&client::exchange(&host, long.as_bytes()).await, false);
    assert!(matches!(answer.status, 414 | 431), "{}", answer.status);
}

#[tokio::test]
async fn range_floods_get_the_whole() {
    let host = start(&Memory::default(), GatewayConfig::default()).await.to_string();
    let content = "/ipfs/bafkqabtimvwgy3yk";
    let flood = format!("bytes={}", vec!["0-"; 5000].join(","));
    let answer = client::ask(&host, "GET", content, &[("range", flood.as_str())]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello\n"));
}

#[tokio::test]
async fn slow_clients_are_closed() {
    let soon = Duration::from_millis(100);
    let limits = Limits { head_timeout: soon, idle_timeout: soon, write_stall: soon, ..Limits::default() };
    let memory = Memory::default();
    let host = start_with(&memory, GatewayConfig::default(), limits).await.to_string();
    for start in ["", "GET /ipfs/bafkqaaa HTTP/1.1\r\nHost: x\r\nA: "] {
        let answer = client::exchange(&host, start.as_bytes()).await;
        assert!(answer.is_empty(), "{start:?}: {}", String::from_utf8_lossy(&answer));
    }
    // One that does not read: the connection ends, and the next client is served.
    let leaf = vec![1_u8; 256 * 1024];
    let leaves: Vec<&[u8]> = std::iter::repeat_n(&leaf[..], 1000).collect();
    let long = memory.file(&leaves);
    let mut deaf = TcpStream::connect(&host).await.expect("a connection");
    let request = format!("GET /ipfs/{long} HTTP/1.1\r\nHost: x\r\n\r\n");
    deaf.write_all(request.as_bytes()).await.expect("a write");
    let closed = async {
        // Writing into a connection that was closed fails after a while.
        while deaf.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(client::DEADLINE, closed).await.expect("closed in time");
    assert_eq!(client::get(&host, "/ipfs/bafkqaaa").await.status, 200);
}

/// Pieces that odd paths are made of.
const PIECES: [&str; 20] = [
    "",
    ".",
    "..",
    "%2e%2e",
    "%2E",
    "%2f",
    "%2F..%2F",
    "%00",
    "%ff",
    "%",
    "%zz",
    "\\",
    "..%5c",
    "%0d%0aX:%20y",
    "a",
    "secret",
    "~",
    ";x",
    "%c0%ae",
    "%e2%80%ae",
];

#[tokio::test]
async fn odd_paths_never_leave_the_root() {
    let memory = Memory::default();
    let secret = memory.raw("SECRET");
    let inside = memory.raw("inside");
    let inner = memory.directory(&[("a", &inside)]);
    let root = memory.directory(&[("a", &inside), ("inner", &inner)]);
    memory.directory(&[("secret", &secret), ("root", &root)]);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let mut paths: Vec<String> =
        vec!["/ipfs", "/ipfs/", "/ipfs//", "//ipfs", "/ipns", "/ipns/", "*", "/", "//", "/ipfs/%"]
            .into_iter()
            .map(str::to_owned)
            .collect();
    for first in PIECES {
        for second in PIECES {
            paths.push(format!("/ipfs/{root}/inner/{first}/{second}"));
        }
        paths.push(format!("/ipfs/{first}/{root}/a"));
        paths.push(format!("/{first}/ipfs/{root}/a"));
        paths.push(format!("/ipns/{first}"));
        paths.push(format!("/ipfs/{root}{first}"));
    }
    assert!(paths.len() > 300);
    for path in &paths {
        let answer = client::ask(&host, "GET", path, &[]).await;
        let text = answer.text();
        assert!(!text.contains("SECRET"), "{path}");
        assert!(matches!(answer.status, 200 | 301 | 302 | 307 | 400 | 404 | 500), "{path}: {} {text}", answer.status);
        let location = answer.field("location").unwrap_or_default();
        assert!(
            location.is_empty() || (location.starts_with('/') && !location.starts_with("//")),
            "{path}: {location}"
        );
        assert!(answer.field("x").is_none(), "{path}");
        if answer.status == 500 {
            assert!(path.starts_with("/ipns/"), "{path}: {text}");
        }
    }
}

#[tokio::test]
async fn equivalent_spellings_lead_to_the_same() {
    let memory = Memory::default();
    let root = memory.directory(&[("a b", &memory.raw("inside"))]);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    for rest in ["/a%20b", "//a%20b", "/./a%20b", "/x/../a%20b", "/x/%2e%2e/a%20b", "%2Fa%20b", "/%61%20b"] {
        let mut path = format!("/ipfs/{root}{rest}");
        let mut answer = client::get(&host, &path).await;
        for _ in 0..3 {
            let Some(location) = answer.field("location") else { break };
            path = location;
            answer = client::get(&host, &path).await;
        }
        assert_eq!(answer.text(), "inside", "{rest} → {path}");
    }
}

#[tokio::test]
async fn damaged_nodes_are_errors() {
    let memory = Memory::default();
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    for data in [&b""[..], b"\xff\xff\xff", b"\x0a\x02\x08\x07", b"\x0a\x02\x08\x63"] {
        let cid = memory.coded(merkury_core::cid::codec_code::DAG_PB, data.to_vec());
        for rest in ["", "/", "/a"] {
            let answer = client::get(&host, &format!("/ipfs/{cid}{rest}")).await;
            assert!((400..600).contains(&answer.status), "{data:?}{rest}: {}", answer.status);
        }
    }
}
