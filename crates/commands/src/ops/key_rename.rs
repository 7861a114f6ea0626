//! `key rename`: another name for a key.

use super::id::PeerText;
use super::key_gen::IPNS_BASE;
use super::prelude::*;

/// `key rename`.
pub struct KeyRename;

/// What was renamed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyRenameOut {
    /// The old name.
    pub was: String,
    /// The new name.
    pub now: String,
    /// The IPNS name.
    pub id: String,
    /// Whether another key had the new name and is gone.
    pub overwrite: bool,
}

impl Op for KeyRename {
    const SPEC: &'static Spec = &Spec {
        path: "key/rename",
        about: "Rename a key.",
        examples: &["ipfs key rename blog journal"],
        args: &[Arg::text("name", "The old name."), Arg::text("newName", "The new name.")],
        options: &[Opt::flag(&["force", "f"], "Replace a key that has the new name."), IPNS_BASE],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = KeyRenameOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<KeyRenameOut> {
        Box::pin(async move {
            let call = request.call;
            let form = PeerText::of(&call, "ipns-base")?;
            let (was, now) = (call.arg(0)?.to_owned(), call.arg(1)?.to_owned());
            let keys = cx.api(&call)?.keys;
            let (key, overwrite) = keys.rename(was.clone(), now.clone(), call.options.flag("force")).await?;
            Ok(Reply::One(KeyRenameOut { was, now, id: form.text(&key.id), overwrite }))
        })
    }

    fn text(item: KeyRenameOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let more = if item.overwrite { " with overwriting" } else { "" };
        Ok(out.line(format_args!("Key {} renamed to {}{more}", item.id, escape_name(&item.now)))?)
    }
}
