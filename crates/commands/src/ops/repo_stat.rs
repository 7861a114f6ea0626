//! `repo stat`, `stats repo`: size of the repository.

use super::prelude::*;
use crate::text::Table;

/// `repo stat`.
pub struct RepoStat;
/// `stats repo`.
pub struct StatsRepo;

/// Sizes and counts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RepoStatOut {
    /// Bytes used.
    pub repo_size: u64,
    /// `Datastore.StorageMax` in bytes.
    pub storage_max: u64,
    /// Number of blocks.
    pub num_objects: u64,
    /// Where it is.
    pub repo_path: String,
    /// `fs-repo@18`.
    pub version: String,
}

const ABOUT: &str = "Print size and number of blocks of the repository.";
const OPTIONS: &[Opt] =
    &[Opt::flag(&["size-only", "s"], "Print the sizes alone."), Opt::flag(&["human", "H"], "Print sizes for people.")];

async fn run(cx: Cx, call: Call) -> Result<Reply<RepoStatOut>, ApiError> {
    let stat = cx.api(&call)?.repo.stat().await?;
    let all = !call.options.flag("size-only");
    Ok(Reply::One(RepoStatOut {
        repo_size: stat.size,
        storage_max: stat.storage_max,
        num_objects: if all { stat.objects } else { 0 },
        repo_path: if all { stat.path } else { String::new() },
        version: if all { stat.version } else { String::new() },
    }))
}

fn show(item: &RepoStatOut, call: &Call, out: &mut Out<'_>) -> TextResult {
    let all = !call.options.flag("size-only");
    let size = |bytes: u64| if call.options.flag("human") { human_size(bytes) } else { bytes.to_string() };
    let mut table = Table::new(0);
    if all {
        table.row(["NumObjects:".to_owned(), item.num_objects.to_string()]);
    }
    table.row(["RepoSize:".to_owned(), size(item.repo_size)]);
    table.row(["StorageMax:".to_owned(), size(item.storage_max)]);
    if all {
        table.row(["RepoPath:".to_owned(), item.repo_path.clone()]);
        table.row(["Version:".to_owned(), item.version.clone()]);
    }
    Ok(out.put(table.render())?)
}

impl Op for RepoStat {
    const SPEC: &'static Spec = &Spec {
        path: "repo/stat",
        about: ABOUT,
        examples: &["ipfs repo stat --human"],
        options: OPTIONS,
        ..Spec::READ
    };
    type Item = RepoStatOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RepoStatOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: RepoStatOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, call, out)
    }
}

impl Op for StatsRepo {
    const SPEC: &'static Spec = &Spec {
        path: "stats/repo",
        about: ABOUT,
        examples: &["ipfs stats repo --human"],
        options: OPTIONS,
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = RepoStatOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<RepoStatOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: RepoStatOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, call, out)
    }
}
