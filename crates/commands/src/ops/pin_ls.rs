//! `pin ls`: what is kept.

use std::collections::BTreeMap;

use merkury_api::{PinEntry, PinFilter, PinKind};

use super::add::check_pin_name;
use super::prelude::*;
use crate::stamp::Stamp;
use crate::value::Value;

/// `pin ls`.
pub struct PinLs;

/// All pins as one item, or one pin an item when streamed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PinLsOut {
    /// All, by CID.
    All {
        /// The pins.
        #[serde(rename = "Keys", skip_serializing_if = "is_zero")]
        keys: BTreeMap<String, PinLsKind>,
    },
    /// One.
    One(PinLsEntry),
}

/// How a block is kept.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PinLsKind {
    /// `direct`, `recursive`, `indirect`, or `indirect through` a root.
    pub r#type: String,
    /// Its name.
    pub name: String,
    /// When it ends by itself, as RFC 3339; empty is never.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expires: String,
}

/// One pin of a stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PinLsEntry {
    /// The block.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cid: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub name: String,
    /// How it is kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub r#type: String,
    /// When it ends by itself, as RFC 3339; empty is never.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expires: String,
}

impl Op for PinLs {
    const SPEC: &'static Spec = &Spec {
        path: "pin/ls",
        about: "List what is kept.",
        help: "Without paths: all pins, and every block below the recursive ones (type indirect). With paths: how each is\n\
               kept; one that is not pinned is an error. --stream prints pins as they are found.",
        examples: &["ipfs pin ls --type=recursive --names", "ipfs pin ls CID      why is this kept?"],
        args: &[Arg::text("ipfs-path", "Path to look up.").optional().many()],
        options: &[
            Opt::text(&["type", "t"], "direct, recursive, indirect or all.").or("all"),
            Opt::flag(&["quiet", "q"], "Print CIDs alone."),
            Opt::text(&["name", "n"], "List pins whose name contains this; implies --names."),
            Opt::flag(&["stream", "s"], "Print pins as they are found."),
            Opt::flag(&["names"], "Print names too."),
        ],
        ..Spec::READ
    };
    type Item = PinLsOut;
    type Text = ();

    /// Lines come as pins are found, so that a list of millions takes no memory.
    fn prepare(call: &mut Call, _live: bool) {
        if call.args.is_empty() && call.options.text("encoding").is_none_or(|encoding| encoding == "text") {
            call.options.set("stream", Value::Bool(true));
        }
    }

    fn run(cx: Cx, request: Request) -> Running<PinLsOut> {
        Box::pin(async move {
            let call = request.call;
            let name = call.options.text("name").filter(|name| !name.is_empty());
            check_pin_name(name.as_deref().unwrap_or_default())?;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let mut filter = filter(&call.options.text("type").unwrap_or_default())?;
            let with_names = call.options.flag("names") || name.is_some();
            filter.name_contains = name;
            for path in &call.args {
                filter.cids.push((resolve_cid(&api, path).await?, path.clone()));
            }
            let mut entries = api.pins.list(filter).map_ok(move |entry| shown(entry, cids, with_names));
            if call.options.flag("stream") {
                return Ok(Reply::Stream(entries.map_ok(PinLsOut::One).boxed()));
            }
            let mut keys = BTreeMap::new();
            while let Some(entry) = entries.try_next().await? {
                let PinLsEntry { cid, name, r#type, expires } = entry;
                keys.insert(cid, PinLsKind { r#type, name, expires });
            }
            Ok(Reply::One(PinLsOut::All { keys }))
        })
    }

    fn text(item: PinLsOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let quiet = call.options.flag("quiet");
        let mut show = |cid: &str, kind: &str, name: &str, expires: &str| {
            let expiry = if expires.is_empty() { String::new() } else { format!(" (expires {expires})") };
            match (quiet, name) {
                (true, _) => out.line(cid),
                (false, "") => out.line(format_args!("{cid} {kind}{expiry}")),
                (false, name) => out.line(format_args!("{cid} {kind} {name}{expiry}")),
            }
        };
        match item {
            // No pins at all: an object without keys.
            PinLsOut::One(entry) if entry.cid.is_empty() => {}
            PinLsOut::One(entry) => show(&entry.cid, &entry.r#type, &entry.name, &entry.expires)?,
            PinLsOut::All { keys } => {
                keys.iter().try_for_each(|(cid, pin)| show(cid, &pin.r#type, &pin.name, &pin.expires))?;
            }
        }
        Ok(())
    }
}

/// A point in time, of seconds since 1970.
pub(super) fn rfc3339(unix_secs: u64) -> String {
    Stamp { seconds: i64::try_from(unix_secs).unwrap_or(i64::MAX), nanoseconds: 0 }.rfc3339()
}

fn filter(kind: &str) -> Result<PinFilter, ApiError> {
    let (direct, recursive, indirect) = match kind {
        "all" => (false, false, false),
        "direct" => (true, false, false),
        "recursive" => (false, true, false),
        "indirect" => (false, false, true),
        other => {
            let message = format!("invalid type '{other}', must be one of {{direct, indirect, recursive, all}}");
            return Err(ApiError::invalid(message));
        }
    };
    Ok(PinFilter { direct, recursive, indirect, ..PinFilter::default() })
}

fn shown(entry: PinEntry, cids: CidText, with_names: bool) -> PinLsEntry {
    let kind = match &entry.kind {
        PinKind::Direct => "direct".to_owned(),
        PinKind::Recursive => "recursive".to_owned(),
        PinKind::Indirect { via: None } => "indirect".to_owned(),
        PinKind::Indirect { via: Some(root) } => format!("indirect through {}", cids.text(root)),
    };
    let expires = entry.expires_unix_secs.map(rfc3339).unwrap_or_default();
    let name = if with_names { entry.name } else { String::new() };
    PinLsEntry { cid: cids.text(&entry.cid), name, r#type: kind, expires }
}
