//! Values, blocks and the text of CIDs.

use super::case::{Case, Known};
use crate::rng::Rng;

const CODECS: &[&str] = &["dag-cbor", "dag-json", "cbor", "json", "dag-pb", "raw"];

/// Stores a value or a block.
pub(super) fn put(rng: &mut Rng, known: &Known) -> Case {
    match rng.below(6) {
        0 | 1 => block(rng),
        2 => node(rng, known),
        _ => {
            let value = value(rng, known, 0);
            let mut case = Case::new("dag/put").file(value);
            if rng.one_in(2) {
                case.options.push(("store-codec", rng.pick(CODECS).to_string()));
            }
            if rng.one_in(4) {
                case.options.push(("input-codec", rng.pick(&["json", "dag-json", "dag-cbor", "nope"]).to_string()));
            }
            if rng.one_in(4) {
                case.options.push(("hash", rng.pick(&["sha2-512", "blake3", "sha1", "nope"]).to_string()));
            }
            case.option("pin", rng.one_in(4))
        }
    }
}

fn block(rng: &mut Rng) -> Case {
    let size = rng.below(200) as usize;
    let mut case = Case::new("block/put").file(rng.bytes(size));
    if rng.one_in(2) {
        let codec = rng.pick(&["raw", "dag-cbor", "dag-pb", "0x71", "nope"]);
        case.options.push(("cid-codec", codec.to_string()));
    }
    if rng.one_in(3) {
        let hash =
            rng.pick(&["sha2-256", "sha2-512", "sha3", "blake2b-256", "blake2s-128", "blake3", "identity", "md5", "x"]);
        case.options.push(("mhtype", hash.to_string()));
    }
    if rng.one_in(5) {
        case.options.push(("mhlen", rng.pick(&["-1", "19", "20", "32", "64", "200"]).to_string()));
    }
    if rng.one_in(5) {
        case.options.push(("format", rng.pick(&["v0", "protobuf", "cbor", "raw", "nope"]).to_string()));
    }
    case
}

/// A dag-pb node as a value; mostly one that is right.
fn node(rng: &mut Rng, known: &Known) -> Case {
    let mut links = Vec::new();
    for _ in 0..rng.below(4) {
        let cid = link(rng, known);
        let name = rng.pick(&[",\"Name\":\"b\"", ",\"Name\":\"a\"", ",\"Name\":\"\"", "", ",\"Name\":5"]);
        let tsize = rng.pick(&[",\"Tsize\":5", "", ",\"Tsize\":0", ",\"Tsize\":5,\"X\":1"]);
        links.push(format!("{{\"Hash\":{cid}{name}{tsize}}}"));
    }
    let data = rng.pick(&["", ",\"Data\":{\"/\":{\"bytes\":\"CAE\"}}", ",\"Data\":\"x\""]);
    let value = format!("{{\"Links\":[{}]{data}}}", links.join(","));
    Case::new("dag/put").file(value).option("store-codec", "dag-pb")
}

fn link(rng: &mut Rng, known: &Known) -> String {
    let lists = [&known.nodes, &known.values, &known.blocks];
    let list = lists[rng.below(3) as usize];
    let cid = if list.is_empty() || rng.one_in(4) { "bafkqaaa".to_owned() } else { rng.pick(list).clone() };
    format!("{{\"/\":\"{cid}\"}}")
}

/// A value as DAG-JSON; now and then one that is wrong.
fn value(rng: &mut Rng, known: &Known, depth: u32) -> String {
    match rng.below(if depth > 3 { 12 } else { 18 }) {
        0 => "null".into(),
        1 => rng.one_in(2).to_string(),
        2 => (rng.below(1 << 40) as i64 - (1 << 39)).to_string(),
        3 => rng
            .pick(&["0", "-1", "23", "24", "255", "65536", "9223372036854775807", "-9223372036854775808"])
            .to_string(),
        4 => rng.pick(&["1.5", "-0.25", "1e3", "1.0", "3.14159", "1e-7", "1e300"]).to_string(),
        5..=7 => {
            let text = rng.pick(&["", "a", "ü😀", "\\\"quoted\\\"", "line\\nend", "\\u0007", "</script>", "\\u2028"]);
            format!("\"{text}\"")
        }
        8 => link(rng, known),
        9 => rng
            .pick(&["{\"/\":{\"bytes\":\"aGVsbG8\"}}", "{\"/\":{\"bytes\":\"\"}}", "{\"/\":5}", "{\"/\":\"nope\"}"])
            .to_string(),
        10 => "[]".into(),
        11 => "{}".into(),
        12 if depth == 0 && rng.one_in(6) => {
            rng.pick(&["{\"a\":1", "nul", "", "{\"a\":1,\"a\":2}", "1 2", "[1 2]"]).to_string()
        }
        12..=14 => {
            let items: Vec<String> = (0..1 + rng.below(4)).map(|_| value(rng, known, depth + 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let keys = ["b", "a", "key", "ü", "", "longer key", "Z"];
            let from = rng.below(4) as usize;
            let count = 1 + rng.below(3) as usize;
            let members =
                keys[from..from + count].iter().map(|key| format!("\"{key}\": {}", value(rng, known, depth + 1)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `cid *` and `multibase *`.
pub(super) fn text(rng: &mut Rng, known: &Known) -> Case {
    let mut cids = vec![cid_text(rng, known)];
    match rng.below(6) {
        0 => Case::new("cid/inspect").arg(cids.remove(0)),
        1 => {
            cids.push(cid_text(rng, known));
            cids.into_iter().fold(Case::new("cid/base32"), Case::arg)
        }
        2 => {
            let size = rng.below(40) as usize;
            let base = *rng.pick(BASES);
            Case::new("multibase/encode").file(rng.bytes(size)).option("b", base)
        }
        3 => {
            let text = cid_text(rng, known);
            Case::new("multibase/transcode").file(text).option("b", *rng.pick(BASES))
        }
        _ => {
            let verbs: String = (0..1 + rng.below(5)).map(|_| *rng.pick(VERBS)).collect();
            let mut case = Case::new("cid/format").arg(cids.remove(0)).arg(cid_text(rng, known)).option("f", verbs);
            if rng.one_in(3) {
                case.options.push(("b", rng.pick(BASES).to_string()));
            }
            if rng.one_in(3) {
                case.options.push(("v", rng.pick(&["0", "1", "2"]).to_string()));
            }
            if rng.one_in(4) {
                case.options.push(("mc", rng.pick(&["dag-pb", "raw", "libp2p-key", "nope"]).to_string()));
            }
            case
        }
    }
}

const VERBS: &[&str] =
    &["%%", "%b", "%v", "%V", "%c", "%C", "%h", "%H", "%L", "%m", "%M", "%d", "%D", "%s", "%S", "%P", " ", "-", "x"];
const BASES: &[&str] = &[
    "base2",
    "base16",
    "base16upper",
    "base32",
    "base32upper",
    "base32pad",
    "base32hex",
    "base36",
    "base36upper",
    "base58btc",
    "base58flickr",
    "base64",
    "base64pad",
    "base64url",
    "base64urlpad",
    "base256emoji",
    "z",
    "nope",
    "",
];

/// A CID that is known or famous, sometimes with a letter changed, cut or added.
fn cid_text(rng: &mut Rng, known: &Known) -> String {
    const FAMOUS: &[&str] = &[
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
        "zQmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
        "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354",
        "k51qzi5uqu5dlvj2baxnqndepeb86cbk3ng7n3i46uzyxzyqj2xjonzllnv0v8",
        "12D3KooWLRPJAA5o6fJjXyxb8aVdqmUnEE1FEgrUVVVVVVVVVVVV",
        "bafkqaaa",
        "f01701220c3c4733ec8affd06cf9e9ff50ffc6bcd2ec85a6170004bb709669c31de94391a",
        "mAVUSICwmtGto/8aP+ZtFPB0wQTQTQi1wZIO/oPmKXohiZueu",
        "bafir6iaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "BAFYBEICZSSCDSBS7FFQZ55ASQDF3SMV6KLCW3GOFSZVWLYARCI47BGF354",
    ];
    let mut text = match rng.below(4) {
        0 if !known.nodes.is_empty() => rng.pick(&known.nodes).clone(),
        1 if !known.values.is_empty() => rng.pick(&known.values).clone(),
        _ => (*rng.pick(FAMOUS)).to_owned(),
    };
    if rng.one_in(3) {
        let at = rng.below(text.len() as u64) as usize;
        match rng.below(4) {
            0 => text.truncate(at),
            1 => text.insert(at, *rng.pick(&['0', 'l', 'A', '!', '1', '='])),
            2 => drop(text.remove(at)),
            _ => {
                let letter: &&str = rng.pick(&["0", "z", "O", "é", "9"]);
                text.replace_range(at..=at, letter);
            }
        }
    }
    text
}
