//! What `"auto"` in the configuration stands for: the values of Kubo's AutoConf that are built in, which it falls back
//! to when nothing was fetched. This program fetches none.

use merkury_api::{Api, ApiError};
use merkury_core::bootstrap;
use serde_json::{Map, Value as Json, json};

/// Routers that know what the DHT does not.
const PROVIDERS: &[&str] = &["https://cid.contact/routing/v1/providers"];
/// Routers for nodes without a DHT.
const ROUTERS: &[&str] = &[
    "https://cid.contact/routing/v1/providers",
    "https://delegated-ipfs.dev/routing/v1/ipns",
    "https://delegated-ipfs.dev/routing/v1/peers",
    "https://delegated-ipfs.dev/routing/v1/providers",
];
/// Where nodes without a DHT publish names.
const PUBLISHERS: &[&str] = &["https://delegated-ipfs.dev/routing/v1/ipns"];
/// Resolvers of top-level names that the system's does not know.
const RESOLVERS: &[(&str, &str)] = &[("eth.", "https://dns.eth.limo/dns-query")];

/// What is known of the node when values are expanded.
struct Setting {
    /// `AutoConf.Enabled`.
    enabled: bool,
    /// `Routing.Type` is one with a DHT.
    has_dht: bool,
}

/// The value of a key with every `"auto"` replaced. As in Kubo this is known of four keys; others stay as they are.
pub(crate) async fn expand(api: &Api, key: &str, value: Json) -> Result<Json, ApiError> {
    let enabled = api.config.get("AutoConf.Enabled").await.ok().and_then(|value| value.as_bool()).unwrap_or(true);
    let routing = api.config.get("Routing.Type").await.ok();
    let kind = routing.as_ref().and_then(Json::as_str).unwrap_or("auto");
    let has_dht = matches!(kind, "" | "default" | "auto" | "autoclient" | "dht" | "dhtclient" | "dhtserver");
    Ok(expanded(&Setting { enabled, has_dht }, key, value))
}

fn expanded(setting: &Setting, key: &str, value: Json) -> Json {
    let (routers, publishers) = if setting.has_dht { (PROVIDERS, &[][..]) } else { (ROUTERS, PUBLISHERS) };
    match key {
        "Bootstrap" => list(setting, value, bootstrap::PEERS),
        "Routing.DelegatedRouters" => list(setting, value, routers),
        "Ipns.DelegatedPublishers" => list(setting, value, publishers),
        "DNS.Resolvers" => resolvers(setting, value),
        _ => value,
    }
}

fn list(setting: &Setting, value: Json, stands_for: &[&str]) -> Json {
    let stands_for = if setting.enabled { stands_for } else { &[] };
    let mut all = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        match item.as_str() {
            Some("auto") => all.extend(stands_for.iter().map(|text| json!(text))),
            _ => all.push(item.clone()),
        }
    }
    Json::Array(all)
}

fn resolvers(setting: &Setting, value: Json) -> Json {
    let mut all = Map::new();
    if setting.enabled {
        all.extend(RESOLVERS.iter().map(|(name, url)| ((*name).to_owned(), json!(url))));
    }
    let own = value.as_object().into_iter().flatten().filter(|(_, url)| url.as_str() != Some("auto"));
    all.extend(own.map(|(name, url)| (name.clone(), url.clone())));
    Json::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_stands_for_what_kubo_falls_back_to() {
        let dht = Setting { enabled: true, has_dht: true };
        let none = Setting { enabled: true, has_dht: false };
        let off = Setting { enabled: false, has_dht: true };
        let mixed = expanded(&dht, "Bootstrap", json!(["/a", "auto", "/b"]));
        let mixed = mixed.as_array().expect("a list");
        assert_eq!((mixed.len(), &mixed[0], &mixed[8]), (9, &json!("/a"), &json!("/b")));
        assert_eq!(expanded(&off, "Bootstrap", json!(["auto"])), json!([]));
        assert_eq!(expanded(&dht, "Ipns.DelegatedPublishers", json!(["auto"])), json!([]));
        assert_eq!(expanded(&none, "Ipns.DelegatedPublishers", json!(["auto"])), json!(PUBLISHERS));
        assert_eq!(
            expanded(&dht, "DNS.Resolvers", json!({".": "auto", "foo.": "https://a/"})),
            json!({"eth.": "https://dns.eth.limo/dns-query", "foo.": "https://a/"})
        );
        assert_eq!(expanded(&dht, "Addresses.API", json!("auto")), json!("auto"));
    }
}
