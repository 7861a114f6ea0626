//! The task that owns the engine: events in, the engine's actions out. Nothing waits inside the loop.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::StreamProtocol;
use merkury_bitswap::{Action, Config, Engine, Protocol, SendId, SessionId, limits};
use merkury_core::{Cid, PeerId};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::inbound::{self, Received};
use super::outbound::{self, Job};
use super::search::Searcher;
use super::waiters::Waiters;
use super::{Command, ExchangeStat, LocalBlocks, NEW_BLOCKS_MAX, NewBlocks};
use crate::ids;
use crate::streams::{PeerChange, Streams};

/// Events of tasks that may wait for the actor; tasks wait beyond.
const EVENTS_MAX: usize = 64;
/// Events and commands taken in one turn of the loop.
const BATCH: usize = 64;
/// Inbound streams that may wait to be taken.
const INCOMING_MAX: usize = 64;

/// What tasks report.
pub(super) enum Event {
    /// A stream shows which version a peer speaks.
    Speaks {
        peer: PeerId,
        protocol: Protocol,
    },
    /// A peer speaks no version of ours.
    Mute {
        peer: PeerId,
    },
    Message(Received),
    Malformed {
        peer: PeerId,
    },
    Sent {
        id: SendId,
        missing: Vec<Cid>,
    },
    SendFailed {
        id: SendId,
    },
    Provider {
        session: SessionId,
        cid: Cid,
        peer: PeerId,
    },
    SearchEnded {
        session: SessionId,
        cid: Cid,
    },
}

pub(super) struct Actor {
    engine: Engine,
    waiters: Waiters,
    streams: Streams,
    searcher: Searcher,
    blocks: Arc<dyn LocalBlocks>,
    /// The writer of each connected peer that was sent something.
    writers: HashMap<PeerId, mpsc::Sender<Job>>,
    events: mpsc::Sender<Event>,
    reports: mpsc::Receiver<Event>,
    shutdown: CancellationToken,
    start: Instant,
}

impl Actor {
    pub(super) fn new(
        streams: Streams,
        searcher: Searcher,
        blocks: Arc<dyn LocalBlocks>,
        shutdown: CancellationToken,
    ) -> Self {
        let (events, reports) = mpsc::channel(EVENTS_MAX);
        // The standard library's hasher is seeded by the system; one value of it seeds ours.
        let seed = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0u8);
        Self {
            engine: Engine::new(Config { seed, serve: true }),
            waiters: Waiters::default(),
            streams,
            searcher,
            blocks,
            writers: HashMap::new(),
            events,
            reports,
            shutdown,
            start: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>, new_blocks: Arc<NewBlocks>) {
        let names: Vec<StreamProtocol> = Protocol::ALL.into_iter().map(|one| StreamProtocol::new(one.name())).collect();
        match self.streams.accept(&names, INCOMING_MAX) {
            Ok(incoming) => drop(tokio::spawn(inbound::accept(incoming, self.events.clone(), self.shutdown.clone()))),
            Err(error) => tracing::error!(%error, "the exchange cannot accept streams"),
        }
        let mut watch = self.streams.watch();
        let mut tick = tokio::time::interval(limits::TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut taken, mut told) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                change = watch.next() => match change {
                    Some(change) => self.peer_changed(change),
                    None => break,
                },
                _ = tick.tick(), if self.needs_clock() => {
                    self.waiters.sweep(&mut self.engine);
                    self.engine.tick(self.start.elapsed());
                }
                _ = self.reports.recv_many(&mut told, BATCH) => told.drain(..).for_each(|event| self.event(event)),
                count = commands.recv_many(&mut taken, BATCH) => match count {
                    0 => break,
                    _ => taken.drain(..).for_each(|command| self.command(command)),
                },
                () = new_blocks.came.notified() => self.blocks_came(&new_blocks.take()),
            }
            self.act();
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn needs_clock(&self) -> bool {
        self.engine.is_waiting() || !self.waiters.is_empty()
    }

    fn peer_changed(&mut self, change: PeerChange) {
        match change {
            PeerChange::Connected(peer) => {
                if let Some(peer) = ids::to_core(&peer) {
                    self.meet(&peer);
                }
            }
            PeerChange::Disconnected(peer) => {
                if let Some(peer) = ids::to_core(&peer) {
                    self.engine.disconnected(&peer);
                    self.writers.remove(&peer);
                }
            }
        }
    }

    fn blocks_came(&mut self, cids: &[Cid]) {
        if cids.len() > NEW_BLOCKS_MAX {
            self.engine.blocks_may_be_added(&*self.blocks);
        } else {
            self.engine.blocks_added(cids, &*self.blocks);
        }
    }

    fn command(&mut self, command: Command) {
        // A caller that went away does not want the answer.
        match command {
            Command::Want { session, cid, reply } => self.waiters.want(&mut self.engine, &session, cid, reply),
            Command::Stat { reply } => drop(reply.send(self.stat())),
            Command::Wantlist { peer: None, reply } => drop(reply.send(self.engine.wantlist())),
            Command::Wantlist { peer: Some(peer), reply } => drop(reply.send(self.engine.wantlist_of(&peer))),
            Command::Ledger { peer, reply } => drop(reply.send(self.engine.ledger(&peer))),
            Command::Status { cid, reply } => drop(reply.send(self.engine.status(&cid))),
        }
    }

    fn stat(&self) -> ExchangeStat {
        let stat = self.engine.stat();
        ExchangeStat {
            blocks_received: stat.blocks_received,
            bytes_received: stat.bytes_received,
            duplicate_blocks: stat.duplicate_blocks_received,
            duplicate_bytes: stat.duplicate_bytes_received,
            unwanted_blocks: stat.unwanted_blocks_received,
            messages_received: stat.messages_received,
            blocks_sent: stat.blocks_sent,
            bytes_sent: stat.bytes_sent,
            messages_sent: stat.messages_sent,
            wantlist: self.engine.wantlist(),
            peers: self.engine.peers(),
        }
    }

    fn event(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::Speaks { peer, protocol } => {
                self.meet(&peer);
                self.engine.set_protocol(&peer, protocol);
            }
            Event::Mute { peer } => {
                self.engine.disconnected(&peer);
                self.writers.remove(&peer);
            }
            Event::Message(Received { peer, message, blocks, .. }) => {
                self.meet(&peer);
                self.engine.received(now, &peer, message, blocks, &*self.blocks);
            }
            Event::Malformed { peer } => self.engine.malformed(&peer),
            Event::Sent { id, missing } => self.engine.sent(id, &missing),
            Event::SendFailed { id } => self.engine.send_failed(now, id),
            Event::Provider { session, cid, peer } => {
                self.meet(&peer);
                self.engine.provider_found(session, &cid, &peer);
            }
            Event::SearchEnded { session, cid } => self.engine.search_ended(session, &cid),
        }
    }

    /// Tells the engine of a peer that is connected. Messages come before the change was read, and peers taken for
    /// mute come back.
    fn meet(&mut self, peer: &PeerId) {
        let id = ids::to_libp2p(peer);
        if !self.engine.is_connected(peer) && self.streams.is_connected(&id) {
            let near = self.streams.is_near(&id);
            self.engine.connected(self.start.elapsed(), peer, Protocol::V1_2, near);
        }
    }

    /// Does what the engine asks for, until it asks for no more.
    fn act(&mut self) {
        while let Some(action) = self.engine.poll(self.start.elapsed()) {
            match action {
                Action::Send { peer, id, message } => self.send(&peer, Job { id, message }),
                Action::Deliver { session, block } => self.waiters.deliver(session, &block),
                Action::FindProviders { session, cid } => self.searcher.search(session, cid, &self.events),
                Action::Drop { peer } => {
                    tracing::warn!(%peer, "dropped: it sends what nobody asked for");
                    self.writers.remove(&peer);
                    self.searcher.disconnect(peer);
                }
            }
        }
    }

    fn send(&mut self, peer: &PeerId, job: Job) {
        let id = job.id;
        let writer = self.writers.entry(peer.clone()).or_insert_with(|| {
            outbound::start(peer.clone(), self.streams.clone(), self.blocks.clone(), self.events.clone())
        });
        if writer.try_send(job).is_err() {
            // The writer has ended: another one gets the next message.
            self.writers.remove(peer);
            let now = self.now();
            self.engine.send_failed(now, id);
        }
    }
}
