//! Messages by topic.

use super::{Absent, ROW};
use crate::spec::{Arg, Effect, Opt, Spec, Tier};

const WHY: &str = "messages by topic are not carried by this version; in Kubo they are off by default";
const PUBSUB: Spec = Spec { effect: Effect::Admin, tier: Tier::Common, ..ROW };
const TOPIC: Arg = Arg::text("topic", "The topic.");

pub(super) static ROWS: &[Absent] = &[
    Absent { spec: &Spec { path: "pubsub/ls", about: "List topics this node listens to.", ..PUBSUB }, why: WHY },
    Absent {
        spec: &Spec { path: "pubsub/peers", about: "List peers of a topic.", args: &[TOPIC.optional()], ..PUBSUB },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "pubsub/pub",
            about: "Send a message.",
            args: &[TOPIC, Arg::file("data", "The message.").or_stdin()],
            ..PUBSUB
        },
        why: WHY,
    },
    Absent {
        spec: &Spec {
            path: "pubsub/reset",
            about: "Forget which messages were seen.",
            options: &[Opt::text(&["peer", "p"], "Those of one peer.")],
            ..PUBSUB
        },
        why: WHY,
    },
    Absent {
        spec: &Spec { path: "pubsub/sub", about: "Print messages of a topic.", args: &[TOPIC], ..PUBSUB },
        why: WHY,
    },
];
