//! `files read`: bytes of a file of the mutable file system.

use super::common::{FLUSH, mfs_path};
use super::prelude::*;

/// `files read`.
pub struct FilesRead;

impl Op for FilesRead {
    const SPEC: &'static Spec = &Spec {
        path: "files/read",
        about: "Print a file.",
        args: &[Arg::text("path", "The file.")],
        options: &[
            Opt::int64(&["offset", "o"], "First byte to print."),
            Opt::int64(&["count", "n"], "Print at most so many bytes."),
            FLUSH,
        ],
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = request.call;
            let path = mfs_path(call.arg(0)?)?;
            let offset = call.options.count("offset", "cannot specify negative offset")?.unwrap_or(0);
            let count = call.options.count("count", "cannot specify negative 'count'")?;
            let stream = cx.api(&call)?.mfs.read(path.clone(), offset, count).await.map_err(|mut error| {
                if error.message == "file does not exist" {
                    error.message = format!("{path}: {}", error.message);
                }
                error
            })?;
            Ok(Reply::Bytes(BytesReply { content_type: "text/plain", length: None, stream }))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
