//! Values that other peers leave in the DHT: which are valid, and which of two is better.
//!
//! Two kinds exist: `/pk/` (a public key under its peer id) and `/ipns/` (a signed name record). Everything else is
//! refused. What makes a record valid stands in [`merkury_core::ipns`].

use std::time::SystemTime;

use merkury_core::PeerId;
use merkury_core::ipns::{self, Record, RecordError};
use merkury_core::keys::PublicKey;
use merkury_core::stamp::Stamp;

/// Largest public key: RSA with 8,192 bits.
const KEY_BYTES_MAX: usize = 2 * 1024;
const PUBLIC_KEY: &[u8] = b"/pk/";
const NAME: &[u8] = b"/ipns/";

/// How good a value is: the greater one stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// All keys under one name are the same.
    Key,
    /// Of a record.
    Record(ipns::Rank),
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadValue {
    #[error("no validator for this key")]
    Key,
    #[error("too large")]
    TooLarge,
    #[error("malformed")]
    Malformed,
    #[error("the public key is not the one of the name")]
    ForeignKey,
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Checks a value and says how good it is.
pub(super) fn validate(key: &[u8], value: &[u8], now: SystemTime) -> Result<Rank, BadValue> {
    if let Some(id) = key.strip_prefix(PUBLIC_KEY) {
        let id = PeerId::from_bytes(id).map_err(|_| BadValue::Key)?;
        if value.len() > KEY_BYTES_MAX {
            return Err(BadValue::TooLarge);
        }
        let public = PublicKey::from_protobuf(value).map_err(|_| BadValue::Malformed)?;
        return if public.peer_id() == id { Ok(Rank::Key) } else { Err(BadValue::ForeignKey) };
    }
    let name = key.strip_prefix(NAME).ok_or(BadValue::Key)?;
    let name = PeerId::from_bytes(name).map_err(|_| BadValue::Key)?;
    let record = Record::decode(value)?;
    record.verify(&name, Stamp::of(now))?;
    Ok(Rank::Record(record.rank()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use merkury_core::ipns::{LIFETIME, Statement, TTL};
    use merkury_core::keys::{KeyType, Keypair};

    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn record(signer: &Keypair, sequence: u64) -> Vec<u8> {
        let ends = Stamp::of(now()).after(LIFETIME);
        let says = Statement { value: "/ipfs/bafkqaaa", sequence, ends, ttl: TTL, for_old_readers: true };
        Record::sign(signer, &says).unwrap().bytes().to_vec()
    }

    fn key(of: &Keypair) -> Vec<u8> {
        [NAME, &of.peer_id().to_bytes()].concat()
    }

    #[test]
    fn good_names_pass_and_the_newer_is_better() {
        let owner = Keypair::generate(KeyType::Ed25519).unwrap();
        let rank = |sequence| validate(&key(&owner), &record(&owner, sequence), now()).unwrap();
        assert!(rank(2) > rank(1));
    }

    #[test]
    fn bad_names_are_refused() {
        let (owner, thief) =
            (Keypair::generate(KeyType::Ed25519).unwrap(), Keypair::generate(KeyType::Ed25519).unwrap());
        let check = |value: &[u8], now| validate(&key(&owner), value, now).unwrap_err();
        assert_eq!(check(&record(&thief, 1), now()), BadValue::Record(RecordError::Signature));
        assert_eq!(check(&record(&owner, 1), now() + 2 * LIFETIME), BadValue::Record(RecordError::Expired));
        assert!(matches!(check(&[], now()), BadValue::Record(RecordError::Malformed(_))));
        let large = vec![0; ipns::RECORD_BYTES_MAX + 1];
        assert_eq!(check(&large, now()), BadValue::Record(RecordError::TooLarge));
    }

    #[test]
    fn only_known_kinds_have_a_validator() {
        let owner = Keypair::generate(KeyType::Ed25519).unwrap();
        let public = owner.public().to_protobuf();
        let id = owner.peer_id().to_bytes();
        assert!(validate(&[PUBLIC_KEY, &id].concat(), &public, now()).is_ok());
        for key in [&b"k"[..], b"", b"/pk/", b"/ipns/", b"/other/x", &id] {
            assert_eq!(validate(key, &public, now()).unwrap_err(), BadValue::Key);
        }
        let other = Keypair::generate(KeyType::Ed25519).unwrap().public().to_protobuf();
        assert_eq!(validate(&[PUBLIC_KEY, &id].concat(), &other, now()).unwrap_err(), BadValue::ForeignKey);
    }
}
