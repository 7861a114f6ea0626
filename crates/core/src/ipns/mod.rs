//! IPNS records: a key's signed statement that its name points at a path. Specification: specs.ipfs.tech `ipns-record`.
//!
//! A record is a protobuf message around a DAG-CBOR map, the signed part. Old readers look at fields beside that map and
//! at a first signature over them; we write both when asked to, and believe the map and the second signature alone.
//!
//! Parts: [`Record`] (read, judge, sign, compare), `fields` (the protobuf message), `signed` (the map).
//!
//! Invariants:
//! - [`Record::decode`] judges the form alone; nothing in a record may be believed before [`Record::verify`].
//! - The bytes of a record that came from somewhere are kept as they are: what is passed on is what was signed.
//! - No clock here: the caller says what time it is.

mod fields;
mod signed;

use std::cmp::Ordering;
use std::time::Duration;

use crate::cid::Cid;
use crate::keys::{KeyError, Keypair, PublicKey, key_of_peer_id};
use crate::peer_id::PeerId;
use crate::stamp::Stamp;
use fields::Fields;
use signed::Signed;

/// Largest record: the specification's limit, which must be accepted.
pub const RECORD_BYTES_MAX: usize = 10 * 1024;
/// How long a record is valid when nothing is said.
pub const LIFETIME: Duration = Duration::from_secs(48 * 3600);
/// How long a record may be served from a cache when nothing is said.
pub const TTL: Duration = Duration::from_secs(5 * 60);
/// What the second signature is over, before the map.
const SIGNED_PREFIX: &[u8] = b"ipns-signature:";
/// What an empty value stands for: an identity CID of no bytes.
const NO_VALUE: &str = "/ipfs/bafkqaaa";
/// "Valid until a time", the one kind of validity there is.
const UNTIL: u64 = 0;
/// Its name, as the first signature covers it.
const UNTIL_NAME: &[u8] = b"EOL";

/// Why a record is refused, in Kubo's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Over [`RECORD_BYTES_MAX`].
    #[error("record exceeds allowed size limit")]
    TooLarge,
    /// The bytes are no record.
    #[error("record is malformed\n{0}")]
    Malformed(String),
    /// No signature, or a wrong one.
    #[error("signature verification failed")]
    Signature,
    /// Neither the record nor the name carries the key.
    #[error("public key is not embedded in peer ID")]
    NoKey,
    /// The key in the record cannot be read.
    #[error("public key invalid\n{0}")]
    BadKey(String),
    /// The key in the record is another one than the name's.
    #[error("record public key does not match the expected public key")]
    ForeignKey,
    /// A field beside the signed part says something else.
    #[error("field \"{0}\" did not match between protobuf and CBOR")]
    Contradiction(&'static str),
    /// A kind of validity that does not exist.
    #[error("record contains an unrecognized validity type")]
    ValidityType,
    /// The time is none.
    #[error("record contains an invalid validity")]
    Validity,
    /// Its time is over.
    #[error("record is expired")]
    Expired,
    /// The value is neither a path nor a CID.
    #[error("value is not a valid content path")]
    Value,
}

/// What a new record says.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    /// The path.
    pub value: &'a str,
    /// Higher than that of every record before it.
    pub sequence: u64,
    /// Until when it is valid.
    pub ends: Stamp,
    /// How long it may be served from a cache.
    pub ttl: Duration,
    /// With the fields and the signature that old readers want.
    pub for_old_readers: bool,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    bytes: Vec<u8>,
    fields: Fields,
    signed: Signed,
}

/// Which of two valid records of a name is the newer: the greater rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    sequence: u64,
    ends: Stamp,
    bytes: Vec<u8>,
}

impl Ord for Rank {
    /// By number, then by time; the bytes settle the rest, so that all nodes agree.
    fn cmp(&self, other: &Self) -> Ordering {
        (self.sequence, self.ends, &self.bytes).cmp(&(other.sequence, other.ends, &other.bytes))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Record {
    /// Reads a record without judging what it says.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge);
        }
        let fields = Fields::decode(bytes).map_err(|error| RecordError::Malformed(error.to_string()))?;
        let data = fields.data.as_deref().filter(|data| !data.is_empty());
        let data = data.ok_or_else(|| RecordError::Malformed("record is missing the dag-cbor data field".into()))?;
        let signed = Signed::decode(data)?;
        Ok(Self { bytes: bytes.to_vec(), fields, signed })
    }

    /// Makes and signs a record. The public key is inside unless the name holds it.
    pub fn sign(pair: &Keypair, says: &Statement<'_>) -> Result<Self, KeyError> {
        let ends = says.ends.rfc3339();
        let ttl = i64::try_from(says.ttl.as_nanos()).unwrap_or(i64::MAX);
        let data = signed::encode(says.value.as_bytes(), ends.as_bytes(), says.sequence, ttl);
        let mut fields = Fields {
            signature_v2: Some(pair.sign(&[SIGNED_PREFIX, &data].concat())?),
            data: Some(data),
            ..Fields::default()
        };
        if says.for_old_readers {
            let value = says.value.as_bytes().to_vec();
            fields.signature_v1 = Some(pair.sign(&[&value, ends.as_bytes(), UNTIL_NAME].concat())?);
            fields.value = Some(value);
            fields.validity_type = Some(UNTIL);
            fields.validity = Some(ends.into_bytes());
            fields.sequence = Some(says.sequence);
            fields.ttl = Some(ttl.unsigned_abs());
        }
        if key_of_peer_id(&pair.peer_id()).is_none() {
            fields.public_key = Some(pair.public().to_protobuf());
        }
        let bytes = fields.encode();
        Self::decode(&bytes).map_err(|error| KeyError::Failed(format!("the record cannot be published: {error}")))
    }

    /// The record as it is stored and sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks that the owner of `name` signed it and that it is valid `now`.
    pub fn verify(&self, name: &PeerId, now: Stamp) -> Result<(), RecordError> {
        let key = self.key(name)?;
        let signature = self.fields.signature_v2.as_deref().filter(|signature| !signature.is_empty());
        let (Some(data), Some(signature)) = (&self.fields.data, signature) else { return Err(RecordError::Signature) };
        if !key.verify(&[SIGNED_PREFIX, data.as_slice()].concat(), signature) {
            return Err(RecordError::Signature);
        }
        if self.is_for_old_readers() {
            self.check_agreement()?;
        }
        if self.ends()? < now {
            return Err(RecordError::Expired);
        }
        if self.signed.number("TTL").is_ok_and(|ttl| ttl < 0) {
            return Err(RecordError::Malformed("negative TTL".into()));
        }
        Ok(())
    }

    fn key(&self, name: &PeerId) -> Result<PublicKey, RecordError> {
        let Some(bytes) = self.fields.public_key.as_deref().filter(|key| !key.is_empty()) else {
            return key_of_peer_id(name).ok_or(RecordError::NoKey);
        };
        let key = PublicKey::from_protobuf(bytes).map_err(|error| RecordError::BadKey(error.to_string()))?;
        if key.peer_id() == *name { Ok(key) } else { Err(RecordError::ForeignKey) }
    }

    /// Every field beside the signed part says the same; an absent one counts as empty or zero.
    fn check_agreement(&self) -> Result<(), RecordError> {
        let fields = &self.fields;
        let bytes = |field: &Option<Vec<u8>>, name: &'static str| match self.signed.bytes(name)? {
            signed if signed == field.as_deref().unwrap_or_default() => Ok(()),
            _ => Err(RecordError::Contradiction(name)),
        };
        let number = |field: Option<u64>, name: &'static str| match self.signed.unsigned(name)? {
            signed if signed == field.unwrap_or(0) => Ok(()),
            _ => Err(RecordError::Contradiction(name)),
        };
        bytes(&fields.value, "Value")?;
        bytes(&fields.validity, "Validity")?;
        number(fields.validity_type, "ValidityType")?;
        number(fields.sequence, "Sequence")?;
        number(fields.ttl, "TTL")
    }

    /// Whether it has what readers of the first version look at.
    pub fn is_for_old_readers(&self) -> bool {
        let filled = |field: &Option<Vec<u8>>| field.as_ref().is_some_and(|bytes| !bytes.is_empty());
        filled(&self.fields.signature_v1) || filled(&self.fields.value)
    }

    /// The path it points at. A CID in binary form is written as a path.
    pub fn value(&self) -> Result<String, RecordError> {
        let value = self.signed.bytes("Value")?;
        if value.is_empty() {
            return Ok(NO_VALUE.into());
        }
        if value.starts_with(b"/") {
            let text = std::str::from_utf8(value).map_err(|_| RecordError::Value)?;
            return Ok(text.to_owned());
        }
        Cid::from_bytes(value).map(|cid| format!("/ipfs/{cid}")).map_err(|_| RecordError::Value)
    }

    /// Its kind of validity; 0 is the one there is.
    pub fn validity_type(&self) -> Result<i64, RecordError> {
        self.signed.number("ValidityType")
    }

    /// Until when it is valid.
    pub fn ends(&self) -> Result<Stamp, RecordError> {
        if self.validity_type()? != 0 {
            return Err(RecordError::ValidityType);
        }
        let text = self.signed.bytes("Validity")?;
        std::str::from_utf8(text).ok().and_then(Stamp::parse_rfc3339).ok_or(RecordError::Validity)
    }

    /// Its number: the higher one of a name counts.
    pub fn sequence(&self) -> Result<u64, RecordError> {
        self.signed.unsigned("Sequence")
    }

    /// How long it may be served from a cache, in nanoseconds; negative ones exist in bad records.
    pub fn ttl_nanos(&self) -> Result<i64, RecordError> {
        self.signed.number("TTL")
    }

    /// How it compares with other records of its name.
    pub fn rank(&self) -> Result<Rank, RecordError> {
        Ok(Rank { sequence: self.sequence()?, ends: self.ends()?, bytes: self.bytes.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyType;

    const NOW: Stamp = Stamp { seconds: 1_800_000_000, nanoseconds: 0 };

    fn says(value: &str, sequence: u64) -> Statement<'_> {
        let ends = NOW.after(LIFETIME);
        Statement { value, sequence, ends, ttl: TTL, for_old_readers: true }
    }

    fn pair() -> Keypair {
        Keypair::generate(KeyType::Ed25519).unwrap()
    }

    #[test]
    fn what_is_signed_can_be_read_and_verified() {
        for kind in [KeyType::Ed25519, KeyType::Secp256k1, KeyType::Rsa(2048)] {
            let pair = Keypair::generate(kind).unwrap();
            for for_old_readers in [true, false] {
                let record =
                    Record::sign(&pair, &Statement { for_old_readers, ..says("/ipfs/bafkqaaa/a", 7) }).unwrap();
                let again = Record::decode(record.bytes()).unwrap();
                assert_eq!(again, record);
                assert_eq!(again.verify(&pair.peer_id(), NOW), Ok(()), "{kind:?}");
                assert_eq!(again.value().unwrap(), "/ipfs/bafkqaaa/a");
                assert_eq!(again.sequence(), Ok(7));
                assert_eq!(again.ends(), Ok(NOW.after(LIFETIME)));
                assert_eq!(again.ttl_nanos(), Ok(300_000_000_000));
                assert_eq!(again.is_for_old_readers(), for_old_readers);
            }
        }
    }

    #[test]
    fn the_newer_record_has_the_greater_rank() {
        let pair = pair();
        let rank = |says: &Statement<'_>| Record::sign(&pair, says).unwrap().rank().unwrap();
        let first = rank(&says("/ipfs/bafkqaaa", 1));
        assert!(rank(&says("/ipfs/bafkqaaa", 2)) > first);
        let later = Statement { ends: NOW.after(2 * LIFETIME), ..says("/ipfs/bafkqaaa", 1) };
        assert!(rank(&later) > first);
        assert!(rank(&says("/ipfs/bafkqaaa", 2)) > rank(&later));
        // The largest number travels as -1, as Kubo writes it.
        assert!(rank(&says("/ipfs/bafkqaaa", u64::MAX)) > rank(&says("/ipfs/bafkqaaa", 2)));
    }

    #[test]
    fn bad_records_are_refused() {
        let (owner, thief) = (pair(), pair());
        let name = owner.peer_id();
        let good = Record::sign(&owner, &says("/ipfs/bafkqaaa", 1)).unwrap();
        let verdict = |record: &Record, now| record.verify(&name, now).unwrap_err();
        let stolen = Record::sign(&thief, &says("/ipfs/bafkqaaa", 1)).unwrap();
        assert_eq!(verdict(&stolen, NOW), RecordError::Signature);
        assert_eq!(verdict(&good, NOW.after(3 * LIFETIME)), RecordError::Expired);
        let changed = |change: fn(&mut Fields)| {
            let mut fields = good.fields.clone();
            change(&mut fields);
            Record::decode(&fields.encode()).and_then(|record| record.verify(&name, NOW)).unwrap_err()
        };
        assert_eq!(changed(|fields| fields.value = Some(b"/ipfs/x".to_vec())), RecordError::Contradiction("Value"));
        assert_eq!(changed(|fields| fields.sequence = Some(9)), RecordError::Contradiction("Sequence"));
        assert_eq!(changed(|fields| fields.ttl = None), RecordError::Contradiction("TTL"));
        assert_eq!(changed(|fields| fields.signature_v2 = None), RecordError::Signature, "the first one never counts");
        assert!(matches!(changed(|fields| fields.data = None), RecordError::Malformed(_)));
        let mut foreign = good.fields.clone();
        foreign.public_key = Some(thief.public().to_protobuf());
        let foreign = Record::decode(&foreign.encode()).unwrap();
        assert_eq!(verdict(&foreign, NOW), RecordError::ForeignKey);
    }

    #[test]
    fn sizes_end_at_ten_kibibytes() {
        let pair = pair();
        let path = |length: usize| format!("/ipfs/bafkqaaa/{}", "a".repeat(length));
        let spare = RECORD_BYTES_MAX - Record::sign(&pair, &says(&path(4000), 1)).unwrap().bytes().len();
        // The path stands in it twice; lengths stay in the same number of bytes.
        let most = Record::sign(&pair, &Statement { ..says(&path(4000 + spare / 2), 1) }).unwrap();
        assert!(most.bytes().len() >= RECORD_BYTES_MAX - 1 && most.verify(&pair.peer_id(), NOW).is_ok());
        assert!(Record::sign(&pair, &says(&path(4000 + spare / 2 + 1), 1)).is_err());
        assert_eq!(Record::decode(&vec![0; RECORD_BYTES_MAX + 1]), Err(RecordError::TooLarge));
    }

    #[test]
    fn foreign_bytes_never_panic() {
        let owner = pair();
        let good = Record::sign(&owner, &says("/ipfs/bafkqaaa", 1)).unwrap().bytes().to_vec();
        for cut in 0..good.len() {
            let verdict = Record::decode(&good[..cut]).and_then(|record| record.verify(&owner.peer_id(), NOW));
            assert!(verdict.is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            // Flips in fields that nobody signed may pass.
            if let Ok(record) = Record::decode(&flipped) {
                let _ = (record.verify(&owner.peer_id(), NOW), record.value(), record.rank());
            }
        }
    }
}
