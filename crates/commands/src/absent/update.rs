//! Replacing the program by another version of itself.

use super::{Absent, ROW};
use crate::spec::{Arg, Effect, Opt, Place, Spec, Tier};

const WHY: &str = "merkury does not replace itself: install another version the way this one came, then run version";
const UPDATE: Spec = Spec { effect: Effect::Admin, tier: Tier::Common, place: Place::Terminal, ..ROW };
const PRE: Opt = Opt::flag(&["pre"], "Count versions that are not released yet.");

pub(super) static ROWS: &[Absent] = &[
    Absent {
        spec: &Spec { path: "update/check", about: "Look for a newer version.", options: &[PRE], ..UPDATE },
        why: WHY,
    },
    Absent { spec: &Spec { path: "update/clean", about: "Remove older versions that were kept.", ..UPDATE }, why: WHY },
    Absent {
        spec: &Spec {
            path: "update/install",
            about: "Install a version.",
            args: &[Arg::text("version", "Which; by default the newest.").optional()],
            options: &[PRE, Opt::flag(&["allow-downgrade"], "An older one too.")],
            ..UPDATE
        },
        why: WHY,
    },
    Absent { spec: &Spec { path: "update/revert", about: "Go back to the version before.", ..UPDATE }, why: WHY },
    Absent {
        spec: &Spec {
            path: "update/versions",
            about: "List versions.",
            options: &[Opt::int(&["count", "n"], "How many.").or("30"), PRE],
            ..UPDATE
        },
        why: WHY,
    },
];
