//! [`Peers`]: connections, identity, and the exchange.

use merkury_api::{
    Answer, ApiError, BitswapStat, ConnectionDirection, ConnectionInfo, Identity, KnownPeer, Ledger, PeerIdentify,
    Peers,
};
use merkury_core::keys::Keypair;
use merkury_core::{Cid, ErrorKind, PeerId};
use merkury_net::peers::{Direction, PeersError};

use crate::config::identity;
use crate::inner::{Handle, Inner};

fn peers_error(error: PeersError) -> ApiError {
    let made = ApiError::new(error.kind(), error.to_string());
    match error {
        PeersError::Dial { .. } => made.hint("is the peer online, and the address its own? merkury swarm addrs"),
        PeersError::NotFound(_) => made.hint("give an address: /ip4/…/tcp/…/p2p/ID"),
        _ => made,
    }
}

fn identity_of(found: merkury_net::peers::Identity) -> Identity {
    Identity {
        id: found.id,
        public_key: found.public_key,
        addresses: found.addresses,
        agent: found.agent,
        protocols: found.protocols,
    }
}

impl Inner {
    /// The identity without a network: key and peer id, no addresses.
    fn offline_identity(&self) -> Result<Identity, ApiError> {
        let pair: Keypair = identity::read(&self.config.read())?;
        Ok(Identity {
            id: pair.peer_id(),
            public_key: pair.public().to_protobuf(),
            addresses: Vec::new(),
            agent: String::new(),
            protocols: Vec::new(),
        })
    }
}

impl Peers for Handle {
    fn identity(&self) -> Answer<'_, Identity> {
        Box::pin(async move {
            match self.inner.net.get() {
                Some(net) => Ok(identity_of(net.peers().identity().await.map_err(peers_error)?)),
                None => self.inner.offline_identity(),
            }
        })
    }

    fn identify<'a>(&'a self, peer: &'a PeerId) -> Answer<'a, Identity> {
        Box::pin(async move {
            let peers = self.inner.net()?.peers();
            peers.connect(&peer.to_string()).await.map_err(peers_error)?;
            Ok(identity_of(peers.identify(peer).await.map_err(peers_error)?))
        })
    }

    fn connect<'a>(&'a self, address: &'a str) -> Answer<'a, PeerId> {
        Box::pin(async move { self.inner.net()?.peers().connect(address).await.map_err(peers_error) })
    }

    fn disconnect<'a>(&'a self, address: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            self.inner.net()?.peers().disconnect(address).await.map_err(peers_error)?;
            Ok(())
        })
    }

    fn connections(&self) -> Answer<'_, Vec<ConnectionInfo>> {
        Box::pin(async move {
            let open = self.inner.net()?.peers().connections().await.map_err(peers_error)?;
            Ok(open.into_iter().map(connection_info).collect())
        })
    }

    fn known(&self) -> Answer<'_, Vec<KnownPeer>> {
        Box::pin(async move {
            let known = self.inner.net()?.peers().known().await.map_err(peers_error)?;
            Ok(known.into_iter().map(|k| KnownPeer { peer: k.peer, addresses: k.addresses }).collect())
        })
    }

    fn listening(&self) -> Answer<'_, Vec<String>> {
        Box::pin(async move { self.inner.net()?.peers().listening().await.map_err(peers_error) })
    }

    fn announced(&self) -> Answer<'_, Vec<String>> {
        Box::pin(async move { self.inner.net()?.peers().announced().await.map_err(peers_error) })
    }

    fn bitswap_stat(&self) -> Answer<'_, BitswapStat> {
        Box::pin(async move {
            let stat = self.inner.net()?.exchange().stat().await.map_err(exchange_error)?;
            Ok(BitswapStat {
                blocks_received: stat.blocks_received,
                data_received: stat.bytes_received,
                blocks_sent: stat.blocks_sent,
                data_sent: stat.bytes_sent,
                dup_blocks_received: stat.duplicate_blocks,
                dup_data_received: stat.duplicate_bytes,
                messages_received: stat.messages_received,
                wantlist: stat.wantlist,
                peers: stat.peers,
            })
        })
    }

    fn wantlist<'a>(&'a self, peer: Option<&'a PeerId>) -> Answer<'a, Vec<Cid>> {
        Box::pin(async move { self.inner.net()?.exchange().wantlist(peer).await.map_err(exchange_error) })
    }

    fn ledger<'a>(&'a self, peer: &'a PeerId) -> Answer<'a, Ledger> {
        Box::pin(async move {
            let ledger = self.inner.net()?.exchange().ledger(peer).await.map_err(exchange_error)?;
            Ok(Ledger {
                peer: peer.clone(),
                sent: ledger.bytes_sent,
                received: ledger.bytes_received,
                exchanged: ledger.blocks_sent + ledger.blocks_received,
            })
        })
    }
}

fn exchange_error(error: impl std::fmt::Display) -> ApiError {
    ApiError::new(ErrorKind::Unavailable, error.to_string())
}

fn connection_info(open: merkury_net::peers::ConnectionInfo) -> ConnectionInfo {
    ConnectionInfo {
        peer: open.peer,
        address: open.address,
        direction: match open.direction {
            Direction::Inbound => ConnectionDirection::Inbound,
            Direction::Outbound => ConnectionDirection::Outbound,
        },
        latency: open.latency,
        streams: Vec::new(),
        identify: open.identity.map(|said| PeerIdentify {
            public_key: said.public_key,
            addresses: said.addresses,
            agent: said.agent,
            protocols: said.protocols,
        }),
    }
}
