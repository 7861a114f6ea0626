//! A segment's bytes: a CAR v1 header without roots, then CAR sections: length as a varint, CID, data.

use merkury_core::limits::{BIG_BLOCK_BYTES_MAX, CID_BYTES_MAX};
use merkury_core::varint::{self, VARINT_BYTES_MAX};
use merkury_core::{Cid, cid::CidError};

/// `{"roots": [], "version": 1}` in DAG-CBOR, with its length before it: the start of every segment.
pub(crate) const SEGMENT_HEADER: &[u8] = b"\x11\xa2eroots\x80gversion\x01";
/// Longest head (length and CID) of a record.
pub(crate) const HEAD_BYTES_MAX: usize = VARINT_BYTES_MAX + CID_BYTES_MAX;
/// Head of a record with a SHA-2 256 CID and a block of less than 256 MiB: what nearly all heads fit in.
pub(crate) const HEAD_BYTES_USUAL: usize = 4 + 36;

/// The head of a record for a block with `data_len` bytes, in `head`, which is emptied before: one buffer serves many blocks.
pub(crate) fn encode_head(cid: &Cid, data_len: usize, head: &mut Vec<u8>) {
    head.clear();
    varint::encode((cid.encoded_len() + data_len) as u64, head);
    cid.encode(head);
}

/// The head of a record, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) cid: Cid,
    /// Bytes of the head itself.
    pub(crate) head_len: usize,
    pub(crate) data_len: usize,
}

/// Why bytes are not the head of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// They end too early to tell.
    Short,
    /// The length is impossible: the next record cannot be found either.
    Length,
    /// The length is possible, the CID is not; then the length is not to be trusted either.
    Cid,
}

/// Reads the head at the start of `bytes`.
pub(crate) fn decode_head(bytes: &[u8]) -> Result<Head, HeadError> {
    let (length, rest) = match varint::decode(bytes) {
        Ok(ok) => ok,
        Err(varint::VarintError::Truncated) => return Err(HeadError::Short),
        Err(_) => return Err(HeadError::Length),
    };
    let length_len = bytes.len() - rest.len();
    let length = usize::try_from(length).map_err(|_| HeadError::Length)?;
    if length == 0 || length > BIG_BLOCK_BYTES_MAX + CID_BYTES_MAX {
        return Err(HeadError::Length);
    }
    let within = rest.get(..length).unwrap_or(rest);
    match Cid::decode(within) {
        Ok((cid, after)) => {
            let cid_len = within.len() - after.len();
            Ok(Head { cid, head_len: length_len + cid_len, data_len: length - cid_len })
        }
        Err(CidError::TooShort | CidError::Varint(varint::VarintError::Truncated)) if within.len() < length => {
            Err(HeadError::Short)
        }
        Err(_) if within.len() < length && within.len() < CID_BYTES_MAX => Err(HeadError::Short),
        Err(_) => Err(HeadError::Cid),
    }
}

/// The file name of a segment.
pub(crate) fn segment_file_name(segment: u32) -> String {
    format!("{segment:08}.car")
}

/// The segment of a file name; `None` when it is none of ours.
pub(crate) fn segment_of_file_name(name: &str) -> Option<u32> {
    let segment = name.strip_suffix(".car")?.parse().ok().filter(|segment| *segment > 0)?;
    (segment_file_name(segment) == name).then_some(segment)
}

#[cfg(test)]
mod tests {
    use merkury_core::Multihash;

    use super::*;

    #[test]
    fn heads_round_trip_and_say_when_they_are_short() {
        let cid = Cid::v1(0x55, Multihash::sha2_256([9; 32]));
        let mut bytes = Vec::new();
        encode_head(&cid, 1000, &mut bytes);
        let head_len = bytes.len();
        bytes.resize(head_len + 1000, 7);
        assert_eq!(decode_head(&bytes), Ok(Head { cid, head_len, data_len: 1000 }));
        for end in 0..head_len {
            assert_eq!(decode_head(&bytes[..end]), Err(HeadError::Short), "{end}");
        }
        bytes[2] = 0x77;
        assert_eq!(decode_head(&bytes), Err(HeadError::Cid));
        assert_eq!(decode_head(&[0; 64]), Err(HeadError::Length));
        assert_eq!(decode_head(&[0xff; 64]), Err(HeadError::Length));
    }

    #[test]
    fn segment_names() {
        assert_eq!(segment_of_file_name(&segment_file_name(7)), Some(7));
        assert_eq!(segment_of_file_name(&segment_file_name(123_456_789)), Some(123_456_789));
        for other in ["7.car", "00000000.car", "00000007.car.new", "+0000007.car", "x"] {
            assert_eq!(segment_of_file_name(other), None);
        }
    }
}
