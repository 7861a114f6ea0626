//! The few forms of protobuf that Bitswap uses, read without copying and without trusting a length.

/// Why bytes are not protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("ends inside the field at byte {0}")]
    Truncated(usize),
    /// A number of more than 64 bits.
    #[error("number at byte {0} is too long")]
    Number(usize),
    /// Field number 0, a group, or an unknown wire type.
    #[error("field at byte {0} has no valid key")]
    Key(usize),
    /// A field of ours with the wrong wire type.
    #[error("field at byte {0} has the wrong type")]
    Type(usize),
}

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Fixed-width numbers; Bitswap has none.
    Fixed,
}

/// Walks the fields of one message.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Offset of `rest` in the whole message, for errors.
    at: usize,
}

/// A field, with the offset it began at.
pub(super) struct Field<'a> {
    pub(super) number: u64,
    pub(super) value: Value<'a>,
    /// Offset of the value in the whole message.
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { rest: bytes, at }
    }

    /// The next field, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.at;
        let key = self.number()?;
        let number = key >> 3;
        if number == 0 {
            return Err(WireError::Key(start));
        }
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.number()?).map_err(|_| WireError::Truncated(start))?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(WireError::Key(start)),
        };
        let at = match value {
            Value::Bytes(bytes) => self.at.saturating_sub(bytes.len()),
            _ => start,
        };
        Ok(Some(Field { number, value, at }))
    }

    fn number(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for (i, &byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            if i == 9 && bits > 1 {
                return Err(WireError::Number(self.at));
            }
            value |= bits << (7 * i);
            if byte & 0x80 == 0 {
                self.rest = self.rest.get(i + 1..).unwrap_or_default();
                self.at += i + 1;
                return Ok(value);
            }
        }
        Err(if self.rest.len() >= 10 { WireError::Number(self.at) } else { WireError::Truncated(self.at) })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated(self.at))?;
        self.rest = rest;
        self.at += length;
        Ok(taken)
    }
}

impl<'a> Field<'a> {
    pub(super) fn bytes(&self) -> Result<&'a [u8], WireError> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(WireError::Type(self.at)),
        }
    }

    pub(super) fn number(&self) -> Result<u64, WireError> {
        match self.value {
            Value::Number(number) => Ok(number),
            _ => Err(WireError::Type(self.at)),
        }
    }

    /// A protobuf `int32`: negative numbers come as 64 bits, and what is beyond is cut off.
    pub(super) fn int32(&self) -> Result<i32, WireError> {
        Ok(self.number()? as i32)
    }

    pub(super) fn bool(&self) -> Result<bool, WireError> {
        Ok(self.number()? != 0)
    }

    /// The fields of an embedded message.
    pub(super) fn fields(&self) -> Result<Reader<'a>, WireError> {
        Ok(Reader::new(self.bytes()?, self.at))
    }
}

/// Appends a number field; protobuf leaves out zeroes.
pub(super) fn put_number(field: u8, value: u64, out: &mut Vec<u8>) {
    if value != 0 {
        out.push(field << 3);
        put_varint(value, out);
    }
}

/// Appends the key and length of a bytes field; the caller appends the bytes.
pub(super) fn put_bytes_head(field: u8, length: usize, out: &mut Vec<u8>) {
    out.push((field << 3) | 2);
    put_varint(length as u64, out);
}

/// Appends a varint of up to ten bytes.
pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Length of a varint.
pub(super) fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}
