//! `get`: a DAG as files. Over RPC it is a tar archive; the terminal unpacks it.

use merkury_api::TarOptions;

use super::common::PROGRESS;
use super::prelude::*;

/// `get`.
pub struct Get;

impl Op for Get {
    const SPEC: &'static Spec = &Spec {
        path: "get",
        about: "Save files and directories on this machine.",
        help: "Writes to the last name of the path, or where --output says. Symbolic links are written as links and\n\
               never followed; nothing is written outside the target.",
        examples: &["ipfs get /ipfs/CID/photos -o pictures", "ipfs get -a CID      as a tar archive"],
        args: &[Arg::text("ipfs-path", "Path of a file or directory.").or_stdin()],
        options: &[
            Opt::text(&["output", "o"], "Where to save."),
            Opt::flag(&["archive", "a"], "Save as a tar archive."),
            Opt::flag(&["compress", "C"], "Compress with gzip."),
            Opt::int(&["compression-level", "l"], "How hard, 1 to 9."),
            PROGRESS,
        ],
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = &request.call;
            call.options.refuse(&["compress", "compression-level"])?;
            let api = cx.api(call)?;
            let cid = resolve_cid(&api, call.arg(0)?).await?;
            let stat = api.files.stat(&cid).await?;
            let name = call.arg(0)?.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default().to_owned();
            let name = if matches!(name.as_str(), "" | "." | "..") { cid.to_string() } else { name };
            let stream = api.files.tar(&cid, TarOptions { name }).await?;
            let length = if stat.size > 0 { stat.size } else { stat.cumulative_size };
            Ok(Reply::Bytes(BytesReply { content_type: "application/x-tar", length: Some(length), stream }))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
