//! What is kept in memory, and what must not be.

use merkury_gateway::GatewayConfig;

use crate::support::{Memory, client, start};

#[tokio::test]
async fn small_immutable_answers_are_kept() {
    let memory = Memory::default();
    let hello = memory.raw("hello");
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let path = format!("/ipfs/{hello}?filename=a.txt");
    let first = client::get(&host, &path).await;
    memory.remove(&hello);
    let second = client::get(&host, &path).await;
    let without_date = |answer: &client::Answer| {
        let mut fields = answer.fields.clone();
        fields.retain(|(name, _)| name != "date");
        fields.sort();
        fields
    };
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    assert_eq!(without_date(&first), without_date(&second));
    // Another URL of the same block asks the node.
    assert_eq!(client::get(&host, &format!("/ipfs/{hello}?filename=b.txt")).await.status, 404);
}

#[tokio::test]
async fn conditions_and_parts_of_kept_answers() {
    let memory = Memory::default();
    let hello = memory.raw("hello");
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let path = format!("/ipfs/{hello}");
    assert_eq!(client::get(&host, &path).await.status, 200);
    let tag = format!("\"{hello}\"");
    for (field, value, status) in [
        ("if-none-match", tag.as_str(), 304),
        ("range", "bytes=1-2", 206),
        ("accept", "application/vnd.ipld.car", 200),
        ("accept", "text/html,application/xhtml+xml,*/*", 200),
        ("service-worker", "script", 400),
    ] {
        assert_eq!(client::ask(&host, "GET", &path, &[(field, value)]).await.status, status, "{field}");
    }
    let car = client::ask(&host, "GET", &path, &[("accept", "application/vnd.ipld.car")]).await;
    assert_eq!(car.field("content-type").as_deref(), Some("application/vnd.ipld.car; version=1; order=dfs; dups=n"));
    let head = client::ask(&host, "HEAD", &path, &[]).await;
    assert_eq!((head.body.len(), head.field("content-length").as_deref()), (0, Some("5")));
}

#[tokio::test]
async fn mutable_answers_and_failures_are_not_kept() {
    let memory = Memory::default();
    let root = memory.directory(&[("a", &memory.raw("one"))]);
    memory.name("example.org", root.clone());
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    assert_eq!(client::get(&host, "/ipns/example.org/a").await.text(), "one");
    memory.name("example.org", memory.directory(&[("a", &memory.raw("two"))]));
    assert_eq!(client::get(&host, "/ipns/example.org/a").await.text(), "two");

    let lost = memory.raw("lost");
    memory.remove(&lost);
    assert_eq!(client::get(&host, &format!("/ipfs/{lost}")).await.status, 404);
    memory.raw("lost");
    assert_eq!(client::get(&host, &format!("/ipfs/{lost}")).await.status, 200);
}

#[tokio::test]
async fn without_caches_everything_works() {
    let memory = Memory::default();
    let root = memory.directory(&[("a", &memory.raw("one"))]);
    let config = GatewayConfig { answer_cache_bytes: 0, path_cache_bytes: 0, ..GatewayConfig::default() };
    let host = start(&memory, config).await.to_string();
    for _ in 0..2 {
        assert_eq!(client::get(&host, &format!("/ipfs/{root}/a")).await.text(), "one");
    }
}
