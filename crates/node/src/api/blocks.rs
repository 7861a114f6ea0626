//! [`Blocks`]: single blocks.

use bytes::Bytes;
use merkury_api::{Answer, ApiError, BlockPutOptions, BlockRemoved, BlockStat, Blocks, ItemStream, Reach};
use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code;
use merkury_core::hash::blake3_of_len;
use merkury_core::limits::{BIG_BLOCK_BYTES_MAX, BLOCK_BYTES_MAX, IDENTITY_DIGEST_BYTES_MAX};
use merkury_core::multihash::{MultihashError, code};
use merkury_core::{Block, BlockError, BlockHas, BlockPut, Cid, CidError, Multihash};
use merkury_store::{PinKind, StoreError};

use crate::inner::{Handle, Inner, blocking, store_error};
use crate::stream;

impl Blocks for Handle {
    fn get<'a>(&'a self, cid: &'a Cid) -> Answer<'a, Block> {
        Box::pin(async move { Ok(self.getter()?.get(cid).await?) })
    }

    fn stat<'a>(&'a self, cid: &'a Cid) -> Answer<'a, BlockStat> {
        Box::pin(async move {
            if let Some(size) = self.inner.stores()?.blocks.size_of(cid) {
                return Ok(BlockStat { cid: cid.clone(), size });
            }
            let block = self.getter()?.get(cid).await?;
            Ok(BlockStat { cid: cid.clone(), size: block.data().len() as u64 })
        })
    }

    fn has<'a>(&'a self, cid: &'a Cid) -> Answer<'a, bool> {
        Box::pin(async move { Ok(self.inner.stores()?.blocks.has(cid)) })
    }

    fn put(&self, data: Bytes, options: BlockPutOptions) -> Answer<'_, BlockStat> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let stat = blocking(move || inner.put_block(data, &options)).await?;
            if self.reach == Reach::Network {
                self.inner.announce_block(&stat.cid);
            }
            Ok(stat)
        })
    }

    fn remove(&self, cids: Vec<Cid>, force: bool) -> ItemStream<BlockRemoved> {
        let inner = self.inner.clone();
        stream::from_blocking(move |items| {
            let store = inner.store()?;
            for (cid, removed) in cids.iter().zip(store.remove(&cids).map_err(store_error)?) {
                let error = match removed {
                    Ok(_) => None,
                    Err(StoreError::NotHere { .. }) if force || cid.hash().is_identity() => None,
                    // Kubo's words: the block stands beside them.
                    Err(StoreError::Pinned { how, .. }) => Some(how.to_string()),
                    Err(StoreError::NotHere { cid }) => Some(format!("ipld: could not find {cid}")),
                    Err(error) => Some(error.to_string()),
                };
                if items.send(BlockRemoved { cid: cid.clone(), error }).is_err() {
                    return Ok(());
                }
            }
            Ok(())
        })
    }

    fn list(&self) -> ItemStream<Cid> {
        let inner = self.inner.clone();
        stream::grouped(move |items| {
            let stores = inner.stores()?;
            for found in stores.main.cids().map_err(store_error)? {
                let (cid, _) = found.map_err(store_error)?;
                let listed = Cid::v1(codec_code::RAW, cid.hash().clone());
                if items.send(listed).is_err() {
                    return Ok(());
                }
            }
            match &stores.kubo {
                Some(kubo) => kubo.each_block(&mut |cid| stores.main.has(&cid) || items.send(cid).is_ok()),
                None => Ok(()),
            }
        })
    }
}

impl Inner {
    fn put_block(&self, data: Bytes, options: &BlockPutOptions) -> Result<BlockStat, ApiError> {
        let limit = if options.allow_big { BIG_BLOCK_BYTES_MAX } else { BLOCK_BYTES_MAX };
        if data.len() > limit {
            return Err(ApiError::block_over(limit));
        }
        let size = data.len() as u64;
        let block = name_block(data, options)?;
        let cid = block.cid().clone();
        let store = self.store()?;
        let _keep = store.temp_pin();
        self.put()?.put_many(vec![block])?;
        if options.pin {
            store.pins().add(&cid, PinKind::Recursive, "").map_err(store_error)?;
        } else {
            store.commit()?;
        }
        Ok(BlockStat { cid, size })
    }
}

fn name_block(data: Bytes, options: &BlockPutOptions) -> Result<Block, ApiError> {
    let invalid = |error: merkury_core::BlockError| match error {
        // Kubo's words, its slip included.
        BlockError::Cid(CidError::NotV0) => ApiError::invalid("only sha2-255-32 is allowed with CIDv0")
            .hint("version 0 is for sha2-256 of 32 bytes alone"),
        error => ApiError::invalid(error.to_string()),
    };
    if options.hash == code::IDENTITY && data.len() > IDENTITY_DIGEST_BYTES_MAX {
        let (bytes, most) = (data.len(), IDENTITY_DIGEST_BYTES_MAX);
        let error = MultihashError::TooLarge { code: options.hash, bytes, most };
        return Err(ApiError::invalid(error.to_string()));
    }
    let format = if options.cid_v0 { CidFormat::V0 } else { CidFormat::V1 };
    let block = Block::build(format, options.codec, options.hash, data).map_err(invalid)?;
    let whole = block.cid().hash().digest().len();
    match options.hash_bytes {
        None => Ok(block),
        Some(bytes) if bytes == whole => Ok(block),
        Some(bytes) => {
            let short = match block.cid().hash().digest().get(..bytes) {
                Some([]) if options.hash == code::BLAKE3 => None,
                Some(digest) => Multihash::new(options.hash, digest).ok(),
                None if options.hash == code::BLAKE3 => blake3_of_len(block.data(), bytes),
                None => None,
            };
            let short = short.ok_or_else(|| {
                ApiError::invalid("invalid cid: requested length was too large for digest")
                    .hint(format!("the digest has {whole} bytes, not {bytes}"))
            })?;
            Block::verify_big(Cid::v1(options.codec, short), block.data().clone()).map_err(invalid)
        }
    }
}
