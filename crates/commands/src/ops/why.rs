//! `why`: what keeps a block.

use merkury_api::{Keeper, KeptBy, PinMode};

use super::pin_ls::rfc3339;
use super::prelude::*;

/// `why`.
pub struct Why;

/// What keeps a block.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct WhyOut {
    /// The block.
    pub cid: String,
    /// It is stored here.
    pub here: bool,
    /// Something keeps it.
    pub kept: bool,
    /// What, nearest first.
    pub kept_by: Vec<Reason>,
    /// There are, or may be, more reasons.
    pub more: bool,
}

/// One reason.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Reason {
    /// `pin`, `files`, `root` or `operation`.
    pub kind: String,
    /// `direct` or `recursive`, of a pin.
    #[serde(skip_serializing_if = "is_zero")]
    pub r#type: String,
    /// The name of the pin or root.
    #[serde(skip_serializing_if = "is_zero")]
    pub name: String,
    /// When the pin ends by itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub expires: String,
    /// The block that is pinned, or the top of the files.
    pub root: String,
    /// Names of the links from there.
    #[serde(skip_serializing_if = "is_zero")]
    pub path: String,
    /// All blocks from there down to this one.
    pub chain: Vec<String>,
}

impl Op for Why {
    const SPEC: &'static Spec = &Spec {
        path: "why",
        about: "Say what keeps a block.",
        help: "Names the pins, the mutable file system or the running operations that keep it, with the way from there.\n\
               What nothing keeps is removed by the next garbage collection. The answer comes from memory, whatever the\n\
               size of the repository; it names at most a few reasons.",
        examples: &["merkury why CID", "merkury why --json /ipfs/CID/photos/a.jpg"],
        args: &[Arg::text("ipfs-path", "Path of the block.")],
        tier: Tier::Own,
        ..Spec::READ
    };
    type Item = WhyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<WhyOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let cid = resolve_cid(&api, call.arg(0)?).await?;
            let why = api.pins.why(cid.clone()).await?;
            let reason = |kept: KeptBy| reason(kept, cids);
            Ok(Reply::One(WhyOut {
                cid: cids.text(&cid),
                here: why.is_here,
                kept: !why.kept_by.is_empty(),
                kept_by: why.kept_by.into_iter().map(reason).collect(),
                more: why.more,
            }))
        })
    }

    fn text(item: WhyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if !item.here {
            out.line(format_args!("{} is not stored here", item.cid))?;
        } else if !item.kept {
            out.line(format_args!("nothing keeps {}: the next repo gc may remove it", item.cid))?;
        } else {
            out.line(format_args!("{} is kept by", item.cid))?;
        }
        for reason in &item.kept_by {
            out.line(format_args!("  {}", told(reason, &item.cid)))?;
        }
        if item.more {
            out.line("  and by more")?;
        }
        Ok(())
    }
}

fn reason(kept: KeptBy, cids: CidText) -> Reason {
    let KeptBy { keeper, chain, path } = kept;
    let chain: Vec<String> = chain.iter().map(|cid| cids.text(cid)).collect();
    let root = chain.first().cloned().unwrap_or_default();
    let base = Reason { root, path: path.join("/"), chain, ..Reason::default() };
    match keeper {
        Keeper::Pin { mode, name, expires_unix_secs } => Reason {
            kind: "pin".into(),
            r#type: if mode == PinMode::Direct { "direct".into() } else { "recursive".into() },
            name,
            expires: expires_unix_secs.map(rfc3339).unwrap_or_default(),
            ..base
        },
        Keeper::Mfs => Reason { kind: "files".into(), ..base },
        Keeper::Root { name } => Reason { kind: "root".into(), name, ..base },
        Keeper::Operation => Reason { kind: "operation".into(), ..base },
    }
}

/// One line for people.
fn told(reason: &Reason, cid: &str) -> String {
    let steps = reason.chain.len().saturating_sub(1);
    let path = match (reason.path.as_str(), steps) {
        ("", 0) => String::new(),
        ("", steps) => format!(", {steps} {} above it", if steps == 1 { "block" } else { "blocks" }),
        (path, _) => format!(": {path}"),
    };
    let end = if reason.expires.is_empty() { String::new() } else { format!(" (expires {})", reason.expires) };
    let of = if reason.root == cid { String::new() } else { format!(" of {}", reason.root) };
    match reason.kind.as_str() {
        "pin" if reason.name.is_empty() => format!("a {} pin{of}{end}{path}", reason.r#type),
        "pin" => format!("the {} pin \"{}\"{of}{end}{path}", reason.r#type, reason.name),
        "files" if reason.path.is_empty() => format!("the mutable file system{path}"),
        "files" => format!("the mutable file system: /{}", reason.path),
        "root" if reason.name.starts_with("undo/") => {
            format!("a change that can be undone, until the next repo gc{of}{path}")
        }
        "root" => format!("the root \"{}\"{of}{path}", reason.name),
        _ => format!("an operation that runs now{of}{path}"),
    }
}
