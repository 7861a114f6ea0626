//! `files write`: bytes into a file of the mutable file system.

use super::common::{CID_VERSION, FLUSH, HASH, entries, mfs_path, next_file};
use super::files_batch::write_options;
use super::prelude::*;

/// `files write`.
pub struct FilesWrite;

impl Op for FilesWrite {
    const SPEC: &'static Spec = &Spec {
        path: "files/write",
        about: "Write into a file.",
        help: "Writes at --offset; what lies behind stays unless --truncate.",
        examples: &["echo hello | ipfs files write --create --parents /notes/today"],
        args: &[Arg::text("path", "The file."), Arg::file("data", "The bytes.").or_stdin()],
        options: &[
            Opt::int64(&["offset", "o"], "First byte to write."),
            Opt::flag(&["create", "e"], "Make the file when it is missing."),
            Opt::flag(&["parents", "p"], "Make missing directories."),
            Opt::flag(&["truncate", "t"], "Cut the file to nothing first."),
            Opt::int64(&["count", "n"], "Write at most so many bytes."),
            Opt::flag(&["raw-leaves"], "New leaves without a wrapper."),
            CID_VERSION,
            HASH,
            FLUSH,
        ],
        ..Spec::ADMIN
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let Request { call, body } = request;
            let path = mfs_path(call.arg(0)?)?;
            let options = write_options(&call)?;
            let mut entries = entries(body)?;
            let data = next_file(&mut entries).await?.ok_or_else(|| ApiError::invalid("expected a file"))?;
            cx.api(&call)?.mfs.write(path, data, options).await?;
            Ok(Reply::Empty)
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}
