//! `multibase encode`, `decode` and `transcode`: bytes as text.

use bytes::Bytes;
use merkury_core::bases;
use merkury_core::limits::BIG_BLOCK_BYTES_MAX;

use super::common::{whole, whole_file};
use super::prelude::*;
use crate::cids::base_by_name;

/// `multibase encode`.
pub struct MultibaseEncode;
/// `multibase decode`.
pub struct MultibaseDecode;
/// `multibase transcode`.
pub struct MultibaseTranscode;

const BASE: &[Opt] = &[Opt::text(&["b"], "The base.").or("base64url")];

impl Op for MultibaseEncode {
    const SPEC: &'static Spec = &Spec {
        path: "multibase/encode",
        about: "Write bytes as multibase text.",
        help: "Reads a file or standard input.",
        examples: &["echo hello | ipfs multibase encode -b base16"],
        args: &[Arg::file("file", "The bytes.").or_stdin()],
        options: BASE,
        tier: Tier::Niche,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let Request { call, body } = request;
            let base = base_by_name(&call.options.text("b").unwrap_or_default())?;
            let bytes = whole_file(body, BIG_BLOCK_BYTES_MAX).await?;
            answer(bases::encode_bytes(base, &bytes).into())
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for MultibaseDecode {
    const SPEC: &'static Spec = &Spec {
        path: "multibase/decode",
        about: "Read bytes from multibase text.",
        help: "Reads a file or standard input. The first letter of the text names its base.",
        examples: &["echo -n f68656c6c6f | ipfs multibase decode"],
        args: &[Arg::file("encoded_file", "The text.").or_stdin()],
        tier: Tier::Niche,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move { answer(decoded(request.body).await?) })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

impl Op for MultibaseTranscode {
    const SPEC: &'static Spec = &Spec {
        path: "multibase/transcode",
        about: "Write multibase text in another base.",
        help: "Reads a file or standard input.",
        examples: &["echo -n f68656c6c6f | ipfs multibase transcode -b base64"],
        args: &[Arg::file("encoded_file", "The text.").or_stdin()],
        options: BASE,
        tier: Tier::Niche,
        place: Place::Anywhere,
        ..Spec::READ
    };
    type Item = NoItem;
    type Text = ();

    fn run(_: Cx, request: Request) -> Running<NoItem> {
        Box::pin(async move {
            let Request { call, body } = request;
            let base = base_by_name(&call.options.text("b").unwrap_or_default())?;
            answer(bases::encode_bytes(base, &decoded(body).await?).into())
        })
    }

    fn text(item: NoItem, _: &Call, (): &mut (), _: &mut Out<'_>) -> TextResult {
        match item {}
    }
}

fn answer(bytes: Bytes) -> Result<Reply<NoItem>, ApiError> {
    Ok(Reply::Bytes(whole("text/plain", bytes)))
}

async fn decoded(body: Body) -> Result<Bytes, ApiError> {
    let wrong = |why: String| ApiError::invalid(format!("failed to decode multibase: {why}"));
    let bytes = whole_file(body, BIG_BLOCK_BYTES_MAX).await?;
    if bytes.first() == Some(&0) {
        return Ok(bytes.slice(1..));
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(bases::decode(text).map_err(|error| wrong(error.to_string()))?.1.into())
}
