//! The upgrades of inbound and outbound streams. The inbound one is where back-pressure happens: it ends only when
//! the stream has a place in its protocol's queue.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;

use futures::future::BoxFuture;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::{PeerId, StreamProtocol};

use super::stream::{InUse, Stream};
use super::{ACCEPT_WAIT, Acceptor, InboundStream, OpenedStream};

/// Hands an inbound stream to the acceptor of its protocol.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(super) peer: PeerId,
    pub(super) acceptors: Arc<[Acceptor]>,
    pub(super) in_use: InUse,
}

impl UpgradeInfo for Inbound {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        let open = self.acceptors.iter().filter(|acceptor| !acceptor.queue.is_closed());
        open.map(|acceptor| acceptor.protocol.clone()).collect::<Vec<_>>().into_iter()
    }
}

impl InboundUpgrade<libp2p::Stream> for Inbound {
    type Output = ();
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<(), Infallible>>;

    fn upgrade_inbound(self, stream: libp2p::Stream, protocol: StreamProtocol) -> Self::Future {
        Box::pin(async move {
            let Self { peer, acceptors, in_use } = self;
            let stream = Stream::new(stream, in_use);
            let Some(acceptor) = acceptors.iter().find(|acceptor| acceptor.protocol == protocol) else {
                return Ok(());
            };
            let place = tokio::time::timeout(ACCEPT_WAIT, acceptor.queue.reserve()).await;
            match place {
                Ok(Ok(place)) => place.send(InboundStream { peer, protocol, stream }),
                // The acceptor stopped between the negotiation and now: the network is going down.
                Ok(Err(_)) => tracing::debug!(%peer, %protocol, "inbound stream reset: protocol no longer accepted"),
                Err(_) => {
                    tracing::warn!(%peer, %protocol, "inbound stream reset: its queue stayed full");
                }
            }
            Ok(())
        })
    }
}

/// Offers a list of protocols and yields the stream.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(super) protocols: Vec<StreamProtocol>,
    pub(super) in_use: InUse,
}

impl UpgradeInfo for Outbound {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.protocols.clone().into_iter()
    }
}

impl OutboundUpgrade<libp2p::Stream> for Outbound {
    type Output = OpenedStream;
    type Error = Infallible;
    type Future = Ready<Result<OpenedStream, Infallible>>;

    fn upgrade_outbound(self, stream: libp2p::Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok(OpenedStream { protocol, stream: Stream::new(stream, self.in_use) }))
    }
}
