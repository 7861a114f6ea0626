//! Asks routing who has a block, and connects to those who do.

use std::sync::Arc;
use std::time::Duration;

use merkury_bitswap::SessionId;
use merkury_core::{Cid, PeerId};
use tokio::sync::{Semaphore, mpsc};

use super::actor::Event;
use crate::peers::Peers;
use crate::routing::Routing;

/// Searches that run at a time; further ones wait.
const SEARCHES_MAX: usize = 32;
/// Providers one search asks for.
const PROVIDERS_WANTED: usize = 10;
/// How long one search may take in all.
const SEARCH_WAIT: Duration = Duration::from_secs(60);
/// How long connecting to a provider may take.
const CONNECT_WAIT: Duration = Duration::from_secs(15);

/// Starts searches.
pub(super) struct Searcher {
    routing: Routing,
    peers: Peers,
    running: Arc<Semaphore>,
}

impl Searcher {
    pub(super) fn new(routing: Routing, peers: Peers) -> Self {
        Self { routing, peers, running: Arc::new(Semaphore::new(SEARCHES_MAX)) }
    }

    /// Looks for providers of a block. Each is reported once it is connected; then the end is.
    pub(super) fn search(&self, session: SessionId, cid: Cid, events: &mpsc::Sender<Event>) {
        let (routing, peers, events) = (self.routing.clone(), self.peers.clone(), events.clone());
        let running = self.running.clone();
        tokio::spawn(async move {
            let _turn = running.acquire_owned().await;
            let found = find(&routing, &peers, session, &cid, &events);
            // A search that takes too long has found what it finds.
            let _ = tokio::time::timeout(SEARCH_WAIT, found).await;
            let _ = events.send(Event::SearchEnded { session, cid }).await;
        });
    }

    /// Closes all connections to a peer.
    pub(super) fn disconnect(&self, peer: PeerId) {
        let peers = self.peers.clone();
        tokio::spawn(async move { peers.disconnect(&format!("/p2p/{peer}")).await });
    }
}

async fn find(routing: &Routing, peers: &Peers, session: SessionId, cid: &Cid, events: &mpsc::Sender<Event>) {
    let mut providers = routing.find_providers(cid, PROVIDERS_WANTED);
    let mut connecting = tokio::task::JoinSet::new();
    while let Some(found) = providers.next().await {
        let Ok(provider) = found else { continue };
        let (peers, events, cid) = (peers.clone(), events.clone(), cid.clone());
        connecting.spawn(async move {
            let peer = provider.peer.clone();
            let connected = tokio::time::timeout(CONNECT_WAIT, peers.reach(&peer)).await;
            match connected {
                Ok(Ok(())) => drop(events.send(Event::Provider { session, cid, peer }).await),
                Ok(Err(error)) => tracing::debug!(peer = %provider.peer, %error, "provider cannot be reached"),
                Err(_) => tracing::debug!(peer = %provider.peer, "provider does not answer"),
            }
        });
    }
    while connecting.join_next().await.is_some() {}
}
