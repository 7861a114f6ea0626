//! `repo fsck`: looks at every structure of the repository and builds the index anew.

use super::prelude::*;

/// `repo fsck`.
pub struct RepoFsck;

/// One structure.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RepoFsckOut {
    /// Which.
    pub what: String,
    /// Nothing is wrong with it.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "is_zero")]
    pub next: String,
}

impl Op for RepoFsck {
    const SPEC: &'static Spec = &Spec {
        path: "repo/fsck",
        about: "Check every structure of the repository and rebuild its index.",
        examples: &["ipfs repo fsck"],
        help: "Looks at configuration, keys, segments, pins and the mutable file system, and says what to do about damage.\n\
               The index of blocks is built anew from the segments alone, every hash checked; that needs the repository\n\
               for itself, so beside a daemon it is left out.\n\n\
               When the record of pins was damaged, nothing is collected until you say that the pins are complete: look at\n\
               `pin ls`, pin what is missing, then run this with --accept-pins.",
        options: &[Opt::flag(&["accept-pins"], "Pins are complete as they are: collection may run again.")],
        tier: Tier::Own,
        ..Spec::ADMIN
    };
    type Item = RepoFsckOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RepoFsckOut> {
        Box::pin(async move {
            let call = request.call;
            let mut found = cx.api(&call)?.repo.check_up(call.options.flag("accept-pins"));
            let items = async_stream::try_stream! {
                let mut unwell = 0u64;
                while let Some(item) = found.try_next().await? {
                    unwell += u64::from(!item.is_well);
                    yield RepoFsckOut { what: item.what, ok: item.is_well, found: item.found, next: item.next };
                }
                if unwell > 0 {
                    let message = format!("{unwell} of the structures need attention");
                    Err(ApiError::new(merkury_core::ErrorKind::Corrupt, message))?;
                }
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: RepoFsckOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let state = if item.ok { "ok" } else { "DAMAGED" };
        out.line(format_args!("{:<14} {state:<8} {}", item.what, item.found))?;
        if !item.next.is_empty() {
            out.line(format_args!("{:<23} {}", "", item.next))?;
        }
        Ok(())
    }
}
