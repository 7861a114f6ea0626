//! Keeps one owner of many addresses in one range from filling the routing table of the public DHT.
//!
//! The rule of the specification: at most three peers of one IP group in the table, two in one bucket. A group is an
//! IPv4 /16, a whole /8 for the old class A owners, and an IPv6 /32 (the specification says the network number, which
//! needs a database; a /32 is what a provider usually owns).

use std::net::IpAddr;

use libp2p::{Multiaddr, PeerId};

use crate::host::addresses::ip_of;

const IN_TABLE_MAX: usize = 3;
const IN_BUCKET_MAX: usize = 2;
/// First octets that one owner has held since the beginning of the net.
const OLD_CLASS_A: [u8; 22] = [12, 17, 19, 38, 48, 53, 56, 73, 3, 4, 6, 7, 9, 11, 21, 22, 26, 28, 29, 30, 33, 55];

/// A peer in the table.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) peer: PeerId,
    pub(super) bucket: Option<u32>,
    pub(super) address: Multiaddr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    V4Byte(u8),
    V4Half([u8; 2]),
    V6Quarter([u16; 2]),
}

fn group(address: &Multiaddr) -> Option<Group> {
    match ip_of(address)? {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            Some(if OLD_CLASS_A.contains(&a) { Group::V4Byte(a) } else { Group::V4Half([a, b]) })
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            Some(Group::V6Quarter([a, b]))
        }
    }
}

/// Whether `peer` may enter. One that is in already may; one without an IP address may.
pub(super) fn admits(members: &[Member], peer: PeerId, bucket: Option<u32>, addresses: &[Multiaddr]) -> bool {
    if members.iter().any(|member| member.peer == peer) {
        return true;
    }
    addresses.iter().filter_map(group).all(|wanted| {
        let same: Vec<&Member> = members.iter().filter(|member| group(&member.address) == Some(wanted)).collect();
        let in_bucket = same.iter().filter(|member| member.bucket == bucket).count();
        same.len() < IN_TABLE_MAX && in_bucket < IN_BUCKET_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(bucket: u32, address: &str) -> Member {
        Member { peer: PeerId::random(), bucket: Some(bucket), address: address.parse().unwrap() }
    }

    fn admitted(members: &[Member], bucket: u32, address: &str) -> bool {
        admits(members, PeerId::random(), Some(bucket), &[address.parse().unwrap()])
    }

    #[test]
    fn two_thousand_sybils_of_one_range_get_three_places() {
        let mut members = Vec::new();
        for index in 0..2000u32 {
            let address = format!("/ip4/203.5.{}.{}/tcp/1", index / 250, index % 250);
            if admitted(&members, index % 10, &address) {
                members.push(member(index % 10, &address));
            }
        }
        assert_eq!(members.len(), IN_TABLE_MAX);
    }

    #[test]
    fn groups() {
        let members = [member(1, "/ip4/3.1.1.1/tcp/1"), member(1, "/ip4/3.200.1.1/tcp/1")];
        assert!(!admitted(&members, 1, "/ip4/3.9.9.9/tcp/1"), "a class A is one group");
        assert!(admitted(&members, 2, "/ip4/3.9.9.9/tcp/1"), "another bucket");
        assert!(admitted(&members, 1, "/ip6/2a00:1::1/tcp/1"));
        assert!(admits(&members, members[0].peer, Some(1), &["/ip4/3.9.9.9/tcp/1".parse().unwrap()]));
    }
}
