//! `files chroot`: another directory becomes the root of the mutable file system.

use super::prelude::*;

/// `files chroot`.
pub struct FilesChroot;

/// What happened, in words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    /// The words.
    pub message: String,
}

impl Op for FilesChroot {
    const SPEC: &'static Spec = &Spec {
        path: "files/chroot",
        about: "Put another directory in the place of /.",
        help: "For a file system that is damaged. Without a CID it becomes empty. The daemon must not run. merkury undo\n\
               brings the old root back as long as no collection was asked for.",
        examples: &["ipfs files chroot --confirm", "ipfs files chroot --confirm CID"],
        args: &[Arg::text("cid", "The new root; an empty directory when left out.").optional()],
        options: &[Opt::flag(&["confirm"], "Say that this is meant.")],
        place: Place::Local,
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = Message;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Message> {
        Box::pin(async move {
            let call = request.call;
            if !call.options.flag("confirm") {
                let message = "this is a potentially destructive operation; pass --confirm to proceed";
                return Err(ApiError::invalid(message));
            }
            let cids = CidText::of(&call)?;
            let root = call.args.first().map(|text| chosen(text)).transpose()?;
            let changed = cx.api(&call)?.mfs.replace_root(root).await.map_err(|error| match error.kind {
                // The lock is someone else's.
                merkury_core::ErrorKind::Busy => error.context("opening repo (is the daemon running?)"),
                _ => error,
            })?;
            let new = cids.text(&changed.new);
            let message = match changed.old.map(|old| cids.text(&old)) {
                Some(old) => format!(
                    "MFS root changed from {old} to {new}\nThe old root {old} will be garbage collected unless pinned.\n"
                ),
                None => format!("MFS root set to {new}\n"),
            };
            Ok(Reply::One(Message { message }))
        })
    }

    fn text(item: Message, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.put(item.message)?)
    }
}

/// A CID, or a path that is nothing else.
fn chosen(text: &str) -> Result<merkury_core::Cid, ApiError> {
    let bare = text.strip_prefix("/ipfs/").or_else(|| text.strip_prefix("ipfs://")).unwrap_or(text);
    merkury_core::Cid::parse(bare).map_err(|error| ApiError::invalid(format!("invalid CID {text:?}: {error}")))
}
