//! Answers on the terminal: items as text or JSON, bytes as they are.

use std::io::{self, BufWriter, IsTerminal, Stderr, Stdout, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use merkury_api::{ApiError, ByteStream, ItemStream};
use merkury_commands::op::{Call, HeldItem, Render, TextResult};
use merkury_commands::text::{Out, Pace, Style};
use merkury_commands::{AnyOp, json};

use super::execute::is_on;
use super::progress::Progress;
use super::waiting::Activity;
use super::{Failure, Personality, Session, keyfile, unpack};

/// Bytes collected before they are written.
const BUFFER_BYTES: usize = 64 * 1024;
/// Transfers below this show no progress, as in Kubo.
const PROGRESS_BYTES_MIN: u64 = 8 * 1024 * 1024;

/// The form of items.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
}

/// The form that a call asks for.
pub(super) fn form(session: &Session<'_>, op: &dyn AnyOp, call: &Call) -> Result<Form, ApiError> {
    match call.options.text("encoding").as_deref() {
        _ if session.json => Ok(Form::Json),
        None | Some("" | "text") => Ok(Form::Text),
        Some("json") if session.personality == Personality::Ipfs && op.is_always_text() => Ok(Form::Text),
        Some("json") => Ok(Form::Json),
        Some(other) => Err(ApiError::invalid(format!("invalid encoding: {other}"))),
    }
}

/// One answer on its way to the terminal.
pub(super) struct Shown {
    renderer: Box<dyn Render>,
    stdout: BufWriter<Stdout>,
    stderr: Stderr,
    style: Style,
    form: Form,
    path: &'static str,
    call: Call,
    /// Bytes the call will handle; 0 until they are counted.
    total: Arc<AtomicU64>,
    /// Whether a transfer may show how far it is.
    progress: bool,
    /// Counts what comes.
    activity: Activity,
    /// There as `merkury` without a terminal: lines of progress now and then.
    pace: Option<Pace>,
    /// JSON was asked for as `merkury`: bytes are wrapped, too.
    own_json: bool,
    /// Whether `get` goes on with what is there; Kubo writes all anew.
    resume: bool,
}

impl Shown {
    /// For one call.
    pub(super) fn new(session: &Session<'_>, op: &'static dyn AnyOp, call: &Call) -> Self {
        let to_terminal = io::stdout().is_terminal();
        let asked = if op.spec().option("progress").is_some() { is_on(call, "progress") } else { None };
        Self {
            renderer: op.renderer(call),
            stdout: BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
            stderr: io::stderr(),
            // Kubo writes control characters as they are in some places; a terminal never gets them from us.
            style: Style { live: session.live, escape: to_terminal },
            form: form(session, op, call).unwrap_or(Form::Text),
            path: op.spec().path,
            call: call.clone(),
            total: Arc::default(),
            activity: Activity::default(),
            own_json: session.json,
            pace: (session.tells_in_lines()).then(Pace::default),
            resume: session.personality == Personality::Merkury,
            progress: asked.unwrap_or(session.live || session.personality == Personality::Ipfs && asked == Some(true)),
        }
    }

    /// The same, for a call whose bytes are being counted.
    pub(super) fn with_total(self, total: Arc<AtomicU64>) -> Self {
        Self { total, ..self }
    }

    /// The same, with a count of what comes.
    pub(super) fn counted(self, activity: Activity) -> Self {
        Self { activity, ..self }
    }

    /// Whether items are wanted in wire form.
    pub(super) fn wants_json(&self) -> bool {
        self.form == Form::Json
    }

    /// Shows one item.
    pub(super) fn item(&mut self, line: &[u8]) -> Result<(), Failure> {
        match self.form {
            Form::Json => {
                self.activity.fetch_add(1, Ordering::Relaxed);
                Ok(self.stdout.write_all(line)?)
            }
            Form::Text => self.render(|renderer, out| renderer.item(line, out)),
        }
    }

    fn render(&mut self, show: impl FnOnce(&mut dyn Render, &mut Out<'_>) -> TextResult) -> Result<(), Failure> {
        self.activity.fetch_add(1, Ordering::Relaxed);
        let total = Some(self.total.load(Ordering::Relaxed)).filter(|total| *total > 0);
        let out = Out::new(&mut self.stdout, &mut self.stderr, self.style);
        Ok(show(&mut *self.renderer, &mut out.with_total(total).with_pace(self.pace.as_mut()))?)
    }

    /// Shows what comes after the last item.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let outcome = {
            let mut out = Out::new(&mut self.stdout, &mut self.stderr, self.style);
            self.renderer.finish(&mut out)
        };
        self.stdout.flush()?;
        Ok(outcome?)
    }

    /// Shows items as they come; what is buffered goes out whenever the next one makes us wait.
    pub(super) async fn items(self, items: ItemStream<Bytes>) -> Result<(), Failure> {
        self.each(items, |shown, line| shown.item(&line)).await
    }

    /// As [`Shown::items`], for items that were never in wire form; the form must be text.
    pub(super) async fn held_items(self, items: ItemStream<HeldItem>) -> Result<(), Failure> {
        self.each(items, |shown, item| shown.render(|renderer, out| renderer.held(item, out))).await
    }

    async fn each<T>(
        mut self,
        mut items: ItemStream<T>,
        show: impl Fn(&mut Self, T) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let next = match items.next().now_or_never() {
                Some(next) => next,
                None => {
                    self.stdout.flush()?;
                    items.next().await
                }
            };
            match next {
                Some(Ok(item)) => {
                    if let Err(failure) = show(&mut self, item) {
                        self.stdout.flush()?;
                        return Err(failure);
                    }
                }
                Some(Err(error)) => {
                    self.stdout.flush()?;
                    return Err(error.into());
                }
                None => return self.finish(),
            }
        }
    }

    /// Copies bytes to standard output, or unpacks them when this is `get`.
    pub(super) async fn bytes(self, length: Option<u64>, bytes: ByteStream) -> Result<(), Failure> {
        let may = self.pace.is_some() || self.progress && self.style.live;
        let shows = may && length.is_none_or(|length| length >= PROGRESS_BYTES_MIN);
        let progress = shows.then(|| Progress::new(length, self.style.live));
        if self.path == "key/export" {
            return keyfile::save(&self.call, bytes, self.form == Form::Json).await;
        }
        if self.path == "get" {
            let how = unpack::Saving { json: self.form == Form::Json, resume: self.resume };
            return unpack::save(&self.call, bytes, progress, how).await;
        }
        let activity = self.activity;
        let bytes = bytes.inspect(move |_| {
            activity.fetch_add(1, Ordering::Relaxed);
        });
        if self.form == Form::Json && self.own_json {
            return copy_as_json(bytes.boxed(), self.path == JSON_TEXT, io::stdout()).await;
        }
        copy(bytes.boxed(), progress, io::stdout()).await
    }
}

/// Shows an answer that is here already.
pub(super) fn one(
    session: &Session<'_>,
    op: &'static dyn AnyOp,
    call: &Call,
    item: &serde_json::Value,
) -> Result<(), Failure> {
    let mut shown = Shown::new(session, op, call);
    shown.item(&json::line(item)?)?;
    shown.finish()
}

/// Copies bytes until they end. What came before an error is written.
async fn copy(mut bytes: ByteStream, mut progress: Option<Progress>, mut to: impl Write) -> Result<(), Failure> {
    while let Some(chunk) = bytes.next().await {
        let chunk = chunk?;
        to.write_all(&chunk)?;
        if let Some(progress) = &mut progress {
            progress.add(chunk.len() as u64);
        }
    }
    to.flush()?;
    Ok(())
}

/// The command whose bytes are JSON themselves.
const JSON_TEXT: &str = "dag/get";
/// Bytes in one object of [`copy_as_json`]; a multiple of three, so that the pieces of base64 join.
const JSON_BYTES: usize = 48 * 1024;

/// Bytes as JSON objects, `{"Data":"…"}` with base64; bytes that are JSON already get a line end.
async fn copy_as_json(mut bytes: ByteStream, is_json: bool, mut to: impl Write) -> Result<(), Failure> {
    let mut held: Vec<u8> = Vec::new();
    let mut put = |part: &[u8]| -> Result<(), Failure> {
        let data = data_encoding::BASE64.encode(part);
        Ok(to.write_all(&json::line(&serde_json::json!({ "Data": data }))?)?)
    };
    while let Some(chunk) = bytes.next().await {
        held.extend_from_slice(&chunk?);
        while !is_json && held.len() >= JSON_BYTES {
            let rest = held.split_off(JSON_BYTES);
            put(&held)?;
            held = rest;
        }
    }
    if !is_json {
        if !held.is_empty() {
            put(&held)?;
        }
        return Ok(to.flush()?);
    }
    held.push(b'\n');
    to.write_all(&held)?;
    Ok(to.flush()?)
}

/// One JSON object of our own making on standard output.
pub(super) fn print_json(value: &serde_json::Value) -> Result<(), Failure> {
    Ok(io::stdout().write_all(&json::line(value)?)?)
}
