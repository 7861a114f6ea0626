//! The bytes of one block.

use http::HeaderMap;

use super::{serve_bytes, set_type};
use crate::ask::{Ask, Format};
use crate::failure::Failure;
use crate::fields::{self, Freshness};
use crate::gateway::{Inner, Reply};

pub(super) async fn serve(gateway: &Inner, ask: &mut Ask) -> Result<Reply, Failure> {
    let found = gateway.resolver.resolve(&ask.target).await?;
    let block = gateway
        .api
        .blocks
        .get(&found.cid)
        .await
        .map_err(|error| Failure::from(error).context(&format!("failed to resolve {}", ask.target.text)))?;
    let mut headers = HeaderMap::new();
    headers.insert(fields::IPFS_ROOTS, found.roots_field());
    let name = ask.filename().unwrap_or_else(|| format!("{}.bin", found.cid));
    fields::disposition(&mut headers, true, &name);
    set_type(&mut headers, Format::Raw.media_type());
    let etag = fields::etag(&found.cid, "raw");
    let fresh = Freshness::of_content(ask, etag, found.ttl_secs, None);
    serve_bytes(ask, &fresh, headers, block.data().clone())
}
