//! `dag import`: the blocks of CAR files.

use merkury_api::{Api, ByteStream, CarImported, DagImportOptions, ItemStream};

use super::common::{
    ALLOW_BIG_BLOCK, FAST_PROVIDE_DAG, FAST_PROVIDE_ROOT, FAST_PROVIDE_WAIT, New, entries, fast_provide, next_file,
};
use super::prelude::*;

/// `dag import`.
pub struct DagImport;

/// A root, or the sums at the end.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DagImportOut {
    /// A root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<ImportedRoot>,
    /// The sums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<ImportStats>,
}

/// A root of an archive.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImportedRoot {
    /// The root.
    pub cid: CidLink,
    /// Why it could not be pinned.
    pub pin_error_msg: String,
}

/// Counted over all archives.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImportStats {
    /// Blocks read.
    pub block_count: u64,
    /// Their bytes.
    pub block_bytes_count: u64,
}

impl Op for DagImport {
    const SPEC: &'static Spec = &Spec {
        path: "dag/import",
        about: "Store the blocks of CAR files.",
        help: "Reads CAR version 1 and 2. Every block is checked against its CID; a wrong one ends the import. The roots\n\
               in the header are pinned unless --pin-roots=false.",
        examples: &["ipfs dag import backup.car"],
        args: &[Arg::file("path", "A CAR file.").many().or_stdin()],
        options: &[
            Opt::flag(&["pin-roots"], "Pin the roots; the default unless --local-only."),
            Opt::flag(&["local-only"], "The archive is a part of a DAG: pin nothing."),
            Opt::flag(&["silent"], "Print nothing."),
            Opt::flag(&["stats"], "Print counts."),
            FAST_PROVIDE_ROOT,
            FAST_PROVIDE_DAG,
            FAST_PROVIDE_WAIT,
            ALLOW_BIG_BLOCK,
        ],
        ..Spec::ADD
    };
    type Item = DagImportOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<DagImportOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let local_only = call.options.flag("local-only");
            let pin = call.options.flag_given("pin-roots");
            if local_only && pin == Some(true) {
                let message = "--local-only implies --pin-roots=false and cannot be combined with --pin-roots=true; \
                               please drop one of them";
                return Err(ApiError::invalid(message));
            }
            let options = DagImportOptions {
                pin_roots: pin.unwrap_or(true) && !local_only,
                allow_big: call.options.flag("allow-big-block"),
                // Like Kubo, an import never asks peers.
                local_only: true,
            };
            let api = cx.api(&call)?;
            Ok(Reply::Stream(imported(api, call, entries(body)?, options)))
        })
    }

    fn text(item: DagImportOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        if call.options.flag("silent") {
            return Ok(());
        }
        let cids = CidText::of(call)?;
        if let Some(root) = item.root {
            let cid = cids.text(&root.cid.cid);
            if !root.pin_error_msg.is_empty() {
                return Err(ApiError::internal(format!("pinning root {cid:?} FAILED: {}", root.pin_error_msg)).into());
            }
            out.line(format_args!("Pinned root\t{cid}\tsuccess"))?;
        }
        if let Some(stats) = item.stats.filter(|_| call.options.flag("stats")) {
            out.line(format_args!("Imported {} blocks ({} bytes)", stats.block_count, stats.block_bytes_count))?;
        }
        Ok(())
    }
}

/// Archives one after the other: the next one begins where the last one ends.
fn imported(
    api: Api,
    call: Call,
    archives: ItemStream<merkury_api::InputEntry>,
    options: DagImportOptions,
) -> ItemStream<DagImportOut> {
    async_stream::try_stream! {
        let mut total = ImportStats::default();
        let mut roots = Vec::new();
        let mut events = api.dag.import(files(archives), options.clone());
        while let Some(event) = events.try_next().await? {
            match event {
                CarImported::Root { cid, pin_error } => {
                    roots.push(cid.clone());
                    if options.pin_roots {
                        let root = ImportedRoot { cid: cid.into(), pin_error_msg: pin_error.unwrap_or_default() };
                        yield DagImportOut { root: Some(root), stats: None };
                    }
                }
                CarImported::Stats { blocks, bytes } => {
                    total.block_count = total.block_count.saturating_add(blocks);
                    total.block_bytes_count = total.block_bytes_count.saturating_add(bytes);
                }
            }
        }
        fast_provide(&api, &call, &roots, New { pinned: options.pin_roots, mfs: false }).await?;
        if call.options.flag("stats") {
            yield DagImportOut { root: None, stats: Some(total) };
        }
    }
    .boxed()
}

/// The content of each entry; each is read to its end before the next is asked for.
fn files(archives: ItemStream<merkury_api::InputEntry>) -> ItemStream<ByteStream> {
    stream::try_unfold(archives, |mut archives| async move {
        Ok(next_file(&mut archives).await?.map(|file| (file, archives)))
    })
    .boxed()
}
