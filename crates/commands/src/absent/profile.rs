//! Profiles of the running program.

use super::{Absent, ROW};
use crate::spec::{Effect, Opt, Spec, Tier};

pub(super) static ROWS: &[Absent] = &[Absent {
    spec: &Spec {
        path: "diag/profile",
        about: "Collect profiles of the daemon.",
        options: &[
            Opt::text(&["output", "o"], "Where the archive goes."),
            Opt::list(&["collectors"], "What to collect."),
            Opt::text(&["profile-time"], "How long to watch.").or("30s"),
            Opt::int(&["mutex-profile-fraction"], "One of how many waits for locks counts.").or("4"),
            Opt::text(&["block-profile-rate"], "Waits from this length on count.").or("1ms"),
        ],
        effect: Effect::Admin,
        tier: Tier::Common,
        ..ROW
    },
    why: "the profiles Kubo collects are those of Go's runtime; diag sys, diag cmds and log tail show what this daemon does",
}];
