//! `du` and `dedup`: what keeps how much, and what sharing saves.

use merkury_api::{Extent, KeptAs, SpaceUsage};

use super::prelude::*;
use crate::text::{Table, binary_size};

/// `du`.
pub struct Du;
/// `dedup`.
pub struct Dedup;

/// Bytes and blocks.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExtentOut {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<Extent> for ExtentOut {
    fn from(of: Extent) -> Self {
        Self { blocks: of.blocks, bytes: of.bytes }
    }
}

/// One DAG that is kept.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DagOut {
    /// Its root.
    pub cid: String,
    /// `pin` or `files`.
    pub kept_by: String,
    /// Name of the pin, or path in the mutable file system.
    pub name: String,
    /// All of it that is here.
    pub total: ExtentOut,
    /// What no other holds: what would go with it.
    pub unique: ExtentOut,
    /// What others hold too.
    pub shared: ExtentOut,
    /// Whether all of it is here.
    pub complete: bool,
}

/// What keeps how much.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DuOut {
    /// Each DAG, the largest first.
    pub kept: Vec<DagOut>,
    /// All of them, every block once.
    pub together: ExtentOut,
    /// What nothing keeps: a collection would remove it.
    pub cache: ExtentOut,
    /// All that is stored.
    pub stored: ExtentOut,
    /// Bytes of the repository's files.
    pub disk_bytes: u64,
}

/// What sharing saves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DedupOut {
    /// What the DAGs would take, each alone.
    pub alone: ExtentOut,
    /// What they take together.
    pub together: ExtentOut,
    /// The difference.
    pub saved: ExtentOut,
    /// The difference in percent.
    pub percent: f64,
    /// DAGs that share something, by how much.
    pub sharing: Vec<DagOut>,
}

fn less(left: Extent, right: Extent) -> ExtentOut {
    ExtentOut { blocks: left.blocks.saturating_sub(right.blocks), bytes: left.bytes.saturating_sub(right.bytes) }
}

fn dags(usage: &SpaceUsage) -> Vec<DagOut> {
    let mut dags: Vec<DagOut> = usage
        .dags
        .iter()
        .map(|dag| {
            let (kept_by, name) = match &dag.kept_as {
                KeptAs::Pin { name } => ("pin", name),
                KeptAs::File { path } => ("files", path),
            };
            DagOut {
                cid: dag.cid.to_string(),
                kept_by: kept_by.into(),
                name: name.clone(),
                total: dag.total.into(),
                unique: dag.unique.into(),
                shared: less(dag.total, dag.unique),
                complete: !dag.has_holes,
            }
        })
        .collect();
    dags.sort_by(|left, right| right.total.bytes.cmp(&left.total.bytes).then_with(|| left.cid.cmp(&right.cid)));
    dags
}

impl Op for Du {
    const SPEC: &'static Spec = &Spec {
        path: "du",
        about: "Show what keeps how much.",
        help: "A line for each pin and each entry at the top of the mutable file system: all of it, what only it holds\n\
               (and would go with it), and what others hold too. Sizes were recorded when blocks were stored, so nothing\n\
               is read.",
        examples: &["merkury du", "merkury du --json"],
        tier: Tier::Own,
        ..Spec::READ
    };
    type Item = DuOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<DuOut> {
        Box::pin(async move {
            let usage = cx.api(&request.call)?.space.usage().await?;
            Ok(Reply::One(DuOut {
                kept: dags(&usage),
                together: usage.together.into(),
                cache: less(usage.stored, usage.together),
                stored: usage.stored.into(),
                disk_bytes: usage.disk_bytes,
            }))
        })
    }

    fn text(item: DuOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let mut table = Table::new(0);
        table.row(["TOTAL", "ONLY HERE", "SHARED", "CID", "KEPT BY"]);
        for dag in &item.kept {
            let note = if dag.complete { "" } else { " (a part is missing here)" };
            table.row([
                binary_size(dag.total.bytes),
                binary_size(dag.unique.bytes),
                binary_size(dag.shared.bytes),
                dag.cid.clone(),
                format!("{} {}{note}", dag.kept_by, escape_name(&dag.name)).trim_end().to_owned(),
            ]);
        }
        out.put(table.render())?;
        out.line(format_args!(
            "kept {} in {} blocks, cache {}, files of the repository {}",
            binary_size(item.together.bytes),
            item.together.blocks,
            binary_size(item.cache.bytes),
            binary_size(item.disk_bytes)
        ))?;
        Ok(())
    }
}

impl Op for Dedup {
    const SPEC: &'static Spec = &Spec {
        path: "dedup",
        about: "Show what sharing of blocks saves.",
        help: "Compares what pins and entries of the mutable file system would take, each alone, with what they take\n\
               together, and names those that share most.",
        examples: &["merkury dedup", "merkury dedup --json"],
        tier: Tier::Own,
        ..Spec::READ
    };
    type Item = DedupOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<DedupOut> {
        Box::pin(async move {
            let usage = cx.api(&request.call)?.space.usage().await?;
            let alone = usage.dags.iter().fold(Extent::default(), |sum, dag| Extent {
                blocks: sum.blocks.saturating_add(dag.total.blocks),
                bytes: sum.bytes.saturating_add(dag.total.bytes),
            });
            let saved = less(alone, usage.together);
            let percent = if alone.bytes == 0 { 0.0 } else { saved.bytes as f64 * 100.0 / alone.bytes as f64 };
            let mut sharing = dags(&usage);
            sharing.retain(|dag| dag.shared.bytes > 0);
            sharing.sort_by_key(|dag| std::cmp::Reverse(dag.shared.bytes));
            sharing.truncate(SHARING_MAX);
            Ok(Reply::One(DedupOut { alone: alone.into(), together: usage.together.into(), saved, percent, sharing }))
        })
    }

    fn text(item: DedupOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        out.line(format_args!(
            "saved {} ({:.1}%): {} put in, {} stored",
            binary_size(item.saved.bytes),
            item.percent,
            binary_size(item.alone.bytes),
            binary_size(item.together.bytes)
        ))?;
        if item.sharing.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(0);
        table.row(["SHARED", "OF", "CID", "KEPT BY"]);
        for dag in &item.sharing {
            table.row([
                binary_size(dag.shared.bytes),
                binary_size(dag.total.bytes),
                dag.cid.clone(),
                format!("{} {}", dag.kept_by, escape_name(&dag.name)).trim_end().to_owned(),
            ]);
        }
        Ok(out.put(table.render())?)
    }
}

/// DAGs that `dedup` names.
const SHARING_MAX: usize = 10;
