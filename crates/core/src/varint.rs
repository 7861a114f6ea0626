//! Unsigned varints as multiformats define them: little-endian base 128, at most nine bytes, minimal.

/// Why bytes are not a varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VarintError {
    /// The bytes end inside the number.
    #[error("varints malformed, could not reach the end")]
    Truncated,
    /// More than nine bytes (63 bits).
    #[error("varints larger than uint63 not supported")]
    TooLong,
    /// The same number has a shorter form.
    #[error("varint not minimally encoded")]
    NotMinimal,
}

/// Most bytes of a varint.
pub const VARINT_BYTES_MAX: usize = 9;

/// Reads a varint; returns it and the rest.
pub fn decode(bytes: &[u8]) -> Result<(u64, &[u8]), VarintError> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().enumerate() {
        if i == VARINT_BYTES_MAX {
            return Err(VarintError::TooLong);
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            if byte == 0 && i > 0 {
                return Err(VarintError::NotMinimal);
            }
            return Ok((value, bytes.get(i + 1..).unwrap_or_default()));
        }
    }
    Err(if bytes.len() >= VARINT_BYTES_MAX { VarintError::TooLong } else { VarintError::Truncated })
}

/// Appends a varint.
pub fn encode(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`encode`] writes.
pub fn encoded_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_at_the_edges() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), (1 << 63) - 1] {
            let mut out = Vec::new();
            encode(value, &mut out);
            assert_eq!(out.len(), encoded_len(value));
            assert_eq!(decode(&out), Ok((value, &[][..])));
        }
    }

    #[test]
    fn refuses_what_is_not_a_varint() {
        assert_eq!(decode(&[]), Err(VarintError::Truncated));
        assert_eq!(decode(&[0x80]), Err(VarintError::Truncated));
        assert_eq!(decode(&[0x81, 0x00]), Err(VarintError::NotMinimal));
        assert_eq!(decode(&[0xff; 10]), Err(VarintError::TooLong));
        assert_eq!(decode(&[0xff; 9]), Err(VarintError::TooLong));
    }
}
