//! `files read`: bytes of a file of the mutable file system.

use super::common::{FLUSH, mfs_path};
use super::prelude::*;

/// `files read`.
pub struct FilesRead;

impl Op for FilesRead {
    const SPEC: &'static Spec = &Spec {
        path: "files/read",
        about: "Print a file.",
        examples: &["ipfs files read /notes.txt"],
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
            let (offset, count) = (call.options.int("offset").unwrap_or(0), call.options.int("count"));
            let mfs = cx.api(&call)?.mfs;
            // As in Kubo the file is looked for before the numbers are.
            let Ok(first) = u64::try_from(offset) else {
                drop(mfs.read(path, 0, Some(0)).await?);
                return Err(ApiError::invalid("cannot specify negative offset"));
            };
            let Ok(wanted) = count.map(u64::try_from).transpose() else {
                drop(mfs.read(path, first, Some(0)).await?);
                return Err(ApiError::invalid("cannot specify negative 'count'"));
            };
            let stream = mfs.read(path, first, wanted).await?;
            Ok(Reply::Bytes(BytesReply { content_type: "text/plain", length: None, stream }))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
