//! `shutdown`: stops the daemon.

use super::prelude::*;

/// `shutdown`.
pub struct Shutdown;

impl Op for Shutdown {
    const SPEC: &'static Spec = &Spec {
        path: "shutdown",
        about: "Stop the daemon.",
        examples: &["ipfs shutdown"],
        help: "Requests in work finish, within a few seconds; then the daemon ends.",
        place: Place::Daemon,
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, _: Request) -> Running<NoItem> {
        Box::pin(async move {
            cx.node()?.shutdown().await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
