//! Blocks, archives and documents.

use merkury_core::cid::codec_code;
use merkury_gateway::GatewayConfig;

use crate::support::case::{Case, Is, get, is, run_all};
use crate::support::{Memory, client, start};

fn cases(memory: &Memory) -> Vec<Case> {
    let hello = memory.raw("hello world");
    let (first, second) = (memory.raw("abcdefgh"), memory.raw("ijk"));
    let long = memory.file(&[b"abcdefgh", b"ijk"]);
    let inner = memory.directory(&[("copy", &hello), ("hello.txt", &hello), ("long", &long)]);
    let root = memory.directory(&[("inner", &inner)]);
    let json = memory.coded(codec_code::DAG_JSON, "{\"a\":1}");
    let cbor = memory.coded(codec_code::DAG_CBOR, "\u{1}");
    let plain = memory.coded(codec_code::JSON, "{}");
    let [root_text, inner_text, hello_text, long_text] = [&root, &inner, &hello, &long].map(ToString::to_string);
    let (first, second) = (first.to_string(), second.to_string());
    let at = |rest: &str| format!("/ipfs/{root}/inner{rest}");
    let car = "application/vnd.ipld.car";
    vec![
        get("a block", at("/hello.txt?format=raw"), 200)
            .field("content-type", is("application/vnd.ipld.raw"))
            .field("content-length", is("11"))
            .field("content-disposition", Is::Starts(format!("attachment; filename=\"{hello}.bin\"")))
            .field("etag", is(format!("\"{hello}.raw\"")))
            .field("x-content-type-options", is("nosniff"))
            .field("content-location", Is::Absent)
            .body(is("hello world")),
        get("a block by Accept", at("/hello.txt"), 200)
            .with("accept", "application/vnd.ipld.raw")
            .field("content-location", is(format!("{}?format=raw", at("/hello.txt")))),
        get("a part of a block", at("/hello.txt?format=raw"), 206).with("range", "bytes=0-4").body(is("hello")),
        get("a known block", at("/hello.txt?format=raw"), 304).with("if-none-match", format!("\"{hello}.raw\"")),
        get("the block of a directory", format!("/ipfs/{root}?format=raw"), 200)
            .field("etag", is(format!("\"{root}.raw\""))),
        get("the head of a block", at("/hello.txt?format=raw"), 200).head().field("content-length", is("11")),
        // archives
        get("everything below", at("?format=car"), 200)
            .field("content-type", is("application/vnd.ipld.car; version=1; order=dfs; dups=n"))
            .field("content-disposition", Is::Starts(format!("attachment; filename=\"{root}_inner.car\"")))
            .field("etag", Is::Starts(format!("W/\"{root}.car.")))
            .field("accept-ranges", is("none"))
            .field("x-content-type-options", is("nosniff"))
            .field("cache-control", is("public, max-age=29030400, immutable"))
            .car(&[&inner_text], &[&root_text, &inner_text, &hello_text, &long_text, &first, &second]),
        get("with duplicates", at(""), 200)
            .with("accept", format!("{car}; dups=y; order=dfs"))
            .field("content-type", is("application/vnd.ipld.car; version=1; order=dfs; dups=y"))
            .field("content-location", is(format!("{}?car-dups=y&car-order=dfs&format=car", at(""))))
            .car(&[&inner_text], &[&root_text, &inner_text, &hello_text, &hello_text, &long_text, &first, &second]),
        get("the block alone", at("?format=car&dag-scope=block"), 200).car(&[&inner_text], &[&root_text, &inner_text]),
        get("the entity: a directory", at("?format=car&dag-scope=entity"), 200)
            .car(&[&inner_text], &[&root_text, &inner_text]),
        get("the entity: a file", at("/long?format=car&dag-scope=entity"), 200)
            .car(&[&long_text], &[&root_text, &inner_text, &long_text, &first, &second]),
        get("a missing name is proved", at("/nope?format=car"), 200).car(&["bafkqaaa"], &[&root_text, &inner_text]),
        get("the head of an archive", at("?format=car"), 200).head().field("accept-ranges", is("none")),
        get("the order does not matter", at("?format=car&car-order=unk"), 200)
            .field("content-type", is("application/vnd.ipld.car; version=1; order=unk; dups=n")),
        get("another version", at("?format=car&car-version=2"), 400).body(Is::Has("only version=1 is supported")),
        get("another order", at("?format=car&car-order=bfs"), 400),
        get("another scope", at("?format=car&dag-scope=some"), 400),
        get("a bad range of bytes", at("?format=car&dag-scope=entity&entity-bytes=5:2"), 400),
        get("the query beats Accept", at("?format=car&car-dups=n"), 200)
            .with("accept", format!("{car};dups=y"))
            .field("content-type", Is::Has("dups=n")),
        // tar
        get("a tar", at("?format=tar"), 200)
            .field("content-type", is("application/x-tar"))
            .field("etag", is(format!("W/\"{inner}.x-tar\"")))
            .field("content-disposition", Is::Starts(format!("attachment; filename=\"{inner}.tar\"")))
            .field("x-content-type-options", is("nosniff")),
        get("a known tar", at("?format=tar"), 304).with("if-none-match", format!("W/\"{inner}.x-tar\"")),
        // documents
        get("dag-json", format!("/ipfs/{json}"), 200)
            .field("content-type", is("application/vnd.ipld.dag-json"))
            .field("content-disposition", Is::Starts(format!("inline; filename=\"{json}.json\"")))
            .field("etag", is(format!("\"{json}.dag-json\"")))
            .field("x-content-type-options", is("nosniff"))
            .body(is("{\"a\":1}")),
        get("dag-json as json", format!("/ipfs/{json}?format=json"), 200)
            .field("content-type", is("application/json"))
            .field("etag", is(format!("\"{json}.json\""))),
        get("dag-json as dag-cbor", format!("/ipfs/{json}?format=dag-cbor"), 406)
            .body(Is::Has("codec conversion is not supported")),
        get("dag-cbor", format!("/ipfs/{cbor}"), 200)
            .field("content-type", is("application/vnd.ipld.dag-cbor"))
            .field("content-disposition", Is::Starts(format!("attachment; filename=\"{cbor}.cbor\""))),
        get("a file as dag-json", at("/long?format=dag-json"), 406).body(Is::Has("block has codec \"dag-pb\"")),
        get("plain json", format!("/ipfs/{plain}"), 200).field("content-type", is("application/json")),
        get("plain json as dag-json", format!("/ipfs/{plain}?format=dag-json"), 406),
        get("a page for people", format!("/ipfs/{json}/"), 200)
            .with("accept", "text/html")
            .field("content-type", Is::Has("text/html"))
            .field("etag", Is::Starts("\"DagIndex-".into()))
            .field("cache-control", Is::Absent)
            .body(Is::Has("&#34;a&#34;:1")),
        get("a page without slash", format!("/ipfs/{json}"), 301).with("accept", "text/html"),
        get("no page for programs", format!("/ipfs/{json}/"), 200).body(is("{\"a\":1}")),
        get("json of a file is the file", at("/hello.txt"), 200)
            .with("accept", "application/json")
            .body(is("hello world")),
        // others
        get("an unknown vendor type", at("/hello.txt"), 400)
            .with("accept", "application/vnd.ipld.unheard-of")
            .body(is("unsupported response format requested\n")),
        get("an unknown format", at("/hello.txt?format=unheard-of"), 200).body(is("hello world")),
        get("a record of a file", at("/hello.txt?format=ipns-record"), 400).body(Is::Has("is not an IPNS link")),
    ]
}

#[tokio::test]
async fn the_table() {
    let memory = Memory::default();
    let cases = cases(&memory);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    run_all(&host, &cases).await;
    run_all(&host, &cases).await;
}

#[tokio::test]
async fn what_cannot_be_finished_is_cut() {
    let memory = Memory::default();
    let chunk = vec![7; 200 * 1024];
    let long = memory.file(&[&chunk, b"lost", b"end"]);
    let root = memory.directory(&[("long.bin", &long)]);
    memory.remove(&memory.raw("lost"));
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    for (path, complete) in [("?format=car", false), ("/long.bin", false), ("/long.bin?format=raw", true)] {
        let answer = client::get(&host, &format!("/ipfs/{root}{path}")).await;
        // A small file is read whole first, so that its failure has a status; a long answer has begun.
        assert!(answer.is_whole == complete || answer.status == 404, "{path}: {}", answer.status);
    }
    let cut = client::get(&host, &format!("/ipfs/{root}?format=car")).await;
    assert_eq!((cut.status, cut.is_whole), (200, false));
    assert!(cut.body.len() > chunk.len(), "what came before is sent");

    // Parts that are here are served although others are missing.
    let first = client::ask(&host, "GET", &format!("/ipfs/{long}"), &[("range", "bytes=0-9")]).await;
    assert_eq!((first.status, first.body.len(), first.is_whole), (206, 10, true));
    let last = client::ask(&host, "GET", &format!("/ipfs/{long}"), &[("range", "bytes=-3")]).await;
    assert_eq!((last.status, last.text().as_str()), (206, "end"));
    let lost = client::ask(&host, "GET", &format!("/ipfs/{long}"), &[("range", "bytes=204800-204803")]).await;
    assert_eq!(lost.status, 404);
}
