//! Connecting, identify and ping over each transport, and what connecting answers when it cannot.

use std::sync::{Arc, Mutex};

use merkury_net::config::{Announce, ConnectionLimits, Security};
use merkury_net::peers::{Direction, PeersError};
use merkury_net::{Net, NetConfig, NetDeps, PeerMemory, RememberedPeer};

use super::common::{address, config, start, until, with_quic, with_security};

async fn meet(one: NetConfig, two: NetConfig) {
    let (one, two) = (start(one).await, start(two).await);
    let there = address(&two).await;
    let peer = one.peers().connect(&there).await.unwrap();
    assert!(there.ends_with(&peer.to_string()));
    // A second connect finds the connection.
    assert_eq!(one.peers().connect(&there).await.unwrap(), peer);
    until("identify and ping", || async {
        let list = one.peers().connections().await.unwrap();
        list.len() == 1 && list[0].identity.is_some() && list[0].latency.is_some()
    })
    .await;
    let list = one.peers().connections().await.unwrap();
    assert_eq!(list[0].direction, Direction::Outbound);
    assert!(there.starts_with(&list[0].address));
    let told = list[0].identity.clone().unwrap();
    assert_eq!(told.agent, "merkury/test");
    assert_eq!(told.addresses, two.peers().identity().await.unwrap().addresses);
    assert!(told.protocols.iter().any(|protocol| protocol == "/ipfs/lan/kad/1.0.0"));
    assert_eq!(two.peers().connections().await.unwrap()[0].direction, Direction::Inbound);
    assert_eq!(one.peers().disconnect(&there).await.unwrap(), peer);
    until("both sides let go", || async {
        one.peers().connections().await.unwrap().is_empty() && two.peers().connections().await.unwrap().is_empty()
    })
    .await;
    assert_eq!(one.peers().disconnect(&there).await.unwrap_err(), PeersError::NotConnected);
    one.shutdown().await;
    assert_eq!(one.peers().connections().await.unwrap_err(), PeersError::Shutdown);
}

#[tokio::test]
async fn over_tcp_with_noise() {
    meet(with_security(vec![Security::Noise]), with_security(vec![Security::Noise])).await;
}

#[tokio::test]
async fn over_tcp_with_tls() {
    meet(with_security(vec![Security::Tls]), with_security(vec![Security::Tls])).await;
}

#[tokio::test]
async fn over_quic() {
    meet(with_quic(), with_quic()).await;
}

#[tokio::test]
async fn the_common_security_is_found() {
    meet(with_security(vec![Security::Tls, Security::Noise]), with_security(vec![Security::Noise])).await;
}

#[tokio::test]
async fn without_common_security_the_dial_fails_with_a_reason() {
    let one = start(with_security(vec![Security::Tls])).await;
    let two = start(with_security(vec![Security::Noise])).await;
    let there = address(&two).await;
    let error = one.peers().connect(&there).await.unwrap_err();
    let words = error.to_string();
    assert!(words.starts_with("failed to dial: failed to dial 12D3Koo") && words.contains("  * [/ip4/127.0.0.1/tcp/"));
}

#[tokio::test]
async fn a_closed_port_another_peer_and_ourselves_are_refused_with_a_reason() {
    let (one, two, three) = (start(config()).await, start(config()).await, start(config()).await);
    let mine = one.peers().identity().await.unwrap().id;
    let (there, stranger) = (address(&two).await, three.peers().identity().await.unwrap().id);
    let closed = format!("/ip4/127.0.0.1/tcp/1/p2p/{stranger}");
    let words = one.peers().connect(&closed).await.unwrap_err().to_string();
    assert!(words.contains("Connection refused"), "{words}");
    let transport = there.split("/p2p/").next().unwrap();
    let words = one.peers().connect(&format!("{transport}/p2p/{stranger}")).await.unwrap_err().to_string();
    assert!(words.contains("peer id mismatch"), "{words}");
    let words = one.peers().connect(&format!("{transport}/p2p/{mine}")).await.unwrap_err().to_string();
    assert!(words.contains("dial to self attempted"), "{words}");
    let words = one.peers().connect(&format!("/ip4/127.0.0.1/udp/1/webrtc-direct/p2p/{stranger}")).await.unwrap_err();
    assert!(words.to_string().contains("no transport for this address"), "{words}");
}

#[tokio::test]
async fn a_peer_id_alone_is_looked_up() {
    let (one, two, three) = (start(config()).await, start(config()).await, start(config()).await);
    one.peers().connect(&address(&two).await).await.unwrap();
    three.peers().connect(&address(&two).await).await.unwrap();
    let wanted = three.peers().identity().await.unwrap().id;
    until("the middle one knows the third", || async {
        two.routing().status().await.unwrap().lan.is_some_and(|lan| lan.peers == 2)
    })
    .await;
    assert_eq!(one.peers().connect(&wanted.to_string()).await.unwrap(), wanted);
}

#[tokio::test]
async fn listen_addresses_without_a_transport_are_tolerated_and_none_left_is_an_error() {
    let mut tolerant = config();
    tolerant.listen.push("/ip4/127.0.0.1/tcp/0/webrtc-direct".into());
    tolerant.listen.push("/ip4/127.0.0.1/udp/0/quic-v1/webtransport".into());
    assert_eq!(start(tolerant).await.peers().listening().await.unwrap().len(), 1);
    // An address of nobody's machine.
    let clash = NetConfig { listen: vec!["/ip4/203.0.113.1/tcp/0".into()], ..config() };
    assert!(Net::start(clash, NetDeps::default()).await.is_err());
}

#[tokio::test]
async fn what_is_announced_follows_the_configuration() {
    let announce = Announce {
        instead: Vec::new(),
        also: vec!["/ip4/9.9.9.9/tcp/4001".into()],
        never: vec!["/ip4/127.0.0.0/ipcidr/8".into()],
    };
    let (one, two) = (start(NetConfig { announce, ..config() }).await, start(config()).await);
    assert_eq!(one.peers().announced().await.unwrap(), ["/ip4/9.9.9.9/tcp/4001"]);
    one.peers().connect(&address(&two).await).await.unwrap();
    let id = one.peers().identity().await.unwrap().id;
    until("the other side is told", || async { two.peers().connections().await.unwrap().len() == 1 }).await;
    let told = two.peers().identify(&id).await.unwrap();
    assert_eq!(told.addresses, [format!("/ip4/9.9.9.9/tcp/4001/p2p/{id}")]);
}

#[tokio::test]
async fn above_the_hard_limit_connections_are_refused() {
    let connections = ConnectionLimits { hard: 2, ..ConnectionLimits::default() };
    let hub = start(NetConfig { connections, ..config() }).await;
    let there = address(&hub).await;
    let mut others = Vec::new();
    for _ in 0..4 {
        let other = start(config()).await;
        // The refusal comes after the handshake: the dialler sees a connection that ends.
        let _ = other.peers().connect(&there).await;
        others.push(other);
    }
    until("two are left", || async {
        let mut connected = 0;
        for other in &others {
            connected += other.peers().connections().await.unwrap().len();
        }
        connected == 2 && hub.peers().connections().await.unwrap().len() == 2
    })
    .await;
}

#[derive(Default)]
struct Memory(Mutex<Vec<RememberedPeer>>);

impl PeerMemory for Memory {
    fn load(&self) -> Vec<RememberedPeer> {
        self.0.lock().unwrap().clone()
    }

    fn save(&self, peers: Vec<RememberedPeer>) {
        *self.0.lock().unwrap() = peers;
    }
}

#[tokio::test]
async fn peers_are_remembered_over_a_restart() {
    let memory = Arc::new(Memory::default());
    let deps = || NetDeps { memory: Some(memory.clone()), ..NetDeps::default() };
    let (settings, friend) = (config(), start(config()).await);
    let first = Net::start(settings.clone(), deps()).await.unwrap();
    first.peers().connect(&address(&friend).await).await.unwrap();
    until("its addresses are known", || async { !first.peers().known().await.unwrap().is_empty() }).await;
    first.shutdown().await;
    assert_eq!(memory.load().len(), 1);
    let second = Net::start(settings, deps()).await.unwrap();
    until("the friend is found again", || async { second.peers().connections().await.unwrap().len() == 1 }).await;
}
