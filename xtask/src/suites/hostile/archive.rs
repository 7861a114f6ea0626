//! Archives from a daemon that is not to be trusted: our command line asks one that answers `get` with the input.

use crate::Res;
use crate::paths::{self, Scratch};
use crate::peer::node::Daemon;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

/// The empty directory: `get` asks for it, whatever comes back.
const CID: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

/// Unpacks an archive with `get`; it must be refused, and nothing may appear beside the target.
pub(super) fn unpack(daemon: &Daemon, scratch: &Scratch, name: &str, archive: &[u8]) -> Res<()> {
    let outside = scratch.join(format!("unpack-{name}"));
    let inside = outside.join("inside");
    paths::make_dir(&inside)?;
    paths::make_dir(&outside.join("outside"))?;
    paths::write(&outside.join("victim"), "old")?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let archive = archive.to_vec();
    let server = thread::spawn(move || answer(&listener, &archive));
    let target = inside.join("target").display().to_string();
    let api = format!("--api=/ip4/127.0.0.1/tcp/{port}");
    let got = daemon.repo.cli([api.as_str(), "get", "--output", target.as_str(), CID]).finish()?;
    server.join().map_err(|_| "the server fell")?.map_err(|error| error.to_string())?;
    let names = |dir: &Path| std::fs::read_dir(dir).map_or(0, |entries| entries.count());
    let victim = paths::read(&outside.join("victim"))?;
    if names(&outside) != 3 || names(&outside.join("outside")) != 0 || names(&inside) > 1 || victim != b"old" {
        return Err("something was written outside of the target".to_owned());
    }
    if Path::new("/merkury-escape-marker").exists() {
        return Err("something was written to the root of the file system".to_owned());
    }
    if got.status.success() { Err("`get` accepts it".to_owned()) } else { Ok(()) }
}

/// Answers one request with the archive.
fn answer(listener: &TcpListener, archive: &[u8]) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 << 10 && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
    }
    let lines = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nX-Stream-Output: 1\r\nX-Content-Length: {0}\r\n\
         Content-Length: {0}\r\nConnection: close\r\n\r\n",
        archive.len()
    );
    // A client that has seen enough hangs up.
    let _ = stream.write_all(lines.as_bytes()).and_then(|()| stream.write_all(archive));
    Ok(())
}
