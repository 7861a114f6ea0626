//! Who may call: the host they think they talk to, the page they call from, the program they are, the credential
//! they show. All of it is decided from the head of the request.

use http::header::{AUTHORIZATION, HOST, ORIGIN, REFERER, USER_AGENT};
use http::uri::Authority;
use http::{HeaderMap, Method, Uri};

use super::config::RpcConfig;

/// Origins of the browser extension that drives a node; always allowed.
const COMPANION: [&str; 2] =
    ["chrome-extension://nibjojkomfdiaoajekhjakgkdhaomnch", "chrome-extension://hjoieblefckbooibpepigmacodalfndh"];

/// Whether the `Host` is one an attacker's page cannot have: an IP address, `localhost`, or a name that is listed. A
/// page of a foreign name that was pointed at this machine (DNS rebinding) is refused by it.
pub(super) fn host_is_ours(uri: &Uri, headers: &HeaderMap, config: &RpcConfig) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let text = match (uri.authority(), hosts.next()) {
        (Some(authority), _) => authority.as_str().to_owned(),
        (None, Some(value)) => match value.to_str() {
            Ok(text) => text.to_owned(),
            Err(_) => return false,
        },
        // Only HTTP/1.0 and sockets of the file system come without one; no browser does.
        (None, None) => return true,
    };
    hosts.next().is_none() && host_is_listed(&text, config)
}

fn host_is_listed(text: &str, config: &RpcConfig) -> bool {
    if text.is_empty() {
        return true;
    }
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    // `unix` is what Go's client calls a socket of the file system; no public name has one word.
    host == "localhost"
        || host == "unix"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok()
        || config.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(&host))
}

/// Whether a page of this origin may call.
pub(super) fn origin_is_allowed(origin: &str, headers: &HeaderMap, config: &RpcConfig) -> bool {
    COMPANION.contains(&origin)
        || config.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
        || is_own_loopback(origin, headers)
}

/// Whether the origin is a loopback name with the port that was called.
fn is_own_loopback(origin: &str, headers: &HeaderMap) -> bool {
    let Some((scheme @ ("http" | "https"), rest)) = origin.split_once("://") else { return false };
    let Ok(authority) = rest.parse::<Authority>() else { return false };
    let default_port = if scheme == "http" { 80 } else { 443 };
    let called = headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse::<Authority>().ok());
    let Some(called) = called else { return false };
    matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]")
        && authority.port_u16().unwrap_or(default_port) == called.port_u16().unwrap_or(80)
}

/// Whether this does not come from a foreign page: its origin or referer is allowed, and a browser that states neither
/// is refused.
pub(super) fn page_is_allowed(method: &Method, headers: &HeaderMap, config: &RpcConfig) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("\u{0}"));
    let (origin, referer) = (text(ORIGIN), text(REFERER));
    if let Some(origin) = origin
        && !origin_is_allowed(origin, headers, config)
    {
        return false;
    }
    if let Some(referer) = referer
        && !origin_of(referer).is_some_and(|origin| origin_is_allowed(&origin, headers, config))
    {
        return false;
    }
    if method != Method::POST || origin.is_some() || referer.is_some() {
        return true;
    }
    let agent = text(USER_AGENT).unwrap_or_default();
    agent.contains("Electron") || !agent.starts_with("Mozilla")
}

fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{authority}"))
}

/// Whether the credential opens the path (of the URI, with its leading slash). Without authorizations everything is
/// open; a valid credential always opens `version`.
pub(super) fn credential_opens(path: &str, headers: &HeaderMap, config: &RpcConfig) -> bool {
    if config.authorizations.is_empty() {
        return true;
    }
    let Some(header) = headers.get(AUTHORIZATION) else { return false };
    let path = path.strip_prefix('/').unwrap_or(path);
    let is_plain = !path.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..");
    // Every entry is compared, so that the time tells nothing.
    config.authorizations.iter().fold(false, |open, authorization| {
        let proved = authorization.is_proved_by(header.as_bytes());
        open | (proved && is_plain && (path == "api/v0/version" || authorization.opens(path)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn hosts() {
        let config = RpcConfig { hosts: vec!["nas".into()], ..RpcConfig::default() };
        for (host, ours) in [
            ("127.0.0.1:5001", true),
            ("[::1]:5001", true),
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("NAS:5001", true),
            ("192.168.1.7:5001", true),
            ("evil.example:5001", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("a b", false),
        ] {
            assert_eq!(host_is_ours(&Uri::from_static("/x"), &headers(&[("host", host)]), &config), ours, "{host}");
        }
        let two = headers(&[("host", "127.0.0.1")]);
        let mut two = two;
        two.append("host", "evil.example".parse().expect("a value"));
        assert!(!host_is_ours(&Uri::from_static("/x"), &two, &config));
    }

    #[test]
    fn pages() {
        let config = RpcConfig { origins: vec!["https://app.example".into()], ..RpcConfig::default() };
        for (pairs, allowed) in [
            (vec![], true),
            (vec![("user-agent", "Mozilla/5.0")], false),
            (vec![("user-agent", "Mozilla/5.0 Electron/9")], true),
            (vec![("origin", "http://localhost:5001"), ("user-agent", "Mozilla/5.0")], true),
            (vec![("origin", "http://127.0.0.1:5001")], true),
            (vec![("origin", "http://localhost:5002")], false),
            (vec![("origin", "null")], false),
            (vec![("origin", "https://evil.example")], false),
            (vec![("origin", "https://app.example")], true),
            (vec![("origin", COMPANION[0])], true),
            (vec![("referer", "https://app.example/page")], true),
            (vec![("referer", "https://app.example.evil/page")], false),
            (vec![("referer", "nonsense")], false),
        ] {
            let mut all = vec![("host", "127.0.0.1:5001")];
            all.extend(pairs.iter().copied());
            assert_eq!(page_is_allowed(&Method::POST, &headers(&all), &config), allowed, "{pairs:?}");
        }
    }
}
