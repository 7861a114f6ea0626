//! `dag put`: values become blocks.

use merkury_api::BlockPutOptions;
use merkury_core::limits::BIG_BLOCK_BYTES_MAX;

use super::block_put::configured_hash;
use super::common::{ALLOW_BIG_BLOCK, entries, next_file};
use super::prelude::*;
use crate::cids::{codec_code, hash_code};
use crate::ipld;

/// `dag put`.
pub struct DagPut;

/// A stored node.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DagPutOut {
    /// Its CID.
    pub cid: CidLink,
}

impl Op for DagPut {
    const SPEC: &'static Spec = &Spec {
        path: "dag/put",
        about: "Store values as blocks.",
        help: "Reads each file, or standard input, in one codec and stores it in another.",
        examples: &["echo '{\"a\":[1,2]}' | ipfs dag put"],
        args: &[Arg::file("object data", "The value.").many().or_stdin()],
        options: &[
            Opt::text(&["store-codec"], "Codec of the block.").or("dag-cbor"),
            Opt::text(&["input-codec"], "Codec of the input.").or("dag-json"),
            Opt::flag(&["pin"], "Pin the block and what is below it."),
            Opt::text(&["hash"], "Hash function; the default is Import.HashFunction."),
            ALLOW_BIG_BLOCK,
        ],
        ..Spec::ADD
    };
    type Item = DagPutOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<DagPutOut> {
        Box::pin(async move {
            let Request { call, body } = request;
            let api = cx.api(&call)?;
            let codec = |option: &str| {
                let name = call.options.text(option).unwrap_or_default();
                codec_code(&name).ok_or_else(|| ApiError::invalid(format!("unknown multicodec: {name:?}")))
            };
            let (from, to) = (codec("input-codec")?, codec("store-codec")?);
            let name = call.options.text("hash").filter(|name| !name.is_empty()).or(configured_hash(&api).await);
            let name = name.unwrap_or_else(|| "sha2-256".into());
            let hash = hash_code(&name, || ApiError::invalid(format!("unknown multicodec: {name:?}")))?;
            let options = BlockPutOptions {
                codec: to,
                cid_v0: false,
                hash,
                hash_bytes: None,
                pin: call.options.flag("pin"),
                allow_big: call.options.flag("allow-big-block"),
            };
            let mut entries = entries(body)?;
            let items = async_stream::try_stream! {
                while let Some(file) = next_file(&mut entries).await? {
                    let input = crate::rpc::collect(file, BIG_BLOCK_BYTES_MAX).await?;
                    let block = ipld::transcode(&input.into(), from, to, &[])?;
                    let stat = api.blocks.put(block.into(), options.clone()).await?;
                    yield DagPutOut { cid: stat.cid.into() };
                }
            };
            Ok(Reply::Stream(items.boxed()))
        })
    }

    fn text(item: DagPutOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.line(CidText::of(call)?.text(&item.cid.cid))?)
    }
}
