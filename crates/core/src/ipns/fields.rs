//! The protobuf message around the signed part. Fields 1 to 6 are there for readers of the first version.

use crate::codec::protobuf::{Reader, WireError, WireType, put_bytes_field, put_varint_field};

/// The message. Fields nobody knows are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) value: Option<Vec<u8>>,
    pub(super) signature_v1: Option<Vec<u8>>,
    pub(super) validity_type: Option<u64>,
    pub(super) validity: Option<Vec<u8>>,
    pub(super) sequence: Option<u64>,
    pub(super) ttl: Option<u64>,
    pub(super) public_key: Option<Vec<u8>>,
    pub(super) signature_v2: Option<Vec<u8>>,
    pub(super) data: Option<Vec<u8>>,
}

impl Fields {
    /// Reads a message; of a field that comes twice the last one counts, as in every protobuf decoder.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (mut reader, mut fields) = (Reader::new(bytes), Self::default());
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Bytes) => fields.value = Some(reader.bytes()?.to_vec()),
                (2, WireType::Bytes) => fields.signature_v1 = Some(reader.bytes()?.to_vec()),
                (3, WireType::Varint) => fields.validity_type = Some(reader.varint()?),
                (4, WireType::Bytes) => fields.validity = Some(reader.bytes()?.to_vec()),
                (5, WireType::Varint) => fields.sequence = Some(reader.varint()?),
                (6, WireType::Varint) => fields.ttl = Some(reader.varint()?),
                (7, WireType::Bytes) => fields.public_key = Some(reader.bytes()?.to_vec()),
                (8, WireType::Bytes) => fields.signature_v2 = Some(reader.bytes()?.to_vec()),
                (9, WireType::Bytes) => fields.data = Some(reader.bytes()?.to_vec()),
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(fields)
    }

    /// Writes the message, fields in order.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let bytes = |number: u8, field: &Option<Vec<u8>>, out: &mut Vec<u8>| {
            if let Some(value) = field {
                put_bytes_field(number, value, out);
            }
        };
        let varint = |number: u8, field: Option<u64>, out: &mut Vec<u8>| {
            if let Some(value) = field {
                put_varint_field(number, value, out);
            }
        };
        bytes(1, &self.value, &mut out);
        bytes(2, &self.signature_v1, &mut out);
        varint(3, self.validity_type, &mut out);
        bytes(4, &self.validity, &mut out);
        varint(5, self.sequence, &mut out);
        varint(6, self.ttl, &mut out);
        bytes(7, &self.public_key, &mut out);
        bytes(8, &self.signature_v2, &mut out);
        bytes(9, &self.data, &mut out);
        out
    }
}
