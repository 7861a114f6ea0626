//! Every decoder of the data model: broken bytes give typed errors, and what decodes says the same again.

use std::fmt::Display;

use bytes::Bytes;
use merkury_core::car::CarReader;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::dag_pb::PbNode;
use merkury_core::codec::select::select;
use merkury_core::codec::unixfs::{HamtShard, UnixFs};
use merkury_core::codec::{self};
use merkury_core::keys::{Keypair, PublicKey};
use merkury_core::{Block, Cid, ContentPath, Multihash, PeerId};
use merkury_testkit::fuzz::Fuzz;

const DIR: &str = env!("CARGO_MANIFEST_DIR");
const CID_V1: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
const CID_V0: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

fn said<T, E: Display>(outcome: Result<T, E>, show: impl FnOnce(T) -> String) -> String {
    match outcome {
        Ok(value) => format!("ok {}", show(value)),
        Err(error) => error.to_string(),
    }
}

fn cid_bytes(text: &str) -> Vec<u8> {
    Cid::parse(text).expect("a cid").to_bytes()
}

#[test]
fn cid() {
    let identity = [&[1, 0x55, 0, 4][..], b"abcd"].concat();
    Fuzz::new("cid", DIR).seed(cid_bytes(CID_V0)).seed(cid_bytes(CID_V1)).seed(identity).run(|bytes| {
        said(Cid::from_bytes(bytes), |cid| {
            assert_eq!(cid.to_bytes(), bytes, "a CID has one form");
            assert_eq!(Cid::parse(&cid.to_string()).as_ref(), Ok(&cid), "its text says the same");
            said(cid.hash().check_secure(), |()| "safe".to_owned())
        })
    });
}

#[test]
fn cid_text() {
    Fuzz::new("cid-text", DIR)
        .seed(CID_V0)
        .seed(CID_V1)
        .seed("f01551220")
        .tokens(&[b"b", b"z", b"f", b"k", b"m", b"u", b"/ipfs/", b"="])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            said(Cid::parse(&text), |cid| {
                assert_eq!(Cid::parse(&cid.to_string()).as_ref(), Ok(&cid));
                format!("version {:?}", cid.version())
            })
        });
}

#[test]
fn multihash_and_peer_id() {
    let peer = "12D3KooWHNyYv32ivXabQSe3ZchjWRT8PwSrihnTTPxtsMrFMzZY";
    let id = PeerId::parse(peer).expect("a peer id").to_bytes();
    Fuzz::new("multihash", DIR).seed(id).seed([0x12, 0x20].repeat(17)).run(|bytes| {
        let hash = said(Multihash::decode(bytes), |(hash, rest)| {
            assert_eq!([&hash.to_bytes(), rest].concat(), bytes);
            format!("{} left", rest.len())
        });
        let peer = said(PeerId::from_bytes(bytes), |id| {
            assert_eq!(PeerId::parse(&id.to_string()).as_ref(), Ok(&id));
            String::new()
        });
        format!("{hash} / {peer}")
    });
}

#[test]
fn keys() {
    let key = Keypair::generate(merkury_core::keys::KeyType::Ed25519).expect("a key");
    Fuzz::new("keys", DIR).seed(key.to_protobuf()).seed(key.public().to_protobuf()).limits(1500, 4096).run(|bytes| {
        let private = said(Keypair::from_protobuf(bytes), |key| {
            assert_eq!(Keypair::from_protobuf(&key.to_protobuf()).expect("our own").peer_id(), key.peer_id());
            String::new()
        });
        let public = said(PublicKey::from_protobuf(bytes), |key| key.verify(b"message", bytes).to_string());
        format!("{private} / {public}")
    });
}

#[test]
fn paths() {
    Fuzz::new("path", DIR)
        .seed(format!("/ipfs/{CID_V1}/a/b"))
        .seed("ipns://k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8/x")
        .seed(CID_V0)
        .seed("https://dweb.link/ipfs/bafkqaaa?a=b#c")
        .tokens(&[b"/ipfs/", b"/ipns/", b"ipfs://", b"..", b"//", b"%2F", b"%", b"/ipld/", b"\0"])
        .run(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            said(ContentPath::parse(&text), |path| {
                let again = ContentPath::parse(&path.to_string());
                assert_eq!(again.as_ref().ok(), Some(&path), "{path}");
                format!("{} segments", path.segments().len())
            })
        });
}

fn pb_seeds(fuzz: Fuzz) -> Fuzz {
    let link = |name: &str| {
        let cid = cid_bytes(CID_V1);
        let inner =
            [&[0x0a, cid.len() as u8][..], &cid, &[0x12, name.len() as u8], name.as_bytes(), &[0x18, 5]].concat();
        [&[0x12, inner.len() as u8][..], &inner].concat()
    };
    let data = |message: &[u8]| [&[0x0a, message.len() as u8][..], message].concat();
    let file = data(&[8, 2, 0x18, 6, 0x20, 1, 0x20, 5]);
    let shard = data(&[&[8, 5, 0x12, 1, 3, 0x28, 0x22, 0x30][..], &[8]].concat());
    fuzz.seed(data(&[8, 1]))
        .seed([link("a"), link("b"), data(&[8, 1])].concat())
        .seed([link(""), link(""), file].concat())
        .seed([link("0name"), link("1"), shard].concat())
        .seed(data(&[&[8, 4, 0x12, 3][..], b"a/b", &[0x38, 0xed, 3, 0x42, 2, 8, 5]].concat()))
        .tokens(&[&[0x0a], &[0x12], &[0x1a], &[0x20], &[0x28, 0x22], &[0x30, 0x80, 2], &cid_bytes(CID_V0)])
}

#[test]
fn dag_pb_and_unixfs() {
    pb_seeds(Fuzz::new("dag-pb", DIR)).run(|bytes| {
        let block = Bytes::copy_from_slice(bytes);
        let links = codec::links(code::DAG_PB, bytes);
        let node = PbNode::decode(&block);
        assert_eq!(links.is_ok(), node.is_ok(), "the two ways to read a node agree");
        let unixfs = UnixFs::of_block(&block);
        let shape = said(unixfs, |(node, message)| {
            let shard = said(HamtShard::new(&message, &node.links), |shard| {
                let entries = (0..shard.fanout()).filter_map(|slot| shard.link(slot)).count();
                format!("{entries} entries")
            });
            format!("{:?} {} links, {shard}", message.kind, node.links.len())
        });
        let again = said(node, |node| {
            let encoded = Bytes::from(node.encode());
            let again = PbNode::decode(&encoded).expect("what we write can be read");
            assert_eq!(again.encode(), encoded, "writing twice gives the same");
            String::new()
        });
        format!("{shape} / {again}")
    });
}

#[test]
fn dag_cbor() {
    let link = [b"\xd8\x2a\x58\x25\x00", &cid_bytes(CID_V1)[..]].concat();
    Fuzz::new("dag-cbor", DIR)
        .seed([b"\xa2\x61a\x82\x01\xf6\x62bc", &link[..]].concat())
        .seed(*b"\x84\xfb\x3f\xf0\0\0\0\0\0\0\x20\x43abc\xf5")
        .seed(*b"\x81\x81\x81\x80")
        .tokens(&[&link, b"\xd8\x2a", b"\x9b", b"\xbb", b"\x5b", b"\xff", b"\x9f", b"\xf7", b"\xfb\x7f\xf8"])
        .run(|bytes| {
            let names = ["a".to_owned(), "0".to_owned()];
            let links = said(codec::links(code::DAG_CBOR, bytes), |links| format!("{} links", links.len()));
            format!(
                "{links} / {}",
                said(select(code::DAG_CBOR, &Bytes::copy_from_slice(bytes), &names), |found| format!("{found:?}"))
            )
        });
}

#[test]
fn dag_json() {
    Fuzz::new("dag-json", DIR)
        .seed(format!(r#"{{"a":[1,-2.5e3,null,true,"\u00e9\n"],"b":{{"/":"{CID_V1}"}}}}"#))
        .seed(r#"{"/":{"bytes":"AQI"}}"#)
        .seed("[[[]]]")
        .tokens(&[b"{\"/\":", b"\"", b"\\u", b"\\ud800", b"[", b"{", b"}", b"1e999", b"-0", b"nul"])
        .run(|bytes| {
            let names = ["a".to_owned(), "0".to_owned()];
            let links = said(codec::links(code::DAG_JSON, bytes), |links| format!("{} links", links.len()));
            format!(
                "{links} / {}",
                said(select(code::DAG_JSON, &Bytes::copy_from_slice(bytes), &names), |found| format!("{found:?}"))
            )
        });
}

#[test]
fn dag_jose_and_git() {
    let payload = cid_bytes(CID_V1);
    let jws = [b"\xa2\x67payload\x58\x24", &payload[..], b"\x6asignatures\x81\xa2\x69protected\x41a\x69signature\x41b"]
        .concat();
    let commit = format!("commit 60\0tree {}\nparent {}\n", "ab".repeat(20), "cd".repeat(20));
    let tree = [b"tree 27\x00100644 a\x00", &[7; 20][..]].concat();
    Fuzz::new("jose-git", DIR)
        .seed(jws)
        .seed(commit)
        .seed(tree)
        .tokens(&[b"payload", b"ciphertext", b"tree ", b"tag ", b"blob 3\0", b"parent ", b"object ", b"\n"])
        .run(|bytes| {
            let jose = said(codec::links(code::DAG_JOSE, bytes), |links| format!("{} links", links.len()));
            format!("{jose} / {}", said(codec::links(code::GIT_RAW, bytes), |links| format!("{} links", links.len())))
        });
}

#[test]
fn car() {
    let data = b"hello";
    let block = Block::verify(Cid::parse(CID_IDENTITY).expect("a cid"), Bytes::from_static(data)).expect("identity");
    let mut v1 = merkury_core::car::header(&[block.cid().clone()]);
    v1.extend(merkury_core::car::section_head(block.cid(), data.len()));
    v1.extend(data);
    let mut v2 = b"\x0a\xa1\x67version\x02".to_vec();
    v2.extend([0; 16]);
    for number in [51, v1.len() as u64, 0] {
        v2.extend(u64::to_le_bytes(number));
    }
    v2.extend(&v1);
    Fuzz::new("car", DIR).seed(v1).seed(v2).tokens(&[b"\xa2\x65roots\x80", b"\x67version\x01", &[0]]).run(|bytes| {
        let read = |mut reader: CarReader<&[u8]>| {
            let mut count = 0;
            loop {
                let batch = reader.next_batch(8, 1 << 16).map_err(|error| error.to_string())?;
                if batch.is_empty() {
                    return Ok::<_, String>(count);
                }
                for block in Block::verify_many(batch) {
                    block.map_err(|error| error.to_string())?;
                    count += 1;
                }
            }
        };
        match CarReader::new(bytes, false) {
            Ok(reader) => said(read(reader), |count| format!("{count} blocks")),
            Err(error) => error.to_string(),
        }
    });
}

/// `hello` in an identity CID.
const CID_IDENTITY: &str = "bafkqablimvwgy3y";
