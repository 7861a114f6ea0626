//! [`Names`]: from paths to nodes, and what names point at.

use std::time::Duration;

use merkury_api::{Answer, ApiError, LookupOptions, Names, PublishOptions, Resolved};
use merkury_core::path::Root;
use merkury_core::{Cid, ContentPath, ErrorKind, PeerId};
use merkury_unixfs::resolve;

use super::with_kind;
use crate::inner::Handle;

/// Names that may lead to each other; Kubo's limit.
const STEPS_MAX: usize = 32;
/// Names with fixed answers, for tests: `name:/ipfs/CID,…`, as Kubo reads it.
const FIXED_NAMES: &str = "IPFS_NS_MAP";

/// What a name points at, and how long that may be believed.
struct Target {
    path: String,
    ttl: Duration,
}

impl Handle {
    /// One step: what this name points at.
    async fn target_of(&self, name: &str, cached: bool) -> Result<Target, ApiError> {
        if let Some(path) = fixed_target(name) {
            return Ok(Target { path, ttl: Duration::ZERO });
        }
        let Ok(peer) = PeerId::parse(name) else { return Err(not_a_key(name)) };
        let record = self.best_record(&peer, cached).await?;
        let path = record.value().map_err(super::name_records::record_error)?;
        let nanos = u64::try_from(record.ttl_nanos().unwrap_or(0)).unwrap_or(0);
        Ok(Target { path, ttl: Duration::from_nanos(nanos) })
    }

    /// Follows names until the path starts with a CID; the shortest time on the way is the answer's.
    async fn follow(&self, path: &ContentPath, options: LookupOptions) -> Result<(String, Duration), ApiError> {
        let mut at = path.clone();
        let mut ttl = Duration::MAX;
        for _ in 0..STEPS_MAX {
            let Root::Ipns(name) = at.root() else { return Ok((at.to_string(), ttl)) };
            let target = self.target_of(name, options.cached).await?;
            ttl = ttl.min(target.ttl);
            let text = match at.segments() {
                [] => target.path,
                names => format!("{}/{}", target.path.trim_end_matches('/'), names.join("/")),
            };
            if !options.recursive || !text.starts_with("/ipns/") {
                return Ok((text, ttl));
            }
            at = ContentPath::parse(&text).map_err(|error| ApiError::invalid(error.to_string()))?;
        }
        Err(ApiError::invalid("could not resolve name (recursion limit exceeded)"))
    }
}

/// The answer that the environment fixes for a name.
fn fixed_target(name: &str) -> Option<String> {
    let list = std::env::var(FIXED_NAMES).ok()?;
    list.split(',')
        .filter_map(|pair| pair.split_once(':'))
        .find(|(known, _)| *known == name)
        .map(|(_, to)| to.to_owned())
}

/// Why a name that is no key does not resolve.
fn not_a_key(name: &str) -> ApiError {
    if let Ok(cid) = Cid::parse(name) {
        let right = PeerId::from_multihash(cid.hash().clone());
        if let Ok(right) = right {
            return ApiError::invalid(format!(
                "peer ID represented as CIDv1 require libp2p-key multicodec: retry with /ipns/{}",
                right.to_cid()
            ));
        }
    }
    ApiError::new(
        ErrorKind::Unavailable,
        format!(
            "DNSLink lookup for \"{name}.\" failed: could not resolve name: DNSLink is not looked up by this version"
        ),
    )
    .hint("give the CID it points to: /ipfs/CID")
}

/// A path that names an IPLD node is walked like any other.
fn parse(text: &str) -> Result<ContentPath, ApiError> {
    let text = match text.strip_prefix("/ipld/") {
        Some(rest) => format!("/ipfs/{rest}"),
        None => text.to_owned(),
    };
    ContentPath::parse(&text).map_err(|error| ApiError::invalid(error.to_string()))
}

impl Names for Handle {
    fn resolve<'a>(&'a self, path: &'a ContentPath) -> Answer<'a, Resolved> {
        Box::pin(async move {
            let (path, ttl_secs) = match path.root() {
                Root::Ipfs(_) | Root::Ipld(_) => (path.clone(), None),
                Root::Ipns(_) => {
                    let (text, ttl) = self.follow(path, LookupOptions { recursive: true, cached: true }).await?;
                    (parse(&text)?, Some(ttl.as_secs()))
                }
            };
            let (root, view) = match path.root() {
                Root::Ipfs(cid) => (cid, resolve::View::Files),
                Root::Ipld(cid) => (cid, resolve::View::Values),
                Root::Ipns(_) => return Err(ApiError::internal("a name was followed to its end and is one still")),
            };
            let get = self.getter()?;
            let found = resolve::resolve(&*get, root, path.segments(), view).await;
            let found = found.map_err(|error| with_kind(error.kind(), error))?;
            Ok(Resolved { cid: found.cid, rest: found.rest, steps: found.steps, ttl_secs })
        })
    }

    fn lookup<'a>(&'a self, path: &'a ContentPath, options: LookupOptions) -> Answer<'a, String> {
        Box::pin(async move { Ok(self.follow(path, options).await?.0) })
    }

    fn publish(&self, options: PublishOptions) -> Answer<'_, PeerId> {
        Box::pin(async move {
            if !options.allow_offline && !self.is_connected() {
                return Err(ApiError::new(
                    ErrorKind::Unavailable,
                    "can't publish while offline: pass `--allow-offline` to override or `--allow-delegated` if \
                     Ipns.DelegatedPublishers are set up",
                )
                .hint("start the node in another terminal: merkury daemon")
                .hint("keep the record here alone: merkury name publish --allow-offline PATH"));
            }
            self.publish_record(options).await
        })
    }

    fn record(&self, name: PeerId) -> Answer<'_, Vec<u8>> {
        Box::pin(async move {
            let record = self.best_record(&name, false).await;
            let record = record.map_err(|error| ApiError {
                message: if error.kind == ErrorKind::NotFound { "routing: not found".into() } else { error.message },
                ..error
            })?;
            Ok(record.bytes().to_vec())
        })
    }

    fn put_record(&self, name: PeerId, record: Vec<u8>, allow_offline: bool) -> Answer<'_, ()> {
        Box::pin(async move {
            if !allow_offline && !self.is_connected() {
                return Err(ApiError::new(
                    ErrorKind::Unavailable,
                    "can't put while offline: pass `--allow-offline` to store locally or `--allow-delegated` if \
                     Ipns.DelegatedPublishers are set up",
                )
                .hint("start the node in another terminal: merkury daemon"));
            }
            self.keep_foreign_record(name, record).await
        })
    }
}
