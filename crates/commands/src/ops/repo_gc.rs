//! `repo gc`: removes what nothing keeps.

use merkury_api::GcEvent;

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
}

impl Op for RepoGc {
    const SPEC: &'static Spec = &Spec {
        path: "repo/gc",
        about: "Remove blocks that nothing keeps.",
        help: "Pinned DAGs and the mutable file system are kept. Other commands go on meanwhile.",
        options: &[
            Opt::flag(&["stream-errors"], "Print what failed as it happens and go on."),
            Opt::flag(&["quiet", "q"], "Print CIDs alone."),
            Opt::flag(&["silent"], "Print nothing."),
        ],
        ..Spec::ADMIN
    };
    type Item = RepoGcOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RepoGcOut> {
        Box::pin(async move {
            let call = request.call;
            let events = cx.api(&call)?.repo.gc();
            let (stream_errors, silent) = (call.options.flag("stream-errors"), call.options.flag("silent"));
            let items = async_stream::try_stream! {
                let mut events = events;
                let mut failures = Vec::new();
                while let Some(event) = events.try_next().await? {
                    match event {
                        GcEvent::Removed(cid) if stream_errors || !silent => {
                            yield RepoGcOut { key: Some(cid.into()), error: String::new() };
                        }
                        GcEvent::Failed(error) if stream_errors => {
                            failures.push(String::new());
                            yield RepoGcOut { key: None, error };
                        }
                        GcEvent::Failed(error) => failures.push(error),
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
