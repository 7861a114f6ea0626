//! Verified bytes. This file is the only door through which a [`Block`] comes into being.

use bytes::Bytes;

use crate::cid::{Cid, CidError};
use crate::hash::{self, HashError};
use crate::limits::{BIG_BLOCK_BYTES_MAX, BLOCK_BYTES_MAX};
use crate::multihash::MultihashError;

/// Bytes and the CID that names them; the hash was checked, or computed, when this value was made.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    data: Bytes,
}

/// Which version of CID a new block gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CidFormat {
    /// Version 0; only with SHA-2 256 and dag-pb.
    V0,
    /// Version 1.
    V1,
}

/// Why bytes are not a block of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes hash to something else.
    #[error("block data does not match its cid {cid}")]
    Mismatch {
        /// The claimed name.
        cid: Cid,
    },
    /// Larger than peers accept.
    #[error("block of {bytes} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Size of the data.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The name uses a hash we refuse.
    #[error(transparent)]
    Multihash(#[from] MultihashError),
    /// The hash function is not known here.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The wanted CID cannot exist.
    #[error(transparent)]
    Cid(#[from] CidError),
}

impl Block {
    /// Checks foreign bytes against the CID that claims them. At most [`BLOCK_BYTES_MAX`].
    pub fn verify(cid: Cid, data: Bytes) -> Result<Self, BlockError> {
        check_size(data.len(), BLOCK_BYTES_MAX)?;
        Self::verify_big(cid, data)
    }

    /// As [`Block::verify`], for blocks that stay local: at most [`BIG_BLOCK_BYTES_MAX`].
    pub fn verify_big(cid: Cid, data: Bytes) -> Result<Self, BlockError> {
        check_size(data.len(), BIG_BLOCK_BYTES_MAX)?;
        cid.hash().check_secure()?;
        if !hash::matches(cid.hash(), &data)? {
            return Err(BlockError::Mismatch { cid });
        }
        Ok(Self { cid, data })
    }

    /// Checks many foreign blocks, hashing them side by side. The answer has the order of the input.
    pub fn verify_many(input: Vec<(Cid, Bytes)>) -> Vec<Result<Self, BlockError>> {
        let same: Vec<&[u8]> = input
            .iter()
            .filter(|(cid, data)| is_plain_sha2_256(cid) && data.len() <= BLOCK_BYTES_MAX)
            .map(|(_, data)| &data[..])
            .collect();
        let mut digests = hash::sha2_256_many(&same).into_iter();
        input
            .into_iter()
            .map(|(cid, data)| {
                if !(is_plain_sha2_256(&cid) && data.len() <= BLOCK_BYTES_MAX) {
                    return Self::verify(cid, data);
                }
                match digests.next() {
                    Some(digest) if cid.hash().digest() == digest => Ok(Self { cid, data }),
                    _ => Err(BlockError::Mismatch { cid }),
                }
            })
            .collect()
    }

    /// Names bytes of ours: hashes them with `hash_code` and makes the CID.
    pub fn build(format: CidFormat, codec: u64, hash_code: u64, data: Bytes) -> Result<Self, BlockError> {
        let hash = hash::digest(hash_code, &data)?;
        let cid = match format {
            CidFormat::V0 => Cid::v0(hash)?,
            CidFormat::V1 => Cid::v1(codec, hash),
        };
        Ok(Self { cid, data })
    }

    /// Names many blocks of ours at once; SHA-2 256 runs on all of them side by side.
    pub fn build_many(
        format: CidFormat,
        codec: u64,
        hash_code: u64,
        datas: Vec<Bytes>,
    ) -> Result<Vec<Self>, BlockError> {
        if hash_code != crate::multihash::code::SHA2_256 {
            return datas.into_iter().map(|data| Self::build(format, codec, hash_code, data)).collect();
        }
        let slices: Vec<&[u8]> = datas.iter().map(|data| &data[..]).collect();
        let digests = hash::sha2_256_many(&slices);
        datas
            .into_iter()
            .zip(digests)
            .map(|(data, digest)| {
                let hash = crate::Multihash::sha2_256(digest);
                let cid = match format {
                    CidFormat::V0 => Cid::v0(hash)?,
                    CidFormat::V1 => Cid::v1(codec, hash),
                };
                Ok(Self { cid, data })
            })
            .collect()
    }

    /// The block an identity CID carries in itself, or `None` when `cid` is no identity CID.
    pub fn from_identity(cid: &Cid) -> Option<Self> {
        let hash = cid.hash();
        (hash.is_identity() && hash.check_secure().is_ok())
            .then(|| Self { cid: cid.clone(), data: Bytes::copy_from_slice(hash.digest()) })
    }

    /// A checksum of the bytes (CRC-32), for a store to keep beside a block and hand to [`Block::recall`].
    pub fn checksum(&self) -> u32 {
        crc32fast::hash(&self.data)
    }

    /// The block again, from bytes that a store kept: they are the bytes whose hash was checked once if they still have the
    /// [`Block::checksum`] they had then.
    ///
    /// This finds accidents (rotten bits, torn, lost or misplaced writes: every burst of up to 32 bits, others with
    /// 2^-32), not malice of somebody who can write the store's files. It exists because hashing every block on every
    /// read costs more than all the rest of serving it. Only a store that computed the checksum from a [`Block`] may call it.
    pub fn recall(cid: Cid, data: Bytes, checksum: u32) -> Result<Self, BlockError> {
        if crc32fast::hash(&data) != checksum {
            return Err(BlockError::Mismatch { cid });
        }
        Ok(Self { cid, data })
    }

    /// The same verified bytes under a CID with the same multihash (another version or codec).
    pub fn with_cid(&self, cid: Cid) -> Result<Self, BlockError> {
        if cid.hash() != self.cid.hash() {
            return Err(BlockError::Mismatch { cid });
        }
        Ok(Self { cid, data: self.data.clone() })
    }

    /// The name.
    pub fn cid(&self) -> &Cid {
        &self.cid
    }

    /// The bytes.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Name and bytes.
    pub fn into_parts(self) -> (Cid, Bytes) {
        (self.cid, self.data)
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({}, {} bytes)", self.cid, self.data.len())
    }
}

fn is_plain_sha2_256(cid: &Cid) -> bool {
    cid.hash().code() == crate::multihash::code::SHA2_256 && cid.hash().digest().len() == 32
}

fn check_size(bytes: usize, limit: usize) -> Result<(), BlockError> {
    if bytes > limit { Err(BlockError::TooLarge { bytes, limit }) } else { Ok(()) }
}
