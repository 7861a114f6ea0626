//! Reading messages from peers.

use bytes::Bytes;
use merkury_core::limits::{BLOCK_BYTES_MAX, DIGEST_BYTES_MAX, DIGEST_BYTES_MIN};
use merkury_core::multihash::{MultihashError, code};
use merkury_core::varint::{self, VarintError};
use merkury_core::{Cid, CidError, Version, hash};

use super::wire::{Field, Reader, WireError};
use super::{Change, Entry, Message, Prefix, Presence, RawBlock, WantKind};
use crate::limits::{BLOCKS_PER_MESSAGE_MAX, CID_BYTES_MAX, ENTRIES_PER_MESSAGE_MAX, MESSAGE_BYTES_MAX};

/// Why bytes of a peer are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Longer than anybody accepts.
    #[error("message of {0} bytes is over the limit of {MESSAGE_BYTES_MAX} bytes")]
    TooLong(u64),
    /// The length prefix is not a varint.
    #[error("malformed message length: {0}")]
    Length(VarintError),
    /// Not protobuf.
    #[error("malformed message: {0}")]
    Wire(#[from] WireError),
    /// A CID that is none.
    #[error("malformed cid in message: {0}")]
    Cid(#[from] CidError),
    /// A want or presence type nobody knows.
    #[error("unknown type {0} in message")]
    Kind(u64),
    /// A block over the limit.
    #[error("block of {0} bytes in message is over the limit of {BLOCK_BYTES_MAX} bytes")]
    BlockTooLarge(usize),
    /// More blocks than anybody can have asked for.
    #[error("more than {BLOCKS_PER_MESSAGE_MAX} blocks in message")]
    TooManyBlocks,
    /// A prefix that is none.
    #[error("malformed block prefix in message")]
    Prefix,
    /// A prefix that names a hash function no block may have.
    #[error("block prefix in message names hash 0x{hash_code:x} with {digest_bytes} bytes")]
    PrefixHash {
        /// The hash function.
        hash_code: u64,
        /// The digest's length.
        digest_bytes: u64,
    },
}

impl Message {
    /// Reads the length in front of a message. `None`: not all of the varint is there yet.
    ///
    /// Returns the message's length and how many bytes the prefix took.
    pub fn decode_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, MessageError> {
        match varint::decode(bytes) {
            Ok((length, rest)) if length <= MESSAGE_BYTES_MAX as u64 => {
                Ok(Some((length as usize, bytes.len() - rest.len())))
            }
            Ok((length, _)) => Err(MessageError::TooLong(length)),
            Err(VarintError::Truncated) => Ok(None),
            Err(error) => Err(MessageError::Length(error)),
        }
    }

    /// Reads a message without its length prefix. Blocks are slices of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, MessageError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(MessageError::TooLong(bytes.len() as u64));
        }
        let mut message = Self::default();
        let mut fields = Reader::new(bytes, 0);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => message.read_wantlist(field.fields()?)?,
                2 => message.push_block(Prefix::V0, bytes.slice_ref(field.bytes()?))?,
                3 => message.read_block(bytes, field.fields()?)?,
                4 => message.read_presence(field.fields()?)?,
                5 => message.pending_bytes = u32::try_from(field.int32()?).unwrap_or(0),
                _ => {}
            }
        }
        Ok(message)
    }

    fn read_wantlist(&mut self, mut fields: Reader<'_>) -> Result<(), MessageError> {
        let (mut wants, mut cancels) = (0, 0);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => match read_entry(&field)? {
                    Some(entry) => {
                        let count = if entry.change == Change::Cancel { &mut cancels } else { &mut wants };
                        *count += 1;
                        if *count <= ENTRIES_PER_MESSAGE_MAX {
                            self.entries.push(entry);
                        } else {
                            self.skipped = self.skipped.saturating_add(1);
                        }
                    }
                    None => self.skipped = self.skipped.saturating_add(1),
                },
                2 => self.full = field.bool()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_block(&mut self, whole: &Bytes, mut fields: Reader<'_>) -> Result<(), MessageError> {
        let (mut prefix, mut data) = (&[][..], &[][..]);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => prefix = field.bytes()?,
                2 => data = field.bytes()?,
                _ => {}
            }
        }
        self.push_block(Prefix::decode(prefix)?, whole.slice_ref(data))
    }

    fn push_block(&mut self, prefix: Prefix, data: Bytes) -> Result<(), MessageError> {
        if data.len() > BLOCK_BYTES_MAX {
            return Err(MessageError::BlockTooLarge(data.len()));
        }
        if self.blocks.len() == BLOCKS_PER_MESSAGE_MAX {
            return Err(MessageError::TooManyBlocks);
        }
        self.blocks.push(RawBlock { prefix, data });
        Ok(())
    }

    fn read_presence(&mut self, mut fields: Reader<'_>) -> Result<(), MessageError> {
        let (mut cid, mut presence) = (&[][..], Presence::Have);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => cid = field.bytes()?,
                2 => {
                    presence = match field.number()? {
                        0 => Presence::Have,
                        1 => Presence::DontHave,
                        other => return Err(MessageError::Kind(other)),
                    }
                }
                _ => {}
            }
        }
        if self.presences.len() >= ENTRIES_PER_MESSAGE_MAX {
            self.skipped = self.skipped.saturating_add(1);
            return Ok(());
        }
        match read_cid(cid)? {
            Some(cid) => self.presences.push((cid, presence)),
            None => self.skipped = self.skipped.saturating_add(1),
        }
        Ok(())
    }
}

impl Prefix {
    /// Reads a prefix and applies the rules for names of blocks.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let mut rest = bytes;
        let mut number = || -> Result<u64, MessageError> {
            let (value, after) = varint::decode(rest).map_err(|_| MessageError::Prefix)?;
            rest = after;
            Ok(value)
        };
        let (version, codec, hash_code, digest_bytes) = (number()?, number()?, number()?, number()?);
        let version = match version {
            0 if (codec, hash_code, digest_bytes) == (0x70, code::SHA2_256, 32) => Version::V0,
            1 => Version::V1,
            _ => return Err(MessageError::Prefix),
        };
        let length_ok = (DIGEST_BYTES_MIN as u64..=DIGEST_BYTES_MAX as u64).contains(&digest_bytes);
        if hash_code == code::IDENTITY || !hash::is_allowed(hash_code) || !length_ok || !rest.is_empty() {
            return Err(MessageError::PrefixHash { hash_code, digest_bytes });
        }
        Ok(Self { version, codec, hash_code, digest_bytes })
    }
}

/// Reads one entry; `None` when its CID is one we do not exchange.
fn read_entry(field: &Field<'_>) -> Result<Option<Entry>, MessageError> {
    let (mut cid, mut priority, mut cancel, mut kind, mut send_dont_have) = (&[][..], 0, false, WantKind::Block, false);
    let mut fields = field.fields()?;
    while let Some(field) = fields.next()? {
        match field.number {
            1 => cid = field.bytes()?,
            2 => priority = field.int32()?,
            3 => cancel = field.bool()?,
            4 => {
                kind = match field.number()? {
                    0 => WantKind::Block,
                    1 => WantKind::Have,
                    other => return Err(MessageError::Kind(other)),
                }
            }
            5 => send_dont_have = field.bool()?,
            _ => {}
        }
    }
    let change = if cancel { Change::Cancel } else { Change::Want { kind, priority, send_dont_have } };
    Ok(read_cid(cid)?.map(|cid| Entry { cid, change }))
}

/// Reads a CID; `None` when it is well-formed but not one that peers exchange.
fn read_cid(bytes: &[u8]) -> Result<Option<Cid>, MessageError> {
    if bytes.len() > CID_BYTES_MAX {
        return Ok(None);
    }
    match Cid::from_bytes(bytes) {
        Ok(cid) if cid.hash().is_identity() => Ok(None),
        Ok(cid) => Ok(Some(cid)),
        Err(CidError::Multihash(MultihashError::Length { .. })) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
