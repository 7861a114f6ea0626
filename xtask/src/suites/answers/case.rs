//! A call of the RPC: how it is sent, compared and made smaller.

use super::purpose;
use crate::http::{Answer, Request};
use crate::{Res, say};
use serde_json::Value;
use std::net::SocketAddr;

/// Attempts to leave something out of a call.
const SHRINKS: usize = 200;
/// CIDs and paths that are remembered.
const KNOWN_MAX: usize = 400;

/// A part of a multipart body.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) path: String,
    pub(super) kind: PartKind,
    /// Mode and time of modification, when they are sent.
    pub(super) meta: Option<(u32, i64, u32)>,
}

#[derive(Clone, Debug)]
pub(super) enum PartKind {
    Directory,
    Symlink(String),
    File(Vec<u8>),
}

/// A call.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) op: &'static str,
    pub(super) args: Vec<String>,
    pub(super) options: Vec<(&'static str, String)>,
    pub(super) parts: Vec<Part>,
}

impl Case {
    pub(super) fn new(op: &'static str) -> Self {
        Self { op, args: Vec::new(), options: Vec::new(), parts: Vec::new() }
    }

    pub(super) fn arg(mut self, text: impl Into<String>) -> Self {
        self.args.push(text.into());
        self
    }

    pub(super) fn option(mut self, name: &'static str, value: impl ToString) -> Self {
        self.options.push((name, value.to_string()));
        self
    }

    pub(super) fn file(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.parts.push(Part { path: String::new(), kind: PartKind::File(bytes.into()), meta: None });
        self
    }

    /// The call as a person repeats it.
    pub(super) fn shown(&self) -> String {
        let mut text = self.query();
        for part in &self.parts {
            let what = match &part.kind {
                PartKind::Directory => "/".to_owned(),
                PartKind::Symlink(target) => format!(" -> {target}"),
                PartKind::File(bytes) if bytes.len() <= 120 => format!(" = {:?}", String::from_utf8_lossy(bytes)),
                PartKind::File(bytes) => format!(" ({} bytes)", bytes.len()),
            };
            let meta = part.meta.map_or(String::new(), |(mode, seconds, nanos)| format!(" {mode:o} {seconds}.{nanos}"));
            text.push_str(&format!(" [{}{what}{meta}]", part.path));
        }
        if text.chars().count() > 1_500 { text.chars().take(1_500).collect() } else { text }
    }

    fn query(&self) -> String {
        let arg = |text: &String| format!("arg={}", escape(text));
        let option = |(name, value): &(&str, String)| format!("{name}={}", escape(value));
        let all: Vec<String> = self.args.iter().map(arg).chain(self.options.iter().map(option)).collect();
        format!("{}?{}", self.op, all.join("&"))
    }

    fn send(&self, to: SocketAddr) -> Res<Answer> {
        let request = Request::post(&format!("/api/v0/{}", self.query()));
        let request = if self.parts.is_empty() { request } else { request.parts(self.parts.iter().map(Part::wire)) };
        request.send(to)
    }

    /// Whether an option is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// Whether an option is given with this value.
    pub(super) fn option_is(&self, name: &str, value: &str) -> bool {
        self.options.iter().any(|(given, is)| *given == name && is == value)
    }

    /// Sends the call to both; the error says how the answers differ. No answer is one that differs on purpose.
    pub(super) fn compare(&self, kubo: SocketAddr, merkury: SocketAddr) -> Res<Option<Answer>> {
        let (want, got) = (alike(self.send(kubo)?), alike(self.send(merkury)?));
        match difference(&want, &got) {
            None => Ok(Some(want)),
            Some(difference) => match purpose::find(self, &want, &got) {
                Some(purpose) => {
                    say::line(format!("  differs on purpose: {}", purpose.reason));
                    Ok(None)
                }
                None => Err(difference),
            },
        }
    }

    /// Leaves out what is not needed for a difference; the answer tells the smallest call found and its difference.
    pub(super) fn shrink(&self, kubo: SocketAddr, merkury: SocketAddr, why: String) -> String {
        let (mut small, mut why) = (self.clone(), why);
        let mut left = SHRINKS;
        let mut at = 0;
        while left > 0 && at < small.options.len() + small.parts.len() {
            left -= 1;
            let mut less = small.clone();
            match at.checked_sub(less.options.len()) {
                // Progress comes at other moments.
                None if less.options.get(at).is_some_and(|(name, _)| *name == "progress") => {
                    at += 1;
                    continue;
                }
                None => drop(less.options.remove(at)),
                Some(part) => less.leave_out(part),
            }
            match less.compare(kubo, merkury) {
                Err(still) if !less.parts.is_empty() || small.parts.is_empty() => (small, why) = (less, still),
                _ => at += 1,
            }
        }
        format!("{}: {why}", small.shown())
    }

    /// Leaves out a part with everything below it.
    fn leave_out(&mut self, part: usize) {
        let path = self.parts.remove(part).path;
        let below = format!("{path}/");
        if !path.is_empty() {
            self.parts.retain(|other| !other.path.starts_with(&below));
        }
    }
}

impl Part {
    /// Headers and content.
    fn wire(&self) -> (String, Vec<u8>) {
        let meta = self.meta.map_or(String::new(), |(mode, seconds, nanos)| {
            format!("?mode={mode:04o}&mtime={seconds}&mtime-nsecs={nanos}")
        });
        let (kind, content) = match &self.kind {
            PartKind::Directory => ("application/x-directory", Vec::new()),
            PartKind::Symlink(target) => ("application/symlink", target.clone().into_bytes()),
            PartKind::File(bytes) => ("application/octet-stream", bytes.clone()),
        };
        let name = escape(&self.path);
        let head = format!(
            "Content-Disposition: form-data; name=\"file{meta}\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n"
        );
        (head, content)
    }
}

/// Percent-encodes everything but letters, digits and a few marks.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// An answer without what may differ: the hints that only we give, and which of several pins is named.
fn alike(mut answer: Answer) -> Answer {
    let Ok(text) = std::str::from_utf8(&answer.body) else { return answer };
    let mut text = text.to_owned();
    if let Some(at) = text.find(",\"Hints\":[") {
        let end = text[at..].find("]}").map_or(text.len(), |end| at + end + 1);
        text.replace_range(at..end, "");
    }
    if let Some(at) = text.find("pinned via ") {
        let end = text[at..].find('"').map_or(text.len(), |end| at + end);
        text.replace_range(at..end, "pinned via another");
    }
    text = text.replace(" on a list of type dagpb.PBLinks", " on a list");
    answer.body = text.into_bytes();
    answer
}

/// How two answers differ: in status, in the body, or in how the body ended.
fn difference(want: &Answer, got: &Answer) -> Option<String> {
    let text = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();
    // What Kubo finds out after it has begun to answer, we say at once.
    let late = want.header("x-stream-error").filter(|_| want.status == 200 && got.status == 500);
    if late.is_some_and(|message| text(got).contains(&*serde_json::Value::from(message).to_string())) {
        return None;
    }
    if want.status != got.status {
        return Some(format!(
            "Kubo {} {:?}, we {} {:?}",
            want.status,
            short(&text(want)),
            got.status,
            short(&text(got))
        ));
    }
    let error = |answer: &Answer| answer.header("x-stream-error").map(str::to_owned);
    // The ratio of nothing to nothing.
    if error(want).is_some_and(|error| error.contains("NaN")) {
        return None;
    }
    if error(want) != error(got) {
        return Some(format!("Kubo ended with {:?}, we with {:?}", error(want), error(got)));
    }
    if want.body == got.body {
        return None;
    }
    let (left, right) = (text(want), text(got));
    let (left, right): (Vec<_>, Vec<_>) = (left.lines().collect(), right.lines().collect());
    let at = left.iter().zip(&right).position(|(a, b)| a != b).unwrap_or(left.len().min(right.len()));
    let line = |lines: &[&str]| lines.get(at).map_or("nothing".to_owned(), |line| short(line));
    Some(format!("line {}: Kubo {} we {}", at + 1, line(&left), line(&right)))
}

fn short(text: &str) -> String {
    if text.chars().count() <= 300 { text.to_owned() } else { text.chars().take(300).chain("…".chars()).collect() }
}

/// What earlier calls have told: content that both daemons hold.
#[derive(Default)]
pub(super) struct Known {
    /// CIDs of files and directories.
    pub(super) nodes: Vec<String>,
    /// CIDs of directories that were added as roots, with a path below.
    pub(super) paths: Vec<String>,
    /// CIDs of values.
    pub(super) values: Vec<String>,
    /// CIDs of plain blocks.
    pub(super) blocks: Vec<String>,
}

impl Known {
    /// Remembers what a call has stored.
    pub(super) fn learn(&mut self, case: &Case, answer: &Answer) {
        if answer.status != 200 || case.options.iter().any(|(name, value)| *name == "only-hash" && value == "true") {
            return;
        }
        let text = String::from_utf8_lossy(&answer.body);
        let items: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let field = |item: &Value, name: &str| item[name].as_str().map(str::to_owned);
        match case.op {
            "add" => {
                let names: Vec<(String, String)> =
                    items.iter().filter_map(|item| Some((field(item, "Name")?, field(item, "Hash")?))).collect();
                if let Some((root_name, root)) = names.last() {
                    let below = |name: &String| match root_name.as_str() {
                        "" => Some(name.clone()),
                        root => name.strip_prefix(&format!("{root}/")).map(str::to_owned),
                    };
                    let paths = names.iter().filter_map(|(name, _)| below(name));
                    self.paths
                        .extend(paths.filter(|path| !path.is_empty()).take(8).map(|path| format!("{root}/{path}")));
                }
                self.nodes.extend(names.into_iter().rev().take(6).map(|(_, cid)| cid));
            }
            "dag/put" => self.values.extend(items.iter().filter_map(|item| field(&item["Cid"], "/"))),
            // Random bytes are no node of another codec.
            "block/put" if case.options.iter().any(|(name, _)| matches!(*name, "cid-codec" | "format")) => {}
            "block/put" => self.blocks.extend(items.iter().filter_map(|item| field(item, "Key"))),
            "object/patch/add-link" | "object/patch/rm-link" => {
                self.nodes.extend(items.iter().filter_map(|item| field(item, "Hash")));
            }
            _ => {}
        }
        for list in [&mut self.nodes, &mut self.paths, &mut self.values, &mut self.blocks] {
            let over = list.len().saturating_sub(KNOWN_MAX);
            list.drain(..over);
        }
    }
}
