//! `dag resolve`: the node a path leads to, and what remains inside it.

use super::prelude::*;

/// `dag resolve`.
pub struct DagResolve;

/// The node and the rest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DagResolveOut {
    /// The node.
    pub cid: CidLink,
    /// Names inside it, `/` before each.
    pub rem_path: String,
}

impl Op for DagResolve {
    const SPEC: &'static Spec = &Spec {
        path: "dag/resolve",
        about: "Print the node a path leads to.",
        examples: &["ipfs dag resolve CID/a/0"],
        help: "Prints its CID and, for paths that end inside a node, what remains of the path.",
        args: &[Arg::text("ref", "The path.").or_stdin()],
        ..Spec::READ
    };
    type Item = DagResolveOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<DagResolveOut> {
        Box::pin(async move {
            let api = cx.api(&request.call)?;
            let resolved = resolve(&api, request.call.arg(0)?).await?;
            let rem_path = resolved.rest.iter().map(|name| format!("/{name}")).collect();
            Ok(Reply::One(DagResolveOut { cid: resolved.cid.into(), rem_path }))
        })
    }

    fn text(item: DagResolveOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let cids = CidText::of_or_like(call, call.arg(0)?)?;
        // No line end, as in Kubo.
        Ok(out.put(format_args!("{}{}", cids.text(&item.cid.cid), item.rem_path))?)
    }
}
