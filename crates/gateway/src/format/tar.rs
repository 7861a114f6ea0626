//! Files and directories as one tar archive.

use http::{HeaderMap, StatusCode};
use merkury_api::TarOptions;
use merkury_http::{Body, reply};

use super::{conditional, set_type};
use crate::ask::{Ask, Format};
use crate::failure::Failure;
use crate::fields::{self, Freshness};
use crate::gateway::{Inner, Reply};
use crate::stream;

pub(super) async fn serve(gateway: &Inner, ask: &mut Ask) -> Result<Reply, Failure> {
    let found = gateway.resolver.resolve(&ask.target).await?;
    // Weak: two archives of the same files need not be the same bytes.
    let etag = format!("W/{}", fields::etag(&found.cid, "x-tar"));
    let fresh = Freshness::of_content(ask, etag, found.ttl_secs, None);
    if let Some(response) = conditional(ask, &fresh) {
        return Ok(response.into());
    }
    let failed = |error| Failure::from(error).context(&format!("failed to pack {}", ask.target.text));
    let options = TarOptions { name: found.cid.to_string() };
    let tar = gateway.api.files.tar(&found.cid, options).await.map_err(failed)?;
    let opened = stream::open(tar).await.map_err(failed)?;

    let mut response = reply::empty(StatusCode::OK);
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(fields::IPFS_ROOTS, found.roots_field());
    fresh.write(headers);
    let name = ask.filename().unwrap_or_else(|| format!("{}.tar", found.cid));
    fields::disposition(headers, true, &name);
    set_type(headers, Format::Tar.media_type());
    if !ask.is_head {
        *response.body_mut() = Body::stream(opened.into_body(ask, gateway.config.retrieval_timeout));
    }
    Ok(response.into())
}
