//! Where a Kubo answers: a multiaddr as in its `api` file, or a URL.

use std::path::PathBuf;

use crate::KuboError;

/// The address of an RPC port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// TCP, by name or number.
    Tcp {
        /// Host name or IP, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// Reads `/ip4/127.0.0.1/tcp/5001`, `/dns/host/tcp/5001`, `/unix/path` or `http://host:5001`.
    pub fn parse(text: &str) -> Result<Self, KuboError> {
        let text = text.trim();
        let wrong = |why| KuboError::Address { address: text.to_owned(), why };
        if let Some(path) = text.strip_prefix("/unix/") {
            return Ok(Self::Unix(PathBuf::from("/").join(path)));
        }
        if text.starts_with("https://") {
            return Err(wrong("a Kubo behind TLS is not asked; make a tunnel to its port (ssh -L)"));
        }
        if let Some(rest) = text.strip_prefix("http://") {
            let authority = rest.split('/').next().unwrap_or_default();
            let authority: ::http::uri::Authority = authority.parse().map_err(|_| wrong("the host is malformed"))?;
            let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
            return Ok(Self::Tcp { host, port: authority.port_u16().unwrap_or(80) });
        }
        let parts: Vec<&str> = text.split('/').collect();
        match parts[..] {
            ["", "ip4" | "ip6" | "dns" | "dns4" | "dns6", host, "tcp", port] if !host.is_empty() => {
                let port = port.parse().map_err(|_| wrong("the port is not a number"))?;
                Ok(Self::Tcp { host: host.to_owned(), port })
            }
            _ => Err(wrong("addresses look like /ip4/127.0.0.1/tcp/5001 or http://127.0.0.1:5001")),
        }
    }

    /// Whether the text is meant as an address rather than as a directory.
    pub fn is_meant(text: &str) -> bool {
        let protocols = ["/ip4/", "/ip6/", "/dns/", "/dns4/", "/dns6/", "/unix/"];
        text.contains("://") || protocols.iter().any(|protocol| text.starts_with(protocol))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port| Address::Tcp { host: host.into(), port };
        for (text, address) in [
            ("/ip4/127.0.0.1/tcp/5001", tcp("127.0.0.1", 5001)),
            ("/dns/host/tcp/80", tcp("host", 80)),
            ("http://[::1]:5001/", tcp("::1", 5001)),
            ("http://localhost", tcp("localhost", 80)),
            ("/unix/tmp/sock", Address::Unix("/tmp/sock".into())),
        ] {
            assert_eq!(Address::parse(text).unwrap(), address, "{text}");
            assert!(Address::is_meant(text));
        }
        for wrong in ["", "/home/me/.ipfs", "/ip4/127.0.0.1/tcp/x", "/ip4/127.0.0.1/udp/1", "https://x", "http://"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
        assert!(!Address::is_meant("/home/me/.ipfs"));
        assert!(!Address::is_meant("."));
        assert_eq!(tcp("::1", 5).to_string(), "[::1]:5");
    }
}
