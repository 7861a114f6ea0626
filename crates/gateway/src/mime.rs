//! What bytes are: by the name's extension, else by their first bytes.

/// How many first bytes the answer may depend on.
pub(crate) const SNIFF_BYTES: usize = 3072;
pub(crate) const HTML: &str = "text/html";
const PLAIN: &str = "text/plain; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// The media type that a name's extension stands for. HTML goes without a character set, so that browsers look into it.
pub(crate) fn of_name(name: &str) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    let known = match extension.to_ascii_lowercase().as_str() {
        "xml" => "text/xml",
        "mjs" | "js" => "text/javascript",
        "md" => "text/markdown",
        _ => mime_guess::from_ext(extension).first_raw()?,
    };
    Some(if known.starts_with("text/") && known != HTML { format!("{known}; charset=utf-8") } else { known.to_owned() })
}

/// Fixed bytes at the start of a file.
const MAGIC: &[(&[u8], &str)] = &[
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"\0\0\x01\0", "image/x-icon"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"OggS", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"MThd", "audio/midi"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"\0asm", "application/wasm"),
    (b"\x7fELF", "application/x-elf"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\0\x01\0\0\0", "font/ttf"),
    (b"OTTO\0", "font/otf"),
    (b"{\\rtf", "text/rtf"),
    (b"%!PS-Adobe-", "application/postscript"),
];

/// Tags that begin a web page, in lower case.
const HTML_STARTS: &[&[u8]] = &[
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<script",
    b"<iframe",
    b"<h1",
    b"<div",
    b"<font",
    b"<table",
    b"<a",
    b"<style",
    b"<title",
    b"<b",
    b"<body",
    b"<br",
    b"<p",
    b"<!--",
];

/// The media type of a file by its first bytes ([`SNIFF_BYTES`] suffice).
pub(crate) fn of_start(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        return "text/plain";
    }
    let bytes = bytes.get(..SNIFF_BYTES).unwrap_or(bytes);
    if let Some((_, media_type)) = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return media_type;
    }
    if let Some(media_type) = of_container(bytes) {
        return media_type;
    }
    if !is_text(bytes) {
        return BINARY;
    }
    of_text(bytes)
}

/// The type of a part from the middle of a file: text or not. Never a type that browsers run.
pub(crate) fn of_middle(bytes: &[u8]) -> &'static str {
    if is_text(bytes.get(..SNIFF_BYTES).unwrap_or(bytes)) { PLAIN } else { BINARY }
}

/// Formats whose mark is not at the very start.
fn of_container(bytes: &[u8]) -> Option<&'static str> {
    let at = |from: usize, mark: &[u8]| bytes.get(from..).is_some_and(|rest| rest.starts_with(mark));
    if bytes.starts_with(b"RIFF") {
        return [(&b"WEBP"[..], "image/webp"), (b"WAVE", "audio/wav"), (b"AVI ", "video/x-msvideo")]
            .into_iter()
            .find_map(|(mark, media_type)| at(8, mark).then_some(media_type));
    }
    if at(4, b"ftyp") {
        return Some(match bytes.get(8..12) {
            Some(b"avif" | b"avis") => "image/avif",
            Some(b"heic" | b"heix") => "image/heic",
            Some(b"qt  ") => "video/quicktime",
            Some(b"M4A ") => "audio/x-m4a",
            _ => "video/mp4",
        });
    }
    at(257, b"ustar").then_some("application/x-tar")
}

fn of_text(bytes: &[u8]) -> &'static str {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    if HTML_STARTS.iter().any(|tag| starts_with_tag(text, tag)) {
        return HTML;
    }
    if text.starts_with(b"<?xml") {
        return if contains(text, b"<svg") { "image/svg+xml" } else { "text/xml; charset=utf-8" };
    }
    if starts_with_tag(text, b"<svg") {
        return "image/svg+xml";
    }
    if text.starts_with(b"#!") && contains(text.get(..64).unwrap_or(text), b"python") {
        return "text/x-python";
    }
    if matches!(text.first(), Some(b'{' | b'[')) && text.len() < SNIFF_BYTES && is_balanced_json(text) {
        return "application/json";
    }
    PLAIN
}

fn starts_with_tag(text: &[u8], tag: &[u8]) -> bool {
    text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag))
        && (tag == b"<!--" || matches!(text.get(tag.len()), Some(b' ' | b'>' | b'\n' | b'\r' | b'\t' | b'/')))
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}

/// UTF-8 (its last character may be cut off) or a UTF-16 mark, without control characters that text does not have.
fn is_text(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return true;
    }
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && !bytes.iter().any(|byte| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31))
}

/// A cheap look whether a whole text is one JSON value: brackets match outside of strings and nothing follows. A string
/// or a colon must be in an object.
fn is_balanced_json(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let text = text.trim_ascii_end();
    for (at, byte) in text.iter().enumerate() {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_string = !in_string,
            (true, _) => {}
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => match depth.checked_sub(1) {
                Some(0) => return at + 1 == text.len(),
                Some(left) => depth = left,
                None => return false,
            },
            (false, byte) if byte.is_ascii_alphanumeric() || b" \t\r\n,:.+-".contains(byte) => {}
            (false, _) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, media_type) in [
            ("a.txt", Some("text/plain; charset=utf-8")),
            ("a.html", Some("text/html")),
            ("A.HTM", Some("text/html")),
            ("a.css", Some("text/css; charset=utf-8")),
            ("a.js", Some("text/javascript; charset=utf-8")),
            ("a.json", Some("application/json")),
            ("a.svg", Some("image/svg+xml")),
            ("a.wasm", Some("application/wasm")),
            ("a.xml", Some("text/xml; charset=utf-8")),
            ("a.jpeg", Some("image/jpeg")),
            ("a", None),
            ("a.", None),
            ("a.nobodyknows", None),
        ] {
            assert_eq!(of_name(name).as_deref(), media_type, "{name}");
        }
    }

    #[test]
    fn starts() {
        for (bytes, media_type) in [
            (&b""[..], "text/plain"),
            (b"hello\n", PLAIN),
            ("é".as_bytes(), PLAIN),
            (b"  <!DOCTYPE HTML>\n<html>", HTML),
            (b"<p>x", HTML),
            (b"<pre-release> notes", PLAIN),
            (b"<svg xmlns=\"x\">", "image/svg+xml"),
            (b"<?xml version=\"1.0\"?><a/>", "text/xml; charset=utf-8"),
            (b"{\"a\": [1, 2]}\n", "application/json"),
            (b"{not json at all!}", PLAIN),
            (b"\x89PNG\r\n\x1a\n\0", "image/png"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x20ftypisom", "video/mp4"),
            (b"\0\x01\x02\x03", BINARY),
            (b"\xff\x00\xff", BINARY),
        ] {
            assert_eq!(of_start(bytes), media_type, "{bytes:?}");
        }
        assert_eq!(of_middle(b"<html><script>"), PLAIN);
    }
}
