//! `get`: saves the archive, or what is in it, on this machine.

use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use futures::StreamExt;
use merkury_api::{ApiError, ByteStream};
use merkury_commands::input::io_error;
use merkury_commands::op::Call;
use merkury_commands::text::binary_size;
use merkury_unixfs::tar::{DiskWriter, extract};
use tokio::sync::mpsc;

use super::Failure;
use super::progress::Progress;
use super::show::print_json;

/// Chunks on their way to the disk.
const QUEUE: usize = 16;

/// How to save.
#[derive(Clone, Copy)]
pub(super) struct Saving {
    /// Say where as JSON.
    pub(super) json: bool,
    /// Go on with what is there.
    pub(super) resume: bool,
}

/// Saves what `get` sends.
pub(super) async fn save(
    call: &Call,
    bytes: ByteStream,
    progress: Option<Progress>,
    how: Saving,
) -> Result<(), Failure> {
    let target = target(call)?;
    let archive = call.options.flag("archive") || call.options.flag("compress");
    let path = if archive { archive_name(call, &target) } else { target };
    if how.json {
        print_json(&serde_json::json!({ "Path": path.display().to_string() }))?;
    } else {
        let what = if archive { "archive" } else { "file(s)" };
        writeln!(io::stdout(), "Saving {what} to {}", path.display())?;
    }
    let (sender, receiver) = mpsc::channel(QUEUE);
    let disk = tokio::task::spawn_blocking(move || {
        let mut reader = Chunks { receiver, chunk: Bytes::new(), failure: None };
        let written = if archive { write_archive(&mut reader, &path) } else { unpack(&mut reader, &path, how.resume) };
        // What the sender said matters more than how its broken archive looks.
        match reader.failure.take() {
            Some(error) => Err(error),
            None => written,
        }
    });
    feed(bytes, sender, progress).await;
    let outcome = disk.await.map_err(|error| ApiError::internal(format!("writing stopped: {error}")))?;
    let kept = outcome?;
    if kept > 0 {
        // Only a courtesy.
        let _ = writeln!(io::stderr(), "{} were there already and right", binary_size(kept));
    }
    Ok(())
}

/// Where to save: `--output`, or the last name of the path.
fn target(call: &Call) -> Result<PathBuf, ApiError> {
    if let Some(output) = call.options.text("output").filter(|output| !output.is_empty()) {
        return Ok(PathBuf::from(output));
    }
    let name = call.arg(0)?.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
    if matches!(name, "" | "." | "..") {
        return Err(ApiError::invalid(format!("no file name in {:?}; say where to save with --output", call.arg(0)?)));
    }
    Ok(PathBuf::from(name))
}

fn archive_name(call: &Call, target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    let ends = |name: &std::ffi::OsStr, suffix: &str| name.to_string_lossy().ends_with(suffix);
    if call.options.flag("archive") && !ends(&name, ".tar") && !ends(&name, ".tar.gz") {
        name.push(".tar");
    }
    if call.options.flag("compress") && !ends(&name, ".gz") {
        name.push(".gz");
    }
    PathBuf::from(name)
}

async fn feed(mut bytes: ByteStream, sender: mpsc::Sender<Result<Bytes, ApiError>>, mut progress: Option<Progress>) {
    while let Some(chunk) = bytes.next().await {
        let ended = chunk.is_err();
        if let (Some(progress), Ok(chunk)) = (&mut progress, &chunk) {
            progress.add(chunk.len() as u64);
        }
        // The writer has failed and says why.
        if sender.send(chunk).await.is_err() || ended {
            return;
        }
    }
}

/// Chunks as a reader for the blocking side.
struct Chunks {
    receiver: mpsc::Receiver<Result<Bytes, ApiError>>,
    chunk: Bytes,
    failure: Option<ApiError>,
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                None => break,
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => {
                    let text = error.message.clone();
                    self.failure = Some(error);
                    return Err(io::Error::other(text));
                }
            }
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, bytes: usize) {
        self.chunk.advance(bytes);
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let here = self.fill_buf()?;
        let taken = buffer.len().min(here.len());
        buffer[..taken].copy_from_slice(&here[..taken]);
        self.consume(taken);
        Ok(taken)
    }
}

fn write_archive(from: &mut Chunks, path: &Path) -> Result<u64, ApiError> {
    let mut file = std::fs::File::create(path).map_err(|error| io_error("open", path, &error))?;
    io::copy(from, &mut file).map_err(|error| io_error("write", path, &error))?;
    Ok(0)
}

/// Returns how many bytes were there already.
fn unpack(from: &mut Chunks, path: &Path, resume: bool) -> Result<u64, ApiError> {
    let mut writer = if resume { DiskWriter::resuming(path) } else { DiskWriter::new(path) };
    extract(from, &mut writer).map_err(|error| ApiError::new(error.kind(), error.to_string()))?;
    // The end of the stream carries its error, if there is one.
    io::copy(from, &mut io::sink()).map_err(|error| io_error("read", path, &error))?;
    Ok(writer.kept_bytes())
}
