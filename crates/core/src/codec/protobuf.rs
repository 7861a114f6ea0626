//! The wire form of protobuf, as far as IPFS and libp2p messages need it: a cursor over foreign bytes and appenders.
//!
//! Invariants: nothing is allocated from a claimed length, every read is checked against the buffer, there is no
//! recursion. Varints may be longer than needed, as every protobuf decoder must allow, but hold at most 64 bits.

/// Why bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a value.
    #[error("message ends early")]
    Truncated,
    /// A varint of more than 64 bits.
    #[error("varint overflows 64 bits")]
    Overflow,
    /// A field number of zero or past 2^29.
    #[error("field number {0} is not allowed")]
    Field(u64),
    /// A wire type that does not exist, or a group, which nobody uses here.
    #[error("wire type {0} is not allowed")]
    WireType(u8),
}

/// How a field's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// A varint.
    Varint,
    /// Eight bytes.
    Fixed64,
    /// A length and that many bytes.
    Bytes,
    /// Four bytes.
    Fixed32,
}

/// A cursor over one message.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

const FIELD_MAX: u64 = (1 << 29) - 1;

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// How many bytes were read: where an error is.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Reads a varint of up to 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        // Nearly all are tags and short lengths.
        if let Some(&byte) = self.bytes.get(self.position).filter(|&&byte| byte < 0x80) {
            self.position += 1;
            return Ok(u64::from(byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let mut value = 0u64;
        for (i, &byte) in rest.iter().take(10).enumerate() {
            // The tenth byte has room for one bit only.
            if i == 9 && byte > 1 {
                return Err(WireError::Overflow);
            }
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.position += i + 1;
                return Ok(value);
            }
        }
        Err(WireError::Truncated)
    }

    /// Reads a field number and how its value is written.
    #[inline]
    pub fn tag(&mut self) -> Result<(u32, WireType), WireError> {
        let tag = self.varint()?;
        let field = tag >> 3;
        let wire_type = match (tag & 7) as u8 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            5 => WireType::Fixed32,
            other => return Err(WireError::WireType(other)),
        };
        if field == 0 || field > FIELD_MAX {
            return Err(WireError::Field(field));
        }
        Ok((field as u32, wire_type))
    }

    /// Reads a length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
        self.take(length)
    }

    /// Reads four bytes as a little-endian number.
    pub fn fixed32(&mut self) -> Result<u32, WireError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| WireError::Truncated)?))
    }

    /// Passes over a value of a field nobody asked for.
    pub fn skip(&mut self, wire_type: WireType) -> Result<(), WireError> {
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.take(8).map(drop),
            WireType::Bytes => self.bytes().map(drop),
            WireType::Fixed32 => self.take(4).map(drop),
        }
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.position.checked_add(length).ok_or(WireError::Truncated)?;
        let taken = self.bytes.get(self.position..end).ok_or(WireError::Truncated)?;
        self.position = end;
        Ok(taken)
    }
}

/// Appends a varint; unlike the varints of multiformats it may have ten bytes.
pub fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`put_varint`] writes.
pub fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a varint field. Field numbers here are below 16, so the tag is one byte.
pub fn put_varint_field(field: u8, value: u64, out: &mut Vec<u8>) {
    debug_assert!((1..16).contains(&field));
    out.push(field << 3);
    put_varint(value, out);
}

/// Appends a field of bytes. Field numbers here are below 16, so the tag is one byte.
pub fn put_bytes_field(field: u8, value: &[u8], out: &mut Vec<u8>) {
    put_bytes_head(field, value.len(), out);
    out.extend_from_slice(value);
}

/// Appends the tag and the length of a field of bytes, which the caller appends next.
pub fn put_bytes_head(field: u8, length: usize, out: &mut Vec<u8>) {
    debug_assert!((1..16).contains(&field));
    out.push(field << 3 | 2);
    put_varint(length as u64, out);
}

/// How long a field of `length` bytes is, with its tag and length.
pub fn bytes_field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_all_lengths() {
        for value in [0, 1, 127, 128, 1 << 35, u64::MAX >> 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(value, &mut out);
            assert_eq!(out.len(), varint_len(value));
            assert_eq!(Reader::new(&out).varint(), Ok(value));
        }
        assert_eq!(Reader::new(&[0x80]).varint(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[0xff; 10]).varint(), Err(WireError::Overflow));
        assert_eq!(Reader::new(&[0x81, 0x00]).varint(), Ok(1), "protobuf allows longer forms");
    }

    #[test]
    fn lengths_past_the_buffer_are_refused() {
        let mut out = Vec::new();
        put_varint(u64::MAX, &mut out);
        assert_eq!(Reader::new(&out).bytes(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[2, 1]).bytes(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[0x0b]).tag(), Err(WireError::WireType(3)));
        assert_eq!(Reader::new(&[0x02]).tag(), Err(WireError::Field(0)));
    }
}
