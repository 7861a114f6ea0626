//! From a content path to a node.
//!
//! Paths below a CID are walked one name at a time, and each step (a node and a name lead to a node) is cached: the
//! files of a site share the walk to their directory, and so do two versions of a site whose directory is the same. The
//! node of each step is what `X-Ipfs-Roots` lists.

use std::sync::Arc;

use http::HeaderValue;
use merkury_api::{Api, ApiError};
use merkury_core::path::Root;
use merkury_core::{Cid, ContentPath};

use crate::cache::Cache;
use crate::failure::Failure;
use crate::fields;
use crate::target::Target;

/// Where a path leads.
pub(crate) struct Found {
    /// The last node.
    pub(crate) cid: Cid,
    /// Names that remain inside it (dag-cbor, dag-json).
    pub(crate) rest: Vec<String>,
    /// Every block on the way, the root and `cid` included.
    pub(crate) steps: Vec<Cid>,
    /// The node of each segment.
    roots: Vec<Cid>,
    /// For how long that is so; `None`: for ever, or nobody knows.
    pub(crate) ttl_secs: Option<u64>,
}

impl Found {
    fn root(cid: &Cid) -> Self {
        Self { cid: cid.clone(), rest: Vec::new(), steps: vec![cid.clone()], roots: vec![cid.clone()], ttl_secs: None }
    }

    /// `X-Ipfs-Roots`.
    pub(crate) fn roots_field(&self) -> HeaderValue {
        fields::roots(&self.roots)
    }

    fn walk(&mut self, step: &Step) {
        self.cid = step.cid.clone();
        self.rest = step.rest.clone();
        self.steps.extend(step.passed.iter().cloned());
        if self.steps.last() != Some(&step.cid) {
            self.steps.push(step.cid.clone());
        }
        self.roots.push(step.cid.clone());
    }
}

/// Where one name leads from a node.
struct Step {
    cid: Cid,
    rest: Vec<String>,
    /// Blocks between the two: inner shards of a directory, nodes inside a document's path.
    passed: Box<[Cid]>,
}

/// Why a path below a root leads nowhere, and how far it led.
pub(crate) struct Lost {
    /// The last node that was found.
    pub(crate) last: Box<Found>,
    pub(crate) error: ApiError,
}

/// Finds nodes by path, and remembers.
pub(crate) struct Resolver {
    api: Api,
    cache: Cache<Arc<Step>>,
}

impl Resolver {
    pub(crate) fn new(api: Api, cache_bytes: usize) -> Self {
        Self { api, cache: Cache::new(cache_bytes) }
    }

    /// The node of a request's path; failures in Kubo's words.
    pub(crate) async fn resolve(&self, target: &Target) -> Result<Found, Failure> {
        let context = || format!("failed to resolve {}", target.text);
        let (root, ttl_secs) = self.root(target).await.map_err(|failure| failure.context(&context()))?;
        let below = self.below(&root, target.path.segments()).await;
        let found = below.map_err(|lost| Failure::from(lost.error).context(&context()))?;
        Ok(Found { ttl_secs, ..found })
    }

    /// The root of a path, names resolved, and for how long that is so.
    pub(crate) async fn root(&self, target: &Target) -> Result<(Cid, Option<u64>), Failure> {
        match target.path.root() {
            Root::Ipfs(cid) | Root::Ipld(cid) => Ok((cid.clone(), None)),
            Root::Ipns(name) => {
                let path = ContentPath::new(Root::Ipns(name.clone()), Vec::new());
                let resolved = self.api.names.resolve(&path).await.map_err(Failure::of_name)?;
                Ok((resolved.cid, resolved.ttl_secs))
            }
        }
    }

    /// Walks names below a root.
    pub(crate) async fn below(&self, root: &Cid, segments: &[String]) -> Result<Found, Lost> {
        let mut found = Found::root(root);
        for name in segments {
            match self.step(&found, name).await {
                Ok(step) => found.walk(&step),
                Err(error) => return Err(Lost { last: Box::new(found), error }),
            }
        }
        Ok(found)
    }

    async fn step(&self, from: &Found, name: &str) -> Result<Arc<Step>, ApiError> {
        let key = step_key(from, name);
        if let Some(step) = self.cache.get(&key) {
            return Ok(step);
        }
        let segments = from.rest.iter().cloned().chain([name.to_owned()]).collect();
        let path = ContentPath::new(Root::Ipfs(from.cid.clone()), segments);
        let resolved = self.api.names.resolve(&path).await?;
        let between = resolved.steps.len().saturating_sub(2);
        let passed: Box<[Cid]> = resolved.steps.into_iter().skip(1).take(between).collect();
        let rest: usize = resolved.rest.iter().map(|name| name.len() + 32).sum();
        let bytes = size_of::<Step>() + passed.len() * size_of::<Cid>() + rest;
        let step = Arc::new(Step { cid: resolved.cid, rest: resolved.rest, passed });
        self.cache.insert(&key, step.clone(), bytes);
        Ok(step)
    }
}

/// The node, and the names from it: unlike paths, equal for equal directories. No name holds a `/`.
fn step_key(from: &Found, name: &str) -> Vec<u8> {
    let mut key = from.cid.to_bytes();
    for part in from.rest.iter().map(String::as_str).chain([name]) {
        key.push(b'/');
        key.extend_from_slice(part.as_bytes());
    }
    key
}
