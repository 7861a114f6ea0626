//! `forget`: lets a pin go and removes what only it kept.

use futures::TryStreamExt;
use merkury_api::{Api, PinFilter, PinKind};
use merkury_core::{Cid, ErrorKind};

use super::du::ExtentOut;
use super::prelude::*;
use crate::text::binary_size;

/// `forget`.
pub struct Forget;

/// What is gone, or would be.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ForgetOut {
    /// The pin.
    pub cid: String,
    /// Its name.
    pub name: String,
    /// What only it kept.
    pub freed: ExtentOut,
    /// What stays because something else keeps it too.
    pub stays: ExtentOut,
    /// Whether it was done; `false` for a preview.
    pub done: bool,
}

/// The pin that is meant: by its name, else by its path.
async fn pin_of(api: &Api, text: &str) -> Result<Cid, ApiError> {
    let filter =
        PinFilter { recursive: true, direct: true, name_contains: Some(text.to_owned()), ..PinFilter::default() };
    let named: Vec<_> =
        api.pins.list(filter).try_filter(|pin| std::future::ready(pin.name == text)).try_collect().await?;
    match named.as_slice() {
        [] => {}
        [pin] => return Ok(pin.cid.clone()),
        several => {
            let error = ApiError::new(ErrorKind::Conflict, format!("{} pins are named {text:?}", several.len()));
            return Err(several
                .iter()
                .take(8)
                .fold(error, |error, pin| error.hint(format!("merkury forget {}", pin.cid))));
        }
    }
    let cid = resolve_cid(api, text).await?;
    let filter = PinFilter { cids: vec![(cid.clone(), text.to_owned())], ..PinFilter::default() };
    let pins: Vec<_> = api.pins.list(filter).try_collect().await?;
    match pins.into_iter().next().map(|pin| pin.kind) {
        Some(PinKind::Indirect { via: Some(root) }) => {
            Err(ApiError::new(ErrorKind::Conflict, format!("{cid} is kept because {root} is kept"))
                .hint(format!("merkury forget {root}"))
                .hint(format!("merkury why {cid} names everything that keeps it")))
        }
        _ => Ok(cid),
    }
}

impl Op for Forget {
    const SPEC: &'static Spec = &Spec {
        path: "forget",
        about: "Let a pin go and remove what only it kept.",
        help: "What another pin or the mutable file system keeps too stays, and so does everything that was only cached.\n\
               --dry-run shows what would go and changes nothing.",
        examples: &["merkury forget --dry-run photos", "merkury forget /ipfs/CID"],
        args: &[Arg::text("pin", "Name of a pin, or its path.").many()],
        options: &[Opt::flag(&["dry-run", "n"], "Show what would go and change nothing.")],
        tier: Tier::Own,
        ..Spec::PIN
    };
    type Item = ForgetOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<ForgetOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let preview = call.options.flag("dry-run");
            let mut pins = Vec::with_capacity(call.args.len());
            for text in &call.args {
                pins.push(pin_of(&api, text).await?);
            }
            let items = async_stream::try_stream! {
                for cid in pins {
                    let gone = api.space.forget(cid, preview).await?;
                    yield ForgetOut {
                        cid: gone.cid.to_string(),
                        name: gone.name,
                        freed: gone.freed.into(),
                        stays: ExtentOut {
                            blocks: gone.total.blocks.saturating_sub(gone.freed.blocks),
                            bytes: gone.total.bytes.saturating_sub(gone.freed.bytes),
                        },
                        done: !preview,
                    };
                }
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: ForgetOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let what =
            if item.name.is_empty() { item.cid.clone() } else { format!("{} ({})", escape_name(&item.name), item.cid) };
        let verb = if item.done { "forgot" } else { "would forget" };
        let freed = if item.done { "freed" } else { "would free" };
        let stays = match item.stays.blocks {
            0 => String::new(),
            blocks => format!("; {} in {blocks} blocks stay, something else keeps them", binary_size(item.stays.bytes)),
        };
        Ok(out.line(format_args!(
            "{verb} {what}: {freed} {} in {} blocks{stays}",
            binary_size(item.freed.bytes),
            item.freed.blocks
        ))?)
    }
}
