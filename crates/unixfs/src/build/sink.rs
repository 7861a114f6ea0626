//! Where finished nodes go: named, counted and handed to the store in groups.

use bytes::Bytes;
use merkury_core::block::{BlockError, CidFormat};
use merkury_core::cid::codec_code;
use merkury_core::multihash::code;
use merkury_core::{Block, BlockPut, Cid, PutError};

use super::options::CidOptions;

/// Nodes wait for each other up to this many …
const GROUP_BLOCKS: usize = 64;
/// … or this many bytes.
const GROUP_BYTES: usize = 1 << 20;

/// Why a node could not be built or kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SinkError {
    /// The node is larger than a block may be, or the hash function is unknown.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The store failed.
    #[error(transparent)]
    Put(#[from] PutError),
}

impl SinkError {
    /// What kind of failure this is.
    pub fn kind(&self) -> merkury_core::ErrorKind {
        match self {
            Self::Block(_) => merkury_core::ErrorKind::Invalid,
            Self::Put(error) => error.kind(),
        }
    }
}

impl CidOptions {
    /// Names one block of ours.
    pub(crate) fn block(&self, codec: u64, data: Bytes) -> Result<Block, BlockError> {
        if data.len() > merkury_core::limits::BLOCK_BYTES_MAX {
            return Err(BlockError::TooLarge { bytes: data.len(), limit: merkury_core::limits::BLOCK_BYTES_MAX });
        }
        if self.inlines(&data) {
            return Block::build(CidFormat::V1, codec, code::IDENTITY, data);
        }
        Block::build(self.format_of(codec), codec, self.hash_code, data)
    }

    /// Names many blocks of one codec at once; the answer has the order of the input.
    pub(crate) fn blocks(&self, codec: u64, datas: Vec<Bytes>) -> Result<Vec<Block>, BlockError> {
        if self.inline_bytes_max.is_some() {
            return datas.into_iter().map(|data| self.block(codec, data)).collect();
        }
        Block::build_many(self.format_of(codec), codec, self.hash_code, datas)
    }

    fn inlines(&self, data: &Bytes) -> bool {
        self.inline_bytes_max.is_some_and(|max| data.len() <= max)
    }

    /// Plain bytes have no version 0, and neither has any hash but SHA-2 256.
    fn format_of(&self, codec: u64) -> CidFormat {
        if codec == codec_code::DAG_PB && self.hash_code == code::SHA2_256 { self.format } else { CidFormat::V1 }
    }
}

/// Names dag-pb nodes and puts them in groups. Nodes not yet handed over are lost on drop: call [`NodeSink::flush`].
pub struct NodeSink<'a> {
    put: &'a dyn BlockPut,
    cid: CidOptions,
    waiting: Vec<Block>,
    waiting_bytes: usize,
}

impl<'a> NodeSink<'a> {
    /// Builds for `put`.
    pub fn new(put: &'a dyn BlockPut, cid: CidOptions) -> Self {
        Self { put, cid, waiting: Vec::new(), waiting_bytes: 0 }
    }

    /// Names a dag-pb node and takes it.
    pub fn node(&mut self, encoded: Vec<u8>) -> Result<Cid, SinkError> {
        self.add(codec_code::DAG_PB, encoded.into())
    }

    /// Names a block and takes it.
    pub fn add(&mut self, codec: u64, data: Bytes) -> Result<Cid, SinkError> {
        let block = self.cid.block(codec, data)?;
        let cid = block.cid().clone();
        self.take(block)?;
        Ok(cid)
    }

    /// Takes a finished block.
    pub fn take(&mut self, block: Block) -> Result<(), SinkError> {
        if block.cid().hash().is_identity() {
            return Ok(());
        }
        self.waiting_bytes += block.data().len();
        self.waiting.push(block);
        if self.waiting.len() >= GROUP_BLOCKS || self.waiting_bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// The options new blocks are named by.
    pub fn cid_options(&self) -> CidOptions {
        self.cid
    }

    /// Names following blocks by other options.
    pub fn set_cid_options(&mut self, cid: CidOptions) {
        self.cid = cid;
    }

    /// Hands over what waits.
    pub fn flush(&mut self) -> Result<(), SinkError> {
        self.waiting_bytes = 0;
        if !self.waiting.is_empty() {
            self.put.put_many(std::mem::take(&mut self.waiting))?;
        }
        Ok(())
    }
}
