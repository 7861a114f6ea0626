//! `log tail`: messages as they are logged.

use super::prelude::*;
use crate::logs::{self, Level};

/// `log tail`.
pub struct LogTail;

impl Op for LogTail {
    const SPEC: &'static Spec = &Spec {
        path: "log/tail",
        about: "Print messages of the daemon as they are logged.",
        help: "A JSON object a line. Only what 'log level' lets through comes here; a reader that is too slow misses\n\
               messages. It ends when it is interrupted.",
        examples: &["ipfs log tail --log-level warn"],
        options: &[Opt::text(&["log-level"], "Leave out what is less than this level.").or("")],
        effect: crate::spec::Effect::Admin,
        tier: Tier::Common,
        place: Place::Daemon,
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let level = match request.call.options.text("log-level").filter(|name| !name.is_empty()) {
                None => Level::Debug,
                Some(name) => {
                    Level::parse(&name).map_err(|error| error.context(&format!("setting log level {name}")))?
                }
            };
            let stream = logs::installed()?.tail(level).map(Ok).boxed();
            Ok(Reply::Bytes(BytesReply { content_type: "text/plain", length: None, stream }))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
