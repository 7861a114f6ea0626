//! `block stat`: name and size of a block.

use serde::{Deserialize, Serialize};

use crate::cids::{CidText, resolve_cid};
use crate::op::{Call, Cx, Op, Reply, Request, Running, TextResult};
use crate::spec::{Arg, Spec};
use crate::text::Out;

/// `block stat`.
pub struct BlockStat;

/// The answer, of `block put` too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BlockStatOut {
    /// The CID.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

impl Op for BlockStat {
    const SPEC: &'static Spec = &Spec {
        path: "block/stat",
        about: "Print the CID and size of a block.",
        help: "A block that is not stored here is asked of peers; --offline stops that.",
        examples: &["ipfs block stat bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am"],
        args: &[Arg::text("cid", "CID or path of the block.").or_stdin()],
        ..Spec::READ
    };
    type Item = BlockStatOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BlockStatOut> {
        Box::pin(async move {
            let api = cx.api(&request.call)?;
            let cids = CidText::of(&request.call)?;
            let cid = resolve_cid(&api, request.call.arg(0)?).await?;
            let stat = api.blocks.stat(&cid).await?;
            Ok(Reply::One(BlockStatOut { key: cids.text(&stat.cid), size: stat.size }))
        })
    }

    fn text(item: BlockStatOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.put(format_args!("Key: {}\nSize: {}\n", item.key, item.size))?)
    }
}
