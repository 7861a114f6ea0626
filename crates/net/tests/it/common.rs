//! Hosts for tests: loopback, port 0, no public peers.

use std::time::{Duration, Instant};

use merkury_net::config::{DhtMode, Security, Transports};
use merkury_net::{Net, NetConfig, NetDeps};

/// Nothing in these tests takes longer, unless it hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A config with a fresh key that talks to nobody by itself.
pub(crate) fn config() -> NetConfig {
    let key = libp2p::identity::Keypair::generate_ed25519().to_protobuf_encoding().unwrap();
    let mut config = NetConfig::new(key, "merkury/test");
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    config.bootstrap = Vec::new();
    config.mdns = false;
    config.dht = DhtMode::Auto;
    config.dht_loopback_on_lan = true;
    config
}

pub(crate) fn with_security(security: Vec<Security>) -> NetConfig {
    NetConfig { transports: Transports { tcp: true, quic: false, security }, ..config() }
}

pub(crate) fn with_quic() -> NetConfig {
    NetConfig {
        listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".into()],
        transports: Transports { tcp: false, quic: true, security: Vec::new() },
        ..config()
    }
}

pub(crate) async fn start(config: NetConfig) -> Net {
    Net::start(config, NetDeps::default()).await.unwrap()
}

/// The first address of a host, with `/p2p/ID`.
pub(crate) async fn address(net: &Net) -> String {
    net.peers().identity().await.unwrap().addresses.into_iter().next().expect("the host listens")
}

/// Waits until `what` holds; panics after the deadline.
pub(crate) async fn until<F: Future<Output = bool>>(name: &str, mut what: impl FnMut() -> F) {
    let start = Instant::now();
    while !what().await {
        assert!(start.elapsed() < DEADLINE, "waited too long: {name}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
