//! `routing findprovs`, `findpeer`, `provide`: who has what, and where.

use merkury_api::{ItemStream, PeerAddresses, RoutingEvent};
use merkury_core::{Cid, PeerId};

use super::prelude::*;

/// `routing findprovs`.
pub struct FindProvs;
/// `routing findpeer`.
pub struct FindPeer;
/// `routing provide`.
pub struct Provide;

/// An event of a look-up. Fields in the order of Go's maps.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct QueryEvent {
    /// Words for people.
    pub extra: String,
    /// The peer it is about.
    #[serde(rename = "ID")]
    pub id: String,
    /// What it says.
    pub responses: Option<Vec<PeerOut>>,
    /// Which event: see the constants.
    pub r#type: u8,
}

/// A peer with addresses.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PeerOut {
    /// The peer.
    #[serde(rename = "ID")]
    pub id: String,
    /// Its addresses.
    pub addrs: Option<Vec<String>>,
}

const ASKING: u8 = 0;
const ANSWERED: u8 = 1;
const FINAL_PEER: u8 = 2;
const FAILED: u8 = 3;
const PROVIDER: u8 = 4;
const VALUE: u8 = 5;

fn peer_out(peer: PeerAddresses) -> PeerOut {
    PeerOut { id: peer.peer.to_string(), addrs: Some(peer.addresses) }
}

fn wire(event: RoutingEvent) -> QueryEvent {
    let about = |r#type: u8, peer: &PeerId| QueryEvent { id: peer.to_string(), r#type, ..QueryEvent::default() };
    let with = |r#type: u8, peers: Vec<PeerAddresses>| QueryEvent {
        responses: Some(peers.into_iter().map(peer_out).collect()),
        r#type,
        ..QueryEvent::default()
    };
    match event {
        RoutingEvent::Asking(peer) => about(ASKING, &peer),
        RoutingEvent::Answered { peer, closer } => {
            QueryEvent { responses: with(ANSWERED, closer).responses, ..about(ANSWERED, &peer) }
        }
        RoutingEvent::Provider(peer) => with(PROVIDER, vec![peer]),
        RoutingEvent::Peer(peer) => with(FINAL_PEER, vec![peer]),
        RoutingEvent::Stored(peer) => about(FINAL_PEER, &peer),
        RoutingEvent::Failed { peer, why } => QueryEvent {
            extra: why,
            id: peer.map(|peer| peer.to_string()).unwrap_or_default(),
            r#type: FAILED,
            ..QueryEvent::default()
        },
    }
}

fn wired(events: ItemStream<RoutingEvent>) -> Reply<QueryEvent> {
    Reply::Stream(events.map_ok(wire).boxed())
}

/// What every look-up prints with `--verbose`.
fn show_rest(event: &QueryEvent, out: &mut Out<'_>) -> TextResult {
    match event.r#type {
        ASKING => out.line(format_args!("* querying {}", event.id))?,
        ANSWERED => {
            out.put(format_args!("* {} says use", event.id))?;
            for peer in event.responses.iter().flatten() {
                out.put(format_args!(" {}", peer.id))?;
            }
            out.put("\n")?;
        }
        FAILED => out.line(format_args!("error: {}", event.extra))?,
        VALUE => out.line(format_args!("got value: '{}'", event.extra))?,
        _ => {}
    }
    Ok(())
}

fn parse_cid(text: &str) -> Result<Cid, ApiError> {
    Cid::parse(text.strip_prefix("/ipfs/").unwrap_or(text))
        .map_err(|error| ApiError::invalid(format!("invalid cid {text:?}: {error}")))
}

const VERBOSE: Opt = Opt::flag(&["verbose", "v"], "Print every step.");

impl Op for FindProvs {
    const SPEC: &'static Spec = &Spec {
        path: "routing/findprovs",
        about: "Find peers that have content.",
        examples: &["ipfs routing findprovs -n 5 CID"],
        args: &[Arg::text("key", "A CID.").many()],
        options: &[VERBOSE, Opt::int(&["num-providers", "n"], "Stop after so many.").or("20")],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = QueryEvent;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<QueryEvent> {
        Box::pin(async move {
            let call = request.call;
            let count = call.options.int("num-providers").unwrap_or(20);
            let count = usize::try_from(count).ok().filter(|count| *count > 0);
            let count = count.ok_or_else(|| ApiError::invalid("number of providers must be greater than 0"))?;
            let cid = parse_cid(call.arg(0)?)?;
            Ok(wired(cx.api(&call)?.routing.find_providers(cid, count)))
        })
    }

    fn text(item: QueryEvent, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let verbose = call.options.flag("verbose");
        match item.r#type {
            FINAL_PEER if verbose => out.line(format_args!("* closest peer {}", item.id))?,
            PROVIDER => {
                for peer in item.responses.iter().flatten() {
                    let before = if verbose { "provider: " } else { "" };
                    out.line(format_args!("{before}{}", peer.id))?;
                    for address in peer.addrs.iter().flatten().filter(|_| verbose) {
                        out.line(format_args!("\t{address}"))?;
                    }
                }
            }
            _ if verbose => show_rest(&item, out)?,
            _ => {}
        }
        Ok(())
    }
}

impl Op for FindPeer {
    const SPEC: &'static Spec = &Spec {
        path: "routing/findpeer",
        about: "Find the addresses of a peer.",
        examples: &["ipfs routing findpeer 12D3KooWHNyYv32ivXabQSe3ZchjWRT8PwSrihnTTPxtsMrFMzZY"],
        args: &[Arg::text("peerID", "A peer.").many()],
        options: &[VERBOSE],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = QueryEvent;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<QueryEvent> {
        Box::pin(async move {
            let call = request.call;
            let peer = PeerId::parse(call.arg(0)?).map_err(|error| ApiError::invalid(error.to_string()))?;
            Ok(wired(cx.api(&call)?.routing.find_peer(peer)))
        })
    }

    fn text(item: QueryEvent, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if item.r#type == FINAL_PEER {
            for address in item.responses.iter().flatten().flat_map(|peer| peer.addrs.iter().flatten()) {
                out.line(address)?;
            }
            return Ok(());
        }
        if call.options.flag("verbose") { show_rest(&item, out) } else { Ok(()) }
    }
}

impl Op for Provide {
    const SPEC: &'static Spec = &Spec {
        path: "routing/provide",
        about: "Announce content.",
        examples: &["ipfs routing provide CID"],
        help: "Tells the network that this node has these DAGs. What is pinned is announced by itself.",
        args: &[Arg::text("key", "A CID.").many().or_stdin()],
        options: &[VERBOSE, Opt::flag(&["recursive", "r"], "Announce every block below too.")],
        tier: Tier::Deprecated,
        ..Spec::ADMIN
    };
    type Item = QueryEvent;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<QueryEvent> {
        Box::pin(async move {
            let call = request.call;
            let cids = call.args.iter().map(|text| parse_cid(text)).collect::<Result<Vec<Cid>, _>>()?;
            let api = cx.api(&call)?;
            for cid in &cids {
                if !api.blocks.has(cid).await? {
                    return Err(ApiError::not_found(format!("block {cid} not found locally, cannot provide")));
                }
            }
            Ok(wired(api.routing.provide(cids, call.options.flag("recursive"))))
        })
    }

    fn text(item: QueryEvent, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if !call.options.flag("verbose") {
            return Ok(());
        }
        if item.r#type == FINAL_PEER {
            return Ok(out.line(format_args!("sending provider record to peer {}", item.id))?);
        }
        show_rest(&item, out)
    }
}
