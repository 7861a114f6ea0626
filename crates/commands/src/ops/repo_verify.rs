//! `repo verify`: reads and checks every stored block.

use super::prelude::*;

/// `repo verify`.
pub struct RepoVerify;

/// A message, or how many blocks are checked.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RepoVerifyOut {
    /// What is wrong, or the summary.
    pub msg: String,
    /// Blocks checked so far.
    pub progress: u64,
}

impl Op for RepoVerify {
    const SPEC: &'static Spec = &Spec {
        path: "repo/verify",
        about: "Check every stored block.",
        help: "Reads each block and compares it with its hash; damaged ones are listed and make the command fail.",
        options: &[
            Opt::flag(&["drop"], "Remove damaged blocks."),
            Opt::flag(&["heal"], "Remove damaged blocks and fetch them again."),
            Opt::text(&["heal-timeout"], "How long to try, each block.").or("30s"),
        ],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = RepoVerifyOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RepoVerifyOut> {
        Box::pin(async move {
            let call = request.call;
            call.options.refuse(&["drop", "heal"])?;
            let mut damaged = cx.api(&call)?.repo.verify();
            let items = async_stream::try_stream! {
                let mut count = 0u64;
                while let Some(msg) = damaged.try_next().await? {
                    count += 1;
                    yield RepoVerifyOut { msg, progress: 0 };
                }
                if count > 0 {
                    Err(ApiError::new(
                        merkury_core::ErrorKind::Corrupt,
                        format!("verify complete, {count} blocks corrupt"),
                    ))?;
                }
                yield RepoVerifyOut { msg: "verify complete, all blocks validated.".into(), progress: 0 };
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: RepoVerifyOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if item.msg.is_empty() {
            return Ok(out.put(format_args!("{} blocks processed.\r", item.progress))?);
        }
        let padding = if item.msg.len() < 20 && !item.msg.contains("was corrupt") { "             " } else { "" };
        Ok(out.line(format_args!("{}{padding}", item.msg))?)
    }
}
