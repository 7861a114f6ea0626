//! One range of a file on its way: a queue of pieces in file order, of which the first few are being fetched.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::stream::FuturesUnordered;
use merkury_core::{Block, BlockGet, BoxFuture, Cid, GetError};

use super::{FILE_DEPTH_MAX, LINKS_HELD_MAX, ReadError, ReadWindow};
use crate::node::{Node, NodeType};

/// Blocks in flight at most, whatever their size.
const IN_FLIGHT_MAX: usize = 2048;
/// What a block counts in the window at least: wants and answers cost something, too.
const BLOCK_COST_MIN: u64 = 512;

type Fetch = BoxFuture<'static, (u64, Result<Block, GetError>)>;

/// A part of the range.
struct Piece {
    cid: Cid,
    /// Where its content begins in the file.
    start: u64,
    /// Content length its parent declares.
    bytes: u64,
    depth: usize,
    state: State,
}

enum State {
    /// Not asked for.
    Idle,
    /// Asked for, by this number.
    Fetching(u64),
    /// Content of the range.
    Ready(Bytes),
    /// It cannot be had; told when its turn comes, so that what is before it is still delivered.
    Failed(ReadError),
}

/// A stream of the bytes of a range.
pub struct FileStream {
    get: Arc<dyn BlockGet>,
    range: Range<u64>,
    pieces: VecDeque<Piece>,
    fetches: FuturesUnordered<Fetch>,
    next_fetch: u64,
    in_flight_bytes: u64,
    window: ReadWindow,
    /// Whether a block had to be waited for.
    is_remote: bool,
    /// Bytes delivered since the window grew.
    delivered: u64,
    has_failed: bool,
}

impl FileStream {
    pub(super) fn new(get: Arc<dyn BlockGet>, cid: Cid, root: &Node, range: Range<u64>, window: ReadWindow) -> Self {
        let mut stream = Self {
            get,
            range,
            pieces: VecDeque::new(),
            fetches: FuturesUnordered::new(),
            next_fetch: 0,
            in_flight_bytes: 0,
            window,
            is_remote: false,
            delivered: 0,
            has_failed: false,
        };
        let piece = Piece { cid, start: 0, bytes: root.file_bytes(), depth: 0, state: State::Idle };
        stream.pieces.extend(stream.parts_of(&piece, root));
        stream
    }

    /// What a node puts in its place: its own content, then its children, as far as they touch the range.
    fn parts_of(&self, piece: &Piece, node: &Node) -> Vec<Piece> {
        let (inline, links) = match node {
            Node::Raw(data) => (data.clone(), None),
            Node::Pb(pb, message) => {
                (message.data.clone().unwrap_or_default(), Some((&pb.links, &message.block_sizes)))
            }
        };
        let mut parts = Vec::new();
        let inline_bytes = inline.len() as u64;
        if let Some(content) = self.cut(piece.start, &inline) {
            let cid = piece.cid.clone();
            let state = State::Ready(content);
            parts.push(Piece { cid, start: piece.start, bytes: inline_bytes, depth: piece.depth, state });
        }
        let mut start = piece.start.saturating_add(inline_bytes);
        for (link, &bytes) in links.into_iter().flat_map(|(links, sizes)| links.iter().zip(sizes)) {
            if bytes > 0 && start < self.range.end && start.saturating_add(bytes) > self.range.start {
                parts.push(Piece { cid: link.cid.clone(), start, bytes, depth: piece.depth + 1, state: State::Idle });
            }
            start = start.saturating_add(bytes);
        }
        parts
    }

    /// The part of `content`, which begins at `start`, that lies in the range.
    fn cut(&self, start: u64, content: &Bytes) -> Option<Bytes> {
        let length = content.len() as u64;
        let from = self.range.start.saturating_sub(start).min(length);
        let to = self.range.end.saturating_sub(start).min(length);
        (from < to).then(|| content.slice(from as usize..to as usize))
    }

    /// Asks for the piece at `at`. True when the answer was at hand.
    fn start_fetch(&mut self, at: usize, context: &mut Context<'_>) -> bool {
        let Some(piece) = self.pieces.get_mut(at) else { return false };
        if !matches!(piece.state, State::Idle) {
            return false;
        }
        let (get, cid, number) = (self.get.clone(), piece.cid.clone(), self.next_fetch);
        self.next_fetch += 1;
        let mut fetch: Fetch = Box::pin(async move { (number, get.get(&cid).await) });
        match fetch.as_mut().poll(context) {
            Poll::Ready((_, answer)) => {
                self.arrived(at, answer);
                true
            }
            Poll::Pending => {
                piece.state = State::Fetching(number);
                self.in_flight_bytes += cost(piece.bytes);
                self.is_remote = true;
                self.fetches.push(fetch);
                false
            }
        }
    }

    /// Puts an answer in its place.
    fn arrived(&mut self, at: usize, answer: Result<Block, GetError>) {
        let placed = answer.map_err(ReadError::from).and_then(|block| self.place(at, &block));
        if let (Err(error), Some(piece)) = (placed, self.pieces.get_mut(at)) {
            piece.state = State::Failed(error);
        }
    }

    /// Puts what a block holds in its place.
    fn place(&mut self, at: usize, block: &Block) -> Result<(), ReadError> {
        let node = Node::of_block(block)?;
        let Some(piece) = self.pieces.get(at) else { return Ok(()) };
        let cid = || block.cid().clone();
        if node.node_type() != Some(NodeType::File) {
            return Err(ReadError::NotAFile { cid: cid() });
        }
        if node.file_bytes() != piece.bytes {
            return Err(ReadError::SizeMismatch { cid: cid(), declared: piece.bytes, actual: node.file_bytes() });
        }
        if piece.depth > FILE_DEPTH_MAX || self.pieces.len() + node.link_count() > LINKS_HELD_MAX {
            return Err(ReadError::TooLarge { cid: cid() });
        }
        let mut parts = self.parts_of(piece, &node);
        if parts.len() == 1 {
            self.pieces[at] = parts.remove(0);
            return Ok(());
        }
        let after = self.pieces.split_off(at + 1);
        self.pieces.pop_back();
        self.pieces.extend(parts);
        self.pieces.extend(after);
        Ok(())
    }

    /// Takes blocks that arrived.
    fn take_arrived(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some((number, answer))) = Pin::new(&mut self.fetches).poll_next(context) {
            let found = self.pieces.iter().position(|piece| matches!(piece.state, State::Fetching(n) if n == number));
            let Some(at) = found else { continue };
            self.in_flight_bytes = self.in_flight_bytes.saturating_sub(cost(self.pieces[at].bytes));
            self.arrived(at, answer);
        }
    }

    /// Asks for what follows, as far as the window reaches.
    fn fill_window(&mut self, context: &mut Context<'_>) {
        let mut held = 0;
        let mut at = 0;
        while at < self.pieces.len() {
            held += match &self.pieces[at].state {
                State::Ready(content) => content.len() as u64,
                State::Fetching(_) => cost(self.pieces[at].bytes),
                // Nothing after it will be delivered.
                State::Failed(_) => break,
                State::Idle => {
                    if held >= self.window.start_bytes || self.fetches.len() >= IN_FLIGHT_MAX {
                        break;
                    }
                    if self.start_fetch(at, context) {
                        // The piece was replaced by what it holds: look at the same place again.
                        continue;
                    }
                    cost(self.pieces[at].bytes)
                }
            };
            at += 1;
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, ReadError>> {
        loop {
            self.take_arrived(context);
            while self.start_fetch(0, context) {}
            if self.is_remote {
                self.fill_window(context);
                // Polls what was just started, so that its wake-up is registered.
                self.take_arrived(context);
            }
            match self.pieces.front().map(|piece| &piece.state) {
                None => return Poll::Ready(Ok(None)),
                Some(State::Ready(_) | State::Failed(_)) => return Poll::Ready(self.deliver()),
                // An inner node arrived just now: ask for its first child at once.
                Some(State::Idle) => {}
                Some(State::Fetching(_)) => {
                    self.grow_window();
                    return Poll::Pending;
                }
            }
        }
    }

    /// The first piece, which is ready or has failed.
    fn deliver(&mut self) -> Result<Option<Bytes>, ReadError> {
        match self.pieces.pop_front().map(|piece| piece.state) {
            Some(State::Ready(content)) => {
                self.delivered = self.delivered.saturating_add(content.len() as u64);
                Ok(Some(content))
            }
            Some(State::Failed(error)) => Err(error),
            _ => Ok(None),
        }
    }

    /// The reader waits though a whole window was delivered: ask for more at once.
    fn grow_window(&mut self) {
        if self.delivered >= self.window.start_bytes {
            self.delivered = 0;
            self.window.start_bytes = self.window.start_bytes.saturating_mul(2).min(self.window.max_bytes);
        }
    }
}

/// What a piece counts in the window. An inner node may declare any size; no block is larger than the limit.
fn cost(bytes: u64) -> u64 {
    bytes.clamp(BLOCK_COST_MIN, merkury_core::limits::BLOCK_BYTES_MAX as u64)
}

impl Stream for FileStream {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let stream = self.get_mut();
        if stream.has_failed {
            return Poll::Ready(None);
        }
        match stream.poll_piece(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(content)) => Poll::Ready(content.map(Ok)),
            Poll::Ready(Err(error)) => {
                stream.has_failed = true;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}
