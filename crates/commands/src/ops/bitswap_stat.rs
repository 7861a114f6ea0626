//! `bitswap stat`, `stats bitswap`: counters of the exchange.

use super::prelude::*;

/// `bitswap stat`.
pub struct BitswapStat;
/// `stats bitswap`.
pub struct StatsBitswap;

/// Counters since the start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BitswapStatOut {
    /// Blocks we want now.
    pub wantlist: Option<Vec<CidLink>>,
    /// Peers we exchange with.
    pub peers: Option<Vec<String>>,
    /// Blocks received that were wanted.
    pub blocks_received: u64,
    /// Their bytes.
    pub data_received: u64,
    /// Blocks received twice.
    pub dup_blks_received: u64,
    /// Their bytes.
    pub dup_data_received: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Blocks sent.
    pub blocks_sent: u64,
    /// Their bytes.
    pub data_sent: u64,
}

const ABOUT: &str = "Print counters of the exchange of blocks.";
const OPTIONS: &[Opt] =
    &[Opt::flag(&["verbose", "v"], "Print the peers too."), Opt::flag(&["human"], "Print sizes for people.")];

async fn run(cx: Cx, call: Call) -> Result<Reply<BitswapStatOut>, ApiError> {
    let stat = cx.api(&call)?.peers.bitswap_stat().await.map_err(|mut error| {
        if error.message.contains("online mode") {
            error.message = format!("unable to run offline: {}", error.message);
        }
        error
    })?;
    Ok(Reply::One(BitswapStatOut {
        wantlist: Some(stat.wantlist.into_iter().map(CidLink::from).collect()),
        peers: Some(stat.peers.iter().map(ToString::to_string).collect()),
        blocks_received: stat.blocks_received,
        data_received: stat.data_received,
        dup_blks_received: stat.dup_blocks_received,
        dup_data_received: stat.dup_data_received,
        messages_received: stat.messages_received,
        blocks_sent: stat.blocks_sent,
        data_sent: stat.data_sent,
    }))
}

fn show(item: &BitswapStatOut, call: &Call, out: &mut Out<'_>) -> TextResult {
    let size = |bytes: u64| if call.options.flag("human") { human_size(bytes) } else { bytes.to_string() };
    let cids = CidText::of(call)?;
    let wants: Vec<&CidLink> = item.wantlist.iter().flatten().collect();
    let peers: Vec<&String> = item.peers.iter().flatten().collect();
    out.line("bitswap status")?;
    out.line(format_args!("\tblocks received: {}", item.blocks_received))?;
    out.line(format_args!("\tblocks sent: {}", item.blocks_sent))?;
    out.line(format_args!("\tdata received: {}", size(item.data_received)))?;
    out.line(format_args!("\tdata sent: {}", size(item.data_sent)))?;
    out.line(format_args!("\tdup blocks received: {}", item.dup_blks_received))?;
    out.line(format_args!("\tdup data received: {}", size(item.dup_data_received)))?;
    out.line(format_args!("\twantlist [{} keys]", wants.len()))?;
    wants.iter().try_for_each(|want| out.line(format_args!("\t\t{}", cids.text(&want.cid))))?;
    out.line(format_args!("\tpartners [{}]", peers.len()))?;
    if call.options.flag("verbose") {
        peers.iter().try_for_each(|peer| out.line(format_args!("\t\t{peer}")))?;
    }
    Ok(())
}

impl Op for BitswapStat {
    const SPEC: &'static Spec = &Spec {
        path: "bitswap/stat",
        about: ABOUT,
        examples: &["ipfs bitswap stat --human"],
        options: OPTIONS,
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = BitswapStatOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BitswapStatOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: BitswapStatOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, call, out)
    }
}

impl Op for StatsBitswap {
    const SPEC: &'static Spec = &Spec {
        path: "stats/bitswap",
        about: ABOUT,
        examples: &["ipfs stats bitswap --human"],
        options: OPTIONS,
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = BitswapStatOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BitswapStatOut> {
        Box::pin(run(cx, request.call))
    }

    fn text(item: BitswapStatOut, call: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(&item, call, out)
    }
}
