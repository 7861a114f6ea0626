//! An operation: its declaration, its work, its answer and its text form; and the same erased for the list.
//!
//! The wire form of an answer is JSON, one line an item, exactly as Kubo's. Both front ends read that form: the
//! terminal prints what [`Render`] makes of the lines, whether they come from a daemon or from a node in process. So
//! there is one path, and what works over RPC works in process. Streams of items that are shown as text in the process that
//! made them are spared the way through JSON ([`HeldReply`]): it was seven tenths of a collection that names a million blocks.

use std::any::Any;
use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use merkury_api::{Api, ApiError, BoxFuture, ByteStream, InputEntry, ItemStream, NameFilter, Node, Reach};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::json;
use crate::options::Options;
use crate::requests::Requests;
use crate::spec::{Place, Spec};
use crate::text::Out;

/// What the work of an operation may use.
#[derive(Clone)]
pub struct Cx {
    node: Option<Arc<dyn Node>>,
    repo: PathBuf,
    requests: Requests,
}

impl Cx {
    /// For work on a node.
    pub fn new(node: Arc<dyn Node>, repo: PathBuf) -> Self {
        Self { node: Some(node), repo, requests: Requests::default() }
    }

    /// For work that needs no node.
    pub fn without_node(repo: PathBuf) -> Self {
        Self { node: None, repo, requests: Requests::default() }
    }

    /// The same, on a daemon that keeps a list of its calls.
    #[must_use]
    pub fn with_requests(self, requests: Requests) -> Self {
        Self { requests, ..self }
    }

    /// The calls of the daemon; empty in a process of its own.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The node.
    pub fn node(&self) -> Result<&Arc<dyn Node>, ApiError> {
        self.node.as_ref().ok_or_else(|| ApiError::internal("this operation needs a node"))
    }

    /// The node's handles, within the reach the call asks for (`--offline`).
    pub fn api(&self, call: &Call) -> Result<Api, ApiError> {
        let reach = if call.options.is_offline() { Reach::Local } else { Reach::Network };
        Ok(self.node()?.api(reach))
    }

    /// Directory of the repository.
    pub fn repo(&self) -> &PathBuf {
        &self.repo
    }
}

/// Arguments and options of a call, parsed.
#[derive(Clone, Debug)]
pub struct Call {
    /// Text arguments, in order.
    pub args: Vec<String>,
    /// Options.
    pub options: Options,
}

impl Call {
    /// The argument at this place; parsers have checked that required ones are there.
    pub fn arg(&self, index: usize) -> Result<&str, ApiError> {
        match self.args.get(index) {
            Some(text) => Ok(text),
            None => Err(ApiError::invalid(format!("argument {} is required", index + 1))),
        }
    }
}

/// File content that comes with a call.
pub enum Body {
    /// None.
    None,
    /// Paths of this machine; only a caller in process may send these, and only to `add`.
    Local {
        /// The paths, in order.
        paths: Vec<PathBuf>,
        /// Names below directories to leave out.
        exclude: Option<NameFilter>,
    },
    /// Entries as they come.
    Entries(ItemStream<InputEntry>),
}

/// A call with its content.
pub struct Request {
    /// Arguments and options.
    pub call: Call,
    /// File content.
    pub body: Body,
}

/// What an operation answers.
pub enum Reply<T> {
    /// One item.
    One(T),
    /// Nothing but success (Kubo sends an empty body).
    Empty,
    /// Items as they come.
    Stream(ItemStream<T>),
    /// Bytes as they come.
    Bytes(BytesReply),
}

/// An answer of bytes.
pub struct BytesReply {
    /// MIME type over RPC.
    pub content_type: &'static str,
    /// How many there will be (for `get`: bytes of the content, not of the archive).
    pub length: Option<u64>,
    /// The bytes.
    pub stream: ByteStream,
}

/// The future of an answer.
pub type Running<T> = BoxFuture<'static, Result<Reply<T>, ApiError>>;

/// Why an item could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The output is gone or full.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The item tells of a failure.
    #[error(transparent)]
    Failed(#[from] ApiError),
}

/// The outcome of showing an item.
pub type TextResult = Result<(), TextError>;

/// An operation.
pub trait Op: Send + Sync + 'static {
    /// Its declaration.
    const SPEC: &'static Spec;
    /// As `ipfs` the terminal shows text whatever `--enc` says, as Kubo does where it prints by itself.
    const ALWAYS_TEXT: bool = false;
    /// An item of its answer, in Kubo's JSON shape.
    type Item: Serialize + DeserializeOwned + Send + 'static;
    /// What its text form remembers from item to item.
    type Text: Default + Send + 'static;

    /// Sets options that depend on the terminal; `live` says that standard error is one.
    fn prepare(_call: &mut Call, _live: bool) {}

    /// Does the work.
    fn run(cx: Cx, request: Request) -> Running<Self::Item>;

    /// Shows an item as Kubo does.
    fn text(item: Self::Item, call: &Call, state: &mut Self::Text, out: &mut Out<'_>) -> TextResult;

    /// Shows what can only be shown after the last item.
    fn finish(_call: &Call, _state: &mut Self::Text, _out: &mut Out<'_>) -> TextResult {
        Ok(())
    }
}

/// An answer with its items in wire form (JSON with the line end).
pub enum WireReply {
    /// One item; empty bytes for [`Reply::Empty`].
    One(Bytes),
    /// Items as they come.
    Stream(ItemStream<Bytes>),
    /// Bytes as they come.
    Bytes(BytesReply),
}

/// An item of an operation's own type.
pub type HeldItem = Box<dyn Any + Send>;

/// An answer for the process that asked: a stream keeps its items as they are.
pub enum HeldReply {
    /// As over the wire.
    Wire(WireReply),
    /// Items as they come.
    Items(ItemStream<HeldItem>),
}

/// Shows items as text.
pub trait Render: Send {
    /// Shows one in wire form.
    fn item(&mut self, line: &[u8], out: &mut Out<'_>) -> TextResult;
    /// Shows one that was never in wire form.
    fn held(&mut self, item: HeldItem, out: &mut Out<'_>) -> TextResult;
    /// Shows what comes after the last.
    fn finish(&mut self, out: &mut Out<'_>) -> TextResult;
}

/// Any operation, for the list.
pub trait AnyOp: Send + Sync {
    /// Its declaration.
    fn spec(&self) -> &'static Spec;
    /// Sets options that depend on the terminal.
    fn prepare(&self, call: &mut Call, live: bool);
    /// Does the work.
    fn run(&self, cx: Cx, request: Request) -> BoxFuture<'static, Result<WireReply, ApiError>>;
    /// Does the work, for text in this process.
    fn run_held(&self, cx: Cx, request: Request) -> BoxFuture<'static, Result<HeldReply, ApiError>> {
        let running = self.run(cx, request);
        Box::pin(async move { Ok(HeldReply::Wire(running.await?)) })
    }
    /// As `ipfs` the terminal shows text whatever `--enc` says.
    fn is_always_text(&self) -> bool {
        false
    }
    /// A renderer for one answer.
    fn renderer(&self, call: &Call) -> Box<dyn Render>;
}

/// An [`Op`] as [`AnyOp`].
pub struct Entry<O>(PhantomData<fn() -> O>);

impl<O> Entry<O> {
    /// The one value.
    pub const NEW: Self = Self(PhantomData);
}

impl<O: Op> AnyOp for Entry<O> {
    fn spec(&self) -> &'static Spec {
        O::SPEC
    }

    fn prepare(&self, call: &mut Call, live: bool) {
        O::prepare(call, live);
    }

    fn run(&self, cx: Cx, request: Request) -> BoxFuture<'static, Result<WireReply, ApiError>> {
        let running = O::run(cx, request);
        Box::pin(async move { to_wire(running.await?) })
    }

    fn run_held(&self, cx: Cx, request: Request) -> BoxFuture<'static, Result<HeldReply, ApiError>> {
        let running = O::run(cx, request);
        Box::pin(async move {
            Ok(match running.await? {
                Reply::Stream(items) => {
                    HeldReply::Items(items.map(|item| item.map(|item| Box::new(item) as HeldItem)).boxed())
                }
                other => HeldReply::Wire(to_wire(other)?),
            })
        })
    }

    fn is_always_text(&self) -> bool {
        O::ALWAYS_TEXT
    }

    fn renderer(&self, call: &Call) -> Box<dyn Render> {
        Box::new(TypedRender::<O> { call: call.clone(), state: O::Text::default() })
    }
}

fn to_wire<T: Serialize + Send + 'static>(reply: Reply<T>) -> Result<WireReply, ApiError> {
    Ok(match reply {
        Reply::One(item) => WireReply::One(json::line(&item)?),
        Reply::Empty => WireReply::One(Bytes::new()),
        Reply::Stream(items) => WireReply::Stream(items.map(|item| item.and_then(|item| json::line(&item))).boxed()),
        Reply::Bytes(bytes) => WireReply::Bytes(bytes),
    })
}

struct TypedRender<O: Op> {
    call: Call,
    state: O::Text,
}

impl<O: Op> Render for TypedRender<O> {
    fn item(&mut self, line: &[u8], out: &mut Out<'_>) -> TextResult {
        let item = serde_json::from_slice(line)
            .map_err(|error| ApiError::internal(format!("the answer is not what {} sends: {error}", O::SPEC.path)))?;
        O::text(item, &self.call, &mut self.state, out)
    }

    fn held(&mut self, item: HeldItem, out: &mut Out<'_>) -> TextResult {
        let item = item
            .downcast()
            .map_err(|_| ApiError::internal(format!("an item of {} is of no type of it", O::SPEC.path)))?;
        O::text(*item, &self.call, &mut self.state, out)
    }

    fn finish(&mut self, out: &mut Out<'_>) -> TextResult {
        O::finish(&self.call, &mut self.state, out)
    }
}

/// An operation that the program itself carries out, in the terminal alone.
pub struct TerminalOnly(pub &'static Spec);

impl AnyOp for TerminalOnly {
    fn spec(&self) -> &'static Spec {
        debug_assert!(matches!(self.0.place, Place::Terminal));
        self.0
    }

    fn prepare(&self, _: &mut Call, _: bool) {}

    fn run(&self, _: Cx, _: Request) -> BoxFuture<'static, Result<WireReply, ApiError>> {
        let path = self.0.path;
        Box::pin(async move { Err(ApiError::invalid(format!("{path} runs in the terminal alone"))) })
    }

    fn renderer(&self, _: &Call) -> Box<dyn Render> {
        Box::new(NothingToShow)
    }
}

/// Shows nothing: the operation answers with an error or with bytes.
pub(crate) struct NothingToShow;

impl Render for NothingToShow {
    fn item(&mut self, _: &[u8], _: &mut Out<'_>) -> TextResult {
        Ok(())
    }

    fn held(&mut self, _: HeldItem, _: &mut Out<'_>) -> TextResult {
        Ok(())
    }

    fn finish(&mut self, _: &mut Out<'_>) -> TextResult {
        Ok(())
    }
}

/// The item type of operations that answer with bytes or with nothing.
#[derive(Serialize, serde::Deserialize)]
pub enum NoItem {}
