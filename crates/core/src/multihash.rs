//! A multihash: which hash function, and its digest. Specification: multiformats `multihash`.

use std::sync::Arc;

use crate::limits::{DIGEST_BYTES_MAX, DIGEST_BYTES_MIN, IDENTITY_DIGEST_BYTES_MAX};
use crate::varint::{self, VarintError};

/// Multicodec numbers of the hash functions we know.
pub mod code {
    /// The bytes themselves.
    pub const IDENTITY: u64 = 0x00;
    /// SHA-1; kept for git objects only.
    pub const SHA1: u64 = 0x11;
    /// SHA-2, 256 bits: the default of IPFS.
    pub const SHA2_256: u64 = 0x12;
    /// SHA-2, 512 bits.
    pub const SHA2_512: u64 = 0x13;
    /// SHA-3, 512 bits.
    pub const SHA3_512: u64 = 0x14;
    /// SHA-3, 384 bits.
    pub const SHA3_384: u64 = 0x15;
    /// SHA-3, 256 bits.
    pub const SHA3_256: u64 = 0x16;
    /// SHA-3, 224 bits.
    pub const SHA3_224: u64 = 0x17;
    /// SHAKE-256, 64-byte output.
    pub const SHAKE_256: u64 = 0x19;
    /// Keccak, 224 bits.
    pub const KECCAK_224: u64 = 0x1a;
    /// Keccak, 256 bits.
    pub const KECCAK_256: u64 = 0x1b;
    /// Keccak, 384 bits.
    pub const KECCAK_384: u64 = 0x1c;
    /// Keccak, 512 bits.
    pub const KECCAK_512: u64 = 0x1d;
    /// BLAKE3, 32 bytes by default.
    pub const BLAKE3: u64 = 0x1e;
    /// SHA-2 256 applied twice.
    pub const DBL_SHA2_256: u64 = 0x56;
    /// SHA-2 512 truncated to 256 bits is not this; this is the 512/256 variant with its own constants.
    pub const SHA2_512_256: u64 = 0x1015;
    /// BLAKE2b with 160 bits; 20 bytes is the shortest digest we accept.
    pub const BLAKE2B_160: u64 = 0xb214;
    /// BLAKE2b with 256 bits.
    pub const BLAKE2B_256: u64 = 0xb220;
    /// BLAKE2b with 512 bits.
    pub const BLAKE2B_512: u64 = 0xb240;
    /// BLAKE2s with 160 bits.
    pub const BLAKE2S_160: u64 = 0xb254;
    /// BLAKE2s with 256 bits.
    pub const BLAKE2S_256: u64 = 0xb260;
}

/// Digests up to this length are kept inline: every common hash function fits.
const INLINE_BYTES: usize = 36;

#[derive(Clone)]
enum Digest {
    Inline(u8, [u8; INLINE_BYTES]),
    Long(Arc<[u8]>),
}

/// A hash function's code and a digest that keeps the rules of IPFS (see [`Multihash::new`]).
#[derive(Clone)]
pub struct Multihash {
    code: u64,
    digest: Digest,
}

/// Why bytes are not an acceptable multihash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultihashError {
    /// Less than the shortest multihash.
    #[error("multihash too short. must be >= 2 bytes")]
    TooShort,
    /// A number in front of the digest is malformed.
    #[error(transparent)]
    Varint(#[from] VarintError),
    /// The digest is shorter than its length says.
    #[error("length greater than remaining number of bytes in buffer")]
    Truncated {
        /// Bytes there.
        has: usize,
        /// Bytes claimed.
        wants: u64,
    },
    /// The length of the digest is no length; Kubo's words.
    #[error("digest too long, supporting only <= 2^31-1")]
    TooLong(u64),
    /// Bytes after the digest where nothing else may stand; Kubo's words.
    #[error("multihash length inconsistent: expected {digest}; got {multihash}")]
    Inconsistent {
        /// Length of the digest in bytes.
        digest: usize,
        /// Length of the multihash that was read, in bytes.
        multihash: usize,
    },
    /// The digest is longer than a CID may carry.
    #[error("digest of {bytes} bytes is not allowed for hash function 0x{code:x}")]
    Length {
        /// The hash function.
        code: u64,
        /// Digest length in bytes.
        bytes: usize,
    },
    /// The digest is too short to name data safely.
    #[error("digest too small: {} digest got {bytes} bytes, minimum {DIGEST_BYTES_MIN}", name_of(*code))]
    TooSmall {
        /// The hash function.
        code: u64,
        /// Digest length in bytes.
        bytes: usize,
    },
    /// The digest is longer than the function has, or than an identity CID may carry.
    #[error("digest too large: {} digest got {bytes} bytes, maximum {most}", name_of(*code))]
    TooLarge {
        /// The hash function.
        code: u64,
        /// Digest length in bytes.
        bytes: usize,
        /// Most bytes allowed.
        most: usize,
    },
    /// The hash function is not on the list of safe ones.
    #[error("potentially insecure hash functions not allowed")]
    Insecure(u64),
}

fn name_of(code: u64) -> String {
    crate::hash::name::any_name_of(code).map_or_else(|| format!("unknown({code})"), |name| name.into_owned())
}

impl Multihash {
    /// Wraps a digest: at most 128 bytes of any function, known or not. [`Multihash::check_secure`] applies the
    /// stricter rules for names of blocks.
    pub fn new(code: u64, digest: &[u8]) -> Result<Self, MultihashError> {
        if digest.len() > DIGEST_BYTES_MAX {
            return Err(MultihashError::Length { code, bytes: digest.len() });
        }
        let digest = if digest.len() <= INLINE_BYTES {
            let mut bytes = [0; INLINE_BYTES];
            bytes[..digest.len()].copy_from_slice(digest);
            Digest::Inline(digest.len() as u8, bytes)
        } else {
            Digest::Long(digest.into())
        };
        Ok(Self { code, digest })
    }

    /// A SHA-2 256 multihash from its digest.
    pub fn sha2_256(digest: [u8; 32]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        bytes[..32].copy_from_slice(&digest);
        Self { code: code::SHA2_256, digest: Digest::Inline(32, bytes) }
    }

    /// Reads a binary multihash; returns it and the rest.
    pub fn decode(bytes: &[u8]) -> Result<(Self, &[u8]), MultihashError> {
        if bytes.len() < 2 {
            return Err(MultihashError::TooShort);
        }
        let (code, rest) = varint::decode(bytes)?;
        let (length, rest) = varint::decode(rest)?;
        if length > i32::MAX as u64 {
            return Err(MultihashError::TooLong(length));
        }
        if length > rest.len() as u64 {
            return Err(MultihashError::Truncated { has: rest.len(), wants: length });
        }
        if length > DIGEST_BYTES_MAX as u64 {
            return Err(MultihashError::Length { code, bytes: usize::try_from(length).unwrap_or(usize::MAX) });
        }
        let length_usize = length as usize;
        let digest = rest.get(..length_usize).ok_or(MultihashError::Truncated { has: rest.len(), wants: length })?;
        Ok((Self::new(code, digest)?, &rest[length_usize..]))
    }

    /// Appends the binary form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::encode(self.code, out);
        varint::encode(self.digest().len() as u64, out);
        out.extend_from_slice(self.digest());
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.digest().len() + 6);
        self.encode(&mut out);
        out
    }

    /// The hash function's multicodec number.
    pub fn code(&self) -> u64 {
        self.code
    }

    /// The digest.
    pub fn digest(&self) -> &[u8] {
        match &self.digest {
            Digest::Inline(length, bytes) => &bytes[..usize::from(*length)],
            Digest::Long(bytes) => bytes,
        }
    }

    /// Whether the bytes themselves are the digest.
    pub fn is_identity(&self) -> bool {
        self.code == code::IDENTITY
    }

    /// Applies the rules for names of blocks: a safe function, at least 20 bytes (identity: at most 128).
    pub fn check_secure(&self) -> Result<(), MultihashError> {
        let bytes = self.digest().len();
        if self.is_identity() {
            if bytes > IDENTITY_DIGEST_BYTES_MAX {
                return Err(MultihashError::TooLarge { code: self.code, bytes, most: IDENTITY_DIGEST_BYTES_MAX });
            }
            return Ok(());
        }
        if !crate::hash::is_allowed(self.code) {
            return Err(MultihashError::Insecure(self.code));
        }
        if bytes < DIGEST_BYTES_MIN {
            return Err(MultihashError::TooSmall { code: self.code, bytes });
        }
        let most = crate::hash::digest_len_max(self.code).unwrap_or(DIGEST_BYTES_MAX);
        if bytes > most {
            return Err(MultihashError::TooLarge { code: self.code, bytes, most });
        }
        Ok(())
    }
}

impl PartialEq for Multihash {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.digest() == other.digest()
    }
}

impl Eq for Multihash {}

impl std::hash::Hash for Multihash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.code.hash(state);
        self.digest().hash(state);
    }
}

impl PartialOrd for Multihash {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Multihash {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.code, self.digest()).cmp(&(other.code, other.digest()))
    }
}

impl std::fmt::Debug for Multihash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Multihash(0x{:x}, {})", self.code, data_encoding::HEXLOWER.encode(self.digest()))
    }
}
