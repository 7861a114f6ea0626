//! What people see.

use merkury_gateway::GatewayConfig;

use crate::support::{Memory, client, start};

#[tokio::test]
async fn listings_are_sorted_and_linked() {
    let memory = Memory::default();
    let file = memory.raw("12345");
    let inner = memory.directory(&[("x", &file)]);
    let root = memory.directory(&[("b10.txt", &file), ("b9.txt", &file), ("zoo", &inner), ("é&?#.txt", &file)]);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let page = client::get(&host, &format!("/ipfs/{root}/")).await.text();
    let places: Vec<usize> = ["./zoo/\"", "./b9.txt\"", "./b10.txt\"", "./%C3%A9&amp;%3F%23.txt\""]
        .map(|href| page.find(href).unwrap_or_else(|| panic!("no {href} in {page}")))
        .to_vec();
    assert!(places.is_sorted(), "{places:?}");
    assert!(page.contains("4 entries") && page.contains("5 B") && !page.contains("Parent directory"));
    let page = client::get(&host, &format!("/ipfs/{root}/zoo/")).await.text();
    assert!(page.contains("Parent directory") && page.contains(&format!("href=\"/ipfs/{root}/\"")), "{page}");
    let empty = memory.directory(&[]);
    assert!(client::get(&host, &format!("/ipfs/{empty}/")).await.text().contains("This directory is empty"));
}

#[tokio::test]
async fn hostile_names_are_shown_as_text() {
    let memory = Memory::default();
    let file = memory.raw("x");
    let names =
        ["\"><script>alert(1)</script>", "javascript:alert(1)", "\u{202e}gpj.exe", "a\u{1b}[31m", "&lt;", "a/up"];
    let entries: Vec<(&str, &merkury_core::Cid)> = names.iter().map(|name| (*name, &file)).collect();
    let root = memory.directory(&entries);
    let outer = memory.directory(&[("<img src=x onerror=alert(1)>", &root)]);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let path = format!("/ipfs/{outer}/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E/");
    let answer = client::get(&host, &path).await;
    let page = answer.text();
    assert_eq!(answer.status, 200);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("\"javascript:"), "{page}");
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}') && !page.contains("\"./a/up"), "{page}");
    assert!(answer.field("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'")));
}

#[tokio::test]
async fn errors_are_pages_for_people_and_text_for_programs() {
    let memory = Memory::default();
    let root = memory.directory(&[]);
    let path = format!("/ipfs/{root}/%3Cscript%3Ealert(1)%3C%2Fscript%3E");
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let page = client::ask(&host, "GET", &path, &[("accept", "text/html")]).await;
    assert_eq!((page.status, page.field("content-type").as_deref()), (404, Some("text/html; charset=utf-8")));
    assert!(page.text().contains("Nothing is here") && !page.text().contains("<script"), "{}", page.text());
    assert_eq!(page.field("x-content-type-options").as_deref(), Some("nosniff"));
    let text = client::get(&host, &path).await;
    assert_eq!(text.field("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    let plain = GatewayConfig { html_errors: false, ..GatewayConfig::default() };
    let host = start(&memory, plain).await.to_string();
    let text = client::ask(&host, "GET", &path, &[("accept", "text/html")]).await;
    assert_eq!(text.field("content-type").as_deref(), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn large_directories_are_streamed() {
    let memory = Memory::default();
    let file = memory.raw("x");
    let names: Vec<String> = (0..25_000).map(|number| format!("{number}.txt")).collect();
    let entries: Vec<(&str, &merkury_core::Cid)> = names.iter().map(|name| (name.as_str(), &file)).collect();
    let root = memory.directory(&entries);
    let host = start(&memory, GatewayConfig::default()).await.to_string();
    let answer = client::get(&host, &format!("/ipfs/{root}/")).await;
    assert!(answer.is_whole && answer.field("content-length").is_none());
    let page = answer.text();
    assert_eq!(page.matches("class=\"name\"><a").count(), 25_000);
    assert!(page.trim_end().ends_with("</html>"));
}
