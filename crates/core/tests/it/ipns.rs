//! Records that Kubo 0.43.1 signed: `kubo_ipns.txt` has a line each with case, name, private key and record.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use data_encoding::BASE64;
use merkury_core::PeerId;
use merkury_core::ipns::{Record, RecordError, Statement};
use merkury_core::keys::Keypair;

struct Case {
    what: String,
    name: PeerId,
    pair: Keypair,
    record: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let case = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let bytes = |text: &str| BASE64.decode(text.as_bytes()).unwrap();
        Case {
            what: words[0].to_owned(),
            name: PeerId::parse(words[1]).unwrap(),
            pair: Keypair::from_protobuf(&bytes(words[2])).unwrap(),
            record: bytes(words[3]),
        }
    };
    include_str!("kubo_ipns.txt").lines().map(case).collect()
}

#[test]
fn records_of_kubo_are_valid_until_their_time() {
    for Case { what, name, pair, record } in cases() {
        assert_eq!(pair.peer_id(), name, "{what}");
        let record = Record::decode(&record).unwrap();
        let ends = record.ends().unwrap();
        assert_eq!(record.verify(&name, ends), Ok(()), "{what}");
        assert_eq!(record.verify(&name, ends.after(std::time::Duration::from_nanos(1))), Err(RecordError::Expired));
        assert_eq!(record.value().unwrap(), "/ipfs/QmZLRFWaz9Kypt2ACNMDzA5uzACDRiCqwdkNSP1UZsu56D", "{what}");
        let sequence = if what.ends_with("largest-sequence") { u64::MAX } else { 0 };
        assert_eq!(record.sequence(), Ok(sequence), "{what}");
        assert_eq!(record.is_for_old_readers(), !what.ends_with("v2-only"), "{what}");
        let other = cases().into_iter().find(|case| case.name != name).unwrap();
        assert!(record.verify(&other.name, ends).is_err(), "{what}");
    }
}

#[test]
fn the_same_statement_makes_the_same_bytes() {
    for Case { what, pair, record, .. } in cases() {
        let theirs = Record::decode(&record).unwrap();
        let says = Statement {
            value: &theirs.value().unwrap(),
            sequence: theirs.sequence().unwrap(),
            ends: theirs.ends().unwrap(),
            ttl: std::time::Duration::from_nanos(theirs.ttl_nanos().unwrap().unsigned_abs()),
            for_old_readers: theirs.is_for_old_readers(),
        };
        let ours = Record::sign(&pair, &says).unwrap();
        assert_eq!(BASE64.encode(ours.bytes()), BASE64.encode(&record), "{what}");
    }
}
