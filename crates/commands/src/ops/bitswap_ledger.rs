//! `bitswap ledger`: what went to and from one peer.

use merkury_core::PeerId;

use super::prelude::*;

/// `bitswap ledger`.
pub struct BitswapLedger;

/// The account of one peer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LedgerOut {
    /// The peer.
    pub peer: String,
    /// Bytes sent over bytes received.
    pub value: f64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub recv: u64,
    /// Blocks exchanged.
    pub exchanged: u64,
}

impl Op for BitswapLedger {
    const SPEC: &'static Spec = &Spec {
        path: "bitswap/ledger",
        about: "Print what went to and from a peer.",
        examples: &["ipfs bitswap ledger 12D3KooWHNyYv32ivXabQSe3ZchjWRT8PwSrihnTTPxtsMrFMzZY"],
        args: &[Arg::text("peer", "The peer.")],
        tier: Tier::Niche,
        ..Spec::READ
    };
    type Item = LedgerOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<LedgerOut> {
        Box::pin(async move {
            let peer = PeerId::parse(request.call.arg(0)?).map_err(|error| ApiError::invalid(error.to_string()))?;
            let ledger = cx.api(&request.call)?.peers.ledger(&peer).await?;
            Ok(Reply::One(LedgerOut {
                peer: ledger.peer.to_string(),
                value: ledger.sent as f64 / (ledger.received as f64 + 1.0),
                sent: ledger.sent,
                recv: ledger.received,
                exchanged: ledger.exchanged,
            }))
        })
    }

    fn text(item: LedgerOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.put(format_args!(
            "Ledger for {}\nDebt ratio:\t{:.6}\nExchanges:\t{}\nBytes sent:\t{}\nBytes received:\t{}\n\n",
            item.peer, item.value, item.exchanged, item.sent, item.recv
        ))?)
    }
}
