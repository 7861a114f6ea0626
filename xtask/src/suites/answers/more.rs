//! Calls that need no content: tables of codecs and bases, the configuration, keys, records of names, and MFS with content
//! that both hold.

use super::case::{Case, Known};
use crate::rng::Rng;

/// One call.
pub(super) fn draw(rng: &mut Rng, known: &Known) -> Case {
    match rng.below(9) {
        0 => table(rng),
        1 | 2 => config(rng),
        3 => key(rng),
        4 => record(rng),
        _ => files(rng, known),
    }
}

fn flags(rng: &mut Rng, mut case: Case, names: &[&'static str]) -> Case {
    for name in names {
        if rng.one_in(3) {
            case.options.push((name, rng.one_in(2).to_string()));
        }
    }
    case
}

fn table(rng: &mut Rng) -> Case {
    match rng.below(6) {
        0 => flags(rng, Case::new("cid/bases"), &["prefix", "numeric"]),
        1 => flags(rng, Case::new("cid/codecs"), &["numeric", "supported"]),
        2 => flags(rng, Case::new("cid/hashes"), &["numeric", "supported"]),
        3 => flags(rng, Case::new("multibase/list"), &["prefix", "numeric"]),
        4 => {
            let text =
                rng.pick(&["f68656c6c6f", "mAQI", "uAQI", "zabc", "", "x", "f6", "F6A", "7", "b=", "hello", "k0"]);
            Case::new("multibase/decode").file(text.as_bytes().to_vec())
        }
        _ => Case::new("cid/inspect").arg(*rng.pick(&[
            "bafkqaaa",
            "",
            "/ipfs/bafkqaaa",
            "bafkqaaa/x",
            "ipfs://bafkqaaa",
        ])),
    }
}

/// Keys that change nothing for the calls of this run.
const KEYS: &[&str] = &[
    "Datastore.GCPeriod",
    "Datastore.StorageGCWatermark",
    "Reprovider.Interval",
    "Mounts.IPFS",
    "Pubsub.Enabled",
    "Plugins",
    "Plugins.Plugins",
    "Swarm.ConnMgr.HighWater",
    "Made.Up.Key",
    "Made.Up",
    "Made",
    "Nope",
    "",
    "Datastore.Nope.Deeper",
    "datastore.gcperiod",
    "Ipns.RecordLifetime",
];

fn config(rng: &mut Rng) -> Case {
    let case = Case::new("config").arg(*rng.pick(KEYS));
    if !rng.one_in(3) {
        return case;
    }
    match rng.below(3) {
        0 => Case::new("config").arg("Made.Up.Key").arg(*rng.pick(&["5", "text", "", "true", "{\"a\":1}"])),
        1 => {
            let value = *rng.pick(&["5", "\"text\"", "{\"b\":[1,2.5,null]}", "true", "{", "nope", "[]", "1e3", "null"]);
            Case::new("config").arg("Made.Up.Key").arg(value).option("json", true)
        }
        _ => Case::new("config").arg("Made.Up.Key").arg(*rng.pick(&["true", "false", "yes", ""])).option("bool", true),
    }
}

/// Keys with fixed bytes, so that both have the same; what lists the node's own key cannot be compared.
fn key(rng: &mut Rng) -> Case {
    const PUBLIC: [u8; 32] = [
        0x3b, 0x6a, 0x27, 0xbc, 0xce, 0xb6, 0xa4, 0x2d, 0x62, 0xa3, 0xa8, 0xd0, 0x2a, 0x6f, 0x0d, 0x73, 0x65, 0x32,
        0x15, 0x77, 0x1d, 0xe2, 0x43, 0xa6, 0x3a, 0xc0, 0x48, 0xa1, 0x8b, 0x59, 0xda, 0x29,
    ];
    let name = *rng.pick(&["one", "two", "three", "self", "", "a/b"]);
    let case = match rng.below(4) {
        0 | 1 => {
            let mut bytes = [&[8, 1, 0x12, 0x40][..], &[0; 32], &PUBLIC].concat();
            if rng.one_in(4) {
                bytes.truncate(rng.below(68) as usize);
            }
            let case = Case::new("key/import").arg(name).file(bytes);
            match rng.below(4) {
                0 => {
                    case.option("format", *rng.pick(&["libp2p-protobuf-cleartext", "pem-pkcs8-cleartext", "nope", ""]))
                }
                _ => case,
            }
        }
        2 => Case::new("key/rm").arg(name),
        _ => {
            let case = Case::new("key/rename").arg(name).arg(*rng.pick(&["one", "two", "four", "self"]));
            if rng.one_in(3) { case.option("force", true) } else { case }
        }
    };
    if rng.one_in(3) { case.option("ipns-base", *rng.pick(&["b58mh", "base36", "base32", "nope"])) } else { case }
}

fn record(rng: &mut Rng) -> Case {
    let bytes = match rng.below(3) {
        0 => Vec::new(),
        1 => rng.bytes(20),
        _ => b"\x0a\x05/ipfs".to_vec(),
    };
    flags(rng, Case::new("name/inspect").file(bytes), &["dump"])
}

const PATHS: &[&str] =
    &["/", "/a", "/a/b", "/a/b/c", "/f", "/g", "/ü", "/a/f", "", "a", "/a/", "//a", "/a/../f", "/nope/x"];

fn files(rng: &mut Rng, known: &Known) -> Case {
    let path = *rng.pick(PATHS);
    match rng.below(13) {
        0 | 1 => {
            let case = Case::new("files/mkdir").arg(path);
            flags(rng, case, &["parents", "flush"])
        }
        2 | 3 => {
            let size = rng.below(300) as usize;
            let case = Case::new("files/write").arg(path).file(rng.bytes(size));
            let mut case = flags(rng, case, &["create", "create", "parents", "truncate", "raw-leaves", "flush"]);
            case.options.dedup_by_key(|(name, _)| *name);
            if rng.one_in(3) {
                case.options.push(("offset", rng.pick(&["0", "5", "1000", "-1"]).to_string()));
            }
            if rng.one_in(4) {
                case.options.push(("count", rng.pick(&["0", "5", "1000", "-1"]).to_string()));
            }
            case
        }
        4 | 5 => flags(rng, Case::new("files/ls").arg(path), &["long", "U"]),
        6 | 7 => flags(rng, Case::new("files/stat").arg(path), &["hash", "size", "with-local"]),
        8 => {
            let mut case = Case::new("files/read").arg(path);
            if rng.one_in(2) {
                case.options.push(("offset", rng.pick(&["0", "5", "1000", "-1"]).to_string()));
                case.options.push(("count", rng.pick(&["0", "5", "1000", "-1"]).to_string()));
            }
            case
        }
        9 => flags(rng, Case::new("files/rm").arg(path), &["recursive", "force"]),
        10 if !known.nodes.is_empty() => {
            let case = Case::new("files/cp").arg(format!("/ipfs/{}", rng.pick(&known.nodes))).arg(path);
            flags(rng, case, &["parents", "force"])
        }
        11 => Case::new("files/flush").arg(path),
        _ => {
            let mut case = Case::new("files/chcid").arg(path);
            if rng.one_in(2) {
                case.options.push(("cid-version", rng.pick(&["0", "1", "7"]).to_string()));
            }
            if rng.one_in(3) {
                case.options.push(("hash", rng.pick(&["sha2-512", "blake3", "nope"]).to_string()));
            }
            case
        }
    }
}
