//! The key message: `{ 1: kind, 2: bytes }`, for private and public keys alike.

use super::KeyError;
use crate::varint;

/// Kinds of keys, by their number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa = 0,
    Ed25519 = 1,
    Secp256k1 = 2,
    Ecdsa = 3,
}

const TAG_KIND: u64 = 1 << 3;
const TAG_DATA: u64 = 2 << 3 | 2;

pub(super) fn encode(kind: Kind, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 6);
    varint::encode(TAG_KIND, &mut out);
    varint::encode(kind as u64, &mut out);
    varint::encode(TAG_DATA, &mut out);
    varint::encode(data.len() as u64, &mut out);
    out.extend_from_slice(data);
    out
}

/// Both fields, each once, in any order.
pub(super) fn decode(mut bytes: &[u8], bytes_max: usize) -> Result<(Kind, &[u8]), KeyError> {
    let malformed = |why: &str| KeyError::Malformed(why.into());
    if bytes.len() > bytes_max {
        return Err(malformed("too long"));
    }
    let number = |bytes| varint::decode(bytes).map_err(|error| KeyError::Malformed(error.to_string()));
    let (mut kind, mut data) = (None, None);
    while !bytes.is_empty() {
        let (tag, rest) = number(bytes)?;
        let (value, rest) = number(rest)?;
        match tag {
            TAG_KIND if kind.is_none() => {
                kind = Some(value);
                bytes = rest;
            }
            TAG_DATA if data.is_none() => {
                let length = usize::try_from(value).map_err(|_| malformed("a length is too large"))?;
                let (field, rest) = rest.split_at_checked(length).ok_or_else(|| malformed("it ends early"))?;
                data = Some(field);
                bytes = rest;
            }
            _ => return Err(malformed("an unknown or repeated field")),
        }
    }
    let kind = match kind.ok_or_else(|| malformed("without a kind"))? {
        0 => Kind::Rsa,
        1 => Kind::Ed25519,
        2 => Kind::Secp256k1,
        3 => Kind::Ecdsa,
        other => return Err(KeyError::UnknownType(other)),
    };
    Ok((kind, data.ok_or_else(|| malformed("without bytes"))?))
}
