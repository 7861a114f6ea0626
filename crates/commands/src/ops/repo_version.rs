//! `repo version`: version of the repository's format.

use super::prelude::*;
use crate::version::REPO_VERSION;

/// `repo version`.
pub struct RepoVersion;

/// The version.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RepoVersionOut {
    /// The number.
    pub version: String,
}

impl Op for RepoVersion {
    const SPEC: &'static Spec = &Spec {
        path: "repo/version",
        about: "Print the version of the repository's format.",
        examples: &["ipfs repo version"],
        options: &[Opt::flag(&["quiet", "q"], "Print the version alone.")],
        tier: Tier::Common,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = RepoVersionOut;
    type Text = ();

    fn run(_: Cx, _: Request) -> Running<RepoVersionOut> {
        Box::pin(async { Ok(Reply::One(RepoVersionOut { version: REPO_VERSION.to_string() })) })
    }

    fn text(item: RepoVersionOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let before = if call.options.flag("quiet") { "" } else { "ipfs repo version " };
        Ok(out.line(format_args!("{before}fs-repo@{}", item.version))?)
    }
}
