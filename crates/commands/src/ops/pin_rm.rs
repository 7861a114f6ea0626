//! `pin rm`: lets DAGs go.

use merkury_api::PinMode;

use super::prelude::*;

/// `pin rm`.
pub struct PinRm;

/// Pins, of `pin update` too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Pins {
    /// Their roots.
    pub pins: Vec<String>,
}

impl Op for PinRm {
    const SPEC: &'static Spec = &Spec {
        path: "pin/rm",
        about: "Stop keeping DAGs.",
        examples: &["ipfs pin rm CID"],
        help: "The blocks stay until garbage is collected.",
        args: &[Arg::text("ipfs-path", "Path of a pinned DAG.").many().or_stdin()],
        options: &[Opt::flag(&["recursive", "r"], "Remove the recursive pin.").or("true")],
        ..Spec::PIN
    };
    type Item = Pins;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Pins> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let mode = if call.options.flag("recursive") { PinMode::Recursive } else { PinMode::Direct };
            let mut pins = Vec::with_capacity(call.args.len());
            for path in &call.args {
                let cid = resolve_cid(&api, path).await?;
                pins.push(cids.text(&cid));
                api.pins.remove(cid, mode).await?;
            }
            Ok(Reply::One(Pins { pins }))
        })
    }

    fn text(item: Pins, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(item.pins.iter().try_for_each(|pin| out.line(format_args!("unpinned {pin}")))?)
    }
}
