//! `get`: a DAG as files. Over RPC it is a tar archive; the terminal unpacks it.

use merkury_api::{NodeKind, ReadRange, TarOptions};

use super::common::PROGRESS;
use super::prelude::*;
use crate::gzip;

/// `get`.
pub struct Get;

/// How hard gzip tries when nothing is said.
const LEVEL_DEFAULT: u32 = 6;

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
    const ALWAYS_TEXT: bool = true;
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = &request.call;
            let level = compression_level(call)?;
            let api = cx.api(call)?;
            let cid = resolve_cid(&api, call.arg(0)?).await?;
            let stat = api.files.stat(&cid).await?;
            let size = if stat.size > 0 { stat.size } else { stat.cumulative_size };
            let is_plain = level.is_some() && !call.options.flag("archive");
            if is_plain && !matches!(stat.kind, NodeKind::File | NodeKind::Raw) {
                return Err(ApiError::invalid("file is not regular").hint("add --archive for directories and links"));
            }
            let name = call.arg(0)?.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default().to_owned();
            let name = if matches!(name.as_str(), "" | "." | "..") { cid.to_string() } else { name };
            let stream = if is_plain {
                api.files.read(&cid, ReadRange::default()).await?.bytes
            } else {
                api.files.tar(&cid, TarOptions { name }).await?
            };
            let (content_type, stream) = match level {
                None => ("application/x-tar", stream),
                Some(level) => ("application/gzip", gzip::compress(stream, level)),
            };
            Ok(Reply::Bytes(BytesReply { content_type, length: Some(size), stream }))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

/// How hard to compress; `None` is not at all.
fn compression_level(call: &Call) -> Result<Option<u32>, ApiError> {
    if !call.options.flag("compress") {
        return Ok(None);
    }
    match call.options.int("compression-level") {
        None => Ok(Some(LEVEL_DEFAULT)),
        Some(level @ 1..=9) => Ok(u32::try_from(level).ok()),
        Some(_) => Err(ApiError::invalid("compression level must be between 1 and 9")),
    }
}
