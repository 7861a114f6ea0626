//! An archive of the blocks that prove a path and what it leads to.
//!
//! Specification: trustless gateway, and IPIP-402, -412, -523 for the parameters.

use http::header::ACCEPT_RANGES;
use http::{HeaderMap, HeaderValue, StatusCode};
use merkury_api::{CarRange, CarScope, ExportRequest};
use merkury_core::{Cid, ErrorKind};
use merkury_http::{Body, reply};

use super::{conditional, set_type};
use crate::ask::Ask;
use crate::failure::Failure;
use crate::fields::{self, Freshness};
use crate::gateway::{Inner, Reply};
use crate::resolve::{Found, Lost};
use crate::stream;

/// The root that an archive without a result names: the empty identity block.
const NO_ROOT: &str = "bafkqaaa";

/// What the archive holds and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameters {
    scope: CarScope,
    range: Option<CarRange>,
    order: Order,
    duplicates: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    DepthFirst,
    /// The client does not mind; it gets depth first.
    Any,
}

pub(super) async fn serve(gateway: &Inner, ask: &mut Ask) -> Result<Reply, Failure> {
    let parameters = Parameters::read(ask)?;
    let context = format!("failed to resolve {}", ask.target.text);
    let (root, ttl_secs) = gateway.resolver.root(&ask.target).await.map_err(|failure| failure.context(&context))?;
    let fresh = Freshness::of_content(ask, parameters.etag(&root, &ask.target.text), ttl_secs, None);
    if let Some(response) = conditional(ask, &fresh) {
        return Ok(response.into());
    }
    let mut response = reply::empty(StatusCode::OK);
    let failed = |error| Failure::from(error).context(&context);
    let (request, roots) = match gateway.resolver.below(&root, ask.target.path.segments()).await {
        Ok(found) => (parameters.export(&found), found.roots_field()),
        Err(lost) => proof_of_absence(lost, &root).map_err(failed)?,
    };
    if !ask.is_head {
        let archive = gateway.api.dag.export(request).await.map_err(failed)?;
        let opened = stream::open(archive).await.map_err(failed)?;
        *response.body_mut() = Body::stream(opened.into_body(ask, gateway.config.retrieval_timeout));
    }
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(fields::IPFS_ROOTS, roots);
    fresh.write(headers);
    fields::disposition(headers, true, &file_name(ask, &root));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("none"));
    set_type(headers, parameters.media_type());
    Ok(response.into())
}

/// A missing name is an answer too: the blocks up to where the path ends prove that it is not there.
fn proof_of_absence(lost: Lost, root: &Cid) -> Result<(ExportRequest, HeaderValue), merkury_api::ApiError> {
    let nothing = Cid::parse(NO_ROOT).expect("the empty identity CID");
    // A name that is not there, and no block that is missing.
    let is_name = ["no link named", "key not found", "LookupBySegment", "lookup on a list"]
        .iter()
        .any(|words| lost.error.message.contains(words));
    if lost.error.kind != ErrorKind::NotFound || !is_name {
        return Err(lost.error);
    }
    let (last, before) = lost.last.steps.split_last().expect("a path has at least its root");
    let request = ExportRequest {
        header_roots: vec![nothing],
        path_blocks: before.to_vec(),
        scope: CarScope::Block,
        ..ExportRequest::whole(last.clone())
    };
    Ok((request, fields::roots(std::slice::from_ref(root))))
}

fn file_name(ask: &Ask, root: &Cid) -> String {
    ask.filename().unwrap_or_else(|| match ask.target.path.segments().last() {
        Some(last) => format!("{root}_{last}.car"),
        None => format!("{root}.car"),
    })
}

impl Parameters {
    /// From the query, then from `Accept`.
    fn read(ask: &Ask) -> Result<Self, Failure> {
        let named = |query: &str, parameter: &str| {
            let accepted = || ask.parameters.iter().find(|(name, _)| name == parameter).map(|(_, value)| value.clone());
            ask.query(query).filter(|value| !value.is_empty()).or_else(accepted).unwrap_or_default()
        };
        let bad = |what: &str| Failure::bad_request(format!("unsupported application/vnd.ipld.car {what}"));
        let scope = match ask.query("dag-scope").as_deref() {
            None | Some("all") => CarScope::All,
            Some("entity") => CarScope::Entity,
            Some("block") => CarScope::Block,
            Some(_) => return Err(bad("scope parameter")),
        };
        let range = ask.query("entity-bytes").map(|text| byte_range(&text)).transpose().map_err(|why| {
            Failure::bad_request(format!("invalid application/vnd.ipld.car entity-bytes URL parameter: {why}"))
        })?;
        if !matches!(named("car-version", "version").as_str(), "" | "1") {
            return Err(bad("version: only version=1 is supported"));
        }
        let order = match named("car-order", "order").as_str() {
            "" | "dfs" => Order::DepthFirst,
            "unk" => Order::Any,
            _ => return Err(bad("order parameter")),
        };
        let duplicates = match named("car-dups", "dups").as_str() {
            "" | "n" => false,
            "y" => true,
            _ => return Err(bad("dups parameter")),
        };
        Ok(Self { scope, range, order, duplicates })
    }

    /// The header's root is the node that the path leads to; what leads there comes first.
    fn export(&self, found: &Found) -> ExportRequest {
        let before = found.steps.len().saturating_sub(1);
        ExportRequest {
            header_roots: vec![found.cid.clone()],
            path_blocks: found.steps.iter().take(before).cloned().collect(),
            root: found.cid.clone(),
            scope: self.scope,
            range: self.range.filter(|_| self.scope == CarScope::Entity),
            duplicates: self.duplicates,
            local_only: false,
            identities: false,
        }
    }

    fn media_type(&self) -> &'static str {
        match (self.order, self.duplicates) {
            (Order::DepthFirst, false) => "application/vnd.ipld.car; version=1; order=dfs; dups=n",
            (Order::DepthFirst, true) => "application/vnd.ipld.car; version=1; order=dfs; dups=y",
            (Order::Any, false) => "application/vnd.ipld.car; version=1; order=unk; dups=n",
            (Order::Any, true) => "application/vnd.ipld.car; version=1; order=unk; dups=y",
        }
    }

    /// Weak, and different for everything that changes the archive.
    fn etag(&self, root: &Cid, path: &str) -> String {
        let number = fields::fingerprint(&format!("{path}\0{self:?}"));
        format!("W/{}", fields::etag(root, &format!("car.{number:x}")))
    }
}

/// `from:to`, `from:*`; negative numbers count from the end.
fn byte_range(text: &str) -> Result<CarRange, String> {
    let wrong = || format!("{text:?} is not FROM:TO");
    let (from, to) = text.split_once(':').ok_or_else(wrong)?;
    let from: i64 = from.parse().map_err(|_| wrong())?;
    if to == "*" {
        return Ok(CarRange { from, to: None });
    }
    let to: i64 = to.parse().map_err(|_| wrong())?;
    if (from >= 0) == (to >= 0) && from > to {
        return Err("cannot have an entity-bytes range where 'from' is after 'to'".into());
    }
    Ok(CarRange { from, to: Some(to) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_ranges() {
        assert_eq!(byte_range("0:*"), Ok(CarRange { from: 0, to: None }));
        assert_eq!(byte_range("-5:-1"), Ok(CarRange { from: -5, to: Some(-1) }));
        assert_eq!(byte_range("3:-1"), Ok(CarRange { from: 3, to: Some(-1) }));
        for wrong in ["", "1", "1:", ":1", "a:b", "5:3", "-1:-5", "1:2:3", "99999999999999999999:*"] {
            assert!(byte_range(wrong).is_err(), "{wrong}");
        }
    }
}
