//! `resolve`: where a path leads.

use merkury_api::LookupOptions;
use merkury_core::path::Root;

use super::prelude::*;

/// `resolve`.
pub struct Resolve;

/// The path it leads to.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResolveOut {
    /// The path.
    pub path: String,
}

impl Op for Resolve {
    const SPEC: &'static Spec = &Spec {
        path: "resolve",
        about: "Print where a path leads.",
        help: "Follows names and links and prints the path of the last node.",
        examples: &["ipfs resolve /ipfs/CID/photos/2021"],
        args: &[Arg::text("name", "The path.").or_stdin()],
        options: &[
            Opt::flag(&["recursive", "r"], "Follow names until the path is immutable.").or("true"),
            Opt::int(&["dht-record-count", "dhtrc"], "How many records to ask the DHT for."),
            Opt::text(&["dht-timeout", "dhtt"], "How long to ask the DHT, for example 30s."),
        ],
        ..Spec::READ
    };
    type Item = ResolveOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<ResolveOut> {
        Box::pin(async move {
            let call = request.call;
            let path = call.arg(0)?;
            let api = cx.api(&call)?;
            if !call.options.flag("recursive") && path.starts_with("/ipns/") {
                let one_step = LookupOptions { recursive: false, cached: true };
                let path = api.names.lookup(&crate::cids::parse_path(path)?, one_step).await?;
                return Ok(Reply::One(ResolveOut { path }));
            }
            let cids = if path.starts_with("/ipns/") { CidText::of(&call)? } else { CidText::of_or_like(&call, path)? };
            let resolved = resolve(&api, path).await?;
            let rest: String = resolved.rest.iter().map(|name| format!("/{name}")).collect();
            let is_ipld = matches!(crate::cids::parse_path(path)?.root(), Root::Ipld(_));
            let namespace = if is_ipld { "ipld" } else { "ipfs" };
            Ok(Reply::One(ResolveOut { path: format!("/{namespace}/{}{rest}", cids.text(&resolved.cid)) }))
        })
    }

    fn text(item: ResolveOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.path)?)
    }
}
