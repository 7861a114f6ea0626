//! Peers that finish the handshake and then send what nobody should: DHT and identify messages, Yamux frames.

use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::core::Transport;
use libp2p::core::upgrade::{OutboundConnectionUpgrade, Version};
use libp2p::identity::Keypair;
use libp2p::swarm::{Config, Swarm};
use libp2p::{Multiaddr, PeerId, StreamProtocol, noise, tcp};

use crate::host::muxer::Yamux;
use merkury_core::{Cid, Multihash};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use crate::streams::Streams;
use crate::{Net, NetConfig, NetDeps};

const LAN: StreamProtocol = StreamProtocol::new("/ipfs/lan/kad/1.0.0");
const PUSH: StreamProtocol = StreamProtocol::new("/ipfs/id/push/1.0.0");
const DEADLINE: Duration = Duration::from_secs(60);

async fn victim() -> (Net, Multiaddr, PeerId) {
    let key = Keypair::generate_ed25519();
    let mut config = NetConfig::new(key.to_protobuf_encoding().unwrap(), "victim");
    config.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    config.bootstrap = Vec::new();
    config.mdns = false;
    config.dht_loopback_on_lan = true;
    let net = Net::start(config, NetDeps::default()).await.unwrap();
    let address = net.peers().listening().await.unwrap().remove(0).parse().unwrap();
    (net, address, key.public().to_peer_id())
}

/// A swarm with nothing but streams, connected to `address`.
async fn attacker(address: Multiaddr, victim: PeerId) -> (Streams, PeerId) {
    let key = Keypair::generate_ed25519();
    let transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(Yamux::new())
        .boxed();
    let (streams, behaviour) = Streams::new();
    let config = Config::with_tokio_executor().with_idle_connection_timeout(DEADLINE);
    let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), config);
    swarm.dial(address).unwrap();
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    let mut watch = streams.watch();
    watch.next().await.unwrap();
    assert!(streams.is_connected(&victim));
    (streams, key.public().to_peer_id())
}

/// Sends `bytes` on a fresh stream and reads to its end.
async fn send(streams: &Streams, victim: PeerId, protocol: StreamProtocol, bytes: &[u8]) {
    let mut opened = streams.open(victim, vec![protocol]).await.unwrap();
    let talk = async {
        let _ = opened.stream.write_all(bytes).await;
        let _ = opened.stream.close().await;
        let _ = opened.stream.read_to_end(&mut Vec::new()).await;
    };
    tokio::time::timeout(DEADLINE, talk).await.expect("the stream neither ended nor was reset");
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A protobuf field of bytes.
fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(bytes.len()), bytes.to_vec()].concat()
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    [varint(message.len()), message.to_vec()].concat()
}

#[tokio::test]
async fn a_provider_record_with_a_thousand_addresses_is_cut() {
    let (net, address, id) = victim().await;
    let (streams, me) = attacker(address, id).await;
    let cid = Cid::v1(0x55, Multihash::sha2_256([7; 32]));
    let addresses: Vec<u8> = (0..1000u16)
        .flat_map(|index| field(2, &[&[4, 127, 0, 0, 1, 6][..], &(4001 + index).to_be_bytes()].concat()))
        .collect();
    let add = |peer: PeerId| {
        let provider = field(9, &[field(1, &peer.to_bytes()), addresses.clone()].concat());
        prefixed(&[vec![8, 2], field(2, &cid.hash().to_bytes()), provider].concat())
    };
    send(&streams, id, LAN, &add(PeerId::random())).await;
    send(&streams, id, LAN, &add(me)).await;
    let mut found = Vec::new();
    let mut providers = net.routing().find_providers(&cid, 0);
    while let Some(provider) = providers.next().await {
        found.push(provider.unwrap());
    }
    // The record of another peer is not taken from this one.
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].peer.to_string(), me.to_string());
    assert!(found[0].addresses.len() <= 16);
}

#[tokio::test]
async fn values_are_refused_and_a_peer_that_goes_on_is_cut_off() {
    let (net, address, id) = victim().await;
    let (streams, _) = attacker(address, id).await;
    let record = [field(1, b"k"), field(2, &[b'v'; 10_000])].concat();
    let put = prefixed(&[vec![8, 0], field(2, b"k"), field(3, &record)].concat());
    let get = prefixed(&[vec![8, 1], field(2, b"k")].concat());
    let mut opened = streams.open(id, vec![LAN]).await.unwrap();
    opened.stream.write_all(&put).await.unwrap();
    let mut asked = streams.open(id, vec![LAN]).await.unwrap();
    asked.stream.write_all(&get).await.unwrap();
    asked.stream.close().await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(DEADLINE, asked.stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(!answer.is_empty() && answer.len() < 100, "an answer without the value");
    let mut held = vec![opened];
    tokio::time::timeout(DEADLINE, async {
        while let Ok(mut opened) = streams.open(id, vec![LAN]).await {
            if opened.stream.write_all(&put).await.is_err() {
                break;
            }
            let _ = opened.stream.flush().await;
            held.push(opened);
        }
    })
    .await
    .expect("it was never cut off");
    assert!(net.peers().connections().await.unwrap().is_empty());
}

#[tokio::test]
async fn messages_that_break_rules_end_their_stream_and_not_the_host() {
    let (net, address, id) = victim().await;
    let (streams, me) = attacker(address, id).await;
    let protocols: Vec<u8> = (0..2000).flat_map(|index| field(3, format!("/p/{index}").as_bytes())).collect();
    for (protocol, bytes) in [
        (LAN, varint(usize::MAX)),
        (LAN, varint(17 * 1024)),
        (LAN, vec![0xff; 100]),
        (LAN, prefixed(&[0xff; 100])),
        (LAN, prefixed(&field(10, b"x"))),
        (LAN, prefixed(&[8, 99])),
        (LAN, Vec::new()),
        (PUSH, prefixed(&protocols)),
        (PUSH, prefixed(&field(1, b"no key"))),
        (PUSH, prefixed(&field(2, &[0xff; 50]))),
    ] {
        send(&streams, id, protocol, &bytes).await;
    }
    assert!(streams.is_connected(&id), "the connection should stay");
    let known = net.peers().known().await.unwrap();
    assert!(known.iter().all(|known| known.peer.to_string() != me.to_string()));
}

/// Agrees on a protocol in the words of multistream-select.
async fn agree<C: AsyncRead + AsyncWrite + Unpin>(connection: &mut C, protocol: &str) {
    let words = ["/multistream/1.0.0", protocol].map(|word| prefixed(format!("{word}\n").as_bytes())).concat();
    connection.write_all(&words).await.unwrap();
    connection.flush().await.unwrap();
    let mut echo = vec![0; words.len()];
    connection.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo, words);
}

/// A secured connection on which Yamux is agreed, and nothing was said yet.
async fn bare(address: &Multiaddr, victim: PeerId) -> noise::Output<Compat<TcpStream>> {
    let port = address.to_string().rsplit('/').next().unwrap().parse().unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap().compat();
    agree(&mut socket, "/noise").await;
    let noise = noise::Config::new(&Keypair::generate_ed25519()).unwrap();
    let (peer, mut connection) = noise.upgrade_outbound(socket, "/noise").await.unwrap();
    assert_eq!(peer, victim);
    agree(&mut connection, "/yamux/1.0.0").await;
    connection
}

fn frame(kind: u8, flags: u16, stream: u32, length: u32) -> Vec<u8> {
    [&[0, kind][..], &flags.to_be_bytes(), &stream.to_be_bytes(), &length.to_be_bytes()].concat()
}

#[tokio::test]
async fn yamux_frames_that_broke_others_end_the_connection_and_not_the_host() {
    let (net, address, id) = victim().await;
    const SYN: u16 = 1;
    let oversized = [frame(0, SYN, 1, 262_145), vec![0; 262_145]].concat();
    let overflow = [frame(1, SYN, 1, u32::MAX), frame(1, 0, 1, u32::MAX)].concat();
    let streams: Vec<u8> = (0..65_536).flat_map(|index| frame(1, SYN, 1 + 2 * index, 0)).collect();
    let pings: Vec<u8> = (0..65_536).flat_map(|index| frame(2, SYN, 0, index)).collect();
    let unknown = frame(77, 0xffff, u32::MAX, u32::MAX);
    for (name, bytes) in [
        ("oversized", oversized),
        ("overflow", overflow),
        ("streams", streams),
        ("pings", pings),
        ("unknown", unknown),
        ("nothing", Vec::new()),
    ] {
        let mut connection = bare(&address, id).await;
        // The answers are not read while it writes: who does that is held back or cut off, and both are well.
        let flood = async {
            let _ = connection.write_all(&bytes).await;
            let _ = connection.flush().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), flood).await;
        drop(connection);
        let (honest, _) = attacker(address.clone(), id).await;
        assert!(honest.is_connected(&id), "{name}");
    }
    // All of them leave nothing behind.
    tokio::time::timeout(DEADLINE, async {
        while !net.peers().connections().await.unwrap().iter().all(|open| open.identity.is_none()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("connections stayed");
}

/// Sends an input of the corpus where its name says, and tells what became of it.
async fn feed(name: &str, bytes: &[u8], expect: &str) -> Result<(), String> {
    const MESH: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");
    const BITSWAP: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
    let (net, address, id) = victim().await;
    if name.starts_with("yamux_") {
        let mut connection = bare(&address, id).await;
        let flood = async {
            let _ = connection.write_all(bytes).await;
            let _ = connection.flush().await;
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), flood).await;
    } else {
        let (streams, me) = attacker(address.clone(), id).await;
        match name.split('_').next().unwrap_or_default() {
            // Nobody here speaks this: the stream is refused, which is as good as any verdict on what it would carry.
            "gs" if streams.open(id, vec![MESH]).await.is_ok() => return Err("a mesh was joined".into()),
            "gs" => {}
            "bs" => send(&streams, id, BITSWAP, bytes).await,
            "kad" => send(&streams, id, LAN, bytes).await,
            "ident" => send(&streams, id, PUSH, bytes).await,
            "ma" => {
                let cid = Cid::v1(0x55, Multihash::sha2_256([9; 32]));
                let provider = field(9, &[field(1, &me.to_bytes()), field(2, bytes)].concat());
                let message = prefixed(&[vec![8, 2], field(2, &cid.hash().to_bytes()), provider].concat());
                send(&streams, id, LAN, &message).await;
                let mut providers = net.routing().find_providers(&cid, 0);
                while let Some(Ok(provider)) = providers.next().await {
                    // The address of the connection itself may be known; what was sent may not.
                    let taken = provider.addresses.iter().any(|address| !address.contains("/tcp/"));
                    if taken || provider.addresses.len() > 2 {
                        return Err(format!("the address was taken: {:?}", provider.addresses));
                    }
                }
            }
            other => return Err(format!("no protocol for {other}")),
        }
        if expect != "reject" && !streams.is_connected(&id) {
            return Err("the connection was closed".into());
        }
    }
    let (honest, _) = attacker(address, id).await;
    if honest.is_connected(&id) { Ok(()) } else { Err("the host is gone".into()) }
}

/// The inputs of the hostile corpus that are streams of peers. The generator lies beside the project on some machines;
/// `cargo xtask peers hostile` runs it and names the directory, where the verdicts are written to.
#[tokio::test]
#[ignore = "needs the generated inputs: cargo xtask peers hostile"]
async fn inputs_of_the_corpus() {
    let dir = std::path::PathBuf::from(std::env::var_os("MERKURY_HOSTILE").expect("the directory of the inputs"));
    let list = std::fs::read_to_string(dir.join("net-inputs.txt")).unwrap();
    let mut verdicts = String::new();
    for line in list.lines() {
        let (expect, name) = line.split_once(' ').unwrap();
        let bytes = std::fs::read(dir.join(name)).unwrap();
        let verdict = feed(name, &bytes, expect).await.map_or_else(|why| why, |()| "ok".to_owned());
        verdicts.push_str(&format!("{name} {verdict}\n"));
    }
    std::fs::write(dir.join("net-verdicts.txt"), verdicts).unwrap();
}
