//! From a store into the pool: each sealed segment once, then its index.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use merkury_store::{SealedSegment, Store};
use object_store::{ObjectStoreExt, WriteMultipart};

use super::{Inner, Pool, index, object_path};
use crate::PoolError;

/// Table of the store: segment number → its name in the pool.
const TABLE: &str = "pool.uploaded";
/// Bytes of a part of an upload: object stores take parts of at least 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// Parts on their way at a time.
const PARTS_AT_A_TIME: usize = 4;

/// What an upload did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploaded {
    /// Segments that the pool did not have.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Pool {
    /// Uploads the sealed segments of `store` that the pool does not have. Blocks; asked again after it was interrupted, it goes
    /// on. What was uploaded stays in the store too.
    pub fn upload(&self, store: &Store) -> Result<Uploaded, PoolError> {
        let mut done = Uploaded::default();
        for segment in store.sealed_segments()? {
            let key = segment.number.to_be_bytes();
            if store.meta().get(TABLE, &key)?.is_some() {
                continue;
            }
            let entries = store.segment_entries(segment.number)?;
            let bytes = Bytes::from(index::encode(segment.bytes, &entries));
            let id = index::id_of(&bytes);
            let (shared, name, path) = (self.shared.clone(), id.clone(), segment.path.clone());
            if self.wait(async move { shared.upload(&name, path, bytes).await })?? {
                done.segments += 1;
                done.bytes += segment.bytes;
            }
            self.note(store, &segment, &id)?;
        }
        Ok(done)
    }

    fn note(&self, store: &Store, segment: &SealedSegment, id: &str) -> Result<(), PoolError> {
        store.meta().set(TABLE, &segment.number.to_be_bytes(), id.as_bytes())?;
        tracing::info!(segment = segment.number, id, "a segment is in the pool");
        Ok(())
    }
}

impl Inner {
    /// Uploads a segment unless the pool has it; says whether it did.
    async fn upload(self: Arc<Self>, id: &str, path: PathBuf, bytes: Bytes) -> Result<bool, PoolError> {
        let there = match self.objects.head(&object_path(id, "index")).await {
            Ok(_) => true,
            Err(object_store::Error::NotFound { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !there {
            self.upload_segment(id, path).await?;
            self.objects.put(&object_path(id, "index"), bytes.clone().into()).await?;
        }
        self.learn(id.to_owned(), &bytes)?;
        Ok(!there)
    }

    async fn upload_segment(&self, id: &str, path: PathBuf) -> Result<(), PoolError> {
        let fail = |e| PoolError::io("read", &path, e);
        let mut file = File::open(&path).map_err(fail)?;
        let upload = self.objects.put_multipart(&object_path(id, "car")).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut buffer = vec![0; PART_BYTES];
        loop {
            let count = file.read(&mut buffer).map_err(fail)?;
            if count == 0 {
                break;
            }
            upload.wait_for_capacity(PARTS_AT_A_TIME).await?;
            upload.write(buffer.get(..count).unwrap_or_default());
        }
        upload.finish().await?;
        Ok(())
    }
}
