//! `key rm`: removes keys.

use super::id::PeerText;
use super::key_gen::{IPNS_BASE, KeysOut, out_of, show};
use super::prelude::*;

/// `key rm`.
pub struct KeyRm;

impl Op for KeyRm {
    const SPEC: &'static Spec = &Spec {
        path: "key/rm",
        about: "Remove keys.",
        examples: &["ipfs key rm blog"],
        help: "What was published under a removed key can never be changed again.",
        args: &[Arg::text("name", "Name of a key.").many().or_stdin()],
        options: &[Opt::flag(&["l"], "Print IPNS names too."), IPNS_BASE],
        ..Spec::ADMIN
    };
    type Item = KeysOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeysOut> {
        Box::pin(async move {
            let call = request.call;
            let form = PeerText::of(&call, "ipns-base")?;
            let api = cx.api(&call)?;
            let mut keys = Vec::with_capacity(call.args.len());
            for name in &call.args {
                keys.push(out_of(&api.keys.remove(name.clone()).await?, form));
            }
            Ok(Reply::One(KeysOut { keys }))
        })
    }

    fn text(item: KeysOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, call, out)
    }
}
