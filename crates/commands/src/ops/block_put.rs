//! `block put`: bytes become a block.

use merkury_api::BlockPutOptions;
use merkury_core::limits::BIG_BLOCK_BYTES_MAX;

use merkury_core::hash::name::is_made_by_kubo;

use super::block_stat::BlockStatOut;
use super::common::{ALLOW_BIG_BLOCK, entries, next_file};
use super::prelude::*;
use crate::cids::{codec_code, hash_code, known_hash_code};

/// `block put`.
pub struct BlockPut;

impl Op for BlockPut {
    const SPEC: &'static Spec = &Spec {
        path: "block/put",
        about: "Store bytes as blocks.",
        help: "Each file, or standard input, becomes one block; its CID is printed.",
        examples: &["ipfs block put --cid-codec=dag-cbor < node.cbor"],
        args: &[Arg::file("data", "The bytes.").many().or_stdin()],
        options: &[
            Opt::text(&["cid-codec"], "Codec of the CID.").or("raw"),
            Opt::text(&["mhtype"], "Hash function; the default is Import.HashFunction."),
            Opt::int(&["mhlen"], "Length of the digest; -1 is the function's own.").or("-1"),
            Opt::flag(&["pin"], "Pin the block and what is below it.").or("false"),
            ALLOW_BIG_BLOCK,
            Opt::text(&["format", "f"], "Older name of --cid-codec; v0 is dag-pb with a version 0 CID."),
        ],
        ..Spec::ADD
    };
    type Item = BlockStatOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BlockStatOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let api = cx.api(&call)?;
            let cids = CidText::of(&call)?;
            let options = options(&call, configured_hash(&api).await)?;
            let mut entries = entries(body)?;
            let items = async_stream::try_stream! {
                while let Some(file) = next_file(&mut entries).await? {
                    let data = crate::rpc::collect(file, BIG_BLOCK_BYTES_MAX).await?;
                    let stat = api.blocks.put(data.into(), options.clone()).await?;
                    yield BlockStatOut { key: cids.text(&stat.cid), size: stat.size };
                }
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: BlockStatOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(&item.key)?)
    }
}

/// `Import.HashFunction`, when set.
pub(crate) async fn configured_hash(api: &merkury_api::Api) -> Option<String> {
    let import = api.config.get("Import").await.ok()?;
    import.get("HashFunction")?.as_str().map(str::to_owned)
}

fn options(call: &Call, configured: Option<String>) -> Result<BlockPutOptions, ApiError> {
    let name = call.options.text("mhtype").filter(|name| !name.is_empty()).or(configured);
    let name = name.unwrap_or_else(|| "sha2-256".into());
    let unknown = || ApiError::invalid(format!("unrecognized multihash function: {name}"));
    // Whether the function is safe enough is said last, as Kubo does.
    let known = known_hash_code(&name, unknown)?;
    let format = call.options.text("format").filter(|format| !format.is_empty());
    let codec = call.options.text("cid-codec").unwrap_or_default();
    if format.is_some() && codec != "raw" {
        return Err(ApiError::invalid(
            "unable to use \"format\" (deprecated) and a custom \"cid-codec\" at the same time",
        ));
    }
    // As Kubo: the old name knows v0, protobuf (version 1 dag-pb) and cbor (dag-cbor).
    let (cid_v0, codec) = match format.as_deref() {
        Some("v0") => (true, "dag-pb".to_owned()),
        Some("protobuf") => (false, "dag-pb".to_owned()),
        Some("cbor") => (false, "dag-cbor".to_owned()),
        Some(other) => (false, other.to_owned()),
        None => (false, codec),
    };
    let codec = codec_code(&codec).ok_or_else(|| ApiError::invalid(format!("unknown multicodec: {codec:?}")))?;
    let hash = hash_code(&name, unknown).map_err(|error| match is_made_by_kubo(known) {
        true => error,
        false => ApiError::invalid(format!(
            "invalid cid: unknown multihash code {known} (0x{known:x}): no such hash registered"
        )),
    })?;
    let length = call.options.int("mhlen").filter(|length| *length >= 0);
    Ok(BlockPutOptions {
        codec,
        cid_v0,
        hash,
        hash_bytes: length.and_then(|length| usize::try_from(length).ok()),
        pin: call.options.flag("pin"),
        allow_big: call.options.flag("allow-big-block"),
    })
}
