//! `dag get`: a node, or a value inside it.

use super::common::whole;
use super::prelude::*;
use crate::cids::codec_code;
use crate::ipld;

/// `dag get`.
pub struct DagGet;

impl Op for DagGet {
    const SPEC: &'static Spec = &Spec {
        path: "dag/get",
        about: "Print a node.",
        help: "Prints the node, or the value inside it that the path leads to, in the output codec.",
        examples: &["ipfs dag get CID/a/0"],
        args: &[Arg::text("ref", "Path of the node.").or_stdin()],
        options: &[Opt::text(&["output-codec"], "Codec of the output.").or("dag-json")],
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            let name = call.options.text("output-codec").unwrap_or_default();
            let to = codec_code(&name).ok_or_else(|| ApiError::invalid(format!("unknown multicodec: {name:?}")))?;
            let api = cx.api(&call)?;
            let resolved = resolve(&api, call.arg(0)?).await?;
            let block = api.blocks.get(&resolved.cid).await?;
            let value = ipld::show(block.data(), resolved.cid.codec(), to, &resolved.rest)?;
            let mut reply = whole("text/plain", value.into());
            // Kubo announces no length here.
            reply.length = None;
            Ok(Reply::Bytes(reply))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
