//! `config replace`: another configuration; the identity stays.

use super::common::whole_file;
use super::prelude::*;

/// `config replace`.
pub struct ConfigReplace;

/// Largest configuration file.
const CONFIG_BYTES_MAX: usize = 16 * 1024 * 1024;

impl Op for ConfigReplace {
    const SPEC: &'static Spec = &Spec {
        path: "config/replace",
        about: "Replace the configuration by a file.",
        examples: &["ipfs config replace config.json"],
        help: "The identity of the node stays as it is. Keep a copy of the old file.",
        args: &[Arg::file("file", "The new configuration.")],
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let Request { call, body } = request;
            let bytes = whole_file(body, CONFIG_BYTES_MAX).await?;
            let config =
                serde_json::from_slice(&bytes).map_err(|_| ApiError::invalid("failed to decode file as config"))?;
            cx.api(&call)?.config.replace(config).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
