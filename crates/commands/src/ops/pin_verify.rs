//! `pin verify`: is all that is pinned here?

use super::prelude::*;

/// `pin verify`.
pub struct PinVerify;

/// One recursive pin.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PinVerifyOut {
    /// Its root.
    #[serde(skip_serializing_if = "is_zero")]
    pub cid: String,
    /// Why it could not be looked at.
    #[serde(skip_serializing_if = "is_zero")]
    pub err: String,
    /// It is whole.
    #[serde(skip_serializing_if = "is_zero")]
    pub ok: bool,
    /// What is missing or unreadable.
    #[serde(skip_serializing_if = "is_zero")]
    pub bad_nodes: Vec<BadNode>,
}

/// A block that is missing or unreadable.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BadNode {
    /// The block.
    pub cid: String,
    /// What is wrong.
    pub err: String,
}

impl Op for PinVerify {
    const SPEC: &'static Spec = &Spec {
        path: "pin/verify",
        about: "Check that recursive pins are complete.",
        examples: &["ipfs pin verify --verbose"],
        help: "Prints the pins that lack blocks, and which; with --verbose those that are whole too. Recorded links are\n\
               followed: whether the bytes of blocks are right is what `repo verify` looks at.",
        options: &[
            Opt::flag(&["verbose"], "Print pins that are whole too."),
            Opt::flag(&["quiet", "q"], "Print the CIDs of broken pins alone."),
        ],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = PinVerifyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<PinVerifyOut> {
        Box::pin(async move {
            let call = request.call;
            let (verbose, quiet) = (call.options.flag("verbose"), call.options.flag("quiet"));
            if verbose && quiet {
                let message = "the --verbose and --quiet options can not be used at the same time";
                return Err(ApiError::invalid(message));
            }
            let cids = CidText::of(&call)?;
            let pins = cx.api(&call)?.pins.verify();
            let shown = pins.try_filter(move |pin| std::future::ready(verbose || !pin.bad.is_empty()));
            let items = shown.map_ok(move |pin| PinVerifyOut {
                cid: cids.text(&pin.cid),
                err: String::new(),
                ok: pin.bad.is_empty(),
                bad_nodes: pin.bad.into_iter().map(|(cid, err)| BadNode { cid: cids.text(&cid), err }).collect(),
            });
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: PinVerifyOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if call.options.flag("quiet") && !item.ok {
            return Ok(out.line(&item.cid)?);
        }
        if item.ok {
            return Ok(out.line(format_args!("{} ok", item.cid))?);
        }
        out.line(format_args!("{} broken", item.cid))?;
        Ok(item.bad_nodes.iter().try_for_each(|bad| out.line(format_args!("  {}: {}", bad.cid, bad.err)))?)
    }
}
