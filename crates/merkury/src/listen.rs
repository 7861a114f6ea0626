//! Listen addresses of the HTTP servers: multiaddrs of the configuration, bound and printed back.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use merkury_api::ApiError;
use merkury_http::{Address, Listener};

/// Where a server shall listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Reads `/ip4/…/tcp/…`, `/ip6/…/tcp/…` (with an optional `/http`) and `/unix/path`.
pub(crate) fn parse(address: &str) -> Result<Target, ApiError> {
    let invalid = |why: &str| {
        ApiError::invalid(format!("{address:?} is not an address to listen on: {why}"))
            .hint("addresses look like /ip4/127.0.0.1/tcp/5001 or /unix/run/merkury.sock")
    };
    if let Some(path) = address.strip_prefix("/unix/") {
        return Ok(Target::Unix(PathBuf::from("/").join(path)));
    }
    let mut parts = address.split('/').skip(1);
    let (family, host) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let ip: IpAddr = match family {
        "ip4" | "ip6" => host.parse().map_err(|_| invalid("the IP is malformed"))?,
        "dns" | "dns4" | "dns6" if host == "localhost" => IpAddr::from([127, 0, 0, 1]),
        _ => return Err(invalid("it must start with /ip4, /ip6 or /unix")),
    };
    let (transport, port) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let port = port.parse().map_err(|_| invalid("the port is malformed"))?;
    match (transport, parts.next()) {
        ("tcp", None | Some("http")) => Ok(Target::Tcp(SocketAddr::new(ip, port))),
        _ => Err(invalid("only TCP is served")),
    }
}

/// Binds an address.
pub(crate) async fn bind(address: &str) -> Result<Listener, ApiError> {
    let target = parse(address)?;
    let bound = match &target {
        Target::Tcp(socket) => Listener::tcp(*socket).await,
        Target::Unix(path) => Listener::unix(path).await,
    };
    bound.map_err(|error| {
        let made = ApiError::new(merkury_core::ErrorKind::Unavailable, format!("cannot listen on {address}: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => made.hint(
                "another program has the port; choose one with: merkury config Addresses.API /ip4/127.0.0.1/tcp/0",
            ),
            _ => made,
        }
    })
}

/// The multiaddr of a bound socket.
pub(crate) fn multiaddr(address: &Address) -> String {
    match address {
        Address::Unix(path) => format!("/unix{}", path.display()),
        Address::Tcp(SocketAddr::V4(socket)) => format!("/ip4/{}/tcp/{}", socket.ip(), socket.port()),
        Address::Tcp(SocketAddr::V6(socket)) => format!("/ip6/{}/tcp/{}", socket.ip(), socket.port()),
    }
}

/// The address with a host that other programs of this machine can dial: `0.0.0.0` becomes loopback.
pub(crate) fn dialable(address: &Address) -> Address {
    match address {
        Address::Tcp(socket) if socket.ip().is_unspecified() => {
            let loopback: IpAddr =
                if socket.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            Address::Tcp(SocketAddr::new(loopback, socket.port()))
        }
        other => other.clone(),
    }
}

/// The URL of a bound TCP socket; of a Unix socket its path.
pub(crate) fn url(address: &Address) -> String {
    match address {
        Address::Tcp(socket) => format!("http://{socket}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed_back() {
        for (text, expected) in [
            ("/ip4/127.0.0.1/tcp/5001", "/ip4/127.0.0.1/tcp/5001"),
            ("/ip6/::1/tcp/0/http", "/ip6/::1/tcp/0"),
            ("/dns/localhost/tcp/1", "/ip4/127.0.0.1/tcp/1"),
            ("/unix/run/x.sock", "/unix/run/x.sock"),
        ] {
            let address = match parse(text).expect(text) {
                Target::Tcp(socket) => Address::Tcp(socket),
                Target::Unix(path) => Address::Unix(path),
            };
            assert_eq!(multiaddr(&address), expected);
        }
        for text in ["", "5001", "/ip4/127.0.0.1/udp/1", "/ip4/x/tcp/1", "/ip4/127.0.0.1/tcp/99999", "/dns/a.b/tcp/1"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
