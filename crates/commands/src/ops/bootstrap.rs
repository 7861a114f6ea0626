//! `bootstrap`, `bootstrap list`, `add`, `rm`: the peers a node starts with, a list of the configuration.

use merkury_api::Api;
use serde_json::Value as Json;

use super::prelude::*;
use crate::autoconf;

/// `bootstrap`.
pub struct Bootstrap;
/// `bootstrap list`.
pub struct BootstrapList;
/// `bootstrap add`.
pub struct BootstrapAdd;
/// `bootstrap rm`.
pub struct BootstrapRm;

/// `bootstrap rm all`.
pub struct BootstrapRmAll;

/// Peers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BootstrapOut {
    /// Multiaddrs with the peer id, or `auto`.
    pub peers: Option<Vec<String>>,
}

const ABOUT: &str = "List the peers this node starts with.";

async fn read(api: &Api) -> Result<Vec<String>, ApiError> {
    let list = match api.config.get("Bootstrap").await {
        Ok(Json::Array(list)) => list,
        Ok(_) => Vec::new(),
        Err(error) if error.kind == merkury_core::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(list.into_iter().filter_map(|peer| peer.as_str().map(str::to_owned)).collect())
}

async fn write(api: &Api, peers: Vec<String>) -> Result<(), ApiError> {
    let list = Json::Array(peers.into_iter().map(Json::String).collect());
    api.config.set("Bootstrap", list).await.map(|_| ())
}

async fn list(cx: Cx, call: Call) -> Result<Reply<BootstrapOut>, ApiError> {
    let api = cx.api(&call)?;
    let mut peers = read(&api).await?;
    if call.options.spec().option("expand-auto").is_some() && call.options.flag("expand-auto") {
        let expanded = autoconf::expand(&api, "Bootstrap", Json::from(peers)).await?;
        let texts = expanded.as_array().into_iter().flatten().filter_map(Json::as_str);
        peers = texts.map(str::to_owned).collect();
    }
    Ok(Reply::One(BootstrapOut { peers: Some(peers) }))
}

fn show(item: BootstrapOut, before: &str, out: &mut Out<'_>) -> TextResult {
    let mut peers = item.peers.unwrap_or_default();
    peers.sort();
    Ok(peers.iter().try_for_each(|peer| out.line(format_args!("{before}{peer}")))?)
}

/// `auto`, or a multiaddr with a peer id at its end.
fn check(peer: &str) -> Result<(), ApiError> {
    let id = peer.rsplit_once("/p2p/").or_else(|| peer.rsplit_once("/ipfs/")).map(|(_, id)| id);
    if peer == "auto" || (peer.starts_with('/') && id.is_some_and(|id| merkury_core::PeerId::parse(id).is_ok())) {
        return Ok(());
    }
    if !peer.starts_with('/') {
        return Err(ApiError::invalid(format!("failed to parse multiaddr {peer:?}: must begin with /")));
    }
    Err(ApiError::invalid(format!("invalid bootstrap address: {peer}"))
        .hint("it needs to end with /p2p/ and the id of the peer"))
}

async fn has_autoconf(api: &Api) -> bool {
    api.config.get("AutoConf.Enabled").await.ok().and_then(|value| value.as_bool()).unwrap_or(true)
}

impl Op for Bootstrap {
    const SPEC: &'static Spec = &Spec {
        path: "bootstrap",
        about: ABOUT,
        examples: &["ipfs bootstrap"],
        help: "They are the first to be asked for others; a node also remembers peers it has met.",
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = BootstrapOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BootstrapOut> {
        Box::pin(list(cx, request.call))
    }

    fn text(item: BootstrapOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(item, "", out)
    }
}

impl Op for BootstrapList {
    const SPEC: &'static Spec = &Spec {
        path: "bootstrap/list",
        about: ABOUT,
        examples: &["ipfs bootstrap list"],
        options: &[Opt::flag(&["expand-auto"], "Replace \"auto\" by what it stands for.")],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = BootstrapOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BootstrapOut> {
        Box::pin(list(cx, request.call))
    }

    fn text(item: BootstrapOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(item, "", out)
    }
}

impl Op for BootstrapAdd {
    const SPEC: &'static Spec = &Spec {
        path: "bootstrap/add",
        about: "Add peers to start with.",
        examples: &["ipfs bootstrap add auto", "ipfs bootstrap add /ip4/192.0.2.1/tcp/4001/p2p/PEERID"],
        args: &[Arg::text("peer", "Multiaddr with /p2p/ID at its end, or auto.").optional().many().or_stdin()],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = BootstrapOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BootstrapOut> {
        Box::pin(async move {
            let call = request.call;
            if call.args.is_empty() {
                return Err(ApiError::invalid("no bootstrap peers to add"));
            }
            let wanted = call.args.iter().map(|peer| if peer == "default" { "auto" } else { peer.as_str() });
            let api = cx.api(&call)?;
            let mut peers = read(&api).await?;
            let mut added = Vec::new();
            for peer in wanted {
                check(peer)?;
                if peer == "auto" && !has_autoconf(&api).await {
                    return Err(ApiError::invalid(
                        "cannot add default bootstrap peers: AutoConf is disabled (AutoConf.Enabled=false). Enable \
                         AutoConf by setting AutoConf.Enabled=true in your config, or add specific peer addresses instead",
                    ));
                }
                if !peers.iter().any(|known| known == peer) {
                    peers.push(peer.to_owned());
                    added.push(peer.to_owned());
                }
            }
            write(&api, peers).await?;
            Ok(Reply::One(BootstrapOut { peers: Some(added).filter(|added| !added.is_empty()) }))
        })
    }

    fn text(item: BootstrapOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(item, "added ", out)
    }
}

impl Op for BootstrapRm {
    const SPEC: &'static Spec = &Spec {
        path: "bootstrap/rm",
        about: "Remove peers to start with.",
        examples: &["ipfs bootstrap rm --all"],
        args: &[Arg::text("peer", "A peer of the list.").optional().many().or_stdin()],
        options: &[Opt::flag(&["all"], "Remove all.")],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = BootstrapOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BootstrapOut> {
        Box::pin(async move {
            let call = request.call;
            let api = cx.api(&call)?;
            let all = call.options.flag("all");
            call.args.iter().try_for_each(|peer| check(peer))?;
            if !all && read(&api).await?.iter().any(|peer| peer == "auto") && has_autoconf(&api).await {
                return Err(ApiError::invalid(
                    "cannot remove individual bootstrap peers when using 'auto' placeholder: the 'auto' value is managed \
                     by AutoConf. Either disable AutoConf by setting AutoConf.Enabled=false and replace 'auto' with \
                     specific peer addresses, or use 'ipfs bootstrap rm --all' to remove all peers",
                ));
            }
            let goes = |peer: &String| all || call.args.contains(peer);
            remove(&api, goes).await
        })
    }

    fn text(item: BootstrapOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(item, "removed ", out)
    }
}

async fn remove(api: &Api, goes: impl Fn(&String) -> bool) -> Result<Reply<BootstrapOut>, ApiError> {
    let (removed, kept): (Vec<String>, Vec<String>) = read(api).await?.into_iter().partition(goes);
    write(api, kept).await?;
    Ok(Reply::One(BootstrapOut { peers: Some(removed).filter(|removed| !removed.is_empty()) }))
}

impl Op for BootstrapRmAll {
    const SPEC: &'static Spec = &Spec {
        path: "bootstrap/rm/all",
        about: "Remove all peers to start with.",
        examples: &["ipfs bootstrap rm all"],
        tier: Tier::Common,
        ..Spec::ADMIN
    };
    type Item = BootstrapOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<BootstrapOut> {
        Box::pin(async move { remove(&cx.api(&request.call)?, |_| true).await })
    }

    fn text(item: BootstrapOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        show(item, "removed ", out)
    }
}
