//! The wire form: header blocks, bodies, statuses, trailers. The expected texts are Kubo 0.43.1's own answers.

use futures::TryStreamExt;
use merkury_commands::Body;
use merkury_commands::rpc::RpcConfig;
use merkury_commands::rpc::client::{Answer, CallError};

use crate::support::Server;

const EMPTY: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";
const ALLOWED: &str = "X-Stream-Output, X-Chunked-Output, X-Content-Length";

#[tokio::test]
async fn one_item_has_kubos_header_block() {
    let server = Server::start(RpcConfig::default()).await;
    let reply = server.post("/api/v0/repo/stat", &[]).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.headers,
        [
            format!("access-control-allow-headers: {ALLOWED}"),
            format!("access-control-expose-headers: {ALLOWED}"),
            "connection: close".into(),
            "content-type: application/json".into(),
            "server: kubo/0.43.1".into(),
            "trailer: X-Stream-Error".into(),
            "transfer-encoding: chunked".into(),
            "vary: Origin".into(),
        ]
    );
    let body =
        r#"{"RepoSize":33159,"StorageMax":10000000000,"NumObjects":4,"RepoPath":"/repo","Version":"fs-repo@18"}"#;
    assert_eq!(reply.body, format!("{body}\n"));
}

#[tokio::test]
async fn the_head_is_spelled_and_ordered_as_kubos() {
    let server = Server::start(RpcConfig::default()).await;
    let answer =
        server.raw(b"POST /api/v0/pin/ls?stream=true HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await;
    let names: Vec<&str> = answer.lines().skip(1).map_while(|line| Some(line.split_once(": ")?.0)).collect();
    let wanted = [
        "Access-Control-Allow-Headers",
        "Access-Control-Expose-Headers",
        "Content-Type",
        "Server",
        "Trailer",
        "Vary",
        "X-Chunked-Output",
        "Connection",
        "Transfer-Encoding",
        "Date",
    ];
    assert_eq!(names, wanted);
}

#[tokio::test]
async fn streams_and_bytes_say_so() {
    let server = Server::start(RpcConfig::default()).await;
    let stream = server.post("/api/v0/pin/ls?stream=true&names=true", &[]).await;
    assert_eq!(stream.header("x-chunked-output"), Some("1"));
    assert_eq!(stream.body, format!("{{\"Cid\":\"{EMPTY}\",\"Name\":\"kept\",\"Type\":\"recursive\"}}\n"));
    let cid = server.node.put(b"hello");
    let bytes = server.post(&format!("/api/v0/cat?arg={cid}&offset=1&length=3"), &[]).await;
    assert_eq!((bytes.header("x-stream-output"), bytes.header("x-content-length")), (Some("1"), Some("3")));
    assert_eq!((bytes.header("content-type"), bytes.body.as_str()), (Some("text/plain"), "ell"));
    let block = server.post(&format!("/api/v0/block/get?arg={cid}"), &[]).await;
    assert_eq!((block.header("content-type"), block.body.as_str()), (Some("application/vnd.ipld.raw"), "hello"));
    let none = server.post("/api/v0/pin/verify", &[]).await;
    assert_eq!((none.status, none.body.as_str()), (200, ""), "a stream without items");
    let empty = server.post("/api/v0/files/mkdir?arg=/x", &[]).await;
    assert_eq!((empty.status, empty.body.as_str(), empty.header("x-chunked-output")), (200, "", Some("1")));
}

#[tokio::test]
async fn a_word_behind_the_name_of_a_command_is_its_first_argument() {
    let server = Server::start(RpcConfig::default()).await;
    let cid = server.node.put(b"hello");
    let block = server.post(&format!("/api/v0/block/get/{cid}"), &[]).await;
    assert_eq!((block.status, block.body.as_str()), (200, "hello"));
    let made = server.post("/api/v0/files/mkdir/%2Fwith+plus", &[]).await;
    assert_eq!((made.status, made.body.as_str()), (200, ""));
    for path in ["repo/stat/x", "block/get/a/b", "nonsense/x"] {
        assert_eq!(server.post(&format!("/api/v0/{path}"), &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn failures_before_the_first_byte_are_statuses() {
    let server = Server::start(RpcConfig::default()).await;
    for (path, status, mime, body) in [
        ("block/stat", 400, "text/plain; charset=utf-8", "argument \"cid\" is required\n"),
        ("add", 400, "text/plain; charset=utf-8", "file argument 'path' is required\n"),
        ("nonsense", 404, "text/plain; charset=utf-8", "404 page not found\n"),
        ("init", 404, "text/plain; charset=utf-8", "404 page not found\n"),
        ("block", 404, "text/plain; charset=utf-8", "404 page not found\n"),
        ("id?timeout=soon", 400, "text/plain; charset=utf-8", "time: invalid duration \"soon\"\n"),
        (
            "pin/add?arg=x&recursive=maybe",
            400,
            "text/plain; charset=utf-8",
            "could not convert value \"maybe\" to type \"bool\" (for option \"-recursive\")\n",
        ),
        (
            "block/stat?arg=x",
            500,
            "application/json",
            "{\"Message\":\"invalid path \\\"x\\\": path does not have enough components\",\"Code\":0,\"Type\":\"error\",\
             \"Hints\":[\"give a CID, or a path such as /ipfs/CID/name or /ipns/NAME\"]}\n",
        ),
        (
            &format!("cat?arg=/ipfs/{EMPTY}"),
            500,
            "application/json",
            "{\"Message\":\"this dag node is a directory\",\"Code\":0,\"Type\":\"error\"}\n",
        ),
    ] {
        let reply = server.post(&format!("/api/v0/{path}"), &[]).await;
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.header("content-type"), Some(mime), "{path}");
        assert_eq!(reply.body, body, "{path}");
    }
}

#[tokio::test]
async fn failures_inside_a_stream_end_it_with_the_trailer_or_the_error_object() {
    let server = Server::start(RpcConfig::default()).await;
    let broken = server.post("/api/v0/files/rm?arg=/nope&arg=/f", &["TE: trailers"]).await;
    assert_eq!(broken.status, 200);
    assert_eq!(broken.body, "\"/nope: file does not exist\"\n");
    assert_eq!(broken.trailers, ["x-stream-error: can't remove some files"]);
    // Who does not ask for trailers finds the error as the last line.
    let plain = server.post("/api/v0/files/rm?arg=/nope&arg=/f", &[]).await;
    let lines =
        "\"/nope: file does not exist\"\n{\"Message\":\"can't remove some files\",\"Code\":0,\"Type\":\"error\"}\n";
    assert_eq!(plain.body, lines);
    let bytes = server.post(&format!("/api/v0/dag/export?arg={EMPTY}"), &["TE: trailers"]).await;
    assert_eq!(
        (bytes.body.as_str(), bytes.trailers.as_slice()),
        ("car bytes", &["x-stream-error: block is gone".to_owned()][..])
    );
    // Without trailers the connection is cut: half an archive never looks whole.
    let raw = format!("POST /api/v0/dag/export?arg={EMPTY} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    let cut = server.raw(raw.as_bytes()).await;
    assert!(cut.contains("car bytes") && !cut.ends_with("0\r\n\r\n"), "{cut}");
}

#[tokio::test]
async fn our_client_reads_items_bytes_errors_and_trailers() {
    let server = Server::start(RpcConfig::default()).await;
    let Ok(Answer::Items(items)) = server.call("refs", &[EMPTY], Body::None).await else { panic!("items") };
    let lines: Vec<_> = items.try_collect().await.expect("refs put their errors into items");
    assert_eq!(lines.len(), 3);
    assert!(lines[2].starts_with(b"{\"Ref\":\"\",\"Err\":\"merkledag: not found\"}"));
    let Ok(Answer::Items(items)) = server.call("files/rm", &["/nope"], Body::None).await else { panic!("items") };
    let error = items.try_collect::<Vec<_>>().await.expect_err("the last line is an error");
    assert_eq!(error.message, "can't remove some files");
    let Ok(Answer::Bytes { stream, .. }) = server.call("dag/export", &[EMPTY], Body::None).await else {
        panic!("bytes")
    };
    let error = stream.try_collect::<Vec<_>>().await.expect_err("the trailer is an error");
    assert_eq!(error.message, "block is gone");
    let Err(CallError::Failed(error)) = server.call("block/stat", &["x"], Body::None).await else { panic!("an error") };
    assert_eq!(error.message, "invalid path \"x\": path does not have enough components");
    assert_eq!(error.hints.len(), 1, "hints cross the wire");
}

#[tokio::test]
async fn the_timeout_option_ends_a_call() {
    let server = Server::start(RpcConfig::default()).await;
    let peer = "12D3KooWHNyYv32ivXabQSe3ZchjWRT8PwSrihnTTPxtsMrFMzZY";
    let reply = server.post(&format!("/api/v0/routing/findpeer?arg={peer}&timeout=50ms"), &[]).await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("context deadline exceeded"), "{}", reply.body);
}

#[tokio::test]
async fn encoding_text_is_what_the_terminal_prints() {
    let server = Server::start(RpcConfig::default()).await;
    let reply = server.post("/api/v0/repo/stat?encoding=text&size-only=true", &[]).await;
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    assert_eq!(reply.body, "RepoSize:   33159\nStorageMax: 10000000000\n");
    let refused = server.post("/api/v0/repo/stat?enc=protobuf", &[]).await;
    assert_eq!((refused.status, refused.body.as_str()), (400, "invalid encoding: protobuf\n"));
}

#[tokio::test]
async fn arguments_may_come_in_the_body() {
    let server = Server::start(RpcConfig::default()).await;
    let cid = server.node.put(b"from the body");
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"stdin\"\r\n\r\n{cid}\n{cid}\r\n--b--\r\n"
    );
    let reply =
        server.post_with("/api/v0/cat", &["Content-Type: multipart/form-data; boundary=b"], body.as_bytes()).await;
    assert_eq!(reply.body, "from the bodyfrom the body");
}

#[tokio::test]
async fn preflight_and_methods() {
    let server = Server::start(RpcConfig::default()).await;
    let origin = format!("http://localhost:{}", server.address.port());
    let host = server.address;
    let preflight = format!(
        "OPTIONS /api/v0/version HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n"
    );
    let answer = server.raw(preflight.as_bytes()).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 204"), "{answer}");
    assert!(answer.contains(&format!("access-control-allow-origin: {origin}")), "{answer}");
    assert!(answer.contains("access-control-allow-methods: post"), "{answer}");
    let get = format!("GET /api/v0/version HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let answer = server.raw(get.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("allow: options, post"), "{answer}");
}

#[tokio::test]
async fn shutdown_reaches_the_node() {
    let server = Server::start(RpcConfig::default()).await;
    assert_eq!(server.post("/api/v0/shutdown", &[]).await.status, 200);
    assert!(server.node.stopped.load(std::sync::atomic::Ordering::SeqCst));
}

#[tokio::test]
async fn a_client_that_sends_a_lot_still_reads_why_it_was_refused() {
    let server = Server::start(RpcConfig::default()).await;
    let mut body = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big\"\r\n\r\n".to_vec();
    body.resize(4 * 1024 * 1024, b'x');
    body.extend_from_slice(b"\r\n--b--\r\n");
    let reply =
        server.post_with("/api/v0/add?hash=nope", &["Content-Type: multipart/form-data; boundary=b"], &body).await;
    assert_eq!(reply.status, 500);
    assert!(reply.body.contains("unrecognized hash function"), "{}", reply.body);
}
