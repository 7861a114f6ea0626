//! `swarm peers`: the open connections.

use crate::stamp::go_duration;

use merkury_api::{ConnectionDirection, ConnectionInfo};

use super::common::offline_words;
use super::id::{IdOut, clean, some_unless_empty};
use super::prelude::*;

/// `swarm peers`.
pub struct SwarmPeers;

/// Connections.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PeersOut {
    /// Sorted by address; `null` when there are none.
    pub peers: Option<Vec<PeerOut>>,
}

/// A connection.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PeerOut {
    /// Address without the peer.
    pub addr: String,
    /// The peer.
    pub peer: String,
    /// Round trip, `n/a` when not measured; only when asked.
    #[serde(skip_serializing_if = "is_zero")]
    pub latency: String,
    /// Always empty, as in Kubo.
    #[serde(skip_serializing_if = "is_zero")]
    pub muxer: String,
    /// 1 they dialled, 2 we did; only when asked.
    #[serde(skip_serializing_if = "is_zero")]
    pub direction: u8,
    /// Open streams; only when asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams: Option<Vec<StreamOut>>,
    /// What the peer says of itself; empty unless asked.
    pub identify: IdOut,
}

/// A stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StreamOut {
    /// Its protocol.
    pub protocol: String,
}

impl Op for SwarmPeers {
    const SPEC: &'static Spec = &Spec {
        path: "swarm/peers",
        about: "List open connections.",
        examples: &["ipfs swarm peers -v"],
        options: &[
            Opt::flag(&["verbose", "v"], "Print everything below."),
            Opt::flag(&["streams"], "Print open streams."),
            Opt::flag(&["latency"], "Print round trips."),
            Opt::flag(&["direction"], "Print who dialled."),
            Opt::flag(&["identify"], "Take what peers say of themselves into the JSON."),
        ],
        ..Spec::READ
    };
    type Item = PeersOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<PeersOut> {
        Box::pin(async move {
            let call = request.call;
            let connections = cx.api(&call)?.peers.connections().await.map_err(offline_words)?;
            let mut peers: Vec<PeerOut> = connections.into_iter().map(|connection| shown(connection, &call)).collect();
            peers.sort_by(|a, b| a.addr.cmp(&b.addr));
            Ok(Reply::One(PeersOut { peers: Some(peers).filter(|peers| !peers.is_empty()) }))
        })
    }

    fn text(item: PeersOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        for peer in item.peers.iter().flatten() {
            out.put(format_args!("{}/p2p/{}", peer.addr, peer.peer))?;
            if !peer.latency.is_empty() {
                out.put(format_args!(" {}", peer.latency))?;
            }
            match peer.direction {
                1 => out.put(" inbound")?,
                2 => out.put(" outbound")?,
                _ => {}
            }
            out.put("\n")?;
            for stream in peer.streams.iter().flatten() {
                let name = if stream.protocol.is_empty() { "<no protocol name>" } else { &stream.protocol };
                out.line(format_args!("  {name}"))?;
            }
        }
        Ok(())
    }
}

fn shown(connection: ConnectionInfo, call: &Call) -> PeerOut {
    let asked = |name: &str| call.options.flag("verbose") || call.options.flag(name);
    let mut out = PeerOut { addr: connection.address.clone(), peer: connection.peer.to_string(), ..PeerOut::default() };
    if asked("direction") {
        out.direction = match connection.direction {
            ConnectionDirection::Inbound => 1,
            ConnectionDirection::Outbound => 2,
        };
    }
    if asked("latency") {
        out.latency = connection.latency.filter(|latency| !latency.is_zero()).map_or("n/a".into(), go_duration);
    }
    if asked("streams") {
        let mut names: Vec<String> = connection.streams.iter().map(|name| clean(name)).collect();
        names.sort();
        let streams: Vec<_> = names.into_iter().map(|protocol| StreamOut { protocol }).collect();
        out.streams = Some(streams).filter(|streams| !streams.is_empty());
    }
    if asked("identify") {
        out.identify = identify(&connection);
    }
    out
}

fn identify(connection: &ConnectionInfo) -> IdOut {
    let id = connection.peer.to_string();
    let Some(said) = &connection.identify else { return IdOut { id, ..IdOut::default() } };
    let mut addresses: Vec<String> = said.addresses.iter().map(|address| format!("{address}/p2p/{id}")).collect();
    addresses.sort();
    let mut protocols: Vec<String> = said.protocols.iter().map(|name| clean(name)).collect();
    protocols.sort();
    IdOut {
        id,
        public_key: data_encoding::BASE64.encode(&said.public_key),
        addresses: some_unless_empty(addresses),
        agent_version: clean(&said.agent),
        protocols: some_unless_empty(protocols),
    }
}
