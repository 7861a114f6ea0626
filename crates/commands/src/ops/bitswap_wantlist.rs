//! `bitswap wantlist`: the blocks that are wanted.

use merkury_core::PeerId;

use super::prelude::*;

/// `bitswap wantlist`.
pub struct BitswapWantlist;

/// Blocks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct WantlistOut {
    /// The blocks; `null` when there are none.
    pub keys: Option<Vec<CidLink>>,
}

impl Op for BitswapWantlist {
    const SPEC: &'static Spec = &Spec {
        path: "bitswap/wantlist",
        about: "List the blocks that are wanted.",
        examples: &["ipfs bitswap wantlist"],
        options: &[Opt::text(&["peer", "p"], "What this peer wants from us; by default what we want.")],
        tier: Tier::Niche,
        ..Spec::READ
    };
    type Item = WantlistOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<WantlistOut> {
        Box::pin(async move {
            let peer = request.call.options.text("peer");
            let peer = peer
                .map(|text| PeerId::parse(&text).map_err(|error| ApiError::invalid(error.to_string())))
                .transpose()?;
            let wants = cx.api(&request.call)?.peers.wantlist(peer.as_ref()).await?;
            Ok(Reply::One(WantlistOut { keys: Some(wants.into_iter().map(CidLink::from).collect()) }))
        })
    }

    fn text(item: WantlistOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        let cids = CidText::of(call)?;
        let mut keys = item.keys.unwrap_or_default();
        keys.sort_by_key(|key| key.cid.to_bytes());
        Ok(keys.iter().try_for_each(|key| out.line(cids.text(&key.cid)))?)
    }
}
