//! `pin update`: moves a pin to a newer root.

use super::common::{FAST_PROVIDE_DAG, FAST_PROVIDE_ROOT, FAST_PROVIDE_WAIT, New, fast_provide};
use super::pin_rm::Pins;
use super::prelude::*;

/// `pin update`.
pub struct PinUpdate;

impl Op for PinUpdate {
    const SPEC: &'static Spec = &Spec {
        path: "pin/update",
        about: "Move a recursive pin to another root.",
        examples: &["ipfs pin update OLD NEW"],
        help: "Keeps the new DAG, fetching only what the old one lacks, and lets the old one go (--unpin=false keeps it).",
        args: &[Arg::text("from-path", "The old root."), Arg::text("to-path", "The new root.")],
        options: &[
            Opt::flag(&["unpin"], "Let the old root go.").or("true"),
            FAST_PROVIDE_ROOT,
            FAST_PROVIDE_DAG,
            FAST_PROVIDE_WAIT,
        ],
        tier: Tier::Common,
        ..Spec::PIN
    };
    type Item = Pins;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Pins> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let from = resolve_cid(&api, call.arg(0)?).await?;
            let to = resolve_cid(&api, call.arg(1)?).await?;
            api.pins.update(from.clone(), to.clone(), call.options.flag("unpin")).await?;
            fast_provide(&api, &call, std::slice::from_ref(&to), New { pinned: true, mfs: false }).await?;
            Ok(Reply::One(Pins { pins: vec![cids.text(&from), cids.text(&to)] }))
        })
    }

    fn text(item: Pins, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let (from, to) =
            (item.pins.first().cloned().unwrap_or_default(), item.pins.get(1).cloned().unwrap_or_default());
        Ok(out.line(format_args!("updated {from} to {to}"))?)
    }
}
