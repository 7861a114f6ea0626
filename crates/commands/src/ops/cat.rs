//! `cat`: the bytes of files, one after the other.

use bytes::Bytes;
use futures::{StreamExt, stream};
use merkury_api::{Api, ApiError, ByteStream, FileRead, NodeKind, ReadRange};
use merkury_core::Cid;

use crate::cids::resolve_cid;
use crate::op::{BytesReply, Call, Cx, NoItem, Op, Reply, Request, Running, TextResult};
use crate::spec::{Arg, Opt, Spec};
use crate::text::Out;

/// `cat`.
pub struct Cat;

/// MIME type of byte streams: text, so that no browser runs what it gets from this port.
const PLAIN: &str = "text/plain";

impl Op for Cat {
    const SPEC: &'static Spec = &Spec {
        path: "cat",
        about: "Print the content of files.",
        help: "Writes the bytes of each file to standard output, in the order given. --offset and --length cut a part\n\
               out of all of them taken together.",
        examples: &["ipfs cat bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am > file"],
        args: &[Arg::text("ipfs-path", "Path of a file.").many().or_stdin()],
        options: &[
            Opt::int64(&["offset", "o"], "First byte to print."),
            Opt::int64(&["length", "l"], "Print at most so many bytes."),
            Opt::flag(&["progress", "p"], "Show progress; by default when standard error is a terminal."),
        ],
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let call = &request.call;
            let mut offset = call.options.count("offset", "cannot specify negative offset")?.unwrap_or(0);
            let limit = call.options.count("length", "cannot specify negative length")?;
            let api = cx.api(call)?;
            let mut parts: Vec<ByteStream> = Vec::new();
            let mut length = 0u64;
            for path in &call.args {
                let left = limit.map(|limit| limit - length);
                if left == Some(0) {
                    break;
                }
                let cid = resolve_cid(&api, path).await?;
                let read = read(&api, &cid, ReadRange { offset, length: left }).await?;
                if offset > read.size {
                    offset -= read.size;
                    continue;
                }
                let rest = read.size - offset;
                offset = 0;
                length = add(length, left.map_or(rest, |left| left.min(rest)))?;
                parts.push(read.bytes);
            }
            let stream = stream::iter(parts).flatten().boxed();
            Ok(Reply::Bytes(BytesReply { content_type: PLAIN, length: Some(length), stream }))
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

/// Bytes of a file; of a symbolic link its target, as Kubo prints it.
async fn read(api: &Api, cid: &Cid, range: ReadRange) -> Result<FileRead, ApiError> {
    let error = match api.files.read(cid, range).await {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    let stat = api.files.stat(cid).await;
    let Some(target) = stat.ok().filter(|stat| stat.kind == NodeKind::Symlink).and_then(|stat| stat.target) else {
        return Err(error);
    };
    let size = target.len() as u64;
    let from = usize::try_from(range.offset.min(size)).unwrap_or(usize::MAX);
    let bytes = Bytes::from(target).slice(from..);
    let length = range.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    let bytes = bytes.slice(..length.min(bytes.len()));
    Ok(FileRead { size, bytes: stream::iter([Ok(bytes)]).boxed() })
}

fn add(total: u64, more: u64) -> Result<u64, ApiError> {
    total.checked_add(more).ok_or_else(|| ApiError::invalid("the files are larger than any file can be"))
}
