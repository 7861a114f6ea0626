//! Starting the network: from the configuration's words to [`NetConfig`], and the parts that live as long as it.

use std::sync::Arc;

use merkury_api::ApiError;
use merkury_core::Block;
use merkury_net::config::{Announce, ConnectionLimits, DhtMode, NetConfig, Security, Transports};
use merkury_net::{Net, NetDeps};
use serde_json::Value;

use crate::announce::Kept;
use crate::config::{ConfigError, View, identity};
use crate::ingest::Ingest;
use crate::inner::Inner;
use crate::remembered::Remembered;

/// Starts the network of a node that has none yet.
pub(crate) async fn start(inner: &Arc<Inner>, agent: &str) -> Result<(), ApiError> {
    let config = net_config(&inner.config.read(), agent)?;
    let stores = inner.stores()?;
    let store = stores.main.clone();
    let deps = NetDeps {
        memory: Some(Arc::new(Remembered { store: store.clone() })),
        provide: inner.provides().then(|| Arc::new(Kept::new(store, stores.blocks.clone(), &inner.config.read())) as _),
        blocks: Some(stores.blocks.clone()),
    };
    let net = Net::start(config, deps)
        .await
        .map_err(|error| ApiError::new(error.kind(), format!("cannot start the network: {error}")))?;
    let exchange = net.exchange().clone();
    let told = move |blocks: &[Block]| {
        let cids: Vec<_> = blocks.iter().map(|block| block.cid().clone()).collect();
        exchange.notify_new_blocks(&cids);
    };
    let ingest = Ingest::start(stores.blocks.clone(), told).map_err(|error| ApiError::internal(error.to_string()))?;
    let is_first = inner.ingest.set(ingest).is_ok() && inner.net.set(net).is_ok();
    if is_first { Ok(()) } else { Err(ApiError::internal("the network runs already")) }
}

fn net_config(config: &Value, agent: &str) -> Result<NetConfig, ApiError> {
    let view = View(config);
    let key = identity::read(config)?.to_protobuf();
    let defaults = ConnectionLimits::default();
    let whole = |key: &str, default: u32| -> Result<u32, ConfigError> {
        Ok(u32::try_from(view.number(key, u64::from(default))?).unwrap_or(u32::MAX))
    };
    Ok(NetConfig {
        listen: view.list("Addresses.Swarm")?,
        announce: Announce {
            instead: view.list("Addresses.Announce")?,
            also: view.list("Addresses.AppendAnnounce")?,
            never: view.list("Addresses.NoAnnounce")?,
        },
        transports: transports(&view)?,
        connections: ConnectionLimits {
            low: whole("Swarm.ConnMgr.LowWater", defaults.low)?,
            high: whole("Swarm.ConnMgr.HighWater", defaults.high)?,
            grace: view.duration("Swarm.ConnMgr.GracePeriod", defaults.grace)?,
            hard: defaults.hard,
        },
        bootstrap: view.list("Bootstrap")?,
        peering: peering(config),
        mdns: view.flag("Discovery.MDNS.Enabled", true)?,
        dht: dht_mode(&view.text("Routing.Type", "auto")?)?,
        dht_loopback_on_lan: view.flag("Routing.LoopbackAddressesOnLanDHT", false)?,
        dht_private_on_wan: std::env::var("TEST_DHT_STUB").is_ok_and(|value| value == "1"),
        ..NetConfig::new(key, agent)
    })
}

/// `Swarm.Transports`: a transport is off when its value is `false`; a security's number is its priority, 1 first.
fn transports(view: &View<'_>) -> Result<Transports, ConfigError> {
    let mut security = Vec::new();
    for (name, kind, default) in [("TLS", Security::Tls, 100), ("Noise", Security::Noise, 200)] {
        let key = format!("Swarm.Transports.Security.{name}");
        let is_off = view.flag(&key, true) == Ok(false);
        let priority = view.number(&key, default).unwrap_or(default);
        if !is_off {
            security.push((priority, kind));
        }
    }
    security.sort_by_key(|(priority, _)| *priority);
    Ok(Transports {
        tcp: view.flag("Swarm.Transports.Network.TCP", true)?,
        quic: view.flag("Swarm.Transports.Network.QUIC", true)?,
        security: security.into_iter().map(|(_, kind)| kind).collect(),
    })
}

fn peering(config: &Value) -> Vec<String> {
    let peers = config.pointer("/Peering/Peers").and_then(Value::as_array);
    let mut found = Vec::new();
    for peer in peers.into_iter().flatten() {
        let id = peer.get("ID").and_then(Value::as_str).unwrap_or_default();
        let addresses = peer.get("Addrs").and_then(Value::as_array);
        let texts = addresses.into_iter().flatten().filter_map(Value::as_str);
        found.extend(texts.map(|address| format!("{address}/p2p/{id}")));
    }
    found
}

fn dht_mode(kind: &str) -> Result<DhtMode, ConfigError> {
    match kind {
        "" | "auto" | "dht" | "default" => Ok(DhtMode::Auto),
        "autoclient" | "dhtclient" => Ok(DhtMode::Client),
        "dhtserver" => Ok(DhtMode::Server),
        "none" | "delegated" | "custom" => Ok(DhtMode::Off),
        other => Err(ConfigError::WrongType {
            key: "Routing.Type".into(),
            wants: "auto, autoclient, dht, dhtclient, dhtserver or none",
            has: other.into(),
        }),
    }
}
