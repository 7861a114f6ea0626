//! Content paths: `/ipfs/CID/a/b`, `/ipns/NAME/a`, a bare CID, `ipfs://` and `ipns://` URIs, URLs of gateways.
//!
//! The rules and the words for mistakes are Kubo's; URLs of gateways are ours.

mod url;

use std::fmt;
use std::str::FromStr;

use crate::cid::Cid;
use crate::limits::PATH_BYTES_MAX;

/// What a path starts from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// Immutable: a CID.
    Ipfs(Cid),
    /// Mutable: an IPNS name or a domain with a DNSLink.
    Ipns(String),
    /// Immutable, and names are those of the data model: `/ipld/CID/Links/0/Hash`.
    Ipld(Cid),
}

/// A root and the names below it, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentPath {
    root: Root,
    segments: Vec<String>,
}

/// Why text is not a content path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid path {path:?}: {why}")]
pub struct PathError {
    /// The text, shortened.
    pub path: String,
    /// What is wrong with it.
    pub why: String,
}

impl ContentPath {
    /// The path of a CID alone.
    pub fn from_cid(cid: Cid) -> Self {
        Self { root: Root::Ipfs(cid), segments: Vec::new() }
    }

    /// A path from its parts; empty segments are dropped.
    pub fn new(root: Root, segments: Vec<String>) -> Self {
        Self { root, segments: segments.into_iter().filter(|segment| !segment.is_empty()).collect() }
    }

    /// Reads every spelling users have: `/ipfs/…`, `/ipns/…`, `ipfs://…`, `ipns:…` (the scheme in any case), `CID/…`, and
    /// the URL of a gateway. Empty names, `.` and `..` are resolved. Names are taken literally but in URLs, where they
    /// are percent-decoded. At most 64 KiB.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |path: &str, why: &str| PathError { path: path.chars().take(100).collect(), why: why.into() };
        if text.len() > PATH_BYTES_MAX {
            return Err(fail(text, "longer than 64 KiB"));
        }
        let plain = match url::content_path_of(text) {
            Some(path) => path,
            None => without_scheme(text),
        };
        Self::parse_absolute(&plain)
            .or_else(|why| Self::parse_absolute(&format!("/ipfs/{text}")).map_err(|_| why))
            .map_err(|why| fail(&plain, &why))
    }

    /// Reads `/NAMESPACE/ROOT/…`; the error says what is wrong.
    fn parse_absolute(text: &str) -> Result<Self, String> {
        let mut segments = clean(text).into_iter();
        let (Some(namespace), Some(root), true) = (segments.next(), segments.next(), text.starts_with('/')) else {
            return Err("path does not have enough components".into());
        };
        let root = match namespace {
            "ipfs" => Root::Ipfs(Cid::parse(root).map_err(|error| format!("invalid cid: {error}"))?),
            "ipld" => Root::Ipld(Cid::parse(root).map_err(|error| format!("invalid cid: {error}"))?),
            "ipns" => Root::Ipns(root.to_owned()),
            other => return Err(format!("unknown namespace: {other:?}")),
        };
        Ok(Self { root, segments: segments.map(str::to_owned).collect() })
    }

    /// What the path starts from.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The names below the root.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// The path with one more name.
    pub fn join(&self, name: &str) -> Self {
        let mut segments = self.segments.clone();
        segments.extend(name.split('/').filter(|part| !part.is_empty()).map(str::to_owned));
        Self { root: self.root.clone(), segments }
    }
}

/// `ipfs://X` and `ipfs:X` as `/ipfs/X`; anything else as it is.
fn without_scheme(text: &str) -> String {
    for namespace in ["ipfs", "ipns", "ipld"] {
        if let Some((scheme, rest)) = text.split_once(':')
            && scheme.eq_ignore_ascii_case(namespace)
        {
            return format!("/{namespace}/{}", rest.strip_prefix("//").unwrap_or(rest));
        }
    }
    text.to_owned()
}

/// The names of a path: without empty ones and `.`, with `..` resolved (above the root it is nothing).
fn clean(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for name in text.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names
}

impl fmt::Display for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Ipfs(cid) => write!(f, "/ipfs/{cid}")?,
            Root::Ipns(name) => write!(f, "/ipns/{name}")?,
            Root::Ipld(cid) => write!(f, "/ipld/{cid}")?,
        }
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl FromStr for ContentPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_to_the_same_place() {
        for text in [
            "bafkqaaa/a/b",
            "/ipfs/bafkqaaa/a/b",
            "/ipfs/bafkqaaa//a/./x/../b/",
            "ipfs://bafkqaaa/a/b",
            "IPFS:bafkqaaa/a/b",
            "https://gateway.example/ipfs/bafkqaaa/a/b?download=true",
        ] {
            let path = ContentPath::parse(text).map(|path| path.to_string());
            assert_eq!(path.as_deref(), Ok("/ipfs/bafkqaaa/a/b"), "{text}");
        }
        let name = ContentPath::parse("ipns://example.com/x").map(|path| path.to_string());
        assert_eq!(name.as_deref(), Ok("/ipns/example.com/x"));
    }

    #[test]
    fn mistakes_are_told_in_the_words_that_scripts_know() {
        for (text, words) in [
            ("", r#"invalid path "": path does not have enough components"#),
            ("/", r#"invalid path "/": path does not have enough components"#),
            ("nope", r#"invalid path "nope": path does not have enough components"#),
            ("/ipfs/", r#"invalid path "/ipfs/": path does not have enough components"#),
            ("/foo/bafkqaaa", r#"invalid path "/foo/bafkqaaa": unknown namespace: "foo""#),
            ("ipfs/bafkqaaa", r#"invalid path "ipfs/bafkqaaa": path does not have enough components"#),
            ("/ipfs/Qm", r#"invalid path "/ipfs/Qm": invalid cid: selected encoding not supported"#),
            ("ipfs://not-a-cid", r#"invalid path "/ipfs/not-a-cid": invalid cid: selected encoding not supported"#),
        ] {
            assert_eq!(ContentPath::parse(text).map_err(|error| error.to_string()), Err(words.to_owned()), "{text}");
        }
    }
}
