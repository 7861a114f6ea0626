//! `name publish`: points a name at a path.

use std::time::Duration;

use merkury_api::PublishOptions;
use merkury_core::ipns;

use super::id::PeerText;
use super::key_gen::IPNS_BASE;
use super::prelude::*;
use crate::cids::parse_path;
use crate::stamp::go_duration;
use crate::value::parse_duration;

/// `name publish`.
pub struct NamePublish;

/// A name and what it points at; of `name put` too.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NameOut {
    /// The name.
    pub name: String,
    /// The path.
    pub value: String,
}

/// A duration that was given: `None` when it is negative, which the reader of durations does not take.
fn signed_duration(text: &str) -> Result<Option<Duration>, String> {
    match text.strip_prefix('-') {
        Some(rest) => parse_duration(rest).map(|span| (span == Duration::ZERO).then_some(span)),
        None => parse_duration(text).map(Some),
    }
}

fn lifetime(call: &Call) -> Result<Duration, ApiError> {
    let Some(text) = call.options.text("lifetime") else { return Ok(ipns::LIFETIME) };
    let span =
        signed_duration(&text).map_err(|error| ApiError::invalid(format!("error parsing lifetime option: {error}")))?;
    span.filter(|span| !span.is_zero())
        .ok_or_else(|| ApiError::invalid(format!("lifetime must be greater than zero, got {text}")))
}

fn ttl(call: &Call, lifetime: Duration) -> Result<Duration, ApiError> {
    let Some(text) = call.options.text("ttl") else { return Ok(ipns::TTL.min(lifetime)) };
    let span = signed_duration(&text).map_err(ApiError::invalid)?;
    let span = span.ok_or_else(|| ApiError::invalid(format!("ttl must not be negative, got {text}")))?;
    if span > lifetime {
        let (ttl, lifetime) = (go_duration(span), go_duration(lifetime));
        return Err(ApiError::invalid(format!("ttl ({ttl}) must not be greater than lifetime ({lifetime})")));
    }
    Ok(span)
}

/// The path as a record holds it, and as it is walked.
fn paths(text: &str) -> Result<(String, String), ApiError> {
    if let Some(rest) = text.strip_prefix("/ipld/") {
        return Ok((text.to_owned(), format!("/ipfs/{rest}")));
    }
    let path = parse_path(text)?.to_string();
    Ok((path.clone(), path))
}

impl Op for NamePublish {
    const SPEC: &'static Spec = &Spec {
        path: "name/publish",
        about: "Point a name at a path.",
        help: "Signs a record with a key of this node, keeps it here and gives it to the network. A name stands for its\n\
               latest record until that expires: publish again before then.\n\n\
               Without a daemon, --allow-offline makes the record and keeps it here alone.",
        examples: &[
            "ipfs name publish /ipfs/bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am",
            "ipfs name publish --key=blog --lifetime=720h --ttl=1m /ipfs/CID",
            "ipfs name publish --allow-offline /ipfs/CID",
        ],
        args: &[Arg::text("ipfs-path", "The path.").or_stdin()],
        options: &[
            Opt::text(&["key", "k"], "Key to sign with: its name, peer id or IPNS name.").or("self"),
            Opt::flag(&["resolve"], "Check first that the path leads somewhere.").or("true"),
            Opt::text(&["lifetime", "t"], "How long the record is valid, as 300s or 1h30m; 48h without it."),
            Opt::text(&["ttl"], "How long it may be served from caches, at most the lifetime; 5m without it."),
            Opt::flag(&["quieter", "Q"], "Print the name alone."),
            Opt::flag(&["v1compat"], "Sign for readers of the first version too.").or("true"),
            Opt::flag(&["allow-offline"], "Without a network, keep the record here alone."),
            Opt::flag(&["allow-delegated"], "Publish over HTTP alone."),
            Opt::uint64(&["sequence"], "Number of the record, higher than the last one."),
            IPNS_BASE,
        ],
        ..Spec::ADMIN
    };
    type Item = NameOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<NameOut> {
        Box::pin(async move {
            let call = request.call;
            let form = PeerText::of(&call, "ipns-base")?;
            refuse_delegated(&call)?;
            let lifetime = lifetime(&call)?;
            let ttl = ttl(&call, lifetime)?;
            let (value, walked) = paths(call.arg(0)?)?;
            let api = cx.api(&call)?;
            if call.options.flag("resolve") {
                resolve(&api, &walked).await?;
            }
            let options = PublishOptions {
                key: call.options.text("key").unwrap_or_default(),
                value: value.clone(),
                lifetime,
                ttl,
                sequence: call.options.uint("sequence"),
                for_old_readers: call.options.flag("v1compat"),
                allow_offline: call.options.flag("allow-offline"),
            };
            let name = api.names.publish(options).await?;
            Ok(Reply::One(NameOut { name: form.text(&name), value }))
        })
    }

    fn text(item: NameOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let name = escape_name(&item.name);
        if call.options.flag("quieter") {
            return Ok(out.line(name)?);
        }
        Ok(out.line(format_args!("Published to {name}: {}", escape_name(&item.value)))?)
    }
}

/// `--allow-delegated` of publishing: there is no publishing over HTTP.
pub(crate) fn refuse_delegated(call: &Call) -> Result<(), ApiError> {
    if !call.options.flag("allow-delegated") {
        return Ok(());
    }
    if call.options.flag("allow-offline") {
        return Err(ApiError::invalid("cannot use both --allow-offline and --allow-delegated flags"));
    }
    Err(ApiError::invalid(
        "no delegated publishers configured: add Ipns.DelegatedPublishers or use --allow-offline for local-only publishing",
    )
    .hint("this version of merkury does not publish over HTTP"))
}
