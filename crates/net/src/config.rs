//! What the network is started with: plain data, without a type of libp2p.

use std::time::Duration;

/// All settings of the network. [`NetConfig::new`] gives what a node on the public network wants.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// The private key in libp2p's protobuf form.
    pub key: Vec<u8>,
    /// Agent told to peers, such as `merkury/0.1.0`.
    pub agent: String,
    /// Multiaddrs to listen on. Kinds we cannot serve (WebTransport, WebRTC, WebSocket) are skipped with a log line.
    pub listen: Vec<String>,
    /// Which addresses others are told.
    pub announce: Announce,
    /// Transports and security.
    pub transports: Transports,
    /// How many connections.
    pub connections: ConnectionLimits,
    /// Multiaddrs with `/p2p/ID` of peers to start from; `auto` stands for [`merkury_core::bootstrap::PEERS`].
    pub bootstrap: Vec<String>,
    /// Multiaddrs with `/p2p/ID` of peers to stay connected to.
    pub peering: Vec<String>,
    /// Find peers on the local network.
    pub mdns: bool,
    /// Part in the DHT.
    pub dht: DhtMode,
    /// Loopback addresses count in the LAN DHT: for test networks on one machine.
    pub dht_loopback_on_lan: bool,
    /// Private and loopback addresses count in the WAN DHT (Kubo's `TEST_DHT_STUB`): for test networks.
    pub dht_private_on_wan: bool,
}

impl NetConfig {
    /// The default settings for a key and an agent: nothing listens yet.
    pub fn new(key: Vec<u8>, agent: impl Into<String>) -> Self {
        Self {
            key,
            agent: agent.into(),
            listen: Vec::new(),
            announce: Announce::default(),
            transports: Transports::default(),
            connections: ConnectionLimits::default(),
            bootstrap: vec!["auto".into()],
            peering: Vec::new(),
            mdns: true,
            dht: DhtMode::Auto,
            dht_loopback_on_lan: false,
            dht_private_on_wan: false,
        }
    }
}

/// Which addresses others are told (`Addresses.{Announce,AppendAnnounce,NoAnnounce}`).
#[derive(Clone, Debug, Default)]
pub struct Announce {
    /// If not empty, these instead of the addresses we listen on.
    pub instead: Vec<String>,
    /// These as well.
    pub also: Vec<String>,
    /// Never these: whole multiaddrs, or ranges such as `/ip4/10.0.0.0/ipcidr/8`.
    pub never: Vec<String>,
}

/// Transports and security.
#[derive(Clone, Debug)]
pub struct Transports {
    /// TCP.
    pub tcp: bool,
    /// QUIC version 1.
    pub quic: bool,
    /// What secures TCP, best first. Empty turns TCP off.
    pub security: Vec<Security>,
}

impl Default for Transports {
    fn default() -> Self {
        Self { tcp: true, quic: true, security: vec![Security::Tls, Security::Noise] }
    }
}

/// A way to secure a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS 1.3.
    Tls,
    /// Noise XX.
    Noise,
}

/// How many connections. Kubo's defaults.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// A trim goes down to this many.
    pub low: u32,
    /// More than this many starts a trim.
    pub high: u32,
    /// A connection younger than this is not trimmed.
    pub grace: Duration,
    /// Never more than this many, whatever happens.
    pub hard: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { low: 32, high: 96, grace: Duration::from_secs(20), hard: 1024 }
    }
}

/// Part in the DHT (`Routing.Type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhtMode {
    /// No DHT.
    Off,
    /// Ask, never answer (in the WAN DHT; the LAN DHT is always served).
    Client,
    /// Ask and answer.
    Server,
    /// Server once a public address of ours is known, client before.
    Auto,
}
