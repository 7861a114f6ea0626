//! Round trips of generated values, and decoders fed with noise.

use bytes::Bytes;
use merkury_core::codec::dag_pb::{self, PbLink, PbNode};
use merkury_core::codec::unixfs::{Kind, Mtime, UnixFs};
use merkury_core::{Cid, Multihash};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn any_cid() -> impl Strategy<Value = Cid> {
    let v0 = any::<[u8; 32]>().prop_map(|digest| Cid::v0(Multihash::sha2_256(digest)).expect("sha2-256"));
    let code = prop_oneof![Just(0u64), Just(0x12), Just(0x13), Just(0x1e), Just(0xb220), 0u64..1 << 40];
    let v1 = (0u64..1 << 40, code, vec(any::<u8>(), 0..128))
        .prop_map(|(codec, code, digest)| Cid::v1(codec, Multihash::new(code, &digest).expect("short digest")));
    prop_oneof![v0, v1]
}

fn any_node() -> impl Strategy<Value = PbNode> {
    let link = (any_cid(), option::of(vec(any::<u8>(), 0..20)), option::of(any::<u64>()))
        .prop_map(|(cid, name, tsize)| PbLink { cid, name: name.map(Bytes::from), tsize });
    (vec(link, 0..8), option::of(vec(any::<u8>(), 0..60)))
        .prop_map(|(links, data)| PbNode { links, data: data.map(Bytes::from) })
}

fn any_message() -> impl Strategy<Value = UnixFs> {
    let kind = prop::sample::select(vec![
        Kind::Raw,
        Kind::Directory,
        Kind::File,
        Kind::Metadata,
        Kind::Symlink,
        Kind::HamtShard,
    ]);
    let mtime = (any::<i64>(), 0u32..1_000_000_000).prop_map(|(seconds, nanos)| Mtime { seconds, nanos });
    let number = option::of(any::<u64>());
    (
        (kind, option::of(vec(any::<u8>(), 0..60)), number.clone(), vec(any::<u64>(), 0..5)),
        (number.clone(), number, option::of(any::<u32>()), option::of(mtime)),
    )
        .prop_map(|((kind, data, file_size, block_sizes), (hash_type, fanout, mode, mtime))| UnixFs {
            kind,
            data: data.map(Bytes::from),
            file_size,
            block_sizes,
            hash_type,
            fanout,
            mode,
            mtime,
        })
}

proptest! {
    #[test]
    fn cid_bytes_and_text(cid in any_cid()) {
        prop_assert_eq!(&Cid::from_bytes(&cid.to_bytes()).expect("bytes"), &cid);
        prop_assert_eq!(&Cid::parse(&cid.to_string()).expect("text"), &cid);
        prop_assert_eq!(cid.to_bytes().len(), cid.encoded_len());
    }

    #[test]
    fn cid_noise(bytes in vec(any::<u8>(), 0..60), text in "\\PC{0,60}") {
        if let Ok(cid) = Cid::from_bytes(&bytes) {
            prop_assert_eq!(cid.to_bytes(), bytes);
        }
        if let Ok(cid) = Cid::parse(&text) {
            prop_assert_eq!(Cid::parse(&cid.to_string()).expect("printed"), cid);
        }
    }

    #[test]
    fn dag_pb(node in any_node()) {
        let block = Bytes::from(node.encode());
        prop_assert_eq!(block.len(), node.encoded_len());
        prop_assert_eq!(PbNode::decode(&block).expect("own encoding"), node.clone());
        let walked: Vec<Cid> = dag_pb::links(&block).map(|link| link.expect("own encoding").cid).collect();
        let listed: Vec<Cid> = node.links.into_iter().map(|link| link.cid).collect();
        prop_assert_eq!(walked, listed);
    }

    #[test]
    fn dag_pb_noise(node in any_node(), cut in any::<prop::sample::Index>(), flip in any::<(prop::sample::Index, u8)>()) {
        let mut bytes = node.encode();
        if !bytes.is_empty() {
            let at = flip.0.index(bytes.len());
            bytes[at] ^= flip.1;
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        if let Ok(node) = PbNode::decode(&bytes.into()) {
            let again = Bytes::from(node.encode());
            prop_assert_eq!(PbNode::decode(&again).expect("own encoding"), node.clone());
            let _ = UnixFs::of_node(&node);
        }
    }

    #[test]
    fn unixfs(message in any_message()) {
        let bytes = Bytes::from(message.encode());
        prop_assert_eq!(UnixFs::decode(&bytes), Ok(message));
    }

    #[test]
    fn unixfs_noise(message in any_message(), node in any_node(), flip in any::<(prop::sample::Index, u8)>()) {
        let mut bytes = message.encode();
        let at = flip.0.index(bytes.len());
        bytes[at] ^= flip.1;
        if let Ok(read) = UnixFs::decode(&bytes.into()) {
            let _ = read.check(&node.links);
            prop_assert_eq!(UnixFs::decode(&read.encode().into()), Ok(read));
        }
    }
}
