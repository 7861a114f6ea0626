//! The multipart form: what clients send is read, what we write is read back.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use merkury_api::{EntryBody, InputEntry, Metadata};
use merkury_commands::rpc::RpcConfig;
use merkury_commands::rpc::multipart;

use crate::support::Server;

/// Entries of a body, given in pieces of a size, one line each.
async fn read(body: &[u8], piece: usize) -> Result<Vec<String>, String> {
    let pieces: Vec<_> = body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let mut entries = multipart::entries(stream::iter(pieces).boxed(), "b");
    let mut lines = Vec::new();
    while let Some(entry) = entries.try_next().await.map_err(|error| error.message)? {
        let InputEntry { path, body, metadata, .. } = entry;
        let mut line = match body {
            EntryBody::Directory => format!("dir {path}"),
            EntryBody::Symlink(target) => format!("link {path} -> {target}"),
            EntryBody::File(bytes) => {
                let all: Vec<Bytes> = bytes.try_collect().await.map_err(|error| error.message)?;
                format!("file {path} {:?}", String::from_utf8_lossy(&all.concat()))
            }
        };
        if metadata != Metadata::default() {
            line.push_str(&format!(" {metadata:?}"));
        }
        lines.push(line);
    }
    Ok(lines)
}

#[tokio::test]
async fn forms_that_clients_send() {
    let body = "preamble\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"dir%2Fsub%2Fa%20b.txt\"\r\n\
        Content-Type: application/octet-stream\r\nAbspath: /home/x\r\n\r\n\
        one\r\n--bogus\r\ntwo\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file?mode=0644&mtime=5&mtime-nsecs=7\"; filename=\"dir/sub/c\"\r\n\r\n\r\n\
        --b\r\nContent-Disposition: form-data; name=file; filename=plain+name\r\nmode: 0755\r\nmtime: 9\r\n\r\nx\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"d2\"\r\nContent-Type: application/x-directory\r\n\r\n\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"d2/l\"\r\nContent-Type: application/symlink\r\n\r\n../t\r\n\
        --b\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\nno name\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"/abs/f\"\r\n\r\nlast\r\n--b--\r\ntrailing";
    let expected = [
        "dir dir",
        "dir dir/sub",
        "file dir/sub/a b.txt \"one\\r\\n--bogus\\r\\ntwo\"",
        "file dir/sub/c \"\" Metadata { mode: Some(420), mtime: Some((5, 7)) }",
        "file plain name \"x\" Metadata { mode: Some(493), mtime: Some((9, 0)) }",
        "dir d2",
        "link d2/l -> ../t",
        "file  \"no name\"",
        "dir abs",
        "file abs/f \"last\"",
    ];
    for piece in [1, 2, 3, 7, 64, 100_000] {
        assert_eq!(read(body.as_bytes(), piece).await.expect("readable"), expected, "in pieces of {piece}");
    }
    let bare = body.replace("\r\n", "\n").replace("one\n--bogus\ntwo", "one\r\n--bogus\r\ntwo");
    assert_eq!(read(bare.as_bytes(), 5).await.expect("bare line feeds"), expected);
}

#[tokio::test]
async fn what_we_write_is_read_back() {
    let file = |bytes: &'static [u8]| EntryBody::File(stream::iter([Ok(Bytes::from_static(bytes))]).boxed());
    let entry =
        |path: &str, body| Ok(InputEntry { path: path.into(), body, metadata: Metadata::default(), source: None });
    let metadata = Metadata { mode: Some(0o4755), mtime: Some((-3, 9)) };
    let entries = vec![
        entry("d", EntryBody::Directory),
        entry("d/ü \"&\" %+.txt", file(b"\r\n--merkury\r\n")),
        entry("d/l", EntryBody::Symlink("/etc/passwd".into())),
        Ok(InputEntry { path: "meta".into(), body: file(b""), metadata, source: None }),
    ];
    let bytes: Vec<Bytes> =
        multipart::encode(stream::iter(entries).boxed(), "b".into()).try_collect().await.expect("no input fails");
    assert_eq!(
        read(&bytes.concat(), 11).await.expect("readable"),
        [
            "dir d",
            "file d/ü \"&\" %+.txt \"\\r\\n--merkury\\r\\n\"",
            "link d/l -> /etc/passwd",
            "file meta \"\" Metadata { mode: Some(2541), mtime: Some((-3, 9)) }",
        ]
    );
}

#[tokio::test]
async fn a_file_that_is_not_read_is_skipped() {
    let body = b"--b\r\nContent-Disposition: form-data; filename=\"a\"\r\n\r\nlong\r\n\
                 --b\r\nContent-Disposition: form-data; filename=\"b\"\r\n\r\nnext\r\n--b--";
    let mut entries = multipart::entries(stream::iter([Ok(Bytes::from_static(body))]).boxed(), "b");
    let first = entries.next().await.expect("an entry").expect("readable");
    let second = entries.next().await.expect("an entry").expect("readable");
    assert_eq!((first.path.as_str(), second.path.as_str()), ("a", "b"));
    // The stream of an entry that was passed over stays empty.
    let EntryBody::File(mut stale) = first.body else { panic!("a file") };
    assert!(stale.next().await.is_none());
}

#[tokio::test]
async fn a_tree_of_this_machine_crosses_the_wire() {
    let root = tempfile::tempdir().expect("a directory");
    let tree = root.path().join("tree");
    std::fs::create_dir_all(tree.join("sub")).expect("writable");
    std::fs::write(tree.join("sub/b"), vec![7; 600_000]).expect("writable");
    std::fs::write(tree.join("a"), "x").expect("writable");
    std::fs::write(tree.join(".hidden"), "h").expect("writable");
    std::os::unix::fs::symlink("a", tree.join("link")).expect("writable");
    let server = Server::start(RpcConfig::default()).await;
    let place = merkury_commands::input::Place::Path { path: tree, name: "tree".into() };
    let body = merkury_commands::Body::Entries(merkury_commands::input::read(vec![place], Default::default()));
    let answer = server.call("add", &[], body).await.expect("added");
    let merkury_commands::rpc::client::Answer::Items(items) = answer else { panic!("items") };
    assert_eq!(items.try_collect::<Vec<_>>().await.expect("no failure").len(), 5);
    assert_eq!(
        server.node.added(),
        ["dir tree", "file tree/a 1", "link tree/link -> a", "dir tree/sub", "file tree/sub/b 600000"]
    );
}

#[tokio::test]
async fn a_file_that_is_gone_is_the_error_that_is_told() {
    let server = Server::start(RpcConfig::default()).await;
    let place = merkury_commands::input::Place::Path { path: "/nowhere/x".into(), name: "x".into() };
    let body = merkury_commands::Body::Entries(merkury_commands::input::read(vec![place], Default::default()));
    let Err(merkury_commands::rpc::client::CallError::Failed(error)) = server.call("add", &[], body).await else {
        panic!("an error")
    };
    assert_eq!(error.message, "lstat /nowhere/x: no such file or directory");
}
