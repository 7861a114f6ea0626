//! Blocks in append-only files. (First, simple form: one file, an index in memory built by reading it.)

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use merkury_core::{Block, Cid, Multihash, varint};
use parking_lot::{Mutex, RwLock};

use crate::StoreError;
use crate::disk::{Disk, DiskFile, Open};

const HEADER: &[u8] = b"\x11\xa2eroots\x80gversion\x01";

pub(crate) struct Blocks {
    file: Arc<dyn DiskFile>,
    path: std::path::PathBuf,
    end: Mutex<u64>,
    index: RwLock<HashMap<Multihash, (Cid, u64, u64)>>,
}

impl Blocks {
    pub(crate) fn open(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Self, StoreError> {
        let dir = dir.join("segments");
        disk.create_dir_all(&dir).map_err(|e| StoreError::io("create", &dir, e))?;
        let path = dir.join("00000001.car");
        let file = match disk.open(&path, Open::Write) {
            Ok(file) => file,
            Err(_) => {
                let file = disk.open(&path, Open::Create).map_err(|e| StoreError::io("create", &path, e))?;
                file.write_at(HEADER, 0).map_err(|e| StoreError::io("write", &path, e))?;
                file
            }
        };
        let io = |e| StoreError::io("read", &path, e);
        let bytes = file.read_exact_at(file.len().map_err(io)? as usize, 0).map_err(io)?;
        let mut at = HEADER.len();
        let mut index = HashMap::new();
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Ok((len, body)) = varint::decode(rest) else { break };
            let Some(record) = body.get(..len as usize) else { break };
            let Ok((cid, data)) = Cid::decode(record) else { break };
            let head = rest.len() - body.len() + record.len() - data.len();
            index.insert(cid.hash().clone(), (cid, (at + head) as u64, data.len() as u64));
            at += head + data.len();
        }
        Ok(Self { file, path, end: Mutex::new(at as u64), index: RwLock::new(index) })
    }

    pub(crate) fn put_many(&self, blocks: Vec<Block>) -> Result<(), StoreError> {
        let mut end = self.end.lock();
        for block in blocks {
            let (cid, data) = block.into_parts();
            if cid.hash().is_identity() || self.index.read().contains_key(cid.hash()) {
                continue;
            }
            let mut record = Vec::new();
            varint::encode((cid.encoded_len() + data.len()) as u64, &mut record);
            cid.encode(&mut record);
            let at = *end + record.len() as u64;
            record.extend_from_slice(&data);
            self.file.write_at(&record, *end).map_err(|e| StoreError::io("write to", &self.path, e))?;
            *end += record.len() as u64;
            self.index.write().insert(cid.hash().clone(), (cid, at, data.len() as u64));
        }
        Ok(())
    }

    pub(crate) fn commit(&self) -> Result<(), StoreError> {
        self.file.sync().map_err(|e| StoreError::io("flush", &self.path, e))
    }

    pub(crate) fn get(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        let Some((_, at, len)) = self.index.read().get(cid.hash()).cloned() else { return Ok(None) };
        let data = self.file.read_exact_at(len as usize, at).map_err(|e| StoreError::io("read", &self.path, e))?;
        let corrupt = |e: merkury_core::BlockError| StoreError::CorruptBlock { cid: cid.clone(), why: e.to_string() };
        Block::verify_big(cid.clone(), Bytes::from(data)).map(Some).map_err(corrupt)
    }

    pub(crate) fn size_of(&self, cid: &Cid) -> Option<u64> {
        self.index.read().get(cid.hash()).map(|(_, _, len)| *len)
    }

    pub(crate) fn remove(&self, cid: &Cid) -> Option<u64> {
        self.index.write().remove(cid.hash()).map(|(_, _, len)| len)
    }

    pub(crate) fn cids(&self) -> Vec<(Cid, u64)> {
        self.index.read().values().map(|(cid, _, len)| (cid.clone(), *len)).collect()
    }
}
