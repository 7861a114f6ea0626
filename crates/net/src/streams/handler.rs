//! One connection's side of the stream behaviour.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

use libp2p::PeerId;
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedOutbound};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol};
use tokio::sync::oneshot;

use super::stream::InUse;
use super::upgrade::{Inbound, Outbound};
use super::{ACCEPT_WAIT, NEGOTIATE_WAIT, OPENING_PER_CONNECTION_MAX, OpenError, OpenRequest, OpenedStream, Registry};

type Reply = oneshot::Sender<Result<OpenedStream, OpenError>>;

/// Opens what it is told to and lists what is accepted.
#[derive(Debug)]
pub(crate) struct Handler {
    peer: PeerId,
    registry: Registry,
    in_use: InUse,
    waiting: VecDeque<OpenRequest>,
    negotiating: usize,
    waker: Option<Waker>,
}

impl Handler {
    pub(super) fn new(peer: PeerId, registry: Registry, in_use: InUse) -> Self {
        Self { peer, registry, in_use, waiting: VecDeque::new(), negotiating: 0, waker: None }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn finish(&mut self, reply: Reply, answer: Result<OpenedStream, OpenError>) {
        self.negotiating = self.negotiating.saturating_sub(1);
        // A caller that went away gets nothing; the stream closes by being dropped.
        let _ = reply.send(answer);
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = OpenRequest;
    type ToBehaviour = Infallible;
    type InboundProtocol = Inbound;
    type OutboundProtocol = Outbound;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Inbound, ()> {
        let inbound = Inbound { peer: self.peer, acceptors: self.registry.snapshot(), in_use: self.in_use.clone() };
        // The upgrade keeps its own shorter deadline for the queue, so that its end is logged.
        SubstreamProtocol::new(inbound, ()).with_timeout(NEGOTIATE_WAIT + ACCEPT_WAIT)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Outbound, Reply, Infallible>> {
        while let Some(request) = self.waiting.pop_front() {
            let OpenRequest { protocols, reply } = request;
            if reply.is_closed() {
                continue;
            }
            self.negotiating += 1;
            let protocol = SubstreamProtocol::new(Outbound { protocols, in_use: self.in_use.clone() }, reply)
                .with_timeout(NEGOTIATE_WAIT);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, request: OpenRequest) {
        if self.waiting.len() + self.negotiating >= OPENING_PER_CONNECTION_MAX {
            request.fail(OpenError::Busy);
            return;
        }
        self.waiting.push_back(request);
        self.wake();
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Inbound, Outbound, (), Reply>) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.finish(info, Ok(protocol));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let error = match error {
                    StreamUpgradeError::Timeout => OpenError::Timeout,
                    StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
                    StreamUpgradeError::Io(error) => OpenError::Closed(error.to_string()),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                self.finish(info, Err(error));
            }
            // Inbound streams are handed over inside their upgrade.
            _ => {}
        }
    }
}
