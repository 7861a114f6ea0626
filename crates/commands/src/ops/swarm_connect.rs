//! `swarm connect`, `swarm disconnect`: opens and closes connections.

use super::common::{Strings, offline_words};
use super::prelude::*;

/// `swarm connect`.
pub struct SwarmConnect;
/// `swarm disconnect`.
pub struct SwarmDisconnect;

/// The peer id at the end of an address, for messages.
fn peer_of(address: &str) -> &str {
    address.rsplit('/').next().unwrap_or(address)
}

/// A multiaddr or a bare peer id; anything else is refused before a dial.
fn check(address: &str) -> Result<(), ApiError> {
    if address.starts_with('/') || merkury_core::PeerId::parse(address).is_ok() {
        return Ok(());
    }
    Err(ApiError::invalid(format!("failed to parse multiaddr {address:?}: must begin with /")))
}

impl Op for SwarmConnect {
    const SPEC: &'static Spec = &Spec {
        path: "swarm/connect",
        about: "Connect to peers.",
        examples: &["ipfs swarm connect /ip4/192.0.2.7/tcp/4001/p2p/12D3KooW…"],
        args: &[Arg::text("address", "Multiaddr of a peer, /p2p/ID at its end.").many().or_stdin()],
        ..Spec::ADMIN
    };
    type Item = Strings;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Strings> {
        Box::pin(async move {
            let call = request.call;
            call.args.iter().try_for_each(|address| check(address))?;
            let api = cx.api(&call)?;
            let mut lines = Vec::with_capacity(call.args.len());
            for address in &call.args {
                let peer = api.peers.connect(address).await.map_err(|mut error| {
                    error.message = format!("connect {} failure: {}", peer_of(address), error.message);
                    offline_words(error)
                })?;
                lines.push(format!("connect {peer} success"));
            }
            Ok(Reply::One(Strings { strings: Some(lines) }))
        })
    }

    fn text(item: Strings, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}

impl Op for SwarmDisconnect {
    const SPEC: &'static Spec = &Spec {
        path: "swarm/disconnect",
        about: "Close connections to peers.",
        examples: &["ipfs swarm disconnect /p2p/12D3KooWHNyYv32ivXabQSe3ZchjWRT8PwSrihnTTPxtsMrFMzZY"],
        args: &[Arg::text("address", "Multiaddr of a peer, or /p2p/ID.").many().or_stdin()],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = Strings;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<Strings> {
        Box::pin(async move {
            let call = request.call;
            call.args.iter().try_for_each(|address| check(address))?;
            let api = cx.api(&call)?;
            // Without a network this is an error, not a line for each address.
            api.peers.listening().await.map_err(offline_words)?;
            let mut lines = Vec::with_capacity(call.args.len());
            for address in &call.args {
                let outcome = match api.peers.disconnect(address).await {
                    Ok(()) => "success".to_owned(),
                    Err(error) => format!("failure: {}", error.message),
                };
                lines.push(format!("disconnect {} {outcome}", peer_of(address)));
            }
            Ok(Reply::One(Strings { strings: Some(lines) }))
        })
    }

    fn text(item: Strings, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        item.show(out)
    }
}
