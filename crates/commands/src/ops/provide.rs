//! `provide once`, `provide clear`, `routing reprovide`: announcing by hand.

use merkury_core::Cid;

use super::prelude::*;

/// `provide once`.
pub struct ProvideOnce;
/// `provide clear`.
pub struct ProvideClear;
/// `routing reprovide`.
pub struct Reprovide;
/// `bitswap reprovide`, the older name.
pub struct BitswapReprovide;

/// A CID that is queued.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProvideOnceOut {
    /// The CID.
    pub queued: String,
}

impl Op for ProvideOnce {
    const SPEC: &'static Spec = &Spec {
        path: "provide/once",
        about: "Announce CIDs now.",
        examples: &["ipfs provide once CID", "ipfs refs -r -u CID | ipfs provide once"],
        help: "Queues CIDs that are here for announcing to the DHT. The cycles that announce everything again \
               (Provide.DHT.Interval) do not change.",
        args: &[Arg::text("cid", "What to announce.").many().or_stdin()],
        options: &[Opt::flag(&["recursive", "r"], "Everything below it too.")],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = ProvideOnceOut;
    type Text = u64;

    fn run(cx: Cx, request: Request) -> Running<ProvideOnceOut> {
        Box::pin(async move {
            let call = request.call;
            let parse = |text: &String| {
                let cid = Cid::parse(text.strip_prefix("/ipfs/").unwrap_or(text));
                cid.map_err(|error| ApiError::invalid(format!("invalid CID {text:?}: {error}")))
            };
            let cids = call.args.iter().map(parse).collect::<Result<Vec<Cid>, _>>()?;
            let queued = cx.api(&call)?.routing.provide_once(cids, call.options.flag("recursive"));
            Ok(Reply::Stream(queued.map_ok(|cid| ProvideOnceOut { queued: cid.to_string() }).boxed()))
        })
    }

    fn text(_: ProvideOnceOut, _: &Call, count: &mut u64, out: &mut Out<'_>) -> TextResult {
        *count = count.saturating_add(1);
        Ok(out.progress(format_args!("queued {count} CID(s) for immediate provide"))?)
    }

    fn finish(_: &Call, count: &mut u64, out: &mut Out<'_>) -> TextResult {
        out.clear_progress()?;
        Ok(out.line(format_args!("queued {count} CID(s) for immediate provide"))?)
    }
}

impl Op for ProvideClear {
    const SPEC: &'static Spec = &Spec {
        path: "provide/clear",
        about: "Forget announcements that wait.",
        examples: &["ipfs provide clear"],
        help: "Empties the queue of content that is announced for the first time. The next cycle announces it.",
        options: &[Opt::flag(&["quiet", "q"], "Print nothing.")],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = u64;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<u64> {
        Box::pin(async move {
            let forgotten = cx.api(&request.call)?.routing.clear_provide_queue().await?;
            if request.call.options.flag("quiet") {
                return Ok(Reply::Empty);
            }
            Ok(Reply::One(forgotten))
        })
    }

    fn text(item: u64, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(format_args!("removed {item} items from provide queue"))?)
    }
}

async fn reprovide(cx: Cx, call: Call) -> Result<Reply<NoItem>, ApiError> {
    cx.api(&call)?.routing.reprovide().await?;
    Ok(Reply::Empty)
}

impl Op for Reprovide {
    const SPEC: &'static Spec = &Spec {
        path: "routing/reprovide",
        about: "Announce everything again.",
        examples: &["ipfs routing reprovide"],
        help: "Announces what Provide.Strategy takes, and returns when that is done. With Provide.DHT.SweepEnabled (the \
               default) the daemon does it on its own, and this is refused.",
        tier: Tier::Deprecated,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(reprovide(cx, request.call))
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for BitswapReprovide {
    const SPEC: &'static Spec = &Spec {
        path: "bitswap/reprovide",
        about: "Announce everything again.",
        examples: &["ipfs bitswap reprovide"],
        help: "The older name of routing reprovide.",
        tier: Tier::Deprecated,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(reprovide(cx, request.call))
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
