//! Content identifiers. Specification: multiformats `cid`, and IPIP-512 for identity CIDs.

use std::fmt;
use std::str::FromStr;

use crate::base58;
use crate::bases::{self, BaseError};
use crate::limits::{CID_BYTES_MAX, CID_TEXT_BYTES_MAX};
use crate::multihash::{Multihash, MultihashError, code};
use crate::varint::{self, VarintError};

/// Multicodec numbers of the content types we know.
pub mod codec_code {
    /// Plain bytes.
    pub const RAW: u64 = 0x55;
    /// Protobuf nodes: UnixFS lives in these.
    pub const DAG_PB: u64 = 0x70;
    /// CBOR with links.
    pub const DAG_CBOR: u64 = 0x71;
    /// A libp2p public key; the CID form of peer ids and IPNS names.
    pub const LIBP2P_KEY: u64 = 0x72;
    /// Git objects.
    pub const GIT_RAW: u64 = 0x78;
    /// Signed and encrypted objects.
    pub const DAG_JOSE: u64 = 0x85;
    /// JSON with links.
    pub const DAG_JSON: u64 = 0x0129;
    /// Plain CBOR, without links.
    pub const CBOR: u64 = 0x51;
    /// Plain JSON, without links.
    pub const JSON: u64 = 0x0200;
}

/// CID version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// Base58 SHA-2 256 of a dag-pb node, `Qm…`.
    V0,
    /// Multibase, with a codec.
    V1,
}

/// A content identifier: version, codec and multihash. Equal if and only if their bytes are equal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cid {
    version: Version,
    codec: u64,
    hash: Multihash,
}

/// Why text or bytes are not a CID, in the words that follow Kubo's `invalid cid: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    /// Nothing or less than the shortest CID.
    #[error("cid too short")]
    TooShort,
    /// Longer than any CID can be.
    #[error("cid too long: {0} bytes")]
    TooLong(usize),
    /// Not version 0 or 1.
    #[error("invalid cid: expected 1 as the cid version number, got: {0}")]
    Version(u64),
    /// A number is malformed.
    #[error("invalid cid: {0}")]
    Varint(#[from] VarintError),
    /// The multihash is malformed.
    #[error("invalid cid: {0}")]
    Multihash(#[from] MultihashError),
    /// Bytes after the CID.
    #[error("trailing bytes in data buffer passed to cid Cast")]
    Trailing(usize),
    /// The text is not in the base it names.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The text of a version 0 CID is not base 58.
    #[error("input isn't valid multihash")]
    Base58,
    /// Version 0 holds only SHA-2 256 of dag-pb.
    #[error("cid version 0 must be a 32-byte sha2-256 of dag-pb")]
    NotV0,
}

impl Cid {
    /// A version 1 CID.
    pub fn v1(codec: u64, hash: Multihash) -> Self {
        Self { version: Version::V1, codec, hash }
    }

    /// A version 0 CID; the hash must be SHA-2 256 with 32 bytes.
    pub fn v0(hash: Multihash) -> Result<Self, CidError> {
        if hash.code() != code::SHA2_256 || hash.digest().len() != 32 {
            return Err(CidError::NotV0);
        }
        Ok(Self { version: Version::V0, codec: codec_code::DAG_PB, hash })
    }

    /// Reads a binary CID at the start of `bytes`; returns it and the rest.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), CidError> {
        if bytes.starts_with(&[0x12, 0x20]) {
            let digest = bytes.get(2..34).ok_or(CidError::TooShort)?;
            let digest: [u8; 32] = digest.try_into().map_err(|_| CidError::TooShort)?;
            return Ok((Self::v0(Multihash::sha2_256(digest))?, &bytes[34..]));
        }
        let (version, rest) = varint::decode(bytes)?;
        if version != 1 {
            return Err(CidError::Version(version));
        }
        let (codec, rest) = varint::decode(rest)?;
        let (hash, rest) = Multihash::decode(rest)?;
        Ok((Self::v1(codec, hash), rest))
    }

    /// A version 0 CID from bytes that are its multihash and nothing else.
    fn of_v0_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        let (hash, rest) = Multihash::decode(bytes)?;
        if rest.is_empty() {
            return Self::v0(hash);
        }
        let digest = hash.digest().len();
        Err(MultihashError::Inconsistent { digest, multihash: bytes.len() - rest.len() }.into())
    }

    /// Reads a binary CID that fills `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        match Self::decode(bytes)? {
            (cid, []) => Ok(cid),
            (_, rest) => Err(CidError::Trailing(rest.len())),
        }
    }

    /// Appends the binary form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if self.version == Version::V1 {
            out.push(1);
            varint::encode(self.codec, out);
        }
        self.hash.encode(out);
    }

    /// The binary form in a buffer that always has room.
    fn write_to<'a>(&self, buffer: &'a mut [u8; CID_BYTES_MAX]) -> &'a [u8] {
        let mut end = 0;
        let mut put = |value: u64| {
            let mut value = value;
            while value >= 0x80 {
                buffer[end] = (value as u8) | 0x80;
                value >>= 7;
                end += 1;
            }
            buffer[end] = value as u8;
            end += 1;
        };
        if self.version == Version::V1 {
            put(1);
            put(self.codec);
        }
        let digest = self.hash.digest();
        put(self.hash.code());
        put(digest.len() as u64);
        buffer[end..end + digest.len()].copy_from_slice(digest);
        &buffer[..end + digest.len()]
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.hash.digest().len() + 8);
        self.encode(&mut out);
        out
    }

    /// Length of the binary form in bytes.
    pub fn encoded_len(&self) -> usize {
        let digest = self.hash.digest().len();
        let hash = varint::encoded_len(self.hash.code()) + varint::encoded_len(digest as u64) + digest;
        match self.version {
            Version::V0 => hash,
            Version::V1 => 1 + varint::encoded_len(self.codec) + hash,
        }
    }

    /// Reads a CID from text: base58 for version 0, multibase for version 1.
    pub fn parse(text: &str) -> Result<Self, CidError> {
        if text.len() > CID_TEXT_BYTES_MAX {
            return Err(CidError::TooLong(text.len()));
        }
        if text.len() < 2 {
            return Err(CidError::TooShort);
        }
        if text.starts_with("Qm")
            && let Ok(letters) = text.as_bytes().try_into()
        {
            return Self::of_v0_bytes(&base58::decode(letters).ok_or(CidError::Base58)?);
        }
        let mut bytes = [0; CID_BYTES_MAX];
        if let Some(body) = text.strip_prefix('b')
            && let Some(bytes) = base32::decode(body, &mut bytes)
        {
            return Self::from_bytes(bytes);
        }
        // Version 0 in multibase is read too, as Kubo does.
        Self::from_bytes(&bases::decode(text)?.1)
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The content type's multicodec number.
    pub fn codec(&self) -> u64 {
        self.codec
    }

    /// The multihash.
    pub fn hash(&self) -> &Multihash {
        &self.hash
    }

    /// The same content as a version 1 CID.
    pub fn to_v1(&self) -> Self {
        Self::v1(self.codec, self.hash.clone())
    }

    /// The text in a given base; version 0 CIDs are base58 whatever is asked.
    pub fn to_string_of_base(&self, base: bases::Base) -> String {
        match self.version {
            Version::V0 => self.to_string(),
            Version::V1 => bases::encode(base, &self.to_bytes()),
        }
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; CID_BYTES_MAX];
        let bytes = self.write_to(&mut bytes);
        let (mut long, short);
        let text = match bytes.try_into() {
            Ok(bytes) if self.version == Version::V0 => {
                short = base58::encode(bytes);
                &short[..]
            }
            _ => {
                long = [0; base32::TEXT_BYTES_MAX];
                base32::encode(bytes, &mut long)
            }
        };
        f.pad(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
    }
}

/// Base 32 as multibase writes it (`b…`), on the stack: CIDs are printed and read by the million.
mod base32 {
    use std::sync::LazyLock;

    use data_encoding::{Encoding, Specification};

    use crate::limits::CID_BYTES_MAX;

    /// Longest text: the prefix, and eight letters for five bytes.
    pub(super) const TEXT_BYTES_MAX: usize = 1 + (CID_BYTES_MAX * 8).div_ceil(5);

    static LETTERS: LazyLock<Encoding> = LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        specification.translate.from.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        specification.translate.to.push_str("abcdefghijklmnopqrstuvwxyz");
        specification.encoding().expect("32 distinct letters are an encoding")
    });

    pub(super) fn encode<'a>(bytes: &[u8], text: &'a mut [u8; TEXT_BYTES_MAX]) -> &'a [u8] {
        let end = 1 + LETTERS.encode_len(bytes.len());
        text[0] = b'b';
        LETTERS.encode_mut(bytes, &mut text[1..end]);
        &text[..end]
    }

    /// Decodes what stands after the prefix, when it is canonical but for large and small letters.
    pub(super) fn decode<'a>(body: &str, bytes: &'a mut [u8; CID_BYTES_MAX]) -> Option<&'a [u8]> {
        let length = LETTERS.decode_len(body.len()).ok()?;
        let into = bytes.get_mut(..length)?;
        let length = LETTERS.decode_mut(body.as_bytes(), into).ok()?;
        into.get(..length)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        Self::parse(text)
    }
}

impl serde::Serialize for Cid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Cid {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        for text in [
            "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
            "bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy",
            "bafkqaaa",
        ] {
            assert_eq!(Cid::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn bytes_round_trip_and_refuse_the_rest() {
        let cid = Cid::parse("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").expect("a cid");
        let mut bytes = cid.to_bytes();
        assert_eq!(bytes.len(), cid.encoded_len());
        assert_eq!(Cid::from_bytes(&bytes).expect("round trip"), cid);
        bytes.push(0);
        assert_eq!(Cid::from_bytes(&bytes), Err(CidError::Trailing(1)));
    }

    #[test]
    fn mistakes_are_told_in_the_words_that_scripts_know() {
        for (text, words) in [
            ("a", "cid too short"),
            ("Qm", "selected encoding not supported"),
            ("zzz", "invalid cid: expected 1 as the cid version number, got: 13"),
            ("bafy", "invalid cid: varints malformed, could not reach the end"),
            (
                "bafybeihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk",
                "invalid cid: length greater than remaining number of bytes in buffer",
            ),
            ("QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3N0", "input isn't valid multihash"),
            ("mAVUS", "invalid cid: multihash too short. must be >= 2 bytes"),
            ("f018080800055", "invalid cid: varint not minimally encoded"),
            ("bafkqaaaa", "trailing bytes in data buffer passed to cid Cast"),
        ] {
            assert_eq!(Cid::parse(text).map_err(|error| error.to_string()), Err(words.to_owned()), "{text}");
        }
    }

    #[test]
    fn version_0_in_multibase_is_read() {
        let cid = Cid::parse("zQmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn").expect("a cid");
        assert_eq!(cid.to_string(), "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn");
    }

    #[test]
    fn other_bases_are_read() {
        let cid = Cid::parse("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").expect("a cid");
        for base in [multibase::Base::Base58Btc, multibase::Base::Base36Lower, multibase::Base::Base16Lower] {
            assert_eq!(Cid::parse(&cid.to_string_of_base(base)).expect("other base"), cid);
        }
    }
}
