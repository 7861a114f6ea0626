//! The behaviour: brings opens to connections, dials for those that have none, and keeps the list of the connected.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionDenied, ConnectionId, DialError, FromSwarm, NetworkBehaviour, NotifyHandler, ToSwarm};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::sync::mpsc;

use super::handler::Handler;
use super::watch::Connected;
use super::{Dial, OpenCommand, OpenError, OpenRequest, Registry, WAITING_FOR_DIAL_MAX};

/// What the swarm runs for [`super::Streams`].
#[derive(Debug)]
pub(crate) struct Behaviour {
    commands: mpsc::Receiver<OpenCommand>,
    registry: Registry,
    connected: Connected,
    /// Opens that wait for a dial to end, by peer.
    waiting: HashMap<PeerId, Vec<OpenRequest>>,
    waiting_count: usize,
    /// What the swarm is told next; at most one item per command or waiting open.
    actions: VecDeque<ToSwarm<Infallible, OpenRequest>>,
}

impl Behaviour {
    pub(super) fn new(commands: mpsc::Receiver<OpenCommand>, registry: Registry, connected: Connected) -> Self {
        Self { commands, registry, connected, waiting: HashMap::new(), waiting_count: 0, actions: VecDeque::new() }
    }

    /// The protocols that are accepted now.
    pub(crate) fn accepted(&self) -> Vec<StreamProtocol> {
        let open = |acceptor: &&super::Acceptor| !acceptor.queue.is_closed();
        self.registry.snapshot().iter().filter(open).map(|acceptor| acceptor.protocol.clone()).collect()
    }

    fn on_command(&mut self, command: OpenCommand) {
        let OpenCommand { peer, dial, request } = command;
        if request.reply.is_closed() {
            return;
        }
        if self.connected.contains(&peer) {
            self.actions.push_back(notify(peer, request));
            return;
        }
        if dial == Dial::Never {
            return request.fail(OpenError::NotConnected);
        }
        if self.waiting_count >= WAITING_FOR_DIAL_MAX {
            self.forget_abandoned();
        }
        if self.waiting_count >= WAITING_FOR_DIAL_MAX {
            return request.fail(OpenError::Busy);
        }
        self.waiting_count += 1;
        self.waiting.entry(peer).or_default().push(request);
        // Another dial to the peer may be under way: then its end is our answer too.
        let opts = DialOpts::peer_id(peer).condition(PeerCondition::DisconnectedAndNotDialing).build();
        self.actions.push_back(ToSwarm::Dial { opts });
    }

    fn forget_abandoned(&mut self) {
        self.waiting.retain(|_, requests| {
            requests.retain(|request| !request.reply.is_closed());
            !requests.is_empty()
        });
        self.waiting_count = self.waiting.values().map(Vec::len).sum();
    }

    fn take_waiting(&mut self, peer: &PeerId) -> Vec<OpenRequest> {
        let requests = self.waiting.remove(peer).unwrap_or_default();
        self.waiting_count = self.waiting_count.saturating_sub(requests.len());
        requests
    }

    fn on_dial_failure(&mut self, peer: &PeerId, error: &DialError) {
        if matches!(error, DialError::DialPeerConditionFalse(_)) {
            return;
        }
        for request in self.take_waiting(peer) {
            request.fail(OpenError::Dial(crate::host::dial_words(error)));
        }
    }
}

impl Drop for Behaviour {
    /// Handles hold the registry too: without this their [`super::Incoming`]s would wait for ever.
    fn drop(&mut self) {
        self.registry.clear();
    }
}

fn notify(peer_id: PeerId, event: OpenRequest) -> ToSwarm<Infallible, OpenRequest> {
    ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(peer, self.registry.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::new(peer, self.registry.clone()))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => {
                if event.other_established == 0 {
                    self.connected.insert(event.peer_id);
                }
                for request in self.take_waiting(&event.peer_id) {
                    self.actions.push_back(notify(event.peer_id, request));
                }
            }
            FromSwarm::ConnectionClosed(event) if event.remaining_established == 0 => {
                self.connected.remove(&event.peer_id);
            }
            FromSwarm::DialFailure(event) => {
                if let Some(peer) = event.peer_id {
                    self.on_dial_failure(&peer, event.error);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, never: Infallible) {
        match never {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, OpenRequest>> {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return Poll::Ready(action);
            }
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(command)) => self.on_command(command),
                // All handles are gone: nothing more to open, connections go on.
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
