//! [`Names`]: from paths to nodes.

use merkury_api::{Answer, ApiError, Names, Resolved};
use merkury_core::path::Root;
use merkury_core::{ContentPath, ErrorKind};
use merkury_unixfs::resolve;

use super::with_kind;
use crate::inner::Handle;

impl Names for Handle {
    fn resolve<'a>(&'a self, path: &'a ContentPath) -> Answer<'a, Resolved> {
        Box::pin(async move {
            let root = match path.root() {
                Root::Ipfs(cid) => cid,
                Root::Ipns(name) => {
                    return Err(ApiError::new(
                        ErrorKind::Unavailable,
                        format!("could not resolve name: {name}: IPNS names are not resolved by this version"),
                    )
                    .hint("give the CID it points to: /ipfs/CID"));
                }
            };
            let get = self.getter()?;
            let found = resolve::resolve(&*get, root, path.segments()).await;
            let found = found.map_err(|error| with_kind(error.kind(), error))?;
            Ok(Resolved { cid: found.cid, rest: found.rest, steps: found.steps, ttl_secs: None })
        })
    }
}
