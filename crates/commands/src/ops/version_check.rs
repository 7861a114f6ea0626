//! `version check`: whether the peers around run a newer Kubo than the one whose behaviour this program keeps.

use super::prelude::*;
use crate::json;
use crate::version::KUBO_VERSION;

/// `version check`.
pub struct VersionCheck;

/// Share of peers that makes an update worth mentioning, in percent.
const PERCENT: u64 = 5;

/// What the peers run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VersionCheckOut {
    /// Enough peers run a newer one.
    pub update_available: bool,
    /// The Kubo whose behaviour this is.
    pub running_version: String,
    /// The newest that was seen.
    pub greatest_version: String,
    /// Peers that said their version, this node among them.
    pub peers_sampled: u64,
    /// Those with a newer one.
    pub with_greater_version: u64,
}

impl Op for VersionCheck {
    const SPEC: &'static Spec = &Spec {
        path: "version/check",
        about: "Compare the version with what connected peers run.",
        help: "Looks at the peers this node is connected to and at those alone that call themselves Kubo; versions\n\
               that are not released do not count.",
        examples: &["ipfs version check"],
        options: &[Opt::int(&["min-percent", "t"], "Share of peers with a newer version that counts as news.").or("5")],
        tier: Tier::Common,
        ..Spec::READ
    };
    type Item = VersionCheckOut;
    type Text = ();

    fn run(cx: Cx, request: Request) -> Running<VersionCheckOut> {
        Box::pin(async move {
            let call = request.call;
            let percent = match call.options.int("min-percent") {
                None | Some(0) => PERCENT,
                Some(percent @ 1..=100) => percent.unsigned_abs(),
                Some(_) => {
                    return Err(ApiError::invalid("Version.SwarmCheckPercentThreshold must be between 1 and 100"));
                }
            };
            let agents = cx.api(&call)?.peers.connections().await?;
            let agents = agents.into_iter().filter_map(|peer| Some(peer.identify?.agent));
            Ok(Reply::One(compare(agents, percent)))
        })
    }

    fn text(item: VersionCheckOut, _: &Call, (): &mut (), out: &mut Out<'_>) -> TextResult {
        Ok(out.raw(&json::line(&item)?)?)
    }
}

type Numbers = [u64; 3];

/// `0.43.1`; nothing for releases to come (`-rc1`, `-dev`) and for nonsense.
fn numbers(text: &str) -> Option<Numbers> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

fn compare(agents: impl Iterator<Item = String>, percent: u64) -> VersionCheckOut {
    let own = numbers(KUBO_VERSION).unwrap_or_default();
    let (mut sampled, mut greater, mut greatest) = (1, 0, own);
    for version in agents.filter_map(|agent| numbers(agent.strip_prefix("kubo/")?.split('/').next()?)) {
        sampled += 1;
        greater += u64::from(version > own);
        greatest = greatest.max(version);
    }
    VersionCheckOut {
        update_available: greater * 100 >= percent * sampled,
        running_version: KUBO_VERSION.into(),
        greatest_version: greatest.map(|number| number.to_string()).join("."),
        peers_sampled: sampled,
        with_greater_version: greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn released_versions_of_kubo_count() {
        let agents = ["kubo/0.99.0/x", "kubo/0.44.0-rc1/", "merkury/1.0.0", "kubo/0.18.0", "kubo/", "kubo/1.2"];
        let out = compare(agents.iter().map(|agent| (*agent).to_owned()), 30);
        assert_eq!((out.peers_sampled, out.with_greater_version), (3, 1));
        assert!(out.update_available);
        assert_eq!(out.greatest_version, "0.99.0");
        assert!(!compare(std::iter::empty(), 5).update_available);
    }
}
