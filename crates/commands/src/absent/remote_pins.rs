//! Pins on other people's services.

use super::{Absent, ROW};
use crate::spec::{Arg, Effect, Opt, Spec, Tier};

const WHY: &str = "remote pinning services are not spoken to by this version; pin add keeps content here";
const REMOTE: Spec = Spec { effect: Effect::Admin, tier: Tier::Common, ..ROW };
const SERVICE: Opt = Opt::text(&["service"], "Name of the service.");
const NAME: Opt = Opt::text(&["name"], "Name of the pin.");
const CIDS: Opt = Opt::list(&["cid"], "What is pinned.");
const STATUS: Opt = Opt::list(&["status"], "Where it stands: queued, pinning, pinned (default), failed.");
const SERVICE_NAME: Arg = Arg::text("name", "Name of the service.");

pub(super) static ROWS: &[Absent] = &[
    Absent {
        spec: &Spec {
            path: "pin/remote/add",
            about: "Pin on a remote service.",
            args: &[Arg::text("ipfs-path", "What to pin.")],
            options: &[SERVICE, NAME, Opt::flag(&["background"], "Do not wait for it.").or("false")],
            ..REMOTE
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "pin/remote/ls",
            about: "List pins on a remote service.",
            options: &[SERVICE, NAME, CIDS, STATUS],
            ..REMOTE
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "pin/remote/rm",
            about: "Remove pins from a remote service.",
            options: &[SERVICE, NAME, CIDS, STATUS, Opt::flag(&["force"], "Several at once.").or("false")],
            ..REMOTE
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "pin/remote/service/add",
            about: "Add a remote service.",
            args: &[SERVICE_NAME, Arg::text("endpoint", "Its address."), Arg::text("key", "Its secret.")],
            ..REMOTE
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "pin/remote/service/ls",
            about: "List remote services.",
            options: &[Opt::flag(&["stat"], "Count their pins.").or("false")],
            ..REMOTE
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "pin/remote/service/rm",
            about: "Remove a remote service.",
            args: &[SERVICE_NAME],
            ..REMOTE
        },
        why: WHY,
    },
];
