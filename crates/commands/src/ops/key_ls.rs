//! `key ls`, `key list`: the keys of this node.

use super::id::PeerText;
use super::key_gen::{IPNS_BASE, KeysOut, out_of, show};
use super::prelude::*;

/// `key ls`.
pub struct KeyLs;
/// `key list`.
pub struct KeyList;

const ABOUT: &str = "List the keys.";
const OPTIONS: &[Opt] = &[Opt::flag(&["l"], "Print IPNS names too."), IPNS_BASE];

async fn run(cx: Cx, call: Call) -> Result<Reply<KeysOut>, ApiError> {
    let form = PeerText::of(&call, "ipns-base")?;
    let keys = cx.api(&call)?.keys.list().await?;
    Ok(Reply::One(KeysOut { keys: keys.iter().map(|key| out_of(key, form)).collect() }))
}

impl Op for KeyLs {
    const SPEC: &'static Spec =
        &Spec { path: "key/ls", about: ABOUT, examples: &["ipfs key ls -l"], options: OPTIONS, ..Spec::READ };
    type Item = KeysOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeysOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: KeysOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, call, out)
    }
}

impl Op for KeyList {
    const SPEC: &'static Spec = &Spec {
        path: "key/list",
        about: ABOUT,
        examples: &["ipfs key list -l"],
        options: OPTIONS,
        tier: Tier::Deprecated,
        ..Spec::READ
    };
    type Item = KeysOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeysOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: KeysOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, call, out)
    }
}
