//! `repo gc`: removes what nothing keeps.

use merkury_api::{GcEvent, GcPreview, GcRequest};

use super::prelude::*;

/// `repo gc`.
pub struct RepoGc;

/// A block that is gone, or what failed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RepoGcOut {
    /// The block; `null` beside an error.
    pub key: Option<CidLink>,
    /// What failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub error: String,
    /// With `--dry-run`: what would go. Ours alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRun>,
}

/// What a collection would do now.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DryRun {
    /// Blocks that would go.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long ago one of them was last used, at most and at least, in seconds; `null` when it is not known.
    pub rested_most: Option<u64>,
    /// See above.
    pub rested_least: Option<u64>,
    /// Bytes the repository would be smaller by at once.
    pub bytes_freed: u64,
    /// Segments of the store that would go.
    pub segments_dropped: u64,
    /// Segments that would go after what is kept in them was copied.
    pub segments_compacted: u64,
    /// What would stay, and why.
    pub kept: Kept,
}

/// What would stay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Kept {
    /// Blocks that pins keep.
    pub pinned_blocks: u64,
    /// Their bytes.
    pub pinned_bytes: u64,
    /// Further blocks that the mutable file system keeps.
    pub files_blocks: u64,
    /// Their bytes.
    pub files_bytes: u64,
    /// Further blocks that running operations need.
    pub in_use_blocks: u64,
    /// Their bytes.
    pub in_use_bytes: u64,
}

impl Op for RepoGc {
    const SPEC: &'static Spec = &Spec {
        path: "repo/gc",
        about: "Remove blocks that nothing keeps.",
        help: "Pinned DAGs and the mutable file system are kept. Other commands go on meanwhile.\n\
               --dry-run removes nothing and says what would go and what would stay.",
        examples: &["ipfs repo gc --quiet", "ipfs repo gc --dry-run"],
        options: &[
            Opt::flag(&["stream-errors"], "Print what failed as it happens and go on."),
            Opt::flag(&["quiet", "q"], "Print CIDs alone."),
            Opt::flag(&["silent"], "Print nothing."),
            Opt::flag(&["dry-run"], "Remove nothing; print what would go."),
        ],
        ..Spec::ADMIN
    };
    type Item = RepoGcOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RepoGcOut> {
        Box::pin(async move {
            let call = request.call;
            let (stream_errors, silent) = (call.options.flag("stream-errors"), call.options.flag("silent"));
            // Kubo's own way: with --stream-errors it sends what was removed all the same.
            let request = GcRequest { silent: silent && !stream_errors, dry_run: call.options.flag("dry-run") };
            let events = cx.api(&call)?.repo.gc(request);
            let items = async_stream::try_stream! {
                let mut events = events;
                let mut failures = Vec::new();
                while let Some(event) = events.try_next().await? {
                    match event {
                        GcEvent::Removed(cids) if stream_errors || !silent => {
                            for cid in cids {
                                yield RepoGcOut { key: Some(cid.into()), error: String::new(), dry_run: None };
                            }
                        }
                        GcEvent::Failed(error) if stream_errors => {
                            failures.push(String::new());
                            yield RepoGcOut { key: None, error, dry_run: None };
                        }
                        GcEvent::Failed(error) => failures.push(error),
                        GcEvent::Preview(preview) => {
                            yield RepoGcOut { key: None, error: String::new(), dry_run: Some(preview.into()) };
                        }
                        GcEvent::Removed(_) | GcEvent::Done { .. } => {}
                    }
                }
                if !failures.is_empty() {
                    let message = if stream_errors { "encountered errors during gc run".into() } else { failures.join("; ") };
                    Err(ApiError::internal(message))?;
                }
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: RepoGcOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if let Some(preview) = &item.dry_run {
            return show_preview(preview, out);
        }
        if call.options.flag("silent") {
            return Ok(());
        }
        if !item.error.is_empty() {
            return Ok(out.line(format_args!("Error: {}", item.error))?);
        }
        let before = if call.options.flag("quiet") { "" } else { "removed " };
        Ok(item.key.iter().try_for_each(|key| out.line(format_args!("{before}{}", key.cid)))?)
    }
}

impl From<GcPreview> for DryRun {
    fn from(preview: GcPreview) -> Self {
        let GcPreview {
            garbage,
            garbage_rested,
            pinned,
            files,
            in_use,
            segments_dropped,
            segments_compacted,
            bytes_freed,
        } = preview;
        Self {
            blocks: garbage.blocks,
            bytes: garbage.bytes,
            rested_most: garbage_rested.map(|(most, _)| most),
            rested_least: garbage_rested.map(|(_, least)| least),
            bytes_freed,
            segments_dropped,
            segments_compacted,
            kept: Kept {
                pinned_blocks: pinned.blocks,
                pinned_bytes: pinned.bytes,
                files_blocks: files.blocks,
                files_bytes: files.bytes,
                in_use_blocks: in_use.blocks,
                in_use_bytes: in_use.bytes,
            },
        }
    }
}

fn show_preview(preview: &DryRun, out: &mut Out<'_>) -> TextResult {
    let amount = |blocks: u64, bytes: u64| {
        format!("{blocks} block{}, {}", if blocks == 1 { "" } else { "s" }, human_size(bytes))
    };
    let rested = match (preview.rested_least, preview.rested_most) {
        (Some(least), Some(most)) if preview.blocks > 0 => match (duration(least), duration(most)) {
            (least, most) if least == most => format!(", last used {most} ago"),
            (least, most) => format!(", last used {least} to {most} ago"),
        },
        _ => String::new(),
    };
    out.line(format_args!("would remove: {}{rested}", amount(preview.blocks, preview.bytes)))?;
    let (dropped, compacted) = (preview.segments_dropped, preview.segments_compacted);
    out.line(format_args!(
        "would free:   {} at once ({dropped} segments dropped, {compacted} compacted)",
        human_size(preview.bytes_freed)
    ))?;
    let kept = &preview.kept;
    out.line(format_args!("would keep:   {} by pins", amount(kept.pinned_blocks, kept.pinned_bytes)))?;
    out.line(format_args!("              {} by files (ipfs files)", amount(kept.files_blocks, kept.files_bytes)))?;
    Ok(out.line(format_args!("              {} by what runs now", amount(kept.in_use_blocks, kept.in_use_bytes)))?)
}

/// A time in its largest unit.
fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}
