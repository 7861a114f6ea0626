//! Streams of other programs (`p2p`).

use super::{Absent, ROW};
use crate::spec::{Arg, Effect, Opt, Spec, Tier};

const WHY: &str = "streams of other programs are not carried by this version; Kubo calls them experimental too";
const CUSTOM: Opt = Opt::flag(&["allow-custom-protocol"], "Allow names that do not start with /x/.");
const FOREGROUND: Opt = Opt::flag(&["foreground", "f"], "Stay until interrupted, then undo it.");
const HEADERS: Opt = Opt::flag(&["headers", "v"], "Print the names of the columns.");
const P2P: Spec = Spec { effect: Effect::Admin, tier: Tier::Common, ..ROW };

pub(super) static ROWS: &[Absent] = &[
    Absent {
        spec: &Spec {
            path: "p2p/close",
            about: "Stop listening or forwarding.",
            options: &[
                Opt::flag(&["all", "a"], "All of them."),
                Opt::text(&["protocol", "p"], "Those of a protocol."),
                Opt::text(&["listen-address", "l"], "Those that listen there."),
                Opt::text(&["target-address", "t"], "Those that lead there."),
            ],
            ..P2P
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "p2p/forward",
            about: "Forward connections to a service of a peer.",
            args: &[
                Arg::text("protocol", "Name of the protocol."),
                Arg::text("listen-address", "Where to listen."),
                Arg::text("target-address", "Where it leads."),
            ],
            options: &[CUSTOM, FOREGROUND],
            ..P2P
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "p2p/listen",
            about: "Offer a service of this machine to peers.",
            args: &[Arg::text("protocol", "Name of the protocol."), Arg::text("target-address", "The service.")],
            options: &[CUSTOM, Opt::flag(&["report-peer-id", "r"], "Send the peer id first."), FOREGROUND],
            ..P2P
        },
        why: WHY,
    },
    Absent {
        spec: &Spec { path: "p2p/ls", about: "List what listens and forwards.", options: &[HEADERS], ..P2P },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "p2p/stream/close",
            about: "Close streams.",
            args: &[Arg::text("id", "Number of the stream.").optional()],
            options: &[Opt::flag(&["all", "a"], "All of them.")],
            ..P2P
        },
        why: WHY,
    },
    Absent { spec: &Spec { path: "p2p/stream/ls", about: "List streams.", options: &[HEADERS], ..P2P }, why: WHY },
];
