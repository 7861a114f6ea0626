//! Peers and routing.

use super::{Absent, ROW};
use crate::spec::{Arg, Effect, Opt, Spec, Tier};

const PEER_IDS: &[Arg] = &[Arg::text("peerID", "The peer to ask about.").many()];
const VERBOSE: Opt = Opt::flag(&["verbose", "v"], "Print more.");

pub(super) static ROWS: &[Absent] = &[
    Absent {
        spec: &Spec {
            path: "dht/query",
            about: "Find the peers closest to a peer id.",
            args: PEER_IDS,
            options: &[VERBOSE],
            tier: Tier::Deprecated,
            ..ROW
        },
        why: "single walks of the DHT cannot be asked for; routing findpeer and routing findprovs walk it for an answer",
    },
    Absent {
        spec: &Spec {
            path: "ping",
            about: "Measure the round trip to a peer.",
            args: &[Arg::text("peer ID", "The peer to ping.").many().or_stdin()],
            options: &[Opt::int(&["count", "n"], "How many pings.").or("10")],
            tier: Tier::Common,
            ..ROW
        },
        why: "this version answers pings and does not send them by hand; swarm connect shows whether a peer is reachable",
    },
    Absent {
        spec: &Spec {
            path: "stats/bw",
            about: "Print how many bytes go in and out.",
            options: &[
                Opt::text(&["peer", "p"], "Of one peer."),
                Opt::text(&["proto", "t"], "Of one protocol."),
                Opt::flag(&["poll"], "Print again and again."),
                Opt::text(&["interval", "i"], "How often, with --poll.").or("1s"),
            ],
            tier: Tier::Common,
            ..ROW
        },
        why: "bytes on the wire are not counted yet; bitswap stat counts the blocks and their bytes",
    },
    Absent {
        spec: &Spec {
            path: "stats/dht",
            about: "Print the routing tables of the DHT.",
            args: &[Arg::text("dht", "Which table: wan, lan, wanserver, lanserver.").optional().many()],
            tier: Tier::Niche,
            ..ROW
        },
        why: "the routing tables cannot be shown yet; swarm peers lists the connected peers",
    },
    Absent {
        spec: &Spec {
            path: "swarm/addrs/autonat",
            about: "Print how each address is reached from outside.",
            tier: Tier::Common,
            ..ROW
        },
        why: "reachability is not tested yet; swarm addrs local prints the addresses of this node",
    },
    Absent {
        spec: &Spec { path: "swarm/filters", about: "List address filters.", tier: Tier::Niche, ..ROW },
        why: "there are no address filters yet",
    },
    Absent {
        spec: &Spec {
            path: "swarm/filters/add",
            about: "Add an address filter.",
            args: &[Arg::text("address", "The address to filter.").many().or_stdin()],
            effect: Effect::Admin,
            tier: Tier::Niche,
            ..ROW
        },
        why: "there are no address filters yet",
    },
    Absent {
        spec: &Spec {
            path: "swarm/filters/rm",
            about: "Remove an address filter.",
            args: &[Arg::text("address", "The filter to remove.").many().or_stdin()],
            effect: Effect::Admin,
            tier: Tier::Niche,
            ..ROW
        },
        why: "there are no address filters yet",
    },
    Absent {
        spec: &Spec {
            path: "swarm/peering/add",
            about: "Keep a connection to peers.",
            args: &[Arg::text("address", "Address of a peer.").many()],
            effect: Effect::Admin,
            tier: Tier::Common,
            ..ROW
        },
        why: "connections are not held on purpose yet; swarm connect opens one",
    },
    Absent {
        spec: &Spec {
            path: "swarm/peering/ls",
            about: "List peers whose connection is kept.",
            tier: Tier::Common,
            ..ROW
        },
        why: "connections are not held on purpose yet; swarm peers lists those that are open",
    },
    Absent {
        spec: &Spec {
            path: "swarm/peering/rm",
            about: "Do not keep the connection to peers.",
            args: &[Arg::text("ID", "Id of a peer.").many()],
            effect: Effect::Admin,
            tier: Tier::Common,
            ..ROW
        },
        why: "connections are not held on purpose yet; swarm disconnect closes one",
    },
    Absent {
        spec: &Spec {
            path: "swarm/resources",
            about: "Print what the network may use and uses.",
            tier: Tier::Common,
            ..ROW
        },
        why: "limits of connections and streams are fixed in this version and their use is not shown",
    },
    Absent {
        spec: &Spec {
            path: "mount",
            about: "Mount IPFS into the file system.",
            options: &[
                Opt::text(&["ipfs-path", "f"], "Where /ipfs goes."),
                Opt::text(&["ipns-path", "n"], "Where /ipns goes."),
                Opt::text(&["mfs-path", "m"], "Where the mutable file system goes."),
            ],
            effect: Effect::Admin,
            tier: Tier::Common,
            ..ROW
        },
        why: "this version has no FUSE; the gateway of the daemon serves the same paths over HTTP",
    },
];
