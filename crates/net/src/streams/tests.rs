//! Two swarms in one process, with nothing but the stream behaviour.

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Transport, noise};

use crate::host::muxer::Yamux;

use super::*;

const ECHO: StreamProtocol = StreamProtocol::new("/test/echo/1.0.0");
const OTHER: StreamProtocol = StreamProtocol::new("/test/other/1.0.0");
const DEADLINE: Duration = Duration::from_secs(60);

struct Node {
    peer: PeerId,
    streams: Streams,
    address: Multiaddr,
    dial: tokio::sync::mpsc::Sender<Multiaddr>,
    task: tokio::task::JoinHandle<()>,
}

async fn node() -> Node {
    let key = Keypair::generate_ed25519();
    let peer = key.public().to_peer_id();
    let transport = MemoryTransport::default()
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(Yamux::new())
        .boxed();
    let (streams, behaviour) = Streams::new();
    let config = Config::with_tokio_executor()
        .with_idle_connection_timeout(DEADLINE)
        .with_max_negotiating_inbound_streams(NEGOTIATING_MAX);
    let mut swarm = Swarm::new(transport, behaviour, peer, config);
    swarm.listen_on("/memory/0".parse().unwrap()).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            break address;
        }
    };
    let (dial, mut dials) = tokio::sync::mpsc::channel::<Multiaddr>(8);
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = swarm.select_next_some() => {}
                Some(address) = dials.recv() => swarm.dial(address).unwrap(),
            }
        }
    });
    Node { peer, streams, address, dial, task }
}

/// Two nodes, the first connected to the second.
async fn pair() -> (Node, Node) {
    let (one, two) = (node().await, node().await);
    one.dial.send(two.address.clone()).await.unwrap();
    assert_eq!(one.streams.watch().next().await, Some(PeerChange::Connected(two.peer)));
    assert_eq!(two.streams.watch().next().await, Some(PeerChange::Connected(one.peer)));
    (one, two)
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, what).await.expect("the test took too long")
}

#[tokio::test]
async fn no_stream_is_lost_when_many_open_at_once_to_a_slow_acceptor() {
    let (one, two) = pair().await;
    let mut incoming = two.streams.accept(&[ECHO], 1).unwrap();
    let opened: usize = 600;
    let opens: Vec<_> = (0..opened)
        .map(|index| {
            let (streams, peer) = (one.streams.clone(), two.peer);
            tokio::spawn(async move {
                // More than may be opened at a time: who is told "busy" tries again.
                loop {
                    match streams.open(peer, vec![ECHO]).await {
                        Ok(mut opened) => {
                            opened.stream.write_all(&(index as u32).to_be_bytes()).await.unwrap();
                            opened.stream.close().await.unwrap();
                            let mut answer = Vec::new();
                            opened.stream.read_to_end(&mut answer).await.unwrap();
                            return answer == b"got it";
                        }
                        Err(OpenError::Busy) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    within(async {
        while seen.len() < opened {
            // One at a time, each to its end: the slowest acceptor there is.
            let mut inbound = incoming.next().await.unwrap();
            assert_eq!((inbound.peer, &inbound.protocol), (one.peer, &ECHO));
            let mut bytes = Vec::new();
            inbound.stream.read_to_end(&mut bytes).await.unwrap();
            assert!(seen.insert(bytes));
            inbound.stream.write_all(b"got it").await.unwrap();
            inbound.stream.close().await.unwrap();
        }
        for open in opens {
            assert!(open.await.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn the_first_common_protocol_is_chosen_and_none_is_an_error() {
    let (one, two) = pair().await;
    let incoming = two.streams.accept(&[OTHER], 4).unwrap();
    let opened = within(one.streams.open(two.peer, vec![ECHO, OTHER])).await.unwrap();
    assert_eq!(opened.protocol, OTHER);
    let error = within(one.streams.open(two.peer, vec![ECHO])).await.unwrap_err();
    assert_eq!(error, OpenError::Unsupported);
    assert_eq!(two.streams.accept(&[OTHER], 4).unwrap_err(), AlreadyAccepted(OTHER));
    drop(incoming);
    let _again = two.streams.accept(&[OTHER], 4).unwrap();
}

#[tokio::test]
async fn a_connection_is_in_use_while_a_stream_is_open() {
    let (id, peer) = (libp2p::swarm::ConnectionId::new_unchecked(1), PeerId::random());
    let (_streams, mut behaviour) = Streams::new();
    let address: Multiaddr = "/memory/1".parse().unwrap();
    use libp2p::swarm::{ConnectionHandler, NetworkBehaviour};
    let handler = behaviour.handle_established_inbound_connection(id, peer, &address, &address).unwrap();
    assert!(!behaviour.is_in_use(&peer));
    let upgrade = handler.listen_protocol();
    assert!(behaviour.is_in_use(&peer) && !behaviour.is_in_use(&PeerId::random()));
    drop(upgrade);
    assert!(!behaviour.is_in_use(&peer));
}

#[tokio::test]
async fn without_a_connection_opening_is_an_error() {
    let one = node().await;
    let stranger = PeerId::random();
    assert_eq!(within(one.streams.open(stranger, vec![ECHO])).await.unwrap_err(), OpenError::NotConnected);
}

#[tokio::test]
async fn a_stopped_network_ends_incoming_watch_and_opens() {
    let (one, two) = pair().await;
    let mut incoming = two.streams.accept(&[ECHO], 4).unwrap();
    let mut watch = two.streams.watch();
    assert_eq!(watch.next().await, Some(PeerChange::Connected(one.peer)));
    let mut other = one.streams.watch();
    assert_eq!(other.next().await, Some(PeerChange::Connected(two.peer)));
    two.task.abort();
    within(async {
        assert!(incoming.next().await.is_none());
        assert!(watch.next().await.is_none());
        let error = two.streams.open(one.peer, vec![ECHO]).await.unwrap_err();
        assert!(matches!(error, OpenError::Shutdown | OpenError::Closed(_)), "{error}");
        assert_eq!(other.next().await, Some(PeerChange::Disconnected(two.peer)));
    })
    .await;
}
