//! [`Routing`]: who has what, and where.

use async_stream::try_stream;
use futures::StreamExt;
use merkury_api::{Answer, ApiError, ItemStream, PeerAddresses, RefsOptions, Routing, RoutingEvent};
use merkury_core::{BlockHas, Cid, PeerId};
use merkury_net::routing::RoutingError;

use crate::inner::Handle;

fn routing_error(error: RoutingError) -> ApiError {
    ApiError::new(error.kind(), error.to_string())
}

fn plain(found: merkury_net::peers::PeerAddresses) -> PeerAddresses {
    PeerAddresses { peer: found.peer, addresses: found.addresses }
}

impl Handle {
    async fn provide_now(&self, cids: Vec<Cid>, recursive: bool) -> Result<(), ApiError> {
        let store = self.inner.store()?;
        let routing = self.inner.net()?.routing();
        for cid in cids {
            if !store.has(&cid) {
                return Err(ApiError::not_found(format!("block {cid} not found locally, cannot provide")));
            }
            routing.provide(&cid).await.map_err(routing_error)?;
            let options = RefsOptions { recursive: true, unique: true, max_depth: None };
            let mut below = recursive.then(|| merkury_api::Dag::refs(self, cid, options));
            while let Some(items) = &mut below
                && let Some(item) = items.next().await
            {
                routing.provide(&item?.target).await.map_err(routing_error)?;
            }
        }
        Ok(())
    }
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
        futures::stream::once(async move { handle.provide_now(cids, recursive).await })
            .filter_map(|done| std::future::ready(done.err().map(Err)))
            .boxed()
    }

    fn provide_later(&self, cids: Vec<Cid>) -> Answer<'_, ()> {
        self.inner.announce_roots(&cids);
        Box::pin(std::future::ready(Ok(())))
    }
}
