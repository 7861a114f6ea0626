//! What comes over the RPC and the command line: forms, queries, lines.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use merkury_api::{EntryBody, InputEntry};
use merkury_commands::rpc::multipart;
use merkury_commands::{parse, query, tree, words};
use merkury_testkit::fuzz::Fuzz;

const DIR: &str = env!("CARGO_MANIFEST_DIR");
/// Bytes of a body that come at a time: boundaries fall between pieces.
const PIECE: usize = 37;

#[test]
fn forms() {
    let form = "--b\r\nContent-Disposition: form-data; name=\"file?mode=0644&mtime=5\"; filename=\"d%2Fa\"\r\n\
                Content-Type: application/octet-stream\r\n\r\none\r\n--b\r\nContent-Disposition: form-data; \
                filename=\"d2\"\r\nContent-Type: application/x-directory\r\n\r\n\r\n--b\r\nContent-Disposition: \
                form-data; filename=\"d2/l\"\r\nContent-Type: application/symlink\r\n\r\n../t\r\n--b--\r\n";
    Fuzz::new("multipart", DIR)
        .seed(form)
        .tokens(&[b"\r\n--b\r\n", b"--b--", b"\r\n\r\n", b"filename=\"", b"%2F..", b"%", b"mtime=", b"; ", b"\""])
        .run(|bytes| {
            let pieces: Vec<_> = bytes.chunks(PIECE).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            let mut entries = multipart::entries(stream::iter(pieces).boxed(), "b");
            let read = async {
                let mut kinds = String::new();
                while let Some(InputEntry { body, path, .. }) = entries.try_next().await? {
                    assert!(!path.split('/').any(|name| name == ".."), "{path:?} climbs");
                    kinds.push(match body {
                        EntryBody::Directory => 'd',
                        EntryBody::Symlink(_) => 'l',
                        EntryBody::File(bytes) => {
                            bytes.try_for_each(|_| async { Ok(()) }).await?;
                            'f'
                        }
                    });
                }
                Ok::<_, merkury_api::ApiError>(kinds)
            };
            futures::executor::block_on(read).unwrap_or_else(|error| error.message)
        });
}

#[test]
fn lines_and_queries() {
    Fuzz::new("line", DIR)
        .seed("files write -e --offset=5 /a 'some text' # comment")
        .seed("add -rq --chunker=size-1000 -- x")
        .seed("arg=%2Fa&flush=false&offset=12&arg=b+c")
        .tokens(&[b"--", b"-", b"=", b"\"", b"'", b"\\", b"&arg=", b"%", b"files ", b"--timeout="])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            let split = words::split(&text);
            let parsed =
                split.clone().map(|words| parse::parse(&words).map_or_else(|e| e.message, |p| p.path.join(" ")));
            let spec = tree::find(["files", "write"]).expect("there").spec;
            let asked = query::parse(spec, &tree::options_of(&["files", "write"]), &text);
            format!("{parsed:?} / {:?}", asked.map(|query| query.args.len()))
        });
}
