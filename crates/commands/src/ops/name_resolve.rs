//! `name resolve`: what a name points at.

use merkury_api::LookupOptions;
use merkury_core::ContentPath;
use merkury_core::path::Root;

use super::prelude::*;
use crate::value::parse_duration;

/// `name resolve`.
pub struct NameResolve;

/// What it points at.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NamePath {
    /// The path.
    pub path: String,
}

/// A name alone, an `/ipns/` path or an `ipns://` address.
pub(crate) fn name_path(text: &str) -> Result<ContentPath, ApiError> {
    let is_path = text.starts_with('/') || text.starts_with("ipns:") || text.starts_with("ipfs:");
    let path = if is_path { text.to_owned() } else { format!("/ipns/{text}") };
    let path = crate::cids::parse_path(&path)?;
    match path.root() {
        Root::Ipns(_) => Ok(path),
        Root::Ipfs(_) | Root::Ipld(_) => Err(ApiError::invalid(format!("{text:?} is not an IPNS name"))),
    }
}

impl Op for NameResolve {
    const SPEC: &'static Spec = &Spec {
        path: "name/resolve",
        about: "Print what a name points at.",
        help: "Without a name: what the identity of this node points at.",
        examples: &["ipfs name resolve", "ipfs name resolve NAME"],
        args: &[Arg::text("name", "The name.").optional()],
        options: &[
            Opt::flag(&["recursive", "r"], "Go on while the answer is a name.").or("true"),
            Opt::flag(&["nocache", "n"], "Look it up even if it was lately."),
            Opt::uint(&["dht-record-count", "dhtrc"], "Accepted for scripts: sixteen records are compared.").or("16"),
            Opt::text(&["dht-timeout", "dhtt"], "Longest time to ask peers; 0 for as long as it takes.").or("1m0s"),
            Opt::flag(&["stream", "s"], "Print answers as they are found: here the best one alone."),
        ],
        ..Spec::READ
    };
    type Item = NamePath;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NamePath> {
        Box::pin(async move {
            let call = request.call;
            let wait = call.options.text("dht-timeout").unwrap_or_default();
            if wait.starts_with('-') {
                return Err(ApiError::invalid("DHT timeout value must be >= 0"));
            }
            let wait = parse_duration(&wait).map_err(ApiError::invalid)?;
            let api = cx.api(&call)?;
            let path = match call.args.first() {
                Some(text) => name_path(text)?,
                None => {
                    let own = api.keys.list().await?.into_iter().find(|key| key.name == "self");
                    let own = own.ok_or_else(|| ApiError::internal("this node has no identity"))?;
                    ContentPath::new(Root::Ipns(own.id.to_string()), Vec::new())
                }
            };
            let options =
                LookupOptions { recursive: call.options.flag("recursive"), cached: !call.options.flag("nocache") };
            let lookup = api.names.lookup(&path, options);
            let found = if wait.is_zero() {
                lookup.await?
            } else {
                let late = |_| ApiError::new(merkury_core::ErrorKind::Timeout, "could not resolve name");
                tokio::time::timeout(wait, lookup).await.map_err(late)??
            };
            Ok(Reply::One(NamePath { path: found }))
        })
    }

    fn text(item: NamePath, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.path)?)
    }
}
