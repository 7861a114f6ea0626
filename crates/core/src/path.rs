//! Content paths: `/ipfs/CID/a/b`, `/ipns/NAME/a`, a bare CID, `ipfs://` and `ipns://` URIs.

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

    /// Reads every spelling users have: `/ipfs/…`, `/ipns/…`, `ipfs://…`, `ipns://…`, `ipfs:…`, `CID/…`. Names below
    /// the root are taken literally (no percent decoding: that is HTTP's business). At most 64 KiB.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let fail = |why: &str| PathError { path: text.chars().take(100).collect(), why: why.into() };
        if text.len() > PATH_BYTES_MAX {
            return Err(fail("longer than 64 KiB"));
        }
        let (namespace, rest) = split_namespace(text);
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        let first = parts.next().ok_or_else(|| fail("not enough path components"))?;
        let root = match namespace {
            Namespace::Ipns => Root::Ipns(first.to_owned()),
            Namespace::Ipfs => Root::Ipfs(Cid::parse(first).map_err(|error| fail(&format!("invalid cid: {error}")))?),
            Namespace::Unknown => return Err(fail("path does not have /ipfs or /ipns at its start")),
        };
        Ok(Self { root, segments: parts.map(str::to_owned).collect() })
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

enum Namespace {
    Ipfs,
    Ipns,
    Unknown,
}

fn split_namespace(text: &str) -> (Namespace, &str) {
    for (prefix, ipns) in [
        ("/ipfs/", false),
        ("/ipns/", true),
        ("ipfs://", false),
        ("ipns://", true),
        ("ipfs:", false),
        ("ipns:", true),
        ("ipfs/", false),
        ("ipns/", true),
    ] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return (if ipns { Namespace::Ipns } else { Namespace::Ipfs }, rest);
        }
    }
    if text.starts_with('/') { (Namespace::Unknown, text) } else { (Namespace::Ipfs, text) }
}

impl fmt::Display for ContentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Ipfs(cid) => write!(f, "/ipfs/{cid}")?,
            Root::Ipns(name) => write!(f, "/ipns/{name}")?,
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
