//! Requests that mean no good: who may call, and what is too much. The first table is the RPC part of the corpus of
//! hostile inputs.

use merkury_commands::rpc::RpcConfig;

use crate::support::Server;

/// Status of a raw request.
async fn status(server: &Server, request: String) -> u16 {
    let answer = server.raw(request.as_bytes()).await;
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn requests_of_the_corpus() {
    let server = Server::start(RpcConfig::default()).await;
    let rpc = "Host: 127.0.0.1:5001";
    let long = format!("A: {}", "a".repeat(1 << 20));
    for (name, first, headers, body, allowed) in [
        ("header_1MiB", "GET /ipfs/bafkqaaa", vec!["Host: x", &long], "", &[431][..]),
        ("two_lengths", "POST /api/v0/add", vec![rpc, "Content-Length: 5", "Content-Length: 50"], "hello", &[400]),
        (
            "te_cl",
            "POST /api/v0/add",
            vec![rpc, "Transfer-Encoding: chunked", "Content-Length: 4"],
            "0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
            &[400],
        ),
        ("rebind", "POST /api/v0/config/show", vec!["Host: evil.example:5001", "Content-Length: 0"], "", &[403]),
        (
            "csrf_origin",
            "POST /api/v0/id",
            vec![rpc, "Origin: https://evil.example", "User-Agent: Mozilla/5.0", "Content-Length: 0"],
            "",
            &[403],
        ),
        ("csrf_noorigin", "POST /api/v0/id", vec![rpc, "User-Agent: Mozilla/5.0", "Content-Length: 0"], "", &[403]),
        ("get_rpc", "GET /api/v0/id", vec![rpc], "", &[405]),
        ("gateway_page", "GET /ipfs/bafkqaaa", vec![rpc], "", &[404]),
        ("rebind_debug", "GET /debug/vars", vec!["Host: evil.example"], "", &[403]),
    ] {
        let request = format!("{first} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n{body}", headers.join("\r\n"));
        let got = status(&server, request).await;
        assert!(allowed.contains(&got), "{name}: {got}");
    }
}

#[tokio::test]
async fn tokens_open_whole_segments_and_nothing_else() {
    let config = serde_json::json!({"API": {"Authorizations": {
        "files": {"AuthSecret": "bearer:only-files", "AllowedPaths": ["/api/v0/files"]},
        "basic": {"AuthSecret": "basic:user:pass", "AllowedPaths": ["/api/v0"]},
    }}});
    let server = Server::start(RpcConfig::from_config(&config).expect("valid")).await;
    for (token, path, wanted) in [
        (None, "/api/v0/version", 403),
        (None, "/debug/vars", 403),
        (Some("Bearer only-files"), "/api/v0/version", 200),
        (Some("Bearer only-files"), "/api/v0/files/ls", 200),
        (Some("Bearer only-files"), "/api/v0/filestore/ls", 403),
        (Some("Bearer only-files"), "/api/v0/files/../config/show", 403),
        (Some("Bearer only-files"), "/api/v0//files/ls", 403),
        (Some("Bearer only-files"), "/api/v0/FILES/ls", 403),
        (Some("Bearer only-files"), "/api/v0/config/show", 403),
        (Some("Bearer wrong"), "/api/v0/files/ls", 403),
        (Some("Basic dXNlcjpwYXNz"), "/api/v0/config/show", 200),
        (Some("basic dXNlcjpwYXNz"), "/api/v0/config/show", 403),
    ] {
        let header = token.map(|token| format!("Authorization: {token}"));
        let headers: Vec<&str> = header.as_deref().into_iter().collect();
        let reply = server.post(path, &headers).await;
        assert_eq!(reply.status, wanted, "{token:?} {path}");
    }
}

#[tokio::test]
async fn every_operation_refuses_foreign_pages() {
    let server = Server::start(RpcConfig::default()).await;
    for op in merkury_commands::list::OPS {
        let path = format!("/api/v0/{}", op.spec().path);
        for headers in [
            &["Origin: https://evil.example"][..],
            &["Origin: null"],
            &["Referer: https://evil.example/page"],
            &["User-Agent: Mozilla/5.0"],
            &["Host: evil.example"],
        ] {
            assert_eq!(server.post(&path, headers).await.status, 403, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn long_queries_are_refused() {
    let server = Server::start(RpcConfig::default()).await;
    // The head itself is bounded by the listener, below the bound of the query.
    let path = format!("/api/v0/cat?arg={}", "a".repeat(70_000));
    assert!([400, 414, 431].contains(&server.post(&path, &[]).await.status));
    let pairs = "a&".repeat(5000);
    let reply = server.post(&format!("/api/v0/id?{pairs}"), &[]).await;
    assert_eq!((reply.status, reply.body.as_str()), (400, "more than 4096 parameters\n"));
    assert_eq!(server.post("/api/v0/cat?arg=%ff", &[]).await.status, 400);
}

#[tokio::test]
async fn bodies_that_are_too_much_or_broken_are_refused() {
    let server = Server::start(RpcConfig::default()).await;
    let add = |head: &str, data: &str| format!("--b\r\n{head}\r\n\r\n{data}\r\n--b--\r\n");
    let named = |name: &str| format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
    let link = format!("{}\r\nContent-Type: application/symlink", named("l"));
    let deep = "a/".repeat(600);
    for (name, body) in [
        ("dotdot", add(&named("..%2F..%2Fx"), "x")),
        ("inner dotdot", add(&named("a/../../x"), "x")),
        ("nul", add(&named("a%00b"), "x")),
        ("deep", add(&named(&deep), "x")),
        ("head over the limit", add(&format!("{}\r\nX: {}", named("a"), "y".repeat(40_000)), "x")),
        ("link over 64 KiB", add(&link, &"z".repeat(70_000))),
        ("cut in the data", "--b\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nhalf".into()),
        ("cut in the head", "--b\r\nContent-Disposition: form-".into()),
        ("no boundary at all", "z".repeat(70_000)),
        ("empty", String::new()),
    ] {
        let reply =
            server.post_with("/api/v0/add", &["Content-Type: multipart/form-data; boundary=b"], body.as_bytes()).await;
        let refused = reply.status == 500 || reply.body.contains("\"Type\":\"error\"");
        assert!(refused, "{name}: {reply:?}");
    }
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        &format!("multipart/form-data; boundary={}", "b".repeat(71)),
    ] {
        let reply = server.post_with("/api/v0/add", &[&format!("Content-Type: {content_type}")], b"x").await;
        assert_eq!(reply.status, 400, "{content_type}");
    }
}
