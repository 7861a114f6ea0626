//! [`Routing`]: who has what, and where.

mod provide;

use async_stream::try_stream;
use futures::StreamExt;
use merkury_api::{Answer, ApiError, FastProvide, ItemStream, PeerAddresses, ProvideStat, Routing, RoutingEvent};
use merkury_core::{Cid, PeerId};
use merkury_net::routing::RoutingError;

use crate::inner::Handle;

fn routing_error(error: RoutingError) -> ApiError {
    ApiError::new(error.kind(), error.to_string())
}

fn plain(found: merkury_net::peers::PeerAddresses) -> PeerAddresses {
    PeerAddresses { peer: found.peer, addresses: found.addresses }
}

impl Routing for Handle {
    fn find_providers(&self, cid: Cid, count: usize) -> ItemStream<RoutingEvent> {
        let inner = self.inner.clone();
        try_stream! {
            let mut providers = inner.net()?.routing().find_providers(&cid, count);
            let mut left = if count == 0 { usize::MAX } else { count };
            while left > 0 && let Some(found) = providers.next().await {
                let event = match found {
                    Ok(provider) => {
                        left -= 1;
                        RoutingEvent::Provider(plain(provider))
                    }
                    Err(error) => Err(routing_error(error))?,
                };
                yield event;
            }
        }
        .boxed()
    }

    fn find_peer(&self, peer: PeerId) -> ItemStream<RoutingEvent> {
        let inner = self.inner.clone();
        try_stream! {
            let found = inner.net()?.routing().find_peer(&peer).await.map_err(routing_error)?;
            yield RoutingEvent::Peer(plain(found));
        }
        .boxed()
    }

    fn provide(&self, cids: Vec<Cid>, recursive: bool) -> ItemStream<RoutingEvent> {
        let handle = self.clone();
        futures::stream::once(async move { provide::now(&handle, cids, recursive).await })
            .filter_map(|done| std::future::ready(done.err().map(Err)))
            .boxed()
    }

    fn fast_provide(&self, roots: Vec<Cid>, how: FastProvide) -> Answer<'_, ()> {
        Box::pin(provide::fast(self, roots, how))
    }

    fn provide_once(&self, cids: Vec<Cid>, recursive: bool) -> ItemStream<Cid> {
        provide::once(self, cids, recursive)
    }

    fn reprovide(&self) -> Answer<'_, ()> {
        Box::pin(provide::again(self))
    }

    fn clear_provide_queue(&self) -> Answer<'_, u64> {
        let forgotten = self.inner.net.get().map_or(0, |net| net.providing().clear());
        Box::pin(std::future::ready(Ok(forgotten as u64)))
    }

    fn provide_stat(&self) -> Answer<'_, ProvideStat> {
        Box::pin(provide::stat(self))
    }
}
