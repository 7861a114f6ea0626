//! `log ls`: the parts that log by themselves.

use super::common::Strings;
use super::prelude::*;
use crate::logs;

/// `log ls`.
pub struct LogLs;

impl Op for LogLs {
    const SPEC: &'static Spec = &Spec {
        path: "log/ls",
        about: "List the parts that log by themselves.",
        examples: &["ipfs log ls"],
        help: "'log level' shows and sets how much each of them logs.",
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = Strings;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<Strings> {
        Box::pin(async { Ok(Reply::One(Strings { strings: Some(logs::installed()?.subsystems()) })) })
    }

    fn text(item: Strings, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}
