//! `block rm`: removes single blocks that no pin keeps.

use super::prelude::*;

/// `block rm`.
pub struct BlockRm;

/// The outcome of one removal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BlockRmOut {
    /// The block.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hash: String,
    /// Why it is still here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub error: String,
}

/// Whether some block stayed.
#[derive(Default)]
pub struct BlockRmText {
    failed: bool,
}

impl Op for BlockRm {
    const SPEC: &'static Spec = &Spec {
        path: "block/rm",
        about: "Remove single blocks.",
        examples: &["ipfs block rm --force CID"],
        help: "A block that a pin keeps is not removed. What needs the block is broken afterwards; garbage collection\n\
               (repo gc) is the usual way to free space.",
        args: &[Arg::text("cid", "CID of a block.").many()],
        options: &[
            Opt::flag(&["force", "f"], "No error for blocks that are not here."),
            Opt::flag(&["quiet", "q"], "Print errors alone."),
        ],
        ..Spec::ADMIN
    };
    const ALWAYS_TEXT: bool = true;
    type Item = BlockRmOut;
    type Text = BlockRmText;

    fn run(cx: Cx, request: Request) -> Running<BlockRmOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let mut blocks = Vec::with_capacity(call.args.len());
            for path in &call.args {
                blocks.push(resolve_cid(&api, path).await?);
            }
            let quiet = call.options.flag("quiet");
            let removed = api.blocks.remove(blocks, call.options.flag("force"));
            let items = removed.try_filter_map(move |block| async move {
                let error = block.error.unwrap_or_default();
                Ok((!quiet || !error.is_empty()).then(|| BlockRmOut { hash: cids.text(&block.cid), error }))
            });
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: BlockRmOut, _: &Call, state: &mut BlockRmText, out: &mut Out<'_>) -> TextResult {
        if item.hash.is_empty() && !item.error.is_empty() {
            return Err(ApiError::internal(format!("aborted: {}", item.error)).into());
        }
        if item.error.is_empty() {
            return Ok(out.line(format_args!("removed {}", item.hash))?);
        }
        state.failed = true;
        Ok(out.note(format_args!("cannot remove {}: {}\n", item.hash, item.error))?)
    }

    fn finish(_: &Call, state: &mut BlockRmText, _: &mut Out<'_>) -> TextResult {
        if state.failed { Err(ApiError::invalid("some blocks not removed").into()) } else { Ok(()) }
    }
}
