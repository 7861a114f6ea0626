//! Private keys as other programs keep them: PKCS#8 in DER (RFC 5208, RFC 8410 for Ed25519, RFC 5915 for curves), and
//! PEM around it.

use rsa::pkcs8::PrivateKeyInfo;
use rsa::pkcs8::der::asn1::{AnyRef, BitStringRef, ContextSpecific, ObjectIdentifier, OctetStringRef};
use rsa::pkcs8::der::{self, Decode, Reader, TagNumber};

use super::{Inner, KeyError, Keypair, ecdsa, ed25519, rsa as rsa_keys, secp256k1};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_0: u8 = 0xa0;
const EXPLICIT_1: u8 = 0xa1;

const PEM_LABEL: &str = "PRIVATE KEY";
const PEM_START: &str = "-----BEGIN ";
/// Bytes of a line of PEM, before they become 64 letters.
const PEM_LINE_BYTES: usize = 48;

/// A private key of a curve (RFC 5915), taken apart.
pub(super) struct EcKey<'a> {
    pub(super) secret: &'a [u8],
    pub(super) curve: Option<ObjectIdentifier>,
    pub(super) public: Option<&'a [u8]>,
}

impl<'a> EcKey<'a> {
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, KeyError> {
        let key = AnyRef::from_der(bytes).and_then(|any| any.sequence(Self::fields)).map_err(malformed)?;
        Ok(key)
    }

    fn fields<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        let version: u8 = reader.decode()?;
        if version != 1 {
            return Err(der::Tag::Integer.value_error());
        }
        let secret: OctetStringRef<'a> = reader.decode()?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber::N0)?;
        let public = ContextSpecific::<BitStringRef<'a>>::decode_explicit(reader, TagNumber::N1)?;
        Ok(Self {
            secret: secret.as_bytes(),
            curve: curve.map(|curve| curve.value),
            public: public.and_then(|public| public.value.as_bytes()),
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut parts = tlv(INTEGER, &[&[1]]);
        parts.extend(tlv(OCTET_STRING, &[self.secret]));
        if let Some(curve) = &self.curve {
            parts.extend(tlv(EXPLICIT_0, &[&tlv(OID, &[curve.as_bytes()])]));
        }
        if let Some(public) = self.public {
            parts.extend(tlv(EXPLICIT_1, &[&tlv(BIT_STRING, &[&[0], public])]));
        }
        tlv(SEQUENCE, &[&parts])
    }
}

/// The public key of a curve as PKIX writes it.
pub(super) fn ec_public(curve: &ObjectIdentifier, point: &[u8]) -> Vec<u8> {
    let algorithm = tlv(SEQUENCE, &[&tlv(OID, &[EC.as_bytes()]), &tlv(OID, &[curve.as_bytes()])]);
    tlv(SEQUENCE, &[&algorithm, &tlv(BIT_STRING, &[&[0], point])])
}

impl Keypair {
    /// Reads PKCS#8.
    pub fn from_pkcs8(bytes: &[u8]) -> Result<Self, KeyError> {
        let info = PrivateKeyInfo::try_from(bytes).map_err(malformed)?;
        let key = info.private_key;
        Ok(Self(match info.algorithm.oid {
            RSA => Inner::Rsa(Box::new(rsa_keys::Pair::from_data(key)?)),
            ED25519 => {
                let seed = OctetStringRef::from_der(key).map_err(malformed)?;
                Inner::Ed25519(ed25519::Pair::from_seed(seed.as_bytes())?)
            }
            EC => {
                let curve = info.algorithm.parameters_oid().map_err(malformed)?;
                let key = EcKey::decode(key)?;
                if curve == SECP256K1 {
                    Inner::Secp256k1(secp256k1::Pair::from_short_data(key.secret)?)
                } else {
                    let whole = EcKey { curve: Some(curve), ..key };
                    Inner::Ecdsa(Box::new(ecdsa::Pair::from_data(&whole.encode())?))
                }
            }
            other => return Err(KeyError::Malformed(format!("no key of algorithm {other} is used here"))),
        }))
    }

    /// Writes PKCS#8, version 0.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyError> {
        let oid = |oid: &ObjectIdentifier| tlv(OID, &[oid.as_bytes()]);
        let (algorithm, key) = match &self.0 {
            Inner::Rsa(pair) => ([oid(&RSA), tlv(NULL, &[])].concat(), pair.data().to_vec()),
            Inner::Ed25519(pair) => (oid(&ED25519), tlv(OCTET_STRING, &[&pair.seed()])),
            Inner::Secp256k1(pair) => {
                let (secret, public) = (pair.to_data(), pair.public_point());
                let key = EcKey { secret: &secret, curve: None, public: Some(&public) };
                ([oid(&EC), oid(&SECP256K1)].concat(), key.encode())
            }
            Inner::Ecdsa(pair) => {
                let key = EcKey::decode(pair.data())?;
                let curve = key.curve.ok_or_else(|| KeyError::Malformed("the key names no curve".into()))?;
                ([oid(&EC), oid(&curve)].concat(), EcKey { curve: None, ..key }.encode())
            }
        };
        let parts = [tlv(INTEGER, &[&[0]]), tlv(SEQUENCE, &[&algorithm]), tlv(OCTET_STRING, &[&key])];
        Ok(tlv(SEQUENCE, &[&parts.concat()]))
    }
}

/// PEM of a private key in PKCS#8.
pub fn to_pem(pkcs8: &[u8]) -> String {
    let mut text = format!("{PEM_START}{PEM_LABEL}-----\n");
    for line in pkcs8.chunks(PEM_LINE_BYTES) {
        text.push_str(&data_encoding::BASE64.encode(line));
        text.push('\n');
    }
    text + "-----END " + PEM_LABEL + "-----\n"
}

/// Whether text looks like PEM.
pub fn is_pem(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.contains(PEM_START))
}

/// The PKCS#8 inside PEM; text before it is passed over. Errors in Kubo's words.
pub fn from_pem(text: &[u8]) -> Result<Vec<u8>, KeyError> {
    let missing = || KeyError::Failed(format!("PEM block not found in input data:\n{}", String::from_utf8_lossy(text)));
    let text = std::str::from_utf8(text).map_err(|_| missing())?;
    let (_, block) = text.split_once(PEM_START).ok_or_else(missing)?;
    let (label, body) = block.split_once("-----").ok_or_else(missing)?;
    let (body, _) = body.split_once("-----END ").ok_or_else(missing)?;
    if label != PEM_LABEL {
        return Err(KeyError::Failed(format!("expected {PEM_LABEL} type in PEM block but got: {label}")));
    }
    let letters: String = body.split_whitespace().collect();
    data_encoding::BASE64.decode(letters.as_bytes()).map_err(|_| missing())
}

fn malformed(error: impl std::fmt::Display) -> KeyError {
    KeyError::Malformed(error.to_string())
}

/// A value of DER: tag, length, content.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    let bytes = length.to_be_bytes();
    match bytes.iter().position(|byte| *byte != 0).map(|at| &bytes[at..]) {
        None => out.push(0),
        Some([short]) if *short < 0x80 => out.push(*short),
        Some(long) => {
            out.push(0x80 | long.len() as u8);
            out.extend_from_slice(long);
        }
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyType;

    #[test]
    fn every_kind_goes_through_pem() {
        for kind in [KeyType::Ed25519, KeyType::Secp256k1, KeyType::Rsa(2048)] {
            let pair = Keypair::generate(kind).unwrap();
            let pem = to_pem(&pair.to_pkcs8().unwrap());
            let again = Keypair::from_pkcs8(&from_pem(format!("words before\n{pem}").as_bytes()).unwrap()).unwrap();
            assert_eq!(again.to_protobuf(), pair.to_protobuf(), "{kind:?}");
            assert!(is_pem(pem.as_bytes()));
        }
    }

    /// Made by `openssl genpkey`: Ed25519, and EC with the curves secp256k1 and P-384.
    #[test]
    fn what_openssl_wrote_comes_back_the_same() {
        for (body, usable) in [
            ("MC4CAQAwBQYDK2VwBCIEIEQXBdiGc981wpSH6y60vdq1QhSNGAvWqbkWM+kNmGB0", true),
            (
                "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgtsLaznOAL/4GfQ3/IbzF\n\
                 sahMJWcxIrg0kmiPGUbmfVKhRANCAASxp0WRTTVOMZv9FhzeOHgf9gJ6fQ/UFZwx\n\
                 KObTdpxHiO9XaI7YpRNO1MOQzblsA9tbWeM+Sb9uZg/Qo8SIdNqU",
                true,
            ),
            (
                "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDm6XM5hpLfw4xO9Pfy\n\
                 J2pGcPsj3yRuyYHmJI2ItW5D6jvqMwnXpWGoY6EoO3B63dmhZANiAASlzOwnEMn+\n\
                 w7NDNT7TCxY7F3mcrXcopVzDzznOqaAK3BQ4V0mqki7LHKDMl/uFmE+xDwgKU7g3\n\
                 X3ZSzeBdKpw/8JSSnCq8X2m46a3yegHdx8OdcLoIjNbb66R3W8Rb9L0=",
                false,
            ),
        ] {
            let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
            let pair = Keypair::from_pkcs8(&from_pem(pem.as_bytes()).unwrap()).unwrap();
            assert_eq!(pair.is_usable(), usable);
            let again = Keypair::from_protobuf(&pair.to_protobuf()).unwrap();
            assert_eq!(to_pem(&again.to_pkcs8().unwrap()), pem);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n?\n-----END PRIVATE KEY-----\n"] {
            assert!(from_pem(text.as_bytes()).is_err(), "{text}");
        }
        let wrong = from_pem(b"-----BEGIN PUBLIC KEY-----\n\n-----END PUBLIC KEY-----\n").unwrap_err();
        assert_eq!(wrong.to_string(), "expected PRIVATE KEY type in PEM block but got: PUBLIC KEY");
        let good = Keypair::generate(KeyType::Secp256k1).unwrap().to_pkcs8().unwrap();
        for cut in 0..good.len() {
            assert!(Keypair::from_pkcs8(&good[..cut]).is_err(), "{cut}");
        }
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 0x41;
            // Most are refused; none may panic.
            let _ = Keypair::from_pkcs8(&flipped);
        }
    }
}
