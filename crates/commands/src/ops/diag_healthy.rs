//! `diag healthy`: whether the node works.

use merkury_core::Cid;

use super::prelude::*;
use crate::json;

/// `diag healthy`.
pub struct DiagHealthy;

/// The empty directory: every repository has it, so that reading it tests the store and nothing else.
const PROBE: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

impl Op for DiagHealthy {
    const SPEC: &'static Spec = &Spec {
        path: "diag/healthy",
        about: "Tell whether the node works.",
        help: "Reads a block that every repository has; fails when that fails, or when the daemon is stopping. Meant\n\
               for health checks of containers.",
        examples: &["ipfs diag healthy"],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = String;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<String> {
        Box::pin(async move {
            let probe = Cid::parse(PROBE).map_err(|error| ApiError::internal(error.to_string()))?;
            cx.api(&request.call)?.blocks.get(&probe).await.map_err(|error| error.context("probe fetch"))?;
            Ok(Reply::One("ok".to_owned()))
        })
    }

    fn text(item: String, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.raw(&json::line(&item)?)?)
    }
}
