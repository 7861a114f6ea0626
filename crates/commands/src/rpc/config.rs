//! What the configuration file says about the RPC.

use http::{HeaderName, HeaderValue};
use merkury_api::ApiError;
use serde_json::Value;

/// Settings of the RPC. `Default` is a node that only its own machine may use.
#[derive(Clone, Debug, Default)]
pub struct RpcConfig {
    /// Origins that may call beside the loopback ones; `*` is any.
    pub origins: Vec<String>,
    /// `Access-Control-Allow-Methods` of preflight answers, when set.
    pub methods: Vec<String>,
    /// Whether browsers may send credentials.
    pub credentials: bool,
    /// Headers added to each answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Host names that may be used beside IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Who may call what; empty means everybody may call everything.
    pub authorizations: Vec<Authorization>,
}

/// A credential and what it opens.
#[derive(Clone)]
pub struct Authorization {
    /// The whole `Authorization` header that proves it; empty when the secret is of an unknown kind: opens nothing.
    header: String,
    /// Paths it opens, whole segments; without the leading slash.
    paths: Vec<String>,
}

impl std::fmt::Debug for Authorization {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authorization").field("paths", &self.paths).finish_non_exhaustive()
    }
}

impl RpcConfig {
    /// Reads the `API`, `Addresses` and `Merkury` sections of the configuration file.
    pub fn from_config(config: &Value) -> Result<Self, ApiError> {
        let mut settings = Self::default();
        if let Some(Value::Object(headers)) = config.pointer("/API/HTTPHeaders") {
            for (name, value) in headers {
                settings.take_header(name, texts(value))?;
            }
        }
        if let Some(Value::Object(users)) = config.pointer("/API/Authorizations") {
            settings.authorizations = users.values().map(Authorization::from_config).collect();
        }
        settings.hosts = config.pointer("/Merkury/RPC/Hosts").map(texts).unwrap_or_default();
        for address in config.pointer("/Addresses/API").map(texts).unwrap_or_default() {
            let mut parts = address.split('/').skip(1);
            if let (Some("dns" | "dns4" | "dns6"), Some(name)) = (parts.next(), parts.next()) {
                settings.hosts.push(name.to_owned());
            }
        }
        let origins: Vec<String> = settings.origins.iter().filter_map(|origin| host_of(origin)).collect();
        settings.hosts.extend(origins);
        Ok(settings)
    }

    fn take_header(&mut self, name: &str, values: Vec<String>) -> Result<(), ApiError> {
        match name.to_ascii_lowercase().as_str() {
            "access-control-allow-origin" => self.origins = values,
            "access-control-allow-methods" => self.methods = values,
            "access-control-allow-credentials" => self.credentials = values.iter().any(|value| value == "true"),
            lower => {
                let wrong = |_| ApiError::invalid(format!("API.HTTPHeaders: {name:?} is not a valid header"));
                let header = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| wrong(()))?;
                for value in values {
                    let value = HeaderValue::from_str(&value).map_err(|_| wrong(()))?;
                    self.headers.push((header.clone(), value));
                }
            }
        }
        Ok(())
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

fn host_of(origin: &str) -> Option<String> {
    let authority: http::uri::Authority = origin.split_once("://")?.1.parse().ok()?;
    Some(authority.host().to_owned())
}

impl Authorization {
    fn from_config(user: &Value) -> Self {
        let secret = user.get("AuthSecret").and_then(Value::as_str).unwrap_or_default();
        let paths = user.get("AllowedPaths").map(texts).unwrap_or_default();
        let paths =
            paths.iter().map(|path| path.trim_matches('/').to_owned()).filter(|path| !path.is_empty()).collect();
        Self { header: auth_header(secret), paths }
    }

    /// Whether this header proves it. Takes the same time wherever the two differ.
    pub(super) fn is_proved_by(&self, header: &[u8]) -> bool {
        let known = self.header.as_bytes();
        if known.is_empty() || known.len() != header.len() {
            return false;
        }
        known.iter().zip(header).fold(0, |differences, (left, right)| differences | (left ^ right)) == 0
    }

    /// Whether it opens this path (without the leading slash).
    pub(super) fn opens(&self, path: &str) -> bool {
        self.paths
            .iter()
            .any(|open| path.strip_prefix(open.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

/// The `Authorization` header of a secret as the configuration file and `--api-auth` write it.
pub fn auth_header(secret: &str) -> String {
    let basic = |pair: &str| format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()));
    match secret.split_once(':') {
        None if secret.is_empty() => String::new(),
        None => format!("Bearer {secret}"),
        Some(("bearer", token)) => format!("Bearer {token}"),
        Some(("basic", pair)) if pair.contains(':') => basic(pair),
        Some(("basic", encoded)) => format!("Basic {encoded}"),
        Some(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_paths_match_whole_segments() {
        let user = serde_json::json!({"AuthSecret": "bearer:t", "AllowedPaths": ["/api/v0/files"]});
        let authorization = Authorization::from_config(&user);
        assert!(authorization.is_proved_by(b"Bearer t"));
        assert!(!authorization.is_proved_by(b"Bearer u"));
        for (path, open) in [
            ("api/v0/files", true),
            ("api/v0/files/ls", true),
            ("api/v0/filestore/ls", false),
            ("api/v0/filesx", false),
            ("api/v0/FILES", false),
            ("/api/v0/files", false),
            ("api/v0/%66iles", false),
        ] {
            assert_eq!(authorization.opens(path), open, "{path}");
        }
    }

    #[test]
    fn secrets_become_headers_as_kubo_makes_them() {
        for (secret, header) in [
            ("token", "Bearer token"),
            ("bearer:token", "Bearer token"),
            ("basic:user:pass", "Basic dXNlcjpwYXNz"),
            ("basic:dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
            ("other:x", ""),
            ("", ""),
        ] {
            assert_eq!(auth_header(secret), header);
        }
    }

    #[test]
    fn settings_come_from_the_file() {
        let config = serde_json::json!({"API": {"HTTPHeaders": {
            "Access-Control-Allow-Origin": ["http://app.example"],
            "Access-Control-Allow-Methods": ["PUT", "POST"],
            "X-Own": ["a"],
        }}});
        let settings = RpcConfig::from_config(&config).expect("valid");
        assert_eq!(settings.origins, ["http://app.example"]);
        assert_eq!(settings.methods, ["PUT", "POST"]);
        assert_eq!(settings.hosts, ["app.example"]);
        assert_eq!(settings.headers.len(), 1);
    }
}
