//! `block get`: the bytes of a block.

use super::common::whole;
use super::prelude::*;

/// `block get`.
pub struct BlockGet;

impl Op for BlockGet {
    const SPEC: &'static Spec = &Spec {
        path: "block/get",
        about: "Print the bytes of a block.",
        examples: &["ipfs block get CID > block.bin"],
        help: "A block that is not stored here is asked of peers; --offline stops that.",
        args: &[Arg::text("cid", "CID or path of the block.").or_stdin()],
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let api = cx.api(&request.call)?;
            let cid = resolve_cid(&api, request.call.arg(0)?).await?;
            let block = api.blocks.get(&cid).await?;
            let mut reply = whole("application/vnd.ipld.raw", block.data().clone());
            // Kubo announces no length here.
            reply.length = None;
            Ok(Reply::Bytes(reply))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
