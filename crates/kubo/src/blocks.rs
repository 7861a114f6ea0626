//! The blocks of a Kubo repository as a store that is only read.

use bytes::Bytes;
use merkury_core::{Block, BlockError, BlockGet, BlockHas, BlockPut, BoxFuture, Cid, GetError, PutError};

use crate::flatfs::FlatFs;

/// Kubo's block files. Every block's hash is checked when it is read: Kubo does not, so a damaged file is found here first.
pub struct KuboBlocks {
    files: FlatFs,
}

impl KuboBlocks {
    /// The blocks in that directory.
    pub fn new(files: FlatFs) -> Self {
        Self { files }
    }

    /// The directory.
    pub fn files(&self) -> &FlatFs {
        &self.files
    }
}

impl BlockGet for KuboBlocks {
    fn get<'a>(&'a self, cid: &'a Cid) -> BoxFuture<'a, Result<Block, GetError>> {
        let found = self.get_local(cid);
        Box::pin(async move { found?.ok_or_else(|| GetError::NotHere { cid: cid.clone() }) })
    }

    fn get_local(&self, cid: &Cid) -> Result<Option<Block>, GetError> {
        if let Some(block) = Block::from_identity(cid) {
            return Ok(Some(block));
        }
        let bytes = self
            .files
            .read(cid.hash())
            .map_err(|error| GetError::Failed { cid: cid.clone(), why: format!("in Kubo's repository: {error}") })?;
        let Some(bytes) = bytes else { return Ok(None) };
        match Block::verify_big(cid.clone(), Bytes::from(bytes)) {
            Ok(block) => Ok(Some(block)),
            Err(BlockError::Mismatch { cid }) => {
                Err(GetError::Corrupt { cid, why: "its file in Kubo's repository holds other bytes".into() })
            }
            Err(error) => Err(GetError::Refused { cid: cid.clone(), why: error.to_string() }),
        }
    }
}

impl BlockPut for KuboBlocks {
    /// Refused, unless there is nothing to put.
    fn put_many(&self, blocks: Vec<Block>) -> Result<(), PutError> {
        if blocks.is_empty() { Ok(()) } else { Err(PutError::Failed("Kubo's repository is only read".into())) }
    }

    fn commit(&self) -> Result<(), PutError> {
        Ok(())
    }
}

impl BlockHas for KuboBlocks {
    /// Asks the file system for the name.
    fn has(&self, cid: &Cid) -> bool {
        self.size_of(cid).is_some()
    }

    fn size_of(&self, cid: &Cid) -> Option<u64> {
        match Block::from_identity(cid) {
            Some(block) => Some(block.data().len() as u64),
            None => self.files.size_of(cid.hash()),
        }
    }
}
