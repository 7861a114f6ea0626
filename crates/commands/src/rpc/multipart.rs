//! `multipart/form-data` as Kubo and its clients send files, read and written as a stream.
//!
//! A part is a file, a directory (`application/x-directory`) or a symbolic link (`application/symlink`). The name is
//! `filename`, percent-encoded, with `/` between directories; directories that only occur inside names are implied.
//! Mode and time stand inside the field name (`name="file?mode=0644&mtime=…&mtime-nsecs=…"`) or in headers.
//!
//! Tolerated because clients do it: bare line feeds, names without quotes, no name at all, a preamble, a leading `/`.
//! Refused: `..` and NUL in names, heads over [`HEAD_BYTES_MAX`], links over 64 KiB, directories nested deeper than
//! [`DEPTH_MAX`], a body that ends before its last boundary.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use memchr::memmem;
use merkury_api::{ApiError, ByteStream, EntryBody, InputEntry, ItemStream, Metadata};
use merkury_core::limits::PATH_BYTES_MAX;
use merkury_http::BodyError;

use super::entries::{self, Event, Head, HeadKind, Source};
use crate::query;

/// Longest head of a part: room for an encoded path of 4 KiB twice.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most bytes before the first boundary.
const PREAMBLE_BYTES_MAX: usize = 64 * 1024;
/// Longest boundary (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Deepest path of an entry.
pub const DEPTH_MAX: usize = 512;

/// The boundary a `Content-Type` names; `None` when it is no `multipart/form-data`.
pub fn boundary(content_type: &str) -> Result<Option<String>, ApiError> {
    let (mime, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !mime.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    match parameter(parameters, "boundary") {
        Some(boundary) if (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()) => Ok(Some(boundary)),
        Some(_) => Err(ApiError::invalid("multipart boundary is empty or over 70 bytes")),
        None => Err(ApiError::invalid("no multipart boundary param in Content-Type")),
    }
}

/// The value of a parameter in `; name=value; name="value"`.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    while !rest.is_empty() {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let name = name.trim();
        // A flag without a value before the next parameter.
        if let Some((_, tail)) = name.rsplit_once(';') {
            if tail.trim().eq_ignore_ascii_case(wanted) {
                return Some(take_value(after).0);
            }
            rest = take_value(after).1;
            continue;
        }
        let (value, after) = take_value(after);
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
    None
}

fn take_value(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

/// The entries of a body.
pub fn entries(body: BoxStream<'static, Result<Bytes, BodyError>>, boundary: &str) -> ItemStream<InputEntry> {
    entries::split(Reader::new(body, boundary))
}

struct Reader {
    body: BoxStream<'static, Result<Bytes, BodyError>>,
    buffer: BytesMut,
    body_ended: bool,
    /// `\n--boundary`.
    delimiter: memmem::Finder<'static>,
    state: State,
    /// Heads of implied directories and of the part itself, to be handed out.
    waiting: VecDeque<Head>,
    /// Directories that the last entries were in.
    open: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Head,
    Data,
    Done,
}

/// Where a delimiter stands and what follows it.
enum Found {
    /// Data up to here; the delimiter takes `skip` bytes from there; `last` is the final one.
    Delimiter { data: usize, skip: usize, last: bool },
    /// So many bytes are data for certain.
    NotBefore(usize),
}

impl Reader {
    fn new(body: BoxStream<'static, Result<Bytes, BodyError>>, boundary: &str) -> Self {
        Self {
            body,
            // The first boundary may stand at the very start, without a line end before it.
            buffer: BytesMut::from(&b"\n"[..]),
            body_ended: false,
            delimiter: memmem::Finder::new(format!("\n--{boundary}").as_bytes()).into_owned(),
            state: State::Preamble,
            waiting: VecDeque::new(),
            open: Vec::new(),
        }
    }

    /// Reads more of the body.
    async fn fill(&mut self) -> Result<(), ApiError> {
        match self.body.next().await {
            Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
            Some(Err(error)) => return Err(ApiError::invalid(format!("request body broke off: {error}"))),
            None if self.body_ended => return Err(ApiError::invalid("multipart: NextPart: unexpected EOF")),
            None => self.body_ended = true,
        }
        Ok(())
    }

    /// Looks for a delimiter in the buffer.
    fn find(&self) -> Found {
        let mut from = 0;
        while let Some(at) = self.delimiter.find(self.buffer.get(from..).unwrap_or_default()).map(|at| at + from) {
            let after = at + self.delimiter.needle().len();
            let rest = self.buffer.get(after..).unwrap_or_default();
            let data = if at > 0 && self.buffer.get(at - 1) == Some(&b'\r') { at - 1 } else { at };
            if rest.starts_with(b"--") {
                return Found::Delimiter { data, skip: after + 2 - data, last: true };
            }
            let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            match rest.get(padding..).unwrap_or_default() {
                [b'\n', ..] => return Found::Delimiter { data, skip: after + padding + 1 - data, last: false },
                [b'\r', b'\n', ..] => return Found::Delimiter { data, skip: after + padding + 2 - data, last: false },
                // Not enough to know, unless the client pads without end.
                [] | [b'\r'] | [b'-'] if padding < 64 && !self.body_ended => return Found::NotBefore(data),
                // Text that only looks like the boundary.
                _ => from = at + 1,
            }
        }
        let held = self.delimiter.needle().len() + 1;
        Found::NotBefore(self.buffer.len().saturating_sub(held).max(from.min(self.buffer.len())))
    }

    async fn event(&mut self) -> Result<Option<Event>, ApiError> {
        loop {
            if let Some(head) = self.waiting.pop_front() {
                return Ok(Some(Event::Entry(head)));
            }
            match self.state {
                State::Done => return Ok(None),
                State::Preamble => self.skip_preamble().await?,
                State::Head => self.read_head().await?,
                State::Data => {
                    if let Some(data) = self.read_data().await? {
                        return Ok(Some(Event::Data(data)));
                    }
                }
            }
        }
    }

    async fn skip_preamble(&mut self) -> Result<(), ApiError> {
        let mut skipped = 0;
        while self.state == State::Preamble {
            if let Some(data) = self.read_data().await? {
                skipped += data.len();
            }
            if skipped > PREAMBLE_BYTES_MAX {
                return Err(ApiError::invalid("multipart: no boundary in the first 64 KiB"));
            }
        }
        Ok(())
    }

    /// Data before the next delimiter; `None` when the delimiter was reached and the state has moved on.
    async fn read_data(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            match self.find() {
                Found::Delimiter { data: 0, skip, last } => {
                    self.buffer.advance(skip);
                    self.state = if last { State::Done } else { State::Head };
                    return Ok(None);
                }
                Found::Delimiter { data, .. } => return Ok(Some(self.buffer.split_to(data).freeze())),
                Found::NotBefore(0) => self.fill().await?,
                Found::NotBefore(data) => return Ok(Some(self.buffer.split_to(data).freeze())),
            }
        }
    }

    async fn read_head(&mut self) -> Result<(), ApiError> {
        let end = loop {
            if let Some(end) = head_end(&self.buffer) {
                break end;
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(ApiError::invalid(format!("multipart: head of a part over {HEAD_BYTES_MAX} bytes")));
            }
            self.fill().await?;
        };
        if end > HEAD_BYTES_MAX {
            return Err(ApiError::invalid(format!("multipart: head of a part over {HEAD_BYTES_MAX} bytes")));
        }
        let head = self.buffer.split_to(end);
        self.state = State::Data;
        let part = Part::parse(&head)?;
        let kind = match part.kind {
            PartKind::File => HeadKind::File,
            PartKind::Directory => HeadKind::Directory,
            PartKind::Symlink => HeadKind::Symlink(self.read_link().await?),
        };
        self.announce(part.path, kind, part.metadata, part.source)
    }

    async fn read_link(&mut self) -> Result<String, ApiError> {
        let mut target = Vec::new();
        while self.state == State::Data {
            if let Some(data) = self.read_data().await? {
                target.extend_from_slice(&data);
            }
            if target.len() > PATH_BYTES_MAX {
                return Err(ApiError::invalid("multipart: target of a symbolic link over 64 KiB"));
            }
        }
        String::from_utf8(target).map_err(|_| ApiError::invalid("multipart: target of a symbolic link is not UTF-8"))
    }

    /// Puts a head and the directories it implies into the queue.
    fn announce(
        &mut self,
        path: Vec<String>,
        kind: HeadKind,
        metadata: Metadata,
        source: Option<PathBuf>,
    ) -> Result<(), ApiError> {
        if path.len() > DEPTH_MAX {
            return Err(ApiError::invalid(format!("path of a part has over {DEPTH_MAX} directories")));
        }
        let parents = path.len().saturating_sub(1);
        let shared = self.open.iter().zip(path.iter().take(parents)).take_while(|(have, want)| have == want).count();
        self.open.truncate(shared);
        for name in path.iter().take(parents).skip(shared) {
            self.open.push(name.clone());
            self.waiting.push_back(Head {
                path: self.open.join("/"),
                kind: HeadKind::Directory,
                metadata: Metadata::default(),
                source: None,
            });
        }
        if matches!(kind, HeadKind::Directory) {
            // A directory without a name holds everything that follows.
            self.open.extend(path.last().cloned());
        }
        self.waiting.push_back(Head { path: path.join("/"), kind, metadata, source });
        Ok(())
    }
}

/// Where the head ends, its empty line included.
fn head_end(buffer: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let line_end = memchr::memchr(b'\n', buffer.get(start..)?)? + start;
        let line = buffer.get(start..line_end)?;
        if line.is_empty() || line == b"\r" {
            return Some(line_end + 1);
        }
        start = line_end + 1;
    }
}

enum PartKind {
    File,
    Directory,
    Symlink,
}

struct Part {
    path: Vec<String>,
    kind: PartKind,
    metadata: Metadata,
    source: Option<PathBuf>,
}

impl Part {
    fn parse(head: &[u8]) -> Result<Self, ApiError> {
        let text = String::from_utf8_lossy(head);
        let mut disposition = String::new();
        let mut content_type = String::new();
        let mut metadata = Metadata::default();
        let mut nanoseconds = None;
        let mut source = None;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "content-disposition" => disposition = value.to_owned(),
                "content-type" => content_type = value.to_owned(),
                "mode" => metadata.mode = parse_mode(value),
                "mtime" => metadata.mtime = value.parse().ok().map(|seconds| (seconds, 0)),
                "mtime-nsecs" => nanoseconds = value.parse::<u32>().ok(),
                "abspath-encoded" => source = query::decode(value).ok().map(PathBuf::from),
                "abspath" if source.is_none() => source = Some(PathBuf::from(value)),
                _ => {}
            }
        }
        let mime = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let kind = match mime.as_str() {
            "application/x-directory" | "multipart/form-data" => PartKind::Directory,
            "application/symlink" => PartKind::Symlink,
            _ => PartKind::File,
        };
        if let Some((_, fields)) = parameter(&disposition, "name").as_deref().and_then(|name| name.split_once('?')) {
            take_fields(fields, &mut metadata, &mut nanoseconds);
        }
        if let (Some((_, nanos)), Some(given)) = (&mut metadata.mtime, nanoseconds) {
            *nanos = given.min(999_999_999);
        }
        let name = parameter(&disposition, "filename").unwrap_or_default();
        let name = query::decode(&name).unwrap_or(name);
        Ok(Self { path: check_path(&name)?, kind, metadata, source })
    }
}

fn parse_mode(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().map(|mode| mode & 0o7777)
}

fn take_fields(fields: &str, metadata: &mut Metadata, nanoseconds: &mut Option<u32>) {
    for (name, value) in fields.split('&').filter_map(|field| field.split_once('=')) {
        match name {
            "mode" => metadata.mode = parse_mode(value),
            "mtime" => metadata.mtime = value.parse().ok().map(|seconds| (seconds, 0)),
            "mtime-nsecs" => *nanoseconds = value.parse().ok(),
            _ => {}
        }
    }
}

/// The names of a path, without empty ones and `.`; an escape is an error.
fn check_path(name: &str) -> Result<Vec<String>, ApiError> {
    if name.contains('\0') {
        return Err(ApiError::invalid("file name with a NUL byte"));
    }
    let names: Vec<String> =
        name.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect();
    if names.iter().any(|part| part == "..") {
        return Err(ApiError::invalid(format!("file name {name:?} leaves its directory")));
    }
    Ok(names)
}

impl Source for Reader {
    async fn next(&mut self) -> Option<Result<Event, ApiError>> {
        self.event().await.transpose()
    }
}

/// A boundary that no file contains by accident.
pub fn new_boundary() -> String {
    use std::hash::{BuildHasher, Hasher};
    let random = || std::collections::hash_map::RandomState::new().build_hasher().finish();
    format!("merkury-{:016x}{:016x}", random(), random())
}

/// The body that carries entries.
pub fn encode(entries: ItemStream<InputEntry>, boundary: String) -> ByteStream {
    async_stream::try_stream! {
        let mut entries = entries;
        while let Some(entry) = entries.try_next().await? {
            let (mime, mut content): (_, ByteStream) = match entry.body {
                EntryBody::Directory => ("application/x-directory", futures::stream::empty().boxed()),
                EntryBody::Symlink(target) => {
                    ("application/symlink", futures::stream::iter([Ok(Bytes::from(target))]).boxed())
                }
                EntryBody::File(bytes) => ("application/octet-stream", bytes),
            };
            yield head_of(&entry.path, &entry.metadata, entry.source.as_deref(), mime, &boundary);
            while let Some(bytes) = content.try_next().await? {
                yield bytes;
            }
            yield Bytes::from_static(b"\r\n");
        }
        yield Bytes::from(format!("--{boundary}--\r\n"));
    }
    .boxed()
}

fn head_of(path: &str, metadata: &Metadata, source: Option<&Path>, mime: &str, boundary: &str) -> Bytes {
    let mut fields = Vec::new();
    if let Some(mode) = metadata.mode {
        fields.push(format!("mode=0{mode:o}"));
    }
    if let Some((seconds, nanoseconds)) = metadata.mtime {
        fields.push(format!("mtime={seconds}"));
        if nanoseconds > 0 {
            fields.push(format!("mtime-nsecs={nanoseconds}"));
        }
    }
    let query = if fields.is_empty() { String::new() } else { format!("?{}", fields.join("&")) };
    let source = source.and_then(Path::to_str).map(|source| format!("abspath-encoded: {}\r\n", query::encode(source)));
    Bytes::from(format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file{query}\"; filename=\"{}\"\r\n\
         Content-Type: {mime}\r\n{}\r\n",
        query::encode(path),
        source.unwrap_or_default()
    ))
}
