//! From a content path to a node.
//!
//! Paths below a CID are walked one name at a time, and every prefix is cached: the files of a site share the walk to
//! their directory, and the node of each prefix is what `X-Ipfs-Roots` lists.

use std::sync::Arc;

use http::HeaderValue;
use merkury_api::{Api, ApiError};
use merkury_core::path::Root;
use merkury_core::{Cid, ContentPath};

use crate::cache::Cache;
use crate::failure::Failure;
use crate::fields;
use crate::target::Target;

/// Paths with more names are walked in one go and their prefixes are not cached: the keys would be quadratic.
const STEPS_MAX: usize = 48;

/// Where a path leads.
#[derive(Clone)]
pub(crate) struct Found {
    /// The last node.
    pub(crate) cid: Cid,
    /// Names that remain inside it (dag-cbor, dag-json).
    pub(crate) rest: Vec<String>,
    /// Every block on the way, the root and `cid` included.
    pub(crate) steps: Vec<Cid>,
    /// The node of each segment.
    pub(crate) roots: Vec<Cid>,
    /// `X-Ipfs-Roots`.
    pub(crate) roots_field: HeaderValue,
    /// For how long that is so; `None`: for ever, or nobody knows.
    pub(crate) ttl_secs: Option<u64>,
}

impl Found {
    fn root(cid: &Cid) -> Self {
        let roots = vec![cid.clone()];
        Self {
            cid: cid.clone(),
            rest: Vec::new(),
            steps: roots.clone(),
            roots_field: fields::roots(&roots),
            roots,
            ttl_secs: None,
        }
    }

    fn bytes(&self) -> usize {
        (self.steps.len() + self.roots.len()) * 96 + self.roots_field.len() + 256
    }
}

/// Why a path below a root leads nowhere, and how far it led.
pub(crate) struct Lost {
    /// The last node that was found.
    pub(crate) last: Arc<Found>,
    pub(crate) error: ApiError,
}

/// Finds nodes by path, and remembers.
pub(crate) struct Resolver {
    api: Api,
    cache: Cache<Arc<Found>>,
}

impl Resolver {
    pub(crate) fn new(api: Api, cache_bytes: usize) -> Self {
        Self { api, cache: Cache::new(cache_bytes) }
    }

    /// The node of a request's path; failures in Kubo's words.
    pub(crate) async fn resolve(&self, target: &Target) -> Result<Arc<Found>, Failure> {
        let context = || format!("failed to resolve {}", target.text);
        let (root, ttl_secs) = self.root(target).await.map_err(|failure| failure.context(&context()))?;
        let found = self
            .below(&root, target.path.segments())
            .await
            .map_err(|lost| Failure::from(lost.error).context(&context()))?;
        if ttl_secs.is_none() {
            return Ok(found);
        }
        Ok(Arc::new(Found { ttl_secs, ..(*found).clone() }))
    }

    /// The root of a path, names resolved, and for how long that is so.
    pub(crate) async fn root(&self, target: &Target) -> Result<(Cid, Option<u64>), Failure> {
        match target.path.root() {
            Root::Ipfs(cid) => Ok((cid.clone(), None)),
            Root::Ipns(name) => {
                let path = ContentPath::new(Root::Ipns(name.clone()), Vec::new());
                let resolved = self.api.names.resolve(&path).await.map_err(Failure::of_name)?;
                Ok((resolved.cid, resolved.ttl_secs))
            }
        }
    }

    /// Walks names below a root.
    pub(crate) async fn below(&self, root: &Cid, segments: &[String]) -> Result<Arc<Found>, Lost> {
        if segments.len() > STEPS_MAX {
            return self.step(&Arc::new(Found::root(root)), segments).await;
        }
        // The longest prefix that is known.
        let cached = (0..segments.len())
            .rev()
            .find_map(|at| self.cache.get(&prefix_key(root, segments, at)).map(|found| (at + 1, found)));
        let (known, mut found) = cached.unwrap_or_else(|| (0, Arc::new(Found::root(root))));
        for (at, segment) in segments.iter().enumerate().skip(known) {
            found = self.step(&found, std::slice::from_ref(segment)).await?;
            let bytes = found.bytes();
            self.cache.insert(&prefix_key(root, segments, at), found.clone(), bytes);
        }
        Ok(found)
    }

    /// Walks on from a node.
    async fn step(&self, from: &Arc<Found>, names: &[String]) -> Result<Arc<Found>, Lost> {
        let segments = from.rest.iter().chain(names).cloned().collect();
        let path = ContentPath::new(Root::Ipfs(from.cid.clone()), segments);
        let resolved = match self.api.names.resolve(&path).await {
            Ok(resolved) => resolved,
            Err(error) => return Err(Lost { last: from.clone(), error }),
        };
        let mut steps = from.steps.clone();
        steps.extend(resolved.steps.into_iter().skip(1));
        let mut roots = from.roots.clone();
        roots.push(resolved.cid.clone());
        Ok(Arc::new(Found {
            cid: resolved.cid,
            rest: resolved.rest,
            steps,
            roots_field: fields::roots(&roots),
            roots,
            ttl_secs: None,
        }))
    }
}

fn prefix_key(root: &Cid, segments: &[String], last: usize) -> String {
    let mut key = root.to_string();
    for segment in segments.iter().take(last + 1) {
        key.push('/');
        key.push_str(segment);
    }
    key
}
