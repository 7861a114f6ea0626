//! Peers that were good to know, kept over restarts: a node whose bootstrap hosts are gone still finds the network.

use std::sync::Arc;

use merkury_core::PeerId;
use merkury_net::{PeerMemory, RememberedPeer};
use merkury_store::Store;

/// Table of the store that holds them.
const TABLE: &str = "peers";
/// Most peers read back.
const PEERS_MAX: usize = 512;

/// The store's table of peers; the key is the rank, so that the best come first.
pub(crate) struct Remembered {
    pub(crate) store: Arc<Store>,
}

impl PeerMemory for Remembered {
    fn load(&self) -> Vec<RememberedPeer> {
        let rows = self.store.meta().page(TABLE, None, PEERS_MAX).unwrap_or_default();
        rows.iter().filter_map(|(_, value)| decode(value)).collect()
    }

    fn save(&self, peers: Vec<RememberedPeer>) {
        let mut rows: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
        let old = self.store.meta().page(TABLE, None, PEERS_MAX).unwrap_or_default();
        rows.extend(old.into_iter().skip(peers.len()).map(|(key, _)| (key, None)));
        for (rank, peer) in peers.iter().take(PEERS_MAX).enumerate() {
            rows.push(((rank as u32).to_be_bytes().to_vec(), Some(encode(peer))));
        }
        // Losing it costs time at the next start and nothing else.
        if let Err(error) = self.store.meta().set_many(TABLE, rows) {
            tracing::warn!(%error, "peers for the next start were not saved");
        }
    }
}

/// The peer id and its addresses, a line each.
fn encode(peer: &RememberedPeer) -> Vec<u8> {
    let mut text = peer.peer.to_string();
    for address in &peer.addresses {
        text.push('\n');
        text.push_str(address);
    }
    text.into_bytes()
}

fn decode(bytes: &[u8]) -> Option<RememberedPeer> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let peer = PeerId::parse(lines.next()?).ok()?;
    Some(RememberedPeer { peer, addresses: lines.map(str::to_owned).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip() {
        let peer = PeerId::parse("12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8").unwrap();
        for addresses in [vec![], vec!["/ip4/1.2.3.4/tcp/4001".to_owned(), "/ip6/::1/udp/1/quic-v1".to_owned()]] {
            let row = RememberedPeer { peer: peer.clone(), addresses };
            assert_eq!(decode(&encode(&row)), Some(row));
        }
        assert_eq!(decode(b"\xff"), None);
    }
}
