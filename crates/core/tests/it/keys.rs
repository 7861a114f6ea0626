//! Keys that Kubo 0.43.1 made (`ipfs key gen`, `key export`) for these tests.

use data_encoding::BASE64;
use merkury_core::PeerId;
use merkury_core::keys::{Keypair, PublicKey, ipns_name, key_of_peer_id};

/// Kind, peer id, IPNS name, and the private key as the key store holds it.
const KUBO_KEYS: &str = include_str!("kubo_keys.txt");

#[test]
fn keys_of_kubo_keep_their_names_and_bytes() {
    for line in KUBO_KEYS.lines() {
        let [kind, peer, name, secret] = line.split(' ').collect::<Vec<_>>().try_into().expect("four columns");
        let secret = BASE64.decode(secret.as_bytes()).expect("base 64");
        let pair = Keypair::from_protobuf(&secret).expect(kind);
        assert_eq!(pair.to_protobuf(), secret, "{kind}");
        let id = pair.peer_id();
        assert_eq!(id.to_string(), peer, "{kind}");
        assert_eq!(ipns_name(&id, multibase::Base::Base36Lower), name, "{kind}");
        for text in [peer, name] {
            assert_eq!(PeerId::parse(text).expect(kind), id);
        }
        assert_eq!(PeerId::from_bytes(&id.to_bytes()).expect(kind), id);
        assert_eq!(key_of_peer_id(&id), (kind != "rsa").then(|| pair.public()), "{kind}");
    }
}

#[test]
fn signatures_hold_for_one_key_and_one_message() {
    let pairs: Vec<Keypair> = KUBO_KEYS
        .lines()
        .map(|line| {
            let secret = line.rsplit(' ').next().expect("a column");
            Keypair::from_protobuf(&BASE64.decode(secret.as_bytes()).expect("base 64")).expect("a key")
        })
        .collect();
    for (i, pair) in pairs.iter().enumerate() {
        let mut signature = pair.sign(b"message").expect("signs");
        for (j, other) in pairs.iter().enumerate() {
            let public = PublicKey::from_protobuf(&other.public().to_protobuf()).expect("a key");
            assert_eq!(public.verify(b"message", &signature), i == j);
        }
        assert!(!pair.public().verify(b"massage", &signature));
        *signature.last_mut().expect("bytes") ^= 1;
        assert!(!pair.public().verify(b"message", &signature));
    }
}
