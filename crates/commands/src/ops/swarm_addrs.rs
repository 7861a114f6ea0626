//! `swarm addrs`, `swarm addrs local`, `swarm addrs listen`: known addresses and our own.

use std::collections::BTreeMap;

use super::common::{Strings, offline_words};
use super::id::some_unless_empty;
use super::prelude::*;

/// `swarm addrs`.
pub struct SwarmAddrs;
/// `swarm addrs local`.
pub struct SwarmAddrsLocal;
/// `swarm addrs listen`.
pub struct SwarmAddrsListen;

/// Addresses by peer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AddrsOut {
    /// By peer.
    pub addrs: BTreeMap<String, Vec<String>>,
}

impl Op for SwarmAddrs {
    const SPEC: &'static Spec = &Spec {
        path: "swarm/addrs",
        about: "List known addresses of peers.",
        examples: &["ipfs swarm addrs"],
        ..Spec::READ
    };
    type Item = AddrsOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<AddrsOut> {
        Box::pin(async move {
            let known = cx.api(&request.call)?.peers.known().await.map_err(offline_words)?;
            let addrs = known.into_iter().filter(|peer| !peer.addresses.is_empty());
            Ok(Reply::One(AddrsOut { addrs: addrs.map(|peer| (peer.peer.to_string(), peer.addresses)).collect() }))
        })
    }

    fn text(item: AddrsOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        for (peer, addresses) in &item.addrs {
            out.line(format_args!("{peer} ({})", addresses.len()))?;
            addresses.iter().try_for_each(|address| out.line(format_args!("\t{address}")))?;
        }
        Ok(())
    }
}

impl Op for SwarmAddrsLocal {
    const SPEC: &'static Spec = &Spec {
        path: "swarm/addrs/local",
        about: "List the addresses that this node tells others.",
        examples: &["ipfs swarm addrs local"],
        options: &[Opt::flag(&["id"], "Print the peer id behind each.")],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = Strings;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Strings> {
        Box::pin(async move {
            let api = cx.api(&request.call)?;
            let mut addresses = api.peers.announced().await.map_err(offline_words)?;
            if request.call.options.flag("id") {
                let own = api.peers.identity().await?.id;
                addresses = addresses.into_iter().map(|address| format!("{address}/p2p/{own}")).collect();
            }
            addresses.sort();
            Ok(Reply::One(Strings { strings: some_unless_empty(addresses) }))
        })
    }

    fn text(item: Strings, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}

impl Op for SwarmAddrsListen {
    const SPEC: &'static Spec = &Spec {
        path: "swarm/addrs/listen",
        about: "List the addresses that this node listens on.",
        examples: &["ipfs swarm addrs listen"],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = Strings;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Strings> {
        Box::pin(async move {
            let mut addresses = cx.api(&request.call)?.peers.listening().await.map_err(offline_words)?;
            addresses.sort();
            Ok(Reply::One(Strings { strings: some_unless_empty(addresses) }))
        })
    }

    fn text(item: Strings, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}
