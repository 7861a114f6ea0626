//! The gateway's options: the `Gateway` section of the configuration in plain types.

use std::collections::BTreeMap;
use std::time::Duration;

/// How a gateway behaves. `Default` is Kubo's default.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// `Gateway.HTTPHeaders`: sent with every answer.
    pub headers: BTreeMap<String, Vec<String>>,
    /// `Gateway.RootRedirect`: where `/` leads; empty is nowhere.
    pub root_redirect: String,
    /// `Gateway.NoFetch`: only what is stored here.
    pub no_fetch: bool,
    /// `Gateway.DeserializedResponses`: `false` serves only formats that clients verify (raw, CAR).
    pub deserialized_responses: bool,
    /// `Gateway.DeprecatedXIpfsPath`: send `X-Ipfs-Path` too.
    pub deprecated_x_ipfs_path: bool,
    /// The contrary of `Gateway.DisableHTMLErrors`: errors are pages for clients that accept them.
    pub html_errors: bool,
    /// `Gateway.RetrievalTimeout`: longest wait for the first or the next bytes; `None` waits for ever.
    pub retrieval_timeout: Option<Duration>,
    /// `Gateway.MaxRequestDuration`: longest request as a whole.
    pub request_duration_max: Option<Duration>,
    /// `Gateway.MaxConcurrentRequests`: requests in work at once; further ones get 429.
    pub requests_max: Option<usize>,
    /// `Gateway.MaxRangeRequestFileSize`: larger files are not served in parts.
    pub range_file_bytes_max: Option<u64>,
    /// The agent that `/version` names, such as `kubo/0.43.1`.
    pub agent: String,
    /// The commit that `/version` names; may be empty.
    pub commit: String,
    /// Bytes of whole small answers kept in memory.
    pub answer_cache_bytes: usize,
    /// Bytes of resolved paths kept in memory.
    pub path_cache_bytes: usize,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            headers: BTreeMap::new(),
            root_redirect: String::new(),
            no_fetch: false,
            deserialized_responses: true,
            deprecated_x_ipfs_path: false,
            html_errors: true,
            retrieval_timeout: Some(Duration::from_secs(30)),
            request_duration_max: Some(Duration::from_secs(3600)),
            requests_max: Some(4096),
            range_file_bytes_max: None,
            agent: "merkury".into(),
            commit: String::new(),
            answer_cache_bytes: 24 * 1024 * 1024,
            path_cache_bytes: 8 * 1024 * 1024,
        }
    }
}
