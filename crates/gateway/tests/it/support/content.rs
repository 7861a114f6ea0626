//! Content for tests: files, directories, archives.

use bytes::Bytes;
use merkury_core::block::CidFormat;
use merkury_core::cid::codec_code;
use merkury_core::codec::dag_pb::{PbLink, PbNode};
use merkury_core::codec::unixfs::{Kind, UnixFs};
use merkury_core::multihash::code::SHA2_256;
use merkury_core::{Block, Cid, varint};

use super::Memory;

impl Memory {
    pub(crate) fn raw(&self, data: impl Into<Bytes>) -> Cid {
        self.coded(codec_code::RAW, data)
    }

    pub(crate) fn coded(&self, codec: u64, data: impl Into<Bytes>) -> Cid {
        self.put(Block::build(CidFormat::V1, codec, SHA2_256, data.into()).expect("a block"))
    }

    /// A file of raw leaves.
    pub(crate) fn file(&self, leaves: &[&[u8]]) -> Cid {
        let mut message = UnixFs::new(Kind::File);
        message.file_size = Some(leaves.iter().map(|leaf| leaf.len() as u64).sum());
        message.block_sizes = leaves.iter().map(|leaf| leaf.len() as u64).collect();
        let links = leaves.iter().map(|leaf| PbLink::new(self.raw(leaf.to_vec()), "", leaf.len() as u64)).collect();
        self.message(message, links)
    }

    pub(crate) fn directory(&self, entries: &[(&str, &Cid)]) -> Cid {
        let links = entries.iter().map(|(name, cid)| PbLink::new((*cid).clone(), name.to_string(), 10)).collect();
        self.message(UnixFs::new(Kind::Directory), links)
    }

    pub(crate) fn symlink(&self, target: &str) -> Cid {
        let mut message = UnixFs::new(Kind::Symlink);
        message.data = Some(Bytes::from(target.to_owned()));
        self.message(message, Vec::new())
    }

    pub(crate) fn message(&self, message: UnixFs, links: Vec<PbLink>) -> Cid {
        let mut node: PbNode = message.into_node(links);
        node.sort_links();
        self.coded(codec_code::DAG_PB, node.encode())
    }

    /// Takes every block of a CARv1; they are verified.
    pub(crate) fn import(&self, car: &Bytes) {
        let mut rest = &car[..];
        let mut is_header = true;
        while !rest.is_empty() {
            let (length, after) = varint::decode(rest).expect("a length");
            let (section, after) = after.split_at(length as usize);
            rest = after;
            if std::mem::take(&mut is_header) {
                continue;
            }
            let (cid, data) = Cid::decode(section).expect("a cid");
            self.put(Block::verify(cid, Bytes::copy_from_slice(data)).expect("a good block"));
        }
    }
}
