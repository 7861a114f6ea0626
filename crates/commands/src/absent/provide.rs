//! Announcing content.

use super::{Absent, ROW};
use crate::spec::{Arg, Effect, Opt, Spec, Tier};

const WHY_STAT: &str = "announcements are not counted yet; routing findprovs CID shows whether this node is found";
const STAT: &[Opt] = &[
    Opt::flag(&["lan"], "Those in the local network alone."),
    Opt::flag(&["all", "a"], "Everything."),
    Opt::flag(&["compact"], "In two columns, with --all."),
    Opt::flag(&["connectivity"], "Whether the DHT is reached."),
    Opt::flag(&["network"], "Size of the network."),
    Opt::flag(&["schedule"], "What comes when."),
    Opt::flag(&["timings"], "Times."),
    Opt::flag(&["workers"], "Workers."),
    Opt::flag(&["operations"], "Work done and going on."),
    Opt::flag(&["queues"], "Length of the queues."),
];

pub(super) static ROWS: &[Absent] = &[
    Absent {
        spec: &Spec {
            path: "provide/clear",
            about: "Forget announcements that wait.",
            options: &[Opt::flag(&["quiet", "q"], "Print nothing.")],
            effect: Effect::Admin,
            tier: Tier::Common,
            ..ROW
        },
        why: "no announcements wait in a queue here: the daemon goes through the pins",
    },
    Absent {
        spec: &Spec {
            path: "provide/once",
            about: "Announce CIDs now.",
            args: &[Arg::text("cid", "What to announce.").many().or_stdin()],
            options: &[Opt::flag(&["recursive", "r"], "Everything below it too.")],
            effect: Effect::Admin,
            tier: Tier::Common,
            ..ROW
        },
        why: "this name is not here yet; routing provide CID does the same",
    },
    Absent {
        spec: &Spec {
            path: "provide/stat",
            about: "Print counters of announcements.",
            options: STAT,
            tier: Tier::Common,
            ..ROW
        },
        why: WHY_STAT,
    },
    Absent {
        spec: &Spec {
            path: "stats/provide",
            about: "Print counters of announcements.",
            options: STAT,
            tier: Tier::Deprecated,
            ..ROW
        },
        why: WHY_STAT,
    },
    Absent {
        spec: &Spec {
            path: "stats/reprovide",
            about: "Print counters of announcements.",
            options: STAT,
            tier: Tier::Deprecated,
            ..ROW
        },
        why: WHY_STAT,
    },
];
