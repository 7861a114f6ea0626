//! `pin add`: keeps DAGs, fetching what is missing.

use merkury_api::{Api, PinEvent, PinMode, PinOptions};

use super::add::check_pin_name;
use super::common::{FAST_PROVIDE_DAG, FAST_PROVIDE_ROOT, FAST_PROVIDE_WAIT, New, fast_provide};
use super::prelude::*;
use crate::stamp::Stamp;
use crate::value::parse_lifetime;

/// `pin add`.
pub struct PinAdd;

/// What was pinned, or how far pinning is.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PinAddOut {
    /// The pinned roots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins: Option<Vec<String>>,
    /// Blocks walked.
    #[serde(skip_serializing_if = "is_zero")]
    pub progress: u64,
    /// Their bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes: u64,
}

impl Op for PinAdd {
    const SPEC: &'static Spec = &Spec {
        path: "pin/add",
        about: "Keep DAGs on this node.",
        help: "Fetches what is missing and keeps everything below each path until it is unpinned. With --recursive=false\n\
               the single block alone is kept. With --expire the pin ends by itself; without it, a pin that was to\n\
               expire stays.",
        examples: &["ipfs pin add --name=photos --progress CID", "ipfs pin add --expire=30d CID"],
        args: &[Arg::text("ipfs-path", "Path of a DAG.").many().or_stdin()],
        options: &[
            Opt::flag(&["recursive", "r"], "Keep everything below.").or("true"),
            Opt::text(&["name", "n"], "Name of the pin."),
            Opt::flag(&["progress"], "Show progress."),
            Opt::text(&["expire"], "End the pin by itself after this long: 12h, 30d, 8w, 1y."),
            FAST_PROVIDE_ROOT,
            FAST_PROVIDE_DAG,
            FAST_PROVIDE_WAIT,
        ],
        ..Spec::PIN
    };
    type Item = PinAddOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<PinAddOut> {
        Box::pin(async move {
            let call = request.call;
            let name = call.options.text("name");
            check_pin_name(name.as_deref().unwrap_or_default())?;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let progress = call.options.flag("progress");
            let mode = if call.options.flag("recursive") { PinMode::Recursive } else { PinMode::Direct };
            let expire = call.options.text("expire").filter(|text| !text.is_empty());
            let expires_unix_secs = expire.map(|text| expiry(&text)).transpose()?;
            let options = PinOptions { mode, name, progress, expires_unix_secs };
            let mut items = pinned(api, call, options, cids);
            if progress {
                return Ok(Reply::Stream(items));
            }
            let mut last = PinAddOut::default();
            while let Some(item) = items.try_next().await? {
                last = item;
            }
            Ok(Reply::One(last))
        })
    }

    fn text(item: PinAddOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let Some(pins) = &item.pins else {
            let (blocks, size) = (item.progress, human_size(item.bytes));
            return Ok(out.note(format_args!("Fetched/Processed {blocks} nodes ({size})\r"))?);
        };
        let how = if call.options.flag("recursive") { "recursively" } else { "directly" };
        Ok(pins.iter().try_for_each(|pin| out.line(format_args!("pinned {pin} {how}")))?)
    }
}

/// When a pin made now ends, in seconds since 1970.
fn expiry(after: &str) -> Result<u64, ApiError> {
    let after = parse_lifetime(after).map_err(|error| {
        ApiError::invalid(format!("invalid --expire: {error}")).hint("examples: 90m, 12h, 30d, 8w, 1y")
    })?;
    let now = u64::try_from(Stamp::of(std::time::SystemTime::now()).seconds).unwrap_or(0);
    Ok(now.saturating_add(after.as_secs().max(1)))
}

/// Progress over all paths, then the one item with all pins.
fn pinned(api: Api, call: Call, options: PinOptions, cids: CidText) -> merkury_api::ItemStream<PinAddOut> {
    async_stream::try_stream! {
        let mut pins = Vec::with_capacity(call.args.len());
        let mut roots = Vec::with_capacity(call.args.len());
        let mut before = (0u64, 0u64);
        for path in &call.args {
            let cid = resolve_cid(&api, path).await?;
            let mut events = api.pins.add(cid.clone(), options.clone());
            let mut walked = (0, 0);
            while let Some(event) = events.try_next().await.map_err(|error| error.context("pin"))? {
                if let PinEvent::Progress { blocks, bytes } = event {
                    walked = (blocks, bytes);
                    yield PinAddOut {
                        pins: None,
                        progress: before.0.saturating_add(blocks),
                        bytes: before.1.saturating_add(bytes),
                    };
                }
            }
            before = (before.0.saturating_add(walked.0), before.1.saturating_add(walked.1));
            pins.push(cids.text(&cid));
            roots.push(cid);
        }
        fast_provide(&api, &call, &roots, New { pinned: true, mfs: false }).await?;
        yield PinAddOut { pins: Some(pins), progress: 0, bytes: 0 };
    }
    .boxed()
}
