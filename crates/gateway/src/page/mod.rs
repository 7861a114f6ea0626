//! What people see. One style sheet, no script, no foreign resource; every foreign text goes through [`text`].

pub(crate) mod directory;
pub(crate) mod error;
pub(crate) mod node;

use std::sync::OnceLock;

use crate::fields;

/// Our pages run and load nothing.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
                                 form-action 'none'; frame-ancestors 'self'";

const STYLE: &str = include_str!("style.css");
const SYMBOLS: &str = include_str!("symbols.svg");
/// Raised when the text of pages changes without the style: entity tags name it.
const EDITION: &str = "1";

/// A number that changes when pages look different.
pub(crate) fn version() -> u64 {
    static VERSION: OnceLock<u64> = OnceLock::new();
    *VERSION.get_or_init(|| fields::fingerprint(&[EDITION, STYLE, SYMBOLS, env!("CARGO_PKG_VERSION")].concat()))
}

/// The start of a page up to its `main`.
fn start(title: &str) -> String {
    let mut out = String::with_capacity(8 * 1024);
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    text(&mut out, title);
    out.push_str("</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>");
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n");
    out.push_str(SYMBOLS);
    out.push_str("<main>\n");
    out
}

fn end(out: &mut String) {
    out.push_str("</main>\n</body>\n</html>\n");
}

/// Foreign text: escaped, and without characters that are invisible or turn the writing direction.
fn text(out: &mut String, foreign: &str) {
    let is_deceptive = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if foreign.contains(is_deceptive) {
        merkury_http::reply::push_html(out, &foreign.replace(is_deceptive, "\u{fffd}"));
    } else {
        merkury_http::reply::push_html(out, foreign);
    }
}

/// An icon of `symbols.svg`.
fn icon(out: &mut String, name: &'static str) {
    out.push_str("<svg class=\"icon ");
    out.push_str(name);
    out.push_str("\" aria-hidden=\"true\"><use href=\"#");
    out.push_str(name);
    out.push_str("\"/></svg>");
}

/// A size for people: `31 B`, `1.2 kB`, `3.4 GB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// The start and the end of a CID.
fn short(cid: &str) -> String {
    if cid.len() <= 20 || !cid.is_ascii() {
        return cid.to_owned();
    }
    format!("{}…{}", &cid[..8], &cid[cid.len() - 6..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn foreign_text_cannot_deceive() {
        let mut out = String::new();
        text(&mut out, "<b>\"'&\u{202e}gpj\u{1}\n");
        assert_eq!(out, "&lt;b&gt;&#34;&#39;&amp;\u{fffd}gpj\u{fffd}\u{fffd}");
    }
}
