//! `dag stat`: how large DAGs are and what they share.

use merkury_api::DagStatItem;

use super::common::PROGRESS;
use super::prelude::*;

/// `dag stat`.
pub struct DagStat;

/// Counted so far; the last item has all of it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DagStatOut {
    /// Distinct blocks over all roots.
    #[serde(skip_serializing_if = "is_zero")]
    pub unique_blocks: u64,
    /// Bytes of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub total_size: u64,
    /// Bytes that more than one root shares.
    #[serde(skip_serializing_if = "is_zero")]
    pub shared_size: u64,
    /// Sum of the single sizes over the total.
    #[serde(skip_serializing_if = "is_zero")]
    pub ratio: Ratio,
    /// One a root.
    pub dag_stats: Vec<OneDag>,
}

/// A ratio of 32 bits, written as Go does: whole numbers without a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub f32);

impl Serialize for Ratio {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 1e15 {
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f32(self.0)
    }
}

/// One DAG.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct OneDag {
    /// Its root.
    pub cid: String,
    /// Bytes of its distinct blocks.
    #[serde(skip_serializing_if = "is_zero")]
    pub size: u64,
    /// Number of them.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_blocks: u64,
}

/// The last item: the text form shows it alone.
#[derive(Default)]
pub struct DagStatText {
    last: Option<DagStatOut>,
}

impl Op for DagStat {
    const SPEC: &'static Spec = &Spec {
        path: "dag/stat",
        about: "Print the size of DAGs.",
        examples: &["ipfs dag stat --progress=false CID"],
        help: "Counts the distinct blocks below each root, and what several roots share.",
        args: &[Arg::text("root", "Path of a DAG.").many().or_stdin()],
        options: &[PROGRESS],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = DagStatOut;
    type Text = DagStatText;

    fn run(cx: Cx, request: Request) -> Running<DagStatOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let progress = call.options.flag_given("progress").unwrap_or(true);
            let mut roots = Vec::with_capacity(call.args.len());
            for path in &call.args {
                let resolved = resolve(&api, path).await?;
                if !resolved.rest.is_empty() {
                    let message = "cannot return size for anything other than a DAG with a root CID";
                    return Err(ApiError::invalid(message));
                }
                roots.push(resolved.cid);
            }
            let items = api.dag.stat(roots).try_filter_map(move |item| async move {
                let shown = shown(item, cids);
                Ok(Some(shown).filter(|item| progress || item.ratio != Ratio::default()))
            });
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: DagStatOut, _: &Call, state: &mut DagStatText, out: &mut Out<'_>) -> TextResult {
        if item.ratio == Ratio::default() {
            let blocks: u64 = item.dag_stats.iter().map(|dag| dag.num_blocks).sum();
            let bytes: u64 = item.dag_stats.iter().map(|dag| dag.size).sum();
            out.progress(format_args!("Fetched/Processed {blocks} blocks, {bytes} bytes ({})", human_size(bytes)))?;
        }
        state.last = Some(item);
        Ok(())
    }

    fn finish(_: &Call, state: &mut DagStatText, out: &mut Out<'_>) -> TextResult {
        out.clear_progress()?;
        let Some(last) = state.last.take() else { return Ok(()) };
        let width = last.dag_stats.first().map_or(0, |dag| dag.cid.len());
        out.line(format_args!("\n{:width$}\t{:15}\tSize", "CID", "Blocks"))?;
        for dag in &last.dag_stats {
            out.line(format_args!("{}\t{:<15}\t{}", dag.cid, dag.num_blocks, dag.size))?;
        }
        out.put(format_args!(
            "\nSummary\nTotal Size: {} ({})\nUnique Blocks: {}\nShared Size: {} ({})\nRatio: {:.6}\n\n\n",
            last.total_size,
            human_size(last.total_size),
            last.unique_blocks,
            last.shared_size,
            human_size(last.shared_size),
            last.ratio.0
        ))?;
        Ok(())
    }
}

fn one(stat: &merkury_api::DagStat, cids: CidText) -> OneDag {
    OneDag { cid: cids.text(&stat.root), size: stat.size, num_blocks: stat.blocks }
}

fn shown(item: DagStatItem, cids: CidText) -> DagStatOut {
    match item {
        DagStatItem::Progress(stat) => {
            DagStatOut { total_size: stat.size, dag_stats: vec![one(&stat, cids)], ..DagStatOut::default() }
        }
        DagStatItem::Done { dags, unique_blocks, total_size, shared_size } => {
            let sum = total_size.saturating_add(shared_size);
            let ratio = if total_size == 0 { 1.0 } else { sum as f32 / total_size as f32 };
            DagStatOut {
                unique_blocks,
                total_size,
                shared_size,
                ratio: Ratio(ratio),
                dag_stats: dags.iter().map(|dag| one(dag, cids)).collect(),
            }
        }
    }
}
