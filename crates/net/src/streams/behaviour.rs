//! The behaviour: brings opens to connections, and keeps the list of the connected.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, ToSwarm};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::sync::mpsc;

use super::handler::Handler;
use super::stream::InUse;
use super::watch::Connected;
use super::{OpenCommand, OpenError, OpenRequest, Registry};
use crate::host::addresses::{Reach, reach};

/// What the swarm runs for [`super::Streams`].
#[derive(Debug)]
pub(crate) struct Behaviour {
    commands: mpsc::Receiver<OpenCommand>,
    registry: Registry,
    connected: Connected,
    /// Of each connection, what its streams hold.
    in_use: HashMap<ConnectionId, (PeerId, InUse)>,
}

impl Behaviour {
    pub(super) fn new(commands: mpsc::Receiver<OpenCommand>, registry: Registry, connected: Connected) -> Self {
        Self { commands, registry, connected, in_use: HashMap::new() }
    }

    /// The protocols that are accepted now.
    pub(crate) fn accepted(&self) -> Vec<StreamProtocol> {
        let open = |acceptor: &&super::Acceptor| !acceptor.queue.is_closed();
        self.registry.snapshot().iter().filter(open).map(|acceptor| acceptor.protocol.clone()).collect()
    }

    /// Whether a stream to `peer` is open, opening or waiting to be accepted.
    pub(crate) fn is_in_use(&self, peer: &PeerId) -> bool {
        // One holder is here, one is the connection's handler; all others are streams.
        self.in_use.values().any(|(other, in_use)| other == peer && Arc::strong_count(in_use) > 2)
    }

    fn handler(&mut self, id: ConnectionId, peer: PeerId) -> Handler {
        let in_use = InUse::default();
        self.in_use.insert(id, (peer, in_use.clone()));
        Handler::new(peer, self.registry.clone(), in_use)
    }

    fn on_command(&mut self, command: OpenCommand) -> Option<ToSwarm<Infallible, OpenRequest>> {
        let OpenCommand { peer, request } = command;
        if request.reply.is_closed() {
            return None;
        }
        if !self.connected.contains(&peer) {
            request.fail(OpenError::NotConnected);
            return None;
        }
        Some(ToSwarm::NotifyHandler { peer_id: peer, handler: NotifyHandler::Any, event: request })
    }
}

impl Drop for Behaviour {
    /// Handles hold the registry too: without this their [`super::Incoming`]s would wait for ever.
    fn drop(&mut self) {
        self.registry.clear();
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(id, peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(id, peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) if event.other_established == 0 => {
                if matches!(reach(event.endpoint.get_remote_address()), Reach::Loopback | Reach::Private) {
                    self.connected.mark_near(event.peer_id);
                }
                self.connected.insert(event.peer_id);
            }
            FromSwarm::ConnectionClosed(event) => {
                self.in_use.remove(&event.connection_id);
                if event.remaining_established == 0 {
                    self.connected.remove(&event.peer_id);
                }
            }
            // Another behaviour may have refused a connection that has a handler already.
            FromSwarm::DialFailure(event) => drop(self.in_use.remove(&event.connection_id)),
            FromSwarm::ListenFailure(event) => drop(self.in_use.remove(&event.connection_id)),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, never: Infallible) {
        match never {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, OpenRequest>> {
        loop {
            match self.commands.poll_recv(cx) {
                Poll::Ready(Some(command)) => {
                    if let Some(action) = self.on_command(command) {
                        return Poll::Ready(action);
                    }
                }
                // All handles are gone: nothing more to open, connections go on.
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}
