//! UnixFS files and directories by path: our own table.

use merkury_gateway::GatewayConfig;

use crate::support::case::{Case, Is, get, is, run_all};
use crate::support::{Memory, start};

const IMMUTABLE: &str = "public, max-age=29030400, immutable";

fn cases(memory: &Memory) -> Vec<Case> {
    let hello = memory.raw("hello world");
    let long = memory.file(&[b"abcdefgh", b"ijklmnop", b"qrs"]);
    let empty = memory.file(&[]);
    let page = memory.raw("<h1>index</h1>");
    let link = memory.symlink("hello.txt");
    let site = memory.directory(&[("index.html", &page)]);
    let inner = memory.directory(&[("é ü.txt", &hello), ("a%2Cb", &long)]);
    let root = memory.directory(&[
        ("empty.bin", &empty),
        ("hello.txt", &hello),
        ("inner", &inner),
        ("link", &link),
        ("long", &long),
        ("site", &site),
    ]);
    let at = |rest: &str| format!("/ipfs/{root}{rest}");
    vec![
        get("a file", at("/hello.txt"), 200)
            .field("content-type", is("text/plain; charset=utf-8"))
            .field("content-length", is("11"))
            .field("etag", is(format!("\"{hello}\"")))
            .field("cache-control", is(IMMUTABLE))
            .field("accept-ranges", is("bytes"))
            .field("ipfs-uri", is(format!("ipfs://{root}/hello.txt")))
            .field("x-ipfs-roots", is(format!("{root},{hello}")))
            .field("x-ipfs-path", Is::Absent)
            .field("last-modified", Is::Absent)
            .field("access-control-allow-origin", is("*"))
            .field("access-control-allow-methods", is("GET, HEAD, OPTIONS"))
            .field("access-control-allow-headers", is("Content-Type, Range, User-Agent, X-Requested-With"))
            .field(
                "access-control-expose-headers",
                is("Content-Length, Content-Range, Ipfs-Uri, X-Chunked-Output, X-Ipfs-Roots, X-Stream-Output"),
            )
            .body(is("hello world")),
        get("its head", at("/hello.txt"), 200).head().field("content-length", is("11")),
        get("several blocks, sniffed", at("/long"), 200)
            .field("content-type", is("text/plain; charset=utf-8"))
            .field("content-length", is("19"))
            .body(is("abcdefghijklmnopqrs")),
        get("an empty file", at("/empty.bin"), 200).field("content-length", is("0")).body(Is::Empty),
        get("an encoded name", at("/inner/%C3%A9%20%C3%BC.txt"), 200)
            .field("ipfs-uri", is(format!("ipfs://{root}/inner/%C3%A9%20%C3%BC.txt")))
            .body(is("hello world")),
        get("a percent sign in a name", at("/inner/a%252Cb"), 200).body(is("abcdefghijklmnopqrs")),
        get("a symlink", at("/link"), 200).field("content-type", is("inode/symlink")).body(is("hello.txt")),
        get("a file by its CID", format!("/ipfs/{hello}"), 200).field("ipfs-uri", is(format!("ipfs://{hello}"))),
        get("an identity CID", "/ipfs/bafkqabtimvwgy3yk", 200).body(is("hello\n")),
        get("the empty identity CID", "/ipfs/bafkqaaa", 200).body(Is::Empty),
        // ranges
        get("one range", at("/long"), 206)
            .with("range", "bytes=6-9")
            .field("content-range", is("bytes 6-9/19"))
            .field("content-length", is("4"))
            .body(is("ghij")),
        get("to the end", at("/long"), 206).with("range", "bytes=16-").body(is("qrs")),
        get("the last bytes", at("/long"), 206).with("range", "bytes=-2").body(is("rs")),
        get("several ranges: the first", at("/long"), 206).with("range", "bytes=1-2,5-6").body(is("bc")),
        get("the head of a range", at("/long"), 206).head().with("range", "bytes=1-2").field("content-length", is("2")),
        get("behind the end", at("/long"), 416)
            .with("range", "bytes=19-")
            .field("content-range", is("bytes */19"))
            .body(is("invalid range: failed to overlap\n")),
        get("a malformed range", at("/long"), 400)
            .with("range", "bytes=5-2")
            .body(is("invalid range request: invalid range\n")),
        get("a range of nothing", at("/empty.bin"), 200).with("range", "bytes=0-").body(Is::Empty),
        get("if-range that holds", at("/long"), 206)
            .with("range", "bytes=0-0")
            .with("if-range", format!("\"{long}\""))
            .body(is("a")),
        get("if-range that does not", at("/long"), 200).with("range", "bytes=0-0").with("if-range", "\"x\""),
        // conditions
        get("known content", at("/hello.txt"), 304)
            .with("if-none-match", format!("\"x\", W/\"{hello}\""))
            .field("etag", is(format!("\"{hello}\"")))
            .field("cache-control", is(IMMUTABLE))
            .field("content-type", Is::Absent)
            .body(Is::Empty),
        get("any content", at("/hello.txt"), 304).with("if-none-match", "*"),
        get("other content", at("/hello.txt"), 200).with("if-none-match", "\"x\""),
        get("if-match that does not hold", at("/hello.txt"), 412).with("if-match", "\"x\""),
        // names for saving
        get("a file name", at("/long?filename=a%20%C3%A9.html"), 200)
            .field("content-disposition", is("inline; filename=\"a%20_.html\"; filename*=UTF-8''a%20%C3%A9.html"))
            .field("content-type", is("text/html")),
        get("a download", at("/hello.txt?filename=x.png&download=true"), 200)
            .field("content-disposition", Is::Starts("attachment; filename=\"x.png\"".into()))
            .field("content-type", is("image/png")),
        // directories
        get("a directory without slash", at("/site"), 301)
            .field("location", is(at("/site/")))
            .field("x-ipfs-roots", is(format!("{root},{site}"))),
        get("its query stays", at("/site?a=b"), 301).field("location", is(at("/site/?a=b"))),
        get("its index", at("/site/"), 200)
            .field("content-type", is("text/html"))
            .field("etag", is(format!("\"{site}\"")))
            .field("cache-control", is(IMMUTABLE))
            .body(is("<h1>index</h1>")),
        get("a part of its index", at("/site/"), 206).with("range", "bytes=0-3").body(is("<h1>")),
        get("known index", at("/site/"), 304).with("if-none-match", format!("\"{site}\"")),
        get("a listing", at("/inner/"), 200)
            .field("content-type", is("text/html"))
            .field("etag", Is::Starts("\"DirIndex-".into()))
            .field("cache-control", is("public, max-age=604800, stale-while-revalidate=2678400"))
            .field("content-security-policy", Is::Has("default-src 'none'"))
            .body(Is::Has("é ü.txt")),
        get("the head of a listing", at("/inner/"), 200).head().field("etag", Is::Starts("\"DirIndex-".into())),
        // failures
        get("a missing name", at("/nope"), 404)
            .field("content-type", is("text/plain; charset=utf-8"))
            .field("ipfs-uri", is(format!("ipfs://{root}/nope")))
            .field("cache-control", Is::Absent)
            .body(is(format!("failed to resolve /ipfs/{root}/nope: no link named \"nope\" under {root}\n"))),
        get("a name below a file", at("/hello.txt/x"), 404).body(Is::Has("no link named \"x\" under")),
        get("a missing block", "/ipfs/bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6aa", 404)
            .body(Is::Has("ipld: could not find bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6aa")),
        get("no CID", "/ipfs/xx", 400).body(Is::Has("invalid cid")),
        get("nothing", "/ipfs/", 400).body(Is::Has("path does not have enough components")),
        get("elsewhere", "/foo", 404).body(is("404 page not found\n")),
        get("the version", "/version", 200).body(Is::Has("Client Version: ")),
        // spellings
        get("dots", at("/inner/../hello.txt"), 307).field("location", is(at("/hello.txt"))),
        get("double slashes", at("//hello.txt"), 307).field("location", is(at("/hello.txt"))),
        get("a namespace too much", format!("/ipfs/ipfs/{hello}?a=b"), 301)
            .field("location", is(format!("/ipfs/{hello}?a=b"))),
        get("a registered protocol", format!("/ipfs/?uri=ipfs%3A%2F%2F{hello}%2Fa%3Fb%3Dc"), 301)
            .field("location", is(format!("/ipfs/{hello}/a?b=c"))),
        get("another protocol", "/ipfs/?uri=https%3A%2F%2Fexample.org", 400),
        get("a peer id", "/ipns/12D3KooWLQzUv2FHWGVPXTXSZpdHs7oHbXub2G5WC8Tx4NQhyd2d/a", 302)
            .field("location", is("/ipns/k51qzi5uqu5dk3v4rmjber23h16xnr23bsggmqqil9z2gduiis5se8dht36dam/a")),
        get("a service worker at the root", format!("/ipfs/{hello}"), 400).with("service-worker", "script"),
        get("a service worker below", at("/hello.txt"), 200).with("service-worker", "script"),
        get("here already", at("/hello.txt"), 200).with("cache-control", "only-if-cached").body(is("hello world")),
        get("not here", "/ipfs/bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6aa", 412)
            .with("cache-control", "only-if-cached"),
    ]
}

#[tokio::test]
async fn the_table() {
    let memory = Memory::default();
    let cases = cases(&memory);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    run_all(&host, &cases).await;
    // Once more, from the caches.
    run_all(&host, &cases).await;
}

#[tokio::test]
async fn methods() {
    let memory = Memory::default();
    let path = format!("/ipfs/{}", memory.raw("hello"));
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = crate::support::client::ask(&host, method, &path, &[("content-length", "0")]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.field("allow").as_deref(), Some("GET, HEAD, OPTIONS"), "{method}");
    }
    let options = crate::support::client::ask(&host, "OPTIONS", &path, &[]).await;
    assert_eq!((options.status, options.body.len()), (200, 0));
    assert_eq!(options.field("access-control-allow-origin").as_deref(), Some("*"));
}

#[tokio::test]
async fn names() {
    let memory = Memory::default();
    let hello = memory.raw("hello");
    let root = memory.directory(&[("hello.txt", &hello)]);
    memory.name("example.org", root.clone());
    let cases = [
        get("a file below a name", "/ipns/example.org/hello.txt", 200)
            .field("cache-control", is("public, max-age=60"))
            .field("ipfs-uri", is("ipns://example.org/hello.txt"))
            .field("x-ipfs-roots", is(format!("{root},{hello}")))
            .field("etag", is(format!("\"{hello}\"")))
            .field("last-modified", Is::Has(" GMT"))
            .body(is("hello")),
        get("a listing below a name", "/ipns/example.org/", 200)
            .field("cache-control", is("public, max-age=60, stale-while-revalidate=2678400")),
        get("a name that leads nowhere", "/ipns/example.com/", 500).body(Is::Has("could not resolve name")),
    ];
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    run_all(&host, &cases).await;
    memory.name("example.org", memory.raw("moved"));
    run_all(&host, &[get("a name that moved", "/ipns/example.org", 200).body(is("moved"))]).await;
}

#[tokio::test]
async fn options_change_answers() {
    let memory = Memory::default();
    let hello = memory.raw("hello");
    let long = memory.file(&[b"abc", b"def"]);
    let path = format!("/ipfs/{hello}");
    let config = GatewayConfig {
        headers: [("X-Extra".to_owned(), vec!["a".to_owned()])].into(),
        root_redirect: "/ipfs/bafkqaaa".into(),
        deprecated_x_ipfs_path: true,
        range_file_bytes_max: Some(5),
        ..GatewayConfig::default()
    };
    let host = start(&memory, config).await.to_string();
    let cases = [
        get("extra headers", &path, 200)
            .field("x-extra", is("a"))
            .field("x-ipfs-path", is(&path))
            .field("access-control-expose-headers", Is::Has("X-Ipfs-Path")),
        get("no header for odd paths", format!("/ipfs/{hello}/%C3%A9"), 404).field("x-ipfs-path", Is::Absent),
        get("the root", "/", 302).field("location", is("/ipfs/bafkqaaa")),
        get("a small range", &path, 206).with("range", "bytes=0-1"),
        get("a range of a large file", format!("/ipfs/{long}"), 501).with("range", "bytes=0-1"),
    ];
    run_all(&host, &cases).await;

    let trustless = GatewayConfig { deserialized_responses: false, ..GatewayConfig::default() };
    let host = start(&memory, trustless).await.to_string();
    let cases = [
        get("bytes", &path, 406).body(Is::Has("only trustless requests are accepted on this gateway")),
        get("a block", format!("{path}?format=raw"), 200).body(is("hello")),
        get("an archive", format!("{path}?format=car"), 200),
    ];
    run_all(&host, &cases).await;
}
