//! A page about a dag-json or dag-cbor node: what it is, where it links, how to get it.

use merkury_api::Link;
use merkury_core::Cid;
use merkury_core::cid::codec_code;

use super::{size, text};
use crate::target::Target;

/// Longest document shown.
const SHOWN_BYTES_MAX: usize = 64 * 1024;
/// Most links shown.
const SHOWN_LINKS_MAX: usize = 1000;

pub(crate) fn render(target: &Target, cid: &Cid, codec: &'static str, data: &[u8], links: &[Link]) -> String {
    let mut out = super::start(&format!("{codec} node {}", target.text));
    out.push_str("<h1><bdi>");
    text(&mut out, target.text.trim_end_matches('/'));
    out.push_str("</bdi></h1>\n<p class=\"about\">");
    out.push_str(&format!("{codec} node, {} &middot; ", size(data.len() as u64)));
    out.push_str(&format!("get it as <a href=\"?format={codec}\">{codec}</a>, <a href=\"?format=raw\">raw block</a> "));
    out.push_str("or <a href=\"?format=car\">CAR</a> &middot; <code>");
    out.push_str(&cid.to_string());
    out.push_str("</code></p>\n");
    push_document(&mut out, cid, data);
    push_links(&mut out, links);
    super::end(&mut out);
    out
}

fn push_document(out: &mut String, cid: &Cid, data: &[u8]) {
    let is_json = cid.codec() == codec_code::DAG_JSON;
    match std::str::from_utf8(data).ok().filter(|_| is_json && data.len() <= SHOWN_BYTES_MAX) {
        Some(document) => {
            out.push_str("<pre>");
            text(out, document);
            out.push_str("</pre>\n");
        }
        None if is_json => out.push_str("<p>The document is too long to be shown here.</p>\n"),
        None => out.push_str("<p>The document is binary; tools such as <code>ipfs dag get</code> show it.</p>\n"),
    }
}

fn push_links(out: &mut String, links: &[Link]) {
    if links.is_empty() {
        return;
    }
    out.push_str("<div class=\"card\"><table><thead><tr><th>Links</th></tr></thead><tbody>\n");
    for link in links.iter().take(SHOWN_LINKS_MAX) {
        let cid = link.cid.to_string();
        out.push_str("<tr><td class=\"name\"><a href=\"/ipfs/");
        out.push_str(&cid);
        out.push_str("\"><bdi>");
        text(out, if link.name.is_empty() { &cid } else { &link.name });
        out.push_str("</bdi></a></td></tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    if links.len() > SHOWN_LINKS_MAX {
        out.push_str(&format!("<p>and {} more</p>\n", links.len() - SHOWN_LINKS_MAX));
    }
}
