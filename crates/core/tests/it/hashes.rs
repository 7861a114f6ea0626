//! Hash functions against published vectors, and every SHA-256 back end against the `sha2` crate.

use data_encoding::HEXLOWER;
use merkury_core::hash::sha256::{Backend, Parts};
use merkury_core::hash::{self, name};
use merkury_core::multihash::code;
use merkury_core::{Cid, Multihash};
use proptest::collection::vec;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 131 + seed * 7919) >> 3) as u8).collect()
}

fn check_all(messages: &[Parts<'_>]) {
    let expected: Vec<[u8; 32]> = messages.iter().map(|message| Sha256::digest(message.concat()).into()).collect();
    for backend in Backend::ALL {
        assert_eq!(backend.digest_many(messages), expected, "{backend:?}, {} messages", messages.len());
    }
    assert_eq!(hash::sha2_256_many_of_parts(messages), expected);
}

#[test]
fn every_length_around_the_padding() {
    let lengths: Vec<usize> = (0..=200).chain(500..520).collect();
    for &len in &lengths {
        let data = bytes(len, len);
        check_all(&[[&data[..], &[], &[]]; 17]);
    }
    let mixed: Vec<Vec<u8>> = lengths.iter().map(|&len| bytes(len, 3)).collect();
    check_all(&mixed.iter().map(|data| [&data[..], &[], &[]]).collect::<Vec<_>>());
}

#[test]
fn every_number_of_lanes_and_every_alignment() {
    let data = bytes(5_000, 1);
    for count in 0..70 {
        let messages: Vec<Parts<'_>> = (0..count).map(|i| [&data[i..4_000 + i * 13 % 900], &[], &[]]).collect();
        check_all(&messages);
    }
}

#[test]
fn lengths_that_differ_a_lot() {
    let data = bytes(300_000, 2);
    let messages: Vec<Parts<'_>> = (0..60).map(|i| [&data[..(i * i * i * 97) % 300_000], &[], &[]]).collect();
    check_all(&messages);
}

proptest! {
    #[test]
    fn parts_are_hashed_as_one(parts in vec([vec(any::<u8>(), 0..150), vec(any::<u8>(), 0..400), vec(any::<u8>(), 0..70)], 0..40)) {
        check_all(&parts.iter().map(|[a, b, c]| [&a[..], b, c]).collect::<Vec<_>>());
    }
}

#[test]
fn known_digests() {
    let vectors = [
        (code::SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (code::SHA2_256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (code::DBL_SHA2_256, "4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358"),
        (
            code::SHA2_512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        (code::SHA3_224, "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf"),
        (code::SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"),
        (
            code::SHA3_384,
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
        ),
        (
            code::SHA3_512,
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
        ),
        (
            code::SHAKE_256,
            "483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739d5a15bef186a5386c75744c0527e1faa9f8726e462a12a4feb06bd8801e751e4",
        ),
        (code::KECCAK_256, "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (code::BLAKE3, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
        (
            code::BLAKE2B_512,
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
        ),
        (code::BLAKE2S_256, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"),
    ];
    for (code, hex) in vectors {
        let digest = hash::digest(code, b"abc").expect("known");
        assert_eq!(HEXLOWER.encode(digest.digest()), hex, "{:?}", name::name_of(code));
    }
}

/// Printed by `ipfs add --only-hash --cid-version=1 --hash=… ` of Kubo 0.43.1 for a file of the bytes `abc`.
#[test]
fn names_that_kubo_gives() {
    for line in include_str!("kubo_hashes.txt").lines() {
        let (function, cid) = line.split_once(' ').expect("two columns");
        let code = name::code_of(function).expect("a name");
        let ours = Cid::v1(0x55, hash::digest(code, b"abc").expect("known"));
        assert_eq!(ours.to_string(), cid, "{function}");
        assert_eq!(ours.hash().check_secure(), Ok(()));
        assert_eq!(hash::matches(ours.hash(), b"abc"), Ok(true));
        assert_eq!(hash::matches(ours.hash(), b"abd"), Ok(false));
    }
}

#[test]
fn what_is_not_allowed() {
    for code in [0x18, 0x22, 0x1015, 0xb213, 0xb241, 0xb253, 0xb261, 0xffff] {
        assert!(!hash::is_allowed(code), "0x{code:x}");
        assert!(hash::digest(code, b"").is_err(), "0x{code:x}");
    }
    let short = Multihash::new(code::SHA2_256, &Sha256::digest(b"abc")[..20]).expect("20 bytes");
    assert_eq!((short.check_secure(), hash::matches(&short, b"abc")), (Ok(()), Ok(true)), "160 bits are enough");
    let long = Multihash::new(code::SHA2_256, &[0; 33]).expect("33 bytes");
    assert!(long.check_secure().is_err());
    let mut xof = [0; 64];
    blake3::Hasher::new().update(b"abc").finalize_xof().fill(&mut xof);
    let long = Multihash::new(code::BLAKE3, &xof).expect("64 bytes");
    assert_eq!((long.check_secure(), hash::matches(&long, b"abc")), (Ok(()), Ok(true)));
}
