//! `refs local`, `repo ls`: every stored block.

use super::prelude::*;
use super::refs::RefOut;

/// `refs local`.
pub struct RefsLocal;
/// `repo ls`.
pub struct RepoLs;

const ABOUT: &str = "List every stored block.";
const HELP: &str = "Blocks are stored by their hash: they are listed as version 1 CIDs of codec raw.";

async fn run(cx: Cx, call: Call) -> Result<Reply<RefOut>, ApiError> {
    let api = cx.api(&call)?;
    let cids = CidText::of(&call)?;
    let blocks = api.blocks.list();
    Ok(Reply::Stream(blocks.map_ok(move |cid| RefOut { r#ref: cids.text(&cid), err: String::new() }).boxed()))
}

impl Op for RefsLocal {
    const SPEC: &'static Spec =
        &Spec { path: "refs/local", about: ABOUT, examples: &["ipfs refs local"], help: HELP, ..Spec::READ };
    type Item = RefOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RefOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: RefOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}

impl Op for RepoLs {
    const SPEC: &'static Spec = &Spec {
        path: "repo/ls",
        about: ABOUT,
        examples: &["ipfs repo ls"],
        help: HELP,
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = RefOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RefOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: RefOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}
