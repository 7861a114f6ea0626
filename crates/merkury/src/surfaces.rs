//! The surfaces of the daemon: one line each. Each gets its listeners from the configuration.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use merkury_api::{ApiError, Node};
use merkury_commands::rpc::{Rpc, RpcConfig};
use merkury_commands::version;
use merkury_gateway::{Gateway, GatewayConfig};
use merkury_http::{Limits, Request, Response, Surface};
use merkury_node::OpenNode;
use merkury_node::config::settings::parse_duration;
use serde_json::Value;

/// A surface, where it listens and within which bounds.
pub(crate) struct Served {
    /// For people.
    pub(crate) name: &'static str,
    /// Dotted configuration key of its addresses.
    pub(crate) addresses: &'static str,
    /// What answers.
    pub(crate) surface: Arc<dyn Surface>,
    /// What a client may do.
    pub(crate) limits: Limits,
}

/// The RPC with the gateway's paths beside it (`--unrestricted-api`).
struct Unrestricted {
    rpc: Rpc,
    gateway: Arc<dyn Surface>,
}

impl Surface for Unrestricted {
    fn call(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + 'static>> {
        let path = request.uri().path();
        let is_content = path.starts_with("/ipfs/") || path.starts_with("/ipns/");
        if is_content { self.gateway.call(request) } else { self.rpc.call(request) }
    }
}

/// All of them, in the order they are announced.
///
/// Content is not served on the RPC's port unless `unrestricted_api`: a page from there could call the RPC.
pub(crate) fn all(node: &OpenNode, unrestricted_api: bool) -> Result<Vec<Served>, ApiError> {
    let shared: Arc<dyn Node> = Arc::new(node.clone());
    let config = node.config();
    let gateway: Arc<dyn Surface> = Arc::new(Gateway::new(&*shared, gateway_config(&config)?));
    let rpc = Rpc::new(shared, node.path().to_owned(), RpcConfig::from_config(&config)?);
    let rpc: Arc<dyn Surface> =
        if unrestricted_api { Arc::new(Unrestricted { rpc, gateway: gateway.clone() }) } else { Arc::new(rpc) };
    Ok(vec![
        Served {
            name: RPC,
            addresses: "Addresses.API",
            surface: rpc,
            limits: Limits { body_idle: None, ..Limits::default() },
        },
        Served { name: GATEWAY, addresses: "Addresses.Gateway", surface: gateway, limits: Limits::default() },
    ])
}

/// Name of the RPC surface.
pub(crate) const RPC: &str = "RPC API server";
/// Name of the gateway surface.
pub(crate) const GATEWAY: &str = "Gateway server";

/// The `Gateway` section of the configuration; `null` and absent keys are the defaults.
fn gateway_config(config: &Value) -> Result<GatewayConfig, ApiError> {
    let section = config.get("Gateway").cloned().unwrap_or_default();
    let defaults = GatewayConfig::default();
    let flag = |key: &str, default: bool| section.get(key).and_then(Value::as_bool).unwrap_or(default);
    let duration = |key: &str, default: Option<Duration>| match section.get(key).and_then(Value::as_str) {
        None | Some("" | "default") => Ok(default),
        Some(text) => match parse_duration(text) {
            Some(Duration::ZERO) => Ok(None),
            Some(duration) => Ok(Some(duration)),
            None => Err(ApiError::invalid(format!("Gateway.{key} must be a duration such as 30s, but is {text:?}"))),
        },
    };
    let number = |key: &str| section.get(key).and_then(Value::as_u64);
    Ok(GatewayConfig {
        headers: headers(section.get("HTTPHeaders")),
        root_redirect: section.get("RootRedirect").and_then(Value::as_str).unwrap_or_default().to_owned(),
        no_fetch: flag("NoFetch", defaults.no_fetch),
        deserialized_responses: flag("DeserializedResponses", defaults.deserialized_responses),
        deprecated_x_ipfs_path: flag("DeprecatedXIpfsPath", defaults.deprecated_x_ipfs_path),
        html_errors: !flag("DisableHTMLErrors", !defaults.html_errors),
        retrieval_timeout: duration("RetrievalTimeout", defaults.retrieval_timeout)?,
        request_duration_max: duration("MaxRequestDuration", defaults.request_duration_max)?,
        requests_max: match number("MaxConcurrentRequests") {
            None => defaults.requests_max,
            Some(0) => None,
            Some(most) => Some(usize::try_from(most).unwrap_or(usize::MAX)),
        },
        range_file_bytes_max: number("MaxRangeRequestFileSize").filter(|bytes| *bytes > 0),
        agent: version::RPC_AGENT.into(),
        ..defaults
    })
}

fn headers(section: Option<&Value>) -> BTreeMap<String, Vec<String>> {
    let pairs = section.and_then(Value::as_object).into_iter().flatten();
    pairs
        .map(|(name, values)| {
            let values = values.as_array().map(Vec::as_slice).unwrap_or(std::slice::from_ref(values));
            (name.clone(), values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect())
        })
        .collect()
}
