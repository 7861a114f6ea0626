//! Files of this machine as a stream of entries, for callers that cannot hand over paths: a daemon behind HTTP, and
//! options that paths do not carry.
//!
//! A thread walks and reads; a bounded channel holds it back when nobody takes. Within a directory entries come sorted
//! by name. Symbolic links are sent as links, except where told to follow them. Sockets, devices and pipes below
//! directories are an error, as in Kubo.

mod ignore;

use std::ffi::OsStr;
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use merkury_api::{ApiError, InputEntry, ItemStream, Metadata, NameFilter};
use tokio::sync::mpsc;

use crate::rpc::entries::{self, Event, Head, HeadKind, Source};

pub use ignore::name_filter;

/// Bytes read at once.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks on their way.
const QUEUE: usize = 8;
/// Deepest directory we walk into: links that are followed can make circles.
const DEPTH_MAX: usize = 512;

/// A file argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A path, and the name its entry gets.
    Path {
        /// Where it is.
        path: PathBuf,
        /// Its name in the stream.
        name: String,
    },
    /// Standard input under a name, which may be empty.
    Stdin(String),
}

/// What to take.
#[derive(Clone, Default)]
pub struct WalkOptions {
    /// Hidden files below directories too.
    pub hidden: bool,
    /// Follow links everywhere.
    pub follow: bool,
    /// Send modes and modification times.
    pub metadata: bool,
    /// Names below directories to leave out.
    pub exclude: Option<NameFilter>,
    /// Tell where files are.
    pub sources: bool,
}

/// The entries of file arguments, in the order given.
pub fn read(places: Vec<Place>, options: WalkOptions) -> ItemStream<InputEntry> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let walk = move || {
        let walker = Walker { sender: sender.clone(), options };
        let outcome = places.into_iter().try_for_each(|place| walker.place(place));
        if let Err(Stopped::Failed(error)) = outcome {
            // Nobody is left to tell when this fails.
            let _ = sender.blocking_send(Err(error));
        }
    };
    // Standard input blocks without end; a thread of its own never holds the runtime's pool up.
    if let Err(error) = std::thread::Builder::new().name("walk".into()).spawn(walk) {
        let error = ApiError::internal(format!("cannot start a thread: {error}"));
        return futures::stream::StreamExt::boxed(futures::stream::iter([Err(error)]));
    }
    entries::split(Receiver(receiver))
}

struct Receiver(mpsc::Receiver<Result<Event, ApiError>>);

impl Source for Receiver {
    async fn next(&mut self) -> Option<Result<Event, ApiError>> {
        self.0.recv().await
    }
}

struct Walker {
    sender: mpsc::Sender<Result<Event, ApiError>>,
    options: WalkOptions,
}

enum Stopped {
    /// Nobody takes the rest.
    Unwanted,
    Failed(ApiError),
}

type Walked = Result<(), Stopped>;

/// An I/O error in Go's words: `open x: no such file or directory`.
pub fn io_error(act: &str, path: &Path, error: &io::Error) -> ApiError {
    let text = error.to_string();
    let why = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let mut letters = why.chars();
    let why = letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect());
    ApiError::invalid(format!("{act} {}: {why}", path.display()))
}

impl Walker {
    fn send(&self, event: Event) -> Walked {
        self.sender.blocking_send(Ok(event)).map_err(|_| Stopped::Unwanted)
    }

    fn place(&self, place: Place) -> Walked {
        match place {
            Place::Stdin(name) => {
                self.send(Event::Entry(Head {
                    path: name,
                    kind: HeadKind::File,
                    metadata: Metadata::default(),
                    source: None,
                }))?;
                self.bytes(io::stdin().lock(), Path::new("/dev/stdin"))
            }
            Place::Path { path, name } => self.entry(&path, name, 0),
        }
    }

    fn entry(&self, path: &Path, name: String, depth: usize) -> Walked {
        let failed = |act: &'static str| move |error: io::Error| Stopped::Failed(io_error(act, path, &error));
        if depth > DEPTH_MAX {
            return Err(Stopped::Failed(ApiError::invalid(format!(
                "{} is nested over {DEPTH_MAX} directories deep; do links make a circle?",
                path.display()
            ))));
        }
        let stat = if self.options.follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let stat = stat.map_err(failed("lstat"))?;
        let source = if self.options.sources { std::path::absolute(path).ok() } else { None };
        let head = |kind| {
            let source = source.clone();
            Event::Entry(Head { path: name.clone(), kind, metadata: self.metadata(&stat), source })
        };
        let kind = stat.file_type();
        if kind.is_dir() {
            self.send(head(HeadKind::Directory))?;
            return self.directory(path, &name, depth);
        }
        if kind.is_symlink() {
            let target = fs::read_link(path).map_err(failed("readlink"))?;
            return self.send(head(HeadKind::Symlink(target.to_string_lossy().into_owned())));
        }
        if kind.is_file() || (depth == 0 && is_pipe(kind)) {
            let file = File::open(path).map_err(failed("open"))?;
            self.send(head(HeadKind::File))?;
            return self.bytes(file, path);
        }
        Err(Stopped::Failed(ApiError::invalid(format!(
            "unrecognized file type for {}: {}",
            path.display(),
            merkury_core::mode::letters_of_special(stat.mode())
        ))))
    }

    fn directory(&self, path: &Path, name: &str, depth: usize) -> Walked {
        let failed = |error: io::Error| Stopped::Failed(io_error("open", path, &error));
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        for child in names {
            let text = utf8(&child, path)?;
            let excluded = self.options.exclude.as_ref().is_some_and(|exclude| exclude(&child));
            if excluded || !self.options.hidden && text.starts_with('.') {
                continue;
            }
            self.entry(&path.join(&child), format!("{name}/{text}"), depth + 1)?;
        }
        Ok(())
    }

    fn metadata(&self, stat: &fs::Metadata) -> Metadata {
        if !self.options.metadata {
            return Metadata::default();
        }
        let nanoseconds = u32::try_from(stat.mtime_nsec()).unwrap_or(0);
        Metadata { mode: Some(stat.mode() & 0o7777), mtime: Some((stat.mtime(), nanoseconds)) }
    }

    fn bytes(&self, mut from: impl Read, path: &Path) -> Walked {
        loop {
            let mut chunk = BytesMut::zeroed(CHUNK_BYTES);
            let mut filled = 0;
            while filled < CHUNK_BYTES {
                match from.read(&mut chunk[filled..]) {
                    Ok(0) => break,
                    Ok(more) => filled += more,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Stopped::Failed(io_error("read", path, &error))),
                }
            }
            if filled == 0 {
                return Ok(());
            }
            chunk.truncate(filled);
            self.send(Event::Data(Bytes::from(chunk)))?;
        }
    }
}

fn is_pipe(kind: FileType) -> bool {
    kind.is_fifo() || kind.is_char_device()
}

fn utf8<'a>(name: &'a OsStr, directory: &Path) -> Result<&'a str, Stopped> {
    name.to_str().ok_or_else(|| {
        Stopped::Failed(ApiError::invalid(format!("a name in {} is not UTF-8: {name:?}", directory.display())))
    })
}
