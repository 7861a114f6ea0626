//! From the path of a URL to a content path.

use std::borrow::Cow;

use merkury_core::ContentPath;
use merkury_core::path::Root;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Characters that stand for themselves in the path of a URL; `/` separates.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// A content path as a URL asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where it starts and the names below, without empty ones.
    pub(crate) path: ContentPath,
    /// The path in clear text as it was asked, a final `/` kept: for messages and headers.
    pub(crate) text: String,
}

/// Why a URL's path is no content path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Detour {
    /// Ask again there (an encoded path, without query).
    Clean(String),
    /// `/ipfs/ipfs/…` and the like: the path that was meant.
    Superfluous(String),
    /// Not below `/ipfs/` or `/ipns/`.
    Elsewhere,
    /// Wrong, in Kubo's words.
    Bad(String),
}

impl Target {
    /// Reads the raw path of a URL.
    pub(crate) fn parse(raw: &str) -> Result<Self, Detour> {
        let text = decode(raw).ok_or_else(|| Detour::Bad("the path is not percent-encoded UTF-8".into()))?;
        let clean = clean(&text);
        if clean != text {
            return Err(Detour::Clean(encode_path(&clean)));
        }
        if clean == "/ipfs" || clean == "/ipns" {
            return Err(Detour::Clean(format!("{clean}/")));
        }
        if !clean.starts_with("/ipfs/") && !clean.starts_with("/ipns/") {
            return Err(Detour::Elsewhere);
        }
        if let Some(meant) = superfluous(&clean) {
            return match content_path(meant) {
                Ok(_) => Err(Detour::Superfluous(encode_path(meant))),
                Err(why) => Err(Detour::Bad(format!("invalid ipfs path: {why}"))),
            };
        }
        let path = content_path(&clean).map_err(Detour::Bad)?;
        Ok(Self { path, text: clean.into_owned() })
    }

    /// Whether the path may lead elsewhere tomorrow.
    pub(crate) fn is_mutable(&self) -> bool {
        matches!(self.path.root(), Root::Ipns(_))
    }
}

fn content_path(text: &str) -> Result<ContentPath, String> {
    let rest = text.strip_prefix("/ipfs/").or_else(|| text.strip_prefix("/ipns/")).unwrap_or_default();
    if rest.split('/').all(str::is_empty) {
        return Err(format!("invalid path {text:?}: path does not have enough components"));
    }
    ContentPath::parse(text).map_err(|error| error.to_string())
}

/// `/ipfs/ipfs/CID` → `/ipfs/CID`.
fn superfluous(clean: &str) -> Option<&str> {
    let rest = clean.strip_prefix("/ipfs")?;
    (rest.starts_with("/ipfs/") || rest.starts_with("/ipns/")).then_some(rest)
}

/// Percent-decodes; `None` for broken escapes and for bytes that are not UTF-8.
fn decode(raw: &str) -> Option<Cow<'_, str>> {
    let mut rest = raw;
    while let Some(at) = rest.find('%') {
        let digits = rest.get(at + 1..at + 3)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        rest = rest.get(at + 3..)?;
    }
    percent_decode_str(raw).decode_utf8().ok()
}

/// A path without empty, `.` and `..` segments; a final `/` stays.
fn clean(path: &str) -> Cow<'_, str> {
    let inner = path.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let is_clean =
        path == "/" || inner.is_some_and(|inner| inner.split('/').all(|part| !matches!(part, "" | "." | "..")));
    if is_clean {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    let mut out = String::with_capacity(path.len());
    parts.iter().for_each(|part| {
        out.push('/');
        out.push_str(part);
    });
    if path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..") || out.is_empty() {
        out.push('/');
    }
    Cow::Owned(out)
}

/// A clear path as a URL carries it.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// A name as one segment of a URL's path. `.` and `..`, which URLs cannot carry as names, are left to the caller.
pub(crate) fn encode_segment(name: &str) -> String {
    encode_path(name).replace('/', "%2F")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CID: &str = "bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am";

    #[test]
    fn content_paths() {
        let target = Target::parse(&format!("/ipfs/{CID}/a%20b/%C3%A9/")).expect("a path");
        assert_eq!(target.path.segments(), ["a b", "é"]);
        assert_eq!(target.text, format!("/ipfs/{CID}/a b/é/"));
        assert!(!target.is_mutable());
        assert!(Target::parse("/ipns/example.org/a").expect("a path").is_mutable());
        let percent = Target::parse(&format!("/ipfs/{CID}/a%252Cb")).expect("a path");
        assert_eq!(percent.path.segments(), ["a%2Cb"]);
    }

    #[test]
    fn unclean_paths_are_redirected() {
        for (raw, clean) in [
            ("//ipfs/x", "/ipfs/x"),
            ("/ipfs//x", "/ipfs/x"),
            ("/ipfs/x/./y", "/ipfs/x/y"),
            ("/ipfs/x/../y", "/ipfs/y"),
            ("/ipfs/x/%2e%2e/%2E%2E/etc", "/etc"),
            ("/../../..", "/"),
            ("/ipfs/x/a%2F%2Fb%20c", "/ipfs/x/a/b%20c"),
            ("/ipfs/x/..", "/ipfs/"),
            ("//", "/"),
            ("/ipfs", "/ipfs/"),
        ] {
            assert_eq!(Target::parse(raw), Err(Detour::Clean(clean.into())), "{raw}");
        }
    }

    #[test]
    fn other_paths() {
        assert_eq!(Target::parse("/"), Err(Detour::Elsewhere));
        assert_eq!(Target::parse("/ipfsx/a"), Err(Detour::Elsewhere));
        assert_eq!(Target::parse("*"), Err(Detour::Clean("/*".replace('*', "%2A"))));
        assert_eq!(Target::parse(&format!("/ipfs/ipfs/{CID}/a")), Err(Detour::Superfluous(format!("/ipfs/{CID}/a"))));
        for bad in ["/ipfs/", "/ipns/", "/ipfs/nope", "/ipfs/%zz", "/ipfs/%", "/ipfs/a%f", "/ipfs/%ff", "/ipfs/ipfs/x"]
        {
            assert!(matches!(Target::parse(bad), Err(Detour::Bad(_))), "{bad}");
        }
    }
}
