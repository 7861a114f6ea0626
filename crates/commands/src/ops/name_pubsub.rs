//! `name pubsub`: names over publish-subscribe, which this version does not have. The answers are those of a Kubo whose
//! `Ipns.UsePubsub` is off, as it is by default.

use super::common::Strings;
use super::id::PeerText;
use super::key_gen::IPNS_BASE;
use super::prelude::*;

/// `name pubsub state`.
pub struct NamePubsubState;
/// `name pubsub subs`.
pub struct NamePubsubSubs;
/// `name pubsub cancel`.
pub struct NamePubsubCancel;

/// Whether it is on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PubsubState {
    /// It never is.
    pub enabled: bool,
}

/// Whether a subscription ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PubsubCancel {
    /// It did.
    pub canceled: bool,
}

const HELP: &str = "This version resolves names through the DHT alone, so there is nothing to subscribe to.";

fn off() -> ApiError {
    ApiError::new(merkury_core::ErrorKind::Unavailable, "IPNS pubsub subsystem is not enabled")
        .hint("this version of merkury resolves names through the DHT alone")
}

impl Op for NamePubsubState {
    const SPEC: &'static Spec = &Spec {
        path: "name/pubsub/state",
        about: "Say whether names come over publish-subscribe.",
        help: HELP,
        examples: &["ipfs name pubsub state"],
        tier: Tier::Niche,
        ..Spec::READ
    };
    type Item = PubsubState;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<PubsubState> {
        Box::pin(async { Ok(Reply::One(PubsubState { enabled: false })) })
    }

    fn text(item: PubsubState, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(if item.enabled { "enabled" } else { "disabled" })?)
    }
}

impl Op for NamePubsubSubs {
    const SPEC: &'static Spec = &Spec {
        path: "name/pubsub/subs",
        about: "List names that are subscribed to.",
        help: HELP,
        examples: &["ipfs name pubsub subs"],
        options: &[IPNS_BASE],
        tier: Tier::Niche,
        ..Spec::READ
    };
    type Item = Strings;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<Strings> {
        Box::pin(async move {
            PeerText::of(&request.call, "ipns-base")?;
            Err(off())
        })
    }

    fn text(item: Strings, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}

impl Op for NamePubsubCancel {
    const SPEC: &'static Spec = &Spec {
        path: "name/pubsub/cancel",
        about: "End a subscription.",
        help: HELP,
        examples: &["ipfs name pubsub cancel k51…"],
        args: &[Arg::text("name", "The name.")],
        tier: Tier::Niche,
        ..Spec::ADMIN
    };
    type Item = PubsubCancel;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<PubsubCancel> {
        Box::pin(async { Err(off()) })
    }

    fn text(item: PubsubCancel, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(if item.canceled { "canceled" } else { "no subscription" })?)
    }
}
