//! DAG-CBOR, DAG-JSON and DAG-JOSE: events, links, strictness.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use merkury_core::Cid;
use merkury_core::cid::codec_code as code;
use merkury_core::codec::event::{Event, EventError, Fault};
use merkury_core::codec::{CodecError, dag_cbor, dag_json, links};

fn leaf() -> Cid {
    Cid::parse("bafkreicysg23kiwv34eg2d7qweipxwosdo2py4ldv42nbauguluen5v6am").expect("a cid")
}

fn cbor(hex: &str) -> Result<Vec<Event<'static>>, Fault> {
    let bytes = HEXLOWER.decode(hex.as_bytes()).expect("hex").leak();
    dag_cbor::events(bytes).collect::<Result<_, EventError>>().map_err(|error| error.fault)
}

fn json(text: &'static str) -> Result<Vec<Event<'static>>, Fault> {
    dag_json::events(text.as_bytes()).collect::<Result<_, EventError>>().map_err(|error| error.fault)
}

fn text(text: &'static str) -> Event<'static> {
    Event::Text(Cow::Borrowed(text))
}

fn key(text: &'static str) -> Event<'static> {
    Event::Key(Cow::Borrowed(text))
}

#[test]
fn cbor_values() {
    use Event::{Bool, End, Float, Int, List, Map, Null};
    assert_eq!(cbor("83f6f4f5"), Ok(vec![List, Null, Bool(false), Bool(true), End]));
    assert_eq!(cbor("1bffffffffffffffff"), Ok(vec![Int(u64::MAX.into())]));
    assert_eq!(cbor("3bffffffffffffffff"), Ok(vec![Int(-(1 << 64))]));
    assert_eq!(cbor("fb3ff8000000000000"), Ok(vec![Float(1.5)]));
    assert_eq!(cbor("a2616101616280"), Ok(vec![Map, key("a"), Int(1), key("b"), List, End, End]));
    assert_eq!(cbor("a2616201616102"), Ok(vec![Map, key("b"), Int(1), key("a"), Int(2), End]), "any order");
}

#[test]
fn cbor_strictness() {
    let cases = [
        ("", Fault::Truncated),
        ("9ff6ff", Fault::Indefinite),
        ("5f4101ff", Fault::Indefinite),
        ("f7", Fault::Unsupported(0xf7)),
        ("f93e00", Fault::Unsupported(0xf9)),
        ("fa3fc00000", Fault::Unsupported(0xfa)),
        ("fb7ff8000000000000", Fault::Number),
        ("fbfff0000000000000", Fault::Number),
        ("c060", Fault::Tag(0)),
        ("1801", Fault::NotMinimal),
        ("1b0000000000000001", Fault::NotMinimal),
        ("a2616101616102", Fault::DuplicateKey),
        ("a3616101616202616103", Fault::DuplicateKey),
        ("a3616201616102616203", Fault::DuplicateKey),
        ("a10101", Fault::KeyType),
        ("61ff", Fault::Utf8),
        ("f6f6", Fault::Trailing),
        ("d82a4101", Fault::LinkForm),
        ("d82a6161", Fault::LinkForm),
        ("9a10000000f6", Fault::Claim(1 << 28)),
        ("a1", Fault::Claim(1)),
        ("8200", Fault::Claim(2)),
    ];
    for (hex, fault) in cases {
        assert_eq!(cbor(hex), Err(fault), "{hex}");
    }
}

#[test]
fn depth_is_counted_alike_in_both() {
    for (depth, is_good) in [(1024, true), (1025, false)] {
        let mut bytes = vec![0x81; depth];
        bytes.push(0xf6);
        assert_eq!(links(code::DAG_CBOR, &bytes).is_ok(), is_good, "cbor {depth}");
        let text = ["[".repeat(depth), "]".repeat(depth)].concat();
        assert_eq!(links(code::DAG_JSON, text.as_bytes()).is_ok(), is_good, "json {depth}");
    }
}

#[test]
fn json_values() {
    use Event::{End, Float, Int, List, Map};
    assert_eq!(json(" [1, -2 ,1.5e1] \n"), Ok(vec![List, Int(1), Int(-2), Float(15.0), End]));
    assert_eq!(json("{}"), Ok(vec![Map, End]));
    assert_eq!(
        json(r#"{"a":[],"b":"\u00e9\ud83d\ude00\n"}"#),
        Ok(vec![Map, key("a"), List, End, key("b"), text("é😀\n"), End])
    );
    assert_eq!(json(r#"{"/":{"bytes":"AQI"}}"#), Ok(vec![Event::Bytes(vec![1, 2].into())]));
    assert_eq!(json(r#"{"/":{"bytes":"AQI="}}"#), Ok(vec![Event::Bytes(vec![1, 2].into())]));
    let not_special = r#"{"/":"text","x":1}"#;
    assert_eq!(json(not_special), Ok(vec![Map, key("/"), text("text"), key("x"), Int(1), End]));
    assert_eq!(json(r#"{"/":{"bytes":1}}"#), Ok(vec![Map, key("/"), Map, key("bytes"), Int(1), End, End]));
    assert_eq!(json("18446744073709551615"), Ok(vec![Int(u64::MAX.into())]));
}

#[test]
fn json_strictness() {
    let cases = [
        ("", Fault::Truncated),
        ("[1", Fault::Truncated),
        ("[1,]", Fault::Unexpected(b']')),
        ("{\"a\":1,}", Fault::KeyType),
        ("{1:1}", Fault::KeyType),
        ("{\"a\" 1}", Fault::Unexpected(b'1')),
        ("[1 2]", Fault::Unexpected(b'2')),
        ("01", Fault::Trailing),
        ("1.", Fault::Truncated),
        ("-", Fault::Truncated),
        ("1e999", Fault::Number),
        ("18446744073709551616", Fault::Number),
        ("nul", Fault::Truncated),
        ("\"\\x\"", Fault::Escape),
        ("\"\\ud800x\"", Fault::Escape),
        ("\"\\udc00\"", Fault::Escape),
        ("\"\n\"", Fault::Unexpected(b'\n')),
        ("null null", Fault::Trailing),
        ("{\"a\":1,\"b\":2,\"\\u0061\":3}", Fault::DuplicateKey),
        ("{\"/\":{\"bytes\":\"!\"}}", Fault::Base64),
        ("]", Fault::Unexpected(b']')),
        ("[}", Fault::Unexpected(b'}')),
    ];
    for (text, fault) in cases {
        assert_eq!(json(text), Err(fault), "{text}");
    }
    assert!(matches!(json(r#"{"/":"no cid"}"#), Err(Fault::Cid(_))));
}

#[test]
fn links_of_every_codec() {
    let mut bytes = Vec::new();
    dag_cbor::put_map(2, &mut bytes);
    dag_cbor::put_text("a", &mut bytes);
    dag_cbor::put_link(&leaf(), &mut bytes);
    dag_cbor::put_text("bc", &mut bytes);
    dag_cbor::put_list(1, &mut bytes);
    dag_cbor::put_link(&leaf(), &mut bytes);
    assert_eq!(links(code::DAG_CBOR, &bytes), Ok(vec![leaf(), leaf()]));
    let text = format!(r#"{{"a":{{"/":"{0}"}}, "b": [ {{ "/" : "{0}" }} ]}}"#, leaf());
    assert_eq!(links(code::DAG_JSON, text.as_bytes()), Ok(vec![leaf(), leaf()]));
    for codec in [code::RAW, code::CBOR, code::JSON, code::LIBP2P_KEY] {
        assert_eq!(links(codec, &bytes), Ok(vec![]));
    }
    assert_eq!(links(0x90, &bytes), Err(CodecError::UnknownCodec(0x90)));
}

#[test]
fn a_signed_object_links_to_its_payload() {
    let mut bytes = Vec::new();
    dag_cbor::put_map(2, &mut bytes);
    dag_cbor::put_text("payload", &mut bytes);
    dag_cbor::put_bytes(&leaf().to_bytes(), &mut bytes);
    dag_cbor::put_text("signatures", &mut bytes);
    dag_cbor::put_list(1, &mut bytes);
    dag_cbor::put_map(1, &mut bytes);
    dag_cbor::put_text("payload", &mut bytes);
    dag_cbor::put_bytes(b"not the payload", &mut bytes);
    assert_eq!(links(code::DAG_JOSE, &bytes), Ok(vec![leaf()]));
    assert!(links(code::DAG_JOSE, &[0xa0]).is_err());
}
