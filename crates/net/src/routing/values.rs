//! Values that other peers leave in the DHT: which are valid, and which of two is better.
//!
//! Two kinds exist: `/pk/` (a public key under its peer id) and `/ipns/` (a signed name record). Everything else is
//! refused. An IPNS record is believed only after its second signature, over its CBOR part, was checked; fields of the
//! protobuf part must say the same or be absent; a record without that signature is refused, however it is signed else.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use merkury_core::PeerId;
use merkury_core::codec::dag_cbor;
use merkury_core::codec::event::Event;
use merkury_core::codec::protobuf::{Reader, WireError, WireType};
use merkury_core::keys::{PublicKey, key_of_peer_id};

/// Largest IPNS record: the specification's limit, which must be accepted.
const RECORD_BYTES_MAX: usize = 10 * 1024;
/// Largest public key: RSA with 8,192 bits.
const KEY_BYTES_MAX: usize = 2 * 1024;
/// What the second signature is over, before the CBOR part.
const SIGNED_PREFIX: &[u8] = b"ipns-signature:";
const PUBLIC_KEY: &[u8] = b"/pk/";
const NAME: &[u8] = b"/ipns/";

/// How good a value is: the greater one stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    sequence: i128,
    ends: Duration,
    bytes: Vec<u8>,
}

/// Why a value is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadValue {
    #[error("no validator for this key")]
    Key,
    #[error("too large")]
    TooLarge,
    #[error("malformed")]
    Malformed,
    #[error("the public key is not the one of the name")]
    ForeignKey,
    #[error("wrong signature")]
    Signature,
    #[error("fields contradict the signed part")]
    Contradiction,
    #[error("expired")]
    Expired,
}

impl From<WireError> for BadValue {
    fn from(_: WireError) -> Self {
        Self::Malformed
    }
}

/// Checks a value and says how good it is.
pub(super) fn validate(key: &[u8], value: &[u8], now: SystemTime) -> Result<Rank, BadValue> {
    if let Some(id) = key.strip_prefix(PUBLIC_KEY) {
        let id = PeerId::from_bytes(id).map_err(|_| BadValue::Key)?;
        check_size(value, KEY_BYTES_MAX)?;
        let public = PublicKey::from_protobuf(value).map_err(|_| BadValue::Malformed)?;
        let rank = Rank { sequence: 0, ends: Duration::ZERO, bytes: Vec::new() };
        return if public.peer_id() == id { Ok(rank) } else { Err(BadValue::ForeignKey) };
    }
    let name = key.strip_prefix(NAME).ok_or(BadValue::Key)?;
    let name = PeerId::from_bytes(name).map_err(|_| BadValue::Key)?;
    check_size(value, RECORD_BYTES_MAX)?;
    let record = Record::read(value)?;
    let public = match record.public_key {
        Some(bytes) => PublicKey::from_protobuf(bytes).map_err(|_| BadValue::Malformed)?,
        None => key_of_peer_id(&name).ok_or(BadValue::ForeignKey)?,
    };
    if public.peer_id() != name {
        return Err(BadValue::ForeignKey);
    }
    let (Some(data), Some(signature)) = (record.data, record.signature) else { return Err(BadValue::Signature) };
    if !public.verify(&[SIGNED_PREFIX, data].concat(), signature) {
        return Err(BadValue::Signature);
    }
    let signed = Signed::read(data)?;
    record.agrees_with(&signed)?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if signed.ends <= now {
        return Err(BadValue::Expired);
    }
    Ok(Rank { sequence: signed.sequence, ends: signed.ends, bytes: value.to_vec() })
}

fn check_size(value: &[u8], limit: usize) -> Result<(), BadValue> {
    if value.len() > limit { Err(BadValue::TooLarge) } else { Ok(()) }
}

/// The protobuf of a record, as far as it matters.
#[derive(Default)]
struct Record<'a> {
    value: Option<&'a [u8]>,
    validity_type: Option<u64>,
    validity: Option<&'a [u8]>,
    sequence: Option<u64>,
    ttl: Option<u64>,
    public_key: Option<&'a [u8]>,
    signature: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, BadValue> {
        let (mut reader, mut record) = (Reader::new(bytes), Self::default());
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Bytes) => record.value = Some(reader.bytes()?),
                (3, WireType::Varint) => record.validity_type = Some(reader.varint()?),
                (4, WireType::Bytes) => record.validity = Some(reader.bytes()?),
                (5, WireType::Varint) => record.sequence = Some(reader.varint()?),
                (6, WireType::Varint) => record.ttl = Some(reader.varint()?),
                (7, WireType::Bytes) => record.public_key = Some(reader.bytes()?),
                (8, WireType::Bytes) => record.signature = Some(reader.bytes()?),
                (9, WireType::Bytes) => record.data = Some(reader.bytes()?),
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(record)
    }

    /// A protobuf field says what the signed part says, or is absent.
    fn agrees_with(&self, signed: &Signed) -> Result<(), BadValue> {
        let number = |field: Option<u64>, signed: i128| field.is_none_or(|field| i128::from(field) == signed);
        let agree = self.value.is_none_or(|value| value == signed.value)
            && self.validity.is_none_or(|validity| validity == signed.validity)
            && number(self.validity_type, signed.validity_type)
            && number(self.sequence, signed.sequence)
            && number(self.ttl, signed.ttl);
        if agree { Ok(()) } else { Err(BadValue::Contradiction) }
    }
}

/// The signed part.
struct Signed {
    value: Vec<u8>,
    validity: Vec<u8>,
    validity_type: i128,
    sequence: i128,
    ttl: i128,
    ends: Duration,
}

enum Field {
    Bytes(Vec<u8>),
    Int(i128),
}

impl Signed {
    fn read(data: &[u8]) -> Result<Self, BadValue> {
        let mut fields = HashMap::new();
        let (mut key, mut open) = (None, false);
        for event in dag_cbor::events(data) {
            match (event.map_err(|_| BadValue::Malformed)?, key.take()) {
                (Event::Map, None) if !open => open = true,
                (Event::Key(name), None) => key = Some(name.into_owned()),
                (Event::Bytes(bytes), Some(name)) => drop(fields.insert(name, Field::Bytes(bytes.into_owned()))),
                (Event::Int(number), Some(name)) => drop(fields.insert(name, Field::Int(number))),
                (Event::End, None) if open => {}
                // Metadata of one step may be there; deeper values are not in any record that is published.
                (Event::Null | Event::Bool(_) | Event::Float(_) | Event::Text(_) | Event::Link(_), Some(_)) => {}
                _ => return Err(BadValue::Malformed),
            }
        }
        let mut bytes = |name: &str| match fields.remove(name) {
            Some(Field::Bytes(bytes)) => Ok(bytes),
            _ => Err(BadValue::Malformed),
        };
        let (value, validity) = (bytes("Value")?, bytes("Validity")?);
        let mut number = |name: &str| match fields.remove(name) {
            Some(Field::Int(number)) if number >= 0 => Ok(number),
            _ => Err(BadValue::Malformed),
        };
        let (validity_type, sequence, ttl) = (number("ValidityType")?, number("Sequence")?, number("TTL")?);
        // There is one type: valid until a time.
        let ends = if validity_type == 0 { time(&validity) } else { None };
        Ok(Self { value, validity, validity_type, sequence, ttl, ends: ends.ok_or(BadValue::Malformed)? })
    }
}

/// `YYYY-MM-DDThh:mm:ss[.fraction]Z` since 1970. Years before 1970 are long over: zero.
fn time(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let (date, clock) = whole.split_once('T')?;
    let numbers = |text: &str, separator: char, lengths: [usize; 3]| -> Option<[u64; 3]> {
        let mut parts = text.split(separator);
        let mut read = |length: usize| {
            let part = parts.next()?;
            (part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse().ok())?
        };
        let numbers = [read(lengths[0])?, read(lengths[1])?, read(lengths[2])?];
        parts.next().is_none().then_some(numbers)
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(clock, ':', [2, 2, 2])?;
    let sane = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !sane || fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").parse().ok()?;
    let days = days_since_1970(year, month, day)?;
    let seconds = days.checked_mul(86_400)?.checked_add(hour * 3600 + minute * 60 + second)?;
    Some(Duration::new(seconds, nanos))
}

/// Days of the Gregorian calendar; March is the first month of the year that counts, so that leap days come last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    Some(days.saturating_sub(719_468))
}

#[cfg(test)]
mod tests {
    use merkury_core::codec::protobuf::{put_bytes_field, put_varint_field};
    use merkury_core::keys::{KeyType, Keypair};

    use super::*;

    const ENDS: &str = "2030-01-02T03:04:05.5Z";

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn signed_part(sequence: i128, validity: &str) -> Vec<u8> {
        let mut data = Vec::new();
        dag_cbor::put_map(5, &mut data);
        dag_cbor::put_text("TTL", &mut data);
        assert!(dag_cbor::put_int(60, &mut data));
        dag_cbor::put_text("Value", &mut data);
        dag_cbor::put_bytes(b"/ipfs/x", &mut data);
        dag_cbor::put_text("Sequence", &mut data);
        assert!(dag_cbor::put_int(sequence, &mut data));
        dag_cbor::put_text("Validity", &mut data);
        dag_cbor::put_bytes(validity.as_bytes(), &mut data);
        dag_cbor::put_text("ValidityType", &mut data);
        assert!(dag_cbor::put_int(0, &mut data));
        data
    }

    fn record(signer: &Keypair, sequence: i128, validity: &str, value: &[u8]) -> Vec<u8> {
        let data = signed_part(sequence, validity);
        let mut record = Vec::new();
        put_bytes_field(1, value, &mut record);
        put_varint_field(5, sequence as u64, &mut record);
        put_bytes_field(8, &signer.sign(&[SIGNED_PREFIX, &data].concat()).unwrap(), &mut record);
        put_bytes_field(9, &data, &mut record);
        record
    }

    fn key(of: &Keypair) -> Vec<u8> {
        [NAME, &of.peer_id().to_bytes()].concat()
    }

    #[test]
    fn good_names_pass_and_the_newer_is_better() {
        let owner = Keypair::generate(KeyType::Ed25519).unwrap();
        let rank = |sequence, ends| validate(&key(&owner), &record(&owner, sequence, ends, b"/ipfs/x"), now()).unwrap();
        let first = rank(1, ENDS);
        assert!(rank(2, ENDS) > first);
        assert!(rank(1, "2031-01-01T00:00:00Z") > first);
        assert!(rank(2, ENDS) > rank(1, "2031-01-01T00:00:00Z"));
    }

    #[test]
    fn bad_names_are_refused() {
        let (owner, thief) =
            (Keypair::generate(KeyType::Ed25519).unwrap(), Keypair::generate(KeyType::Ed25519).unwrap());
        let check = |value: &[u8]| validate(&key(&owner), value, now()).unwrap_err();
        let good = record(&owner, 1, ENDS, b"/ipfs/x");
        assert_eq!(check(&record(&thief, 1, ENDS, b"/ipfs/x")), BadValue::Signature);
        assert_eq!(check(&record(&owner, 1, ENDS, b"/ipfs/other")), BadValue::Contradiction);
        assert_eq!(check(&record(&owner, 1, "2020-01-01T00:00:00Z", b"/ipfs/x")), BadValue::Expired);
        assert_eq!(check(&record(&owner, 1, "soon", b"/ipfs/x")), BadValue::Malformed);
        assert_eq!(check(&[]), BadValue::Signature);
        assert_eq!(check(&vec![0; RECORD_BYTES_MAX + 1]), BadValue::TooLarge);
        let mut with_foreign_key = good.clone();
        put_bytes_field(7, &thief.public().to_protobuf(), &mut with_foreign_key);
        assert_eq!(check(&with_foreign_key), BadValue::ForeignKey);
        for cut in 0..good.len() {
            assert!(validate(&key(&owner), &good[..cut], now()).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1;
            // Flips in fields nobody signed and nobody reads may pass; none may panic.
            let _ = validate(&key(&owner), &flipped, now());
        }
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

    #[test]
    fn times() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.000000001Z", Some(951_825_600)),
            ("2026-11-24T15:52:38.123456789Z", Some(1_795_535_558)),
            ("1969-12-31T00:00:00Z", Some(0)),
            ("9999-12-31T23:59:59.999999999Z", Some(253_402_300_799)),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-24T15:52:38", None),
            ("2026-11-24 15:52:38Z", None),
            ("+026-11-24T15:52:38Z", None),
            ("2026-11-24T15:52:38.Z", None),
            ("", None),
        ] {
            assert_eq!(time(text.as_bytes()).map(|time| time.as_secs()), expected, "{text}");
        }
    }
}
