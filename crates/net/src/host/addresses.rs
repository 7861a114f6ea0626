//! Which addresses are what: public, private, loopback; servable or not; announced or not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::config::Announce;

/// Where an address can be reached from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// From everywhere; names count as public.
    Public,
    /// From the local network.
    Private,
    /// From this machine.
    Loopback,
    /// From nowhere: unspecified, multicast, documentation, or no IP at all.
    Nowhere,
}

/// Where `address` can be reached from. Addresses through a relay count as public.
pub(crate) fn reach(address: &Multiaddr) -> Reach {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => reach_v4(ip),
        Some(Protocol::Ip6(ip)) => reach_v6(ip),
        Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) | Protocol::Dnsaddr(name)) => {
            if name == "localhost" || name.ends_with(".localhost") { Reach::Loopback } else { Reach::Public }
        }
        Some(Protocol::P2p(_)) if address.iter().any(|part| part == Protocol::P2pCircuit) => Reach::Public,
        _ => Reach::Nowhere,
    }
}

fn reach_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, ..] = ip.octets();
    if ip.is_loopback() {
        Reach::Loopback
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b)) {
        Reach::Private
    } else if a == 0 || a >= 224 || ip.is_documentation() || (a == 198 && (b == 18 || b == 19)) {
        Reach::Nowhere
    } else {
        Reach::Public
    }
}

fn reach_v6(ip: Ipv6Addr) -> Reach {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return reach_v4(v4);
    }
    let [first, second, ..] = ip.segments();
    if ip.is_loopback() {
        Reach::Loopback
    } else if ip.is_unspecified() || ip.is_multicast() || (first == 0x2001 && second == 0x0db8) {
        Reach::Nowhere
    } else if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80 {
        Reach::Private
    } else {
        Reach::Public
    }
}

/// The IP of an address, if it has one.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

/// Whether we have a transport that could listen on or dial this kind of address.
pub(crate) fn is_served(address: &Multiaddr) -> bool {
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let tail = match parts.split_first() {
        Some((
            Protocol::Ip4(_) | Protocol::Ip6(_) | Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_),
            tail,
        )) => tail,
        Some((Protocol::Dnsaddr(_), _)) => return true,
        _ => return false,
    };
    matches!(
        tail,
        [Protocol::Tcp(_)]
            | [Protocol::Tcp(_), Protocol::P2p(_)]
            | [Protocol::Udp(_), Protocol::QuicV1]
            | [Protocol::Udp(_), Protocol::QuicV1, Protocol::P2p(_)]
    )
}

/// Parses the listen addresses we can serve; the others are named in one log line.
pub(crate) fn listenable(addresses: &[String]) -> Vec<Multiaddr> {
    let (mut good, mut skipped) = (Vec::new(), Vec::new());
    for text in addresses {
        match text.parse::<Multiaddr>() {
            Ok(address) if is_served(&address) => good.push(address),
            _ => skipped.push(text.as_str()),
        }
    }
    if !skipped.is_empty() {
        tracing::info!(addresses = skipped.join(" "), "listen addresses skipped: no transport for them here");
    }
    good
}

/// Decides what others are told.
#[derive(Debug)]
pub(crate) struct Announced {
    instead: Vec<Multiaddr>,
    also: Vec<Multiaddr>,
    never: Vec<Multiaddr>,
    never_ranges: Vec<(IpAddr, u8)>,
}

impl Announced {
    pub(crate) fn new(config: &Announce) -> Self {
        let parse = |list: &[String]| list.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Multiaddr>>();
        let mut never_ranges = Vec::new();
        let mut never = Vec::new();
        for address in parse(&config.never) {
            match range_of(&address) {
                Some(range) => never_ranges.push(range),
                None => never.push(address),
            }
        }
        Self { instead: parse(&config.instead), also: parse(&config.also), never, never_ranges }
    }

    /// The announced addresses while we listen on `listening`.
    pub(crate) fn select<'a>(&self, listening: impl Iterator<Item = &'a Multiaddr>) -> BTreeSet<Multiaddr> {
        let base: Vec<Multiaddr> =
            if self.instead.is_empty() { listening.cloned().collect() } else { self.instead.clone() };
        base.into_iter().chain(self.also.iter().cloned()).filter(|address| self.allows(address)).collect()
    }

    fn allows(&self, address: &Multiaddr) -> bool {
        let in_range = |ip| self.never_ranges.iter().any(|(base, bits)| contains(*base, *bits, ip));
        let is_useless = |ip: IpAddr| ip.is_unspecified() || ip.is_multicast();
        !ip_of(address).is_some_and(is_useless)
            && !self.never.contains(address)
            && !ip_of(address).is_some_and(in_range)
    }
}

fn range_of(address: &Multiaddr) -> Option<(IpAddr, u8)> {
    let bits = address.iter().find_map(|part| match part {
        Protocol::Ipcidr(bits) => Some(bits),
        _ => None,
    })?;
    Some((ip_of(address)?, bits))
}

fn contains(base: IpAddr, bits: u8, ip: IpAddr) -> bool {
    match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            u32::from(base) & mask == u32::from(ip) & mask
        }
        (IpAddr::V6(base), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            u128::from(base) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn reaches() {
        for (text, expected) in [
            ("/ip4/8.8.8.8/tcp/4001", Reach::Public),
            ("/ip4/192.168.1.4/tcp/4001", Reach::Private),
            ("/ip4/100.64.0.1/tcp/4001", Reach::Private),
            ("/ip4/127.0.0.1/udp/1/quic-v1", Reach::Loopback),
            ("/ip4/0.0.0.0/tcp/1", Reach::Nowhere),
            ("/ip6/::1/tcp/1", Reach::Loopback),
            ("/ip6/::ffff:10.0.0.1/tcp/1", Reach::Private),
            ("/ip6/fe80::1/tcp/1", Reach::Private),
            ("/ip6/2a00::1/tcp/1", Reach::Public),
            ("/dns4/example.org/tcp/1", Reach::Public),
            ("/dns4/localhost/tcp/1", Reach::Loopback),
            ("/memory/1", Reach::Nowhere),
        ] {
            assert_eq!(reach(&address(text)), expected, "{text}");
        }
    }

    #[test]
    fn addresses_without_a_transport_are_skipped() {
        let list: Vec<String> = [
            "/ip4/127.0.0.1/tcp/0",
            "/ip4/127.0.0.1/udp/0/quic-v1",
            "/ip4/127.0.0.1/udp/0/quic-v1/webtransport",
            "/ip4/127.0.0.1/udp/0/webrtc-direct",
            "/ip4/127.0.0.1/tcp/0/webrtc-direct",
            "/ip4/127.0.0.1/tcp/0/ws",
            "no address",
        ]
        .map(String::from)
        .to_vec();
        assert_eq!(listenable(&list), [address("/ip4/127.0.0.1/tcp/0"), address("/ip4/127.0.0.1/udp/0/quic-v1")]);
    }

    #[test]
    fn announce_rules() {
        let listening = [address("/ip4/10.1.2.3/tcp/1"), address("/ip4/8.8.8.8/tcp/1"), address("/ip4/0.0.0.0/tcp/1")];
        let never = vec!["/ip4/10.0.0.0/ipcidr/8".to_owned(), "/ip4/8.8.8.8/tcp/9".to_owned()];
        let also = vec!["/ip4/9.9.9.9/tcp/1".to_owned()];
        let announced = Announced::new(&Announce { instead: vec![], also, never });
        let chosen: Vec<String> = announced.select(listening.iter()).iter().map(Multiaddr::to_string).collect();
        assert_eq!(chosen, ["/ip4/8.8.8.8/tcp/1", "/ip4/9.9.9.9/tcp/1"]);
        let instead = vec!["/ip4/1.1.1.1/tcp/1".to_owned()];
        let announced = Announced::new(&Announce { instead, ..Announce::default() });
        assert_eq!(announced.select(listening.iter()).len(), 1);
    }
}
