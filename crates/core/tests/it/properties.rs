//! Round trips of generated values, and decoders fed with noise.

use std::borrow::Cow;

use bytes::Bytes;
use merkury_core::car::{self, CarReader};
use merkury_core::codec::dag_pb::{self, PbLink, PbNode};
use merkury_core::codec::event::Event;
use merkury_core::codec::unixfs::{Kind, Mtime, UnixFs};
use merkury_core::codec::{dag_cbor, dag_json};
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

#[derive(Clone, Debug)]
enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Link(Cid),
    List(Vec<Value>),
    Map(std::collections::BTreeMap<String, Value>),
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|int| Value::Int(int.into())),
        any::<u64>().prop_map(|int| Value::Int(int.into())),
        (-1e15..1e15).prop_map(Value::Float),
        "\\PC{0,12}".prop_map(Value::Text),
        vec(any::<u8>(), 0..12).prop_map(Value::Bytes),
        any_cid().prop_map(Value::Link),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::List),
            // No key that DAG-JSON reserves.
            prop::collection::btree_map("[a-zé\"\\\\]{0,4}", inner, 0..6).prop_map(Value::Map),
        ]
    })
}

fn events_of(value: &Value, out: &mut Vec<Event<'static>>) {
    let event = match value {
        Value::Null => Event::Null,
        Value::Bool(bool) => Event::Bool(*bool),
        Value::Int(int) => Event::Int(*int),
        Value::Float(float) => Event::Float(*float),
        Value::Text(text) => Event::Text(Cow::Owned(text.clone())),
        Value::Bytes(bytes) => Event::Bytes(Cow::Owned(bytes.clone())),
        Value::Link(cid) => Event::Link(cid.clone()),
        Value::List(list) => {
            out.push(Event::List);
            list.iter().for_each(|value| events_of(value, out));
            Event::End
        }
        Value::Map(map) => {
            out.push(Event::Map);
            for (key, value) in map {
                out.push(Event::Key(Cow::Owned(key.clone())));
                events_of(value, out);
            }
            Event::End
        }
    };
    out.push(event);
}

fn cbor_of(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => dag_cbor::put_null(out),
        Value::Bool(bool) => dag_cbor::put_bool(*bool, out),
        Value::Int(int) => assert!(dag_cbor::put_int(*int, out)),
        Value::Float(float) => dag_cbor::put_float(*float, out),
        Value::Text(text) => dag_cbor::put_text(text, out),
        Value::Bytes(bytes) => dag_cbor::put_bytes(bytes, out),
        Value::Link(cid) => dag_cbor::put_link(cid, out),
        Value::List(list) => {
            dag_cbor::put_list(list.len(), out);
            list.iter().for_each(|value| cbor_of(value, out));
        }
        Value::Map(map) => {
            dag_cbor::put_map(map.len(), out);
            for (key, value) in map {
                dag_cbor::put_text(key, out);
                cbor_of(value, out);
            }
        }
    }
}

fn json_of(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(bool) => (*bool).into(),
        Value::Int(int) if *int < 0 => (*int as i64).into(),
        Value::Int(int) => (*int as u64).into(),
        Value::Float(float) => (*float).into(),
        Value::Text(text) => text.clone().into(),
        Value::Bytes(bytes) => {
            serde_json::json!({"/": {"bytes": data_encoding::BASE64_NOPAD.encode(bytes)}})
        }
        Value::Link(cid) => serde_json::json!({"/": cid.to_string()}),
        Value::List(list) => list.iter().map(json_of).collect::<Vec<_>>().into(),
        Value::Map(map) => {
            serde_json::Value::Object(map.iter().map(|(key, value)| (key.clone(), json_of(value))).collect())
        }
    }
}

proptest! {
    #[test]
    fn dag_cbor_and_dag_json_say_the_same(value in any_value()) {
        let mut expected = Vec::new();
        events_of(&value, &mut expected);
        let mut cbor = Vec::new();
        cbor_of(&value, &mut cbor);
        let read: Result<Vec<_>, _> = dag_cbor::events(&cbor).collect();
        prop_assert_eq!(read.as_ref(), Ok(&expected));
        for json in [json_of(&value).to_string(), format!("{:#}", json_of(&value))] {
            let read: Result<Vec<_>, _> = dag_json::events(json.as_bytes()).collect();
            prop_assert_eq!(read.as_ref(), Ok(&expected), "{}", json);
        }
    }

    #[test]
    fn dag_cbor_noise(value in any_value(), flip in any::<(prop::sample::Index, u8)>(), noise in vec(any::<u8>(), 0..40)) {
        let mut cbor = Vec::new();
        cbor_of(&value, &mut cbor);
        let at = flip.0.index(cbor.len());
        cbor[at] ^= flip.1;
        prop_assert!(dag_cbor::events(&cbor).count() <= 2 * cbor.len());
        prop_assert!(dag_json::events(&noise).count() <= 2 * noise.len() + 1);
    }

    #[test]
    fn archives(sections in vec((any_cid(), vec(any::<u8>(), 0..300)), 0..9), cut in any::<prop::sample::Index>()) {
        let roots: Vec<Cid> = sections.iter().map(|(cid, _)| cid.clone()).collect();
        let mut bytes = car::header(&roots);
        for (cid, data) in &sections {
            bytes.extend(car::section_head(cid, data.len()));
            bytes.extend(data);
        }
        let mut reader = CarReader::new(&bytes[..], false).expect("own header");
        prop_assert_eq!(reader.roots(), &roots[..]);
        let read: Vec<_> = std::iter::from_fn(|| Some(reader.next_batch(2, 100).expect("own section")))
            .take_while(|batch| !batch.is_empty())
            .flatten()
            .map(|(cid, data)| (cid, data.to_vec()))
            .collect();
        prop_assert_eq!(read, sections);
        if let Ok(mut reader) = CarReader::new(&bytes[..cut.index(bytes.len())], false) {
            while reader.next_section().is_ok_and(|section| section.is_some()) {}
        }
    }

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
