//! Calls about content that both daemons hold.

use super::case::{Case, Known};
use crate::rng::Rng;

/// One call.
pub(super) fn draw(rng: &mut Rng, known: &Known) -> Case {
    if known.nodes.is_empty() || known.values.is_empty() || known.paths.is_empty() {
        return Case::new("block/put").file(rng.bytes(9));
    }
    match rng.below(26) {
        0..3 => ls(rng, known),
        3..6 => refs(rng, known),
        6 | 7 => {
            let mut case = Case::new("dag/stat").option("progress", false);
            for _ in 0..1 + rng.below(3) {
                case.args.push(root(rng, known));
            }
            case
        }
        8 | 9 => Case::new("dag/export").arg(root(rng, known)).option("local-only", rng.one_in(4)),
        10..13 => {
            let mut case = Case::new("dag/get").arg(inside(rng, known));
            if rng.one_in(2) {
                let codec = rng.pick(&["dag-json", "dag-cbor", "json", "cbor", "raw", "dag-pb", "nope"]);
                case.options.push(("output-codec", codec.to_string()));
            }
            case
        }
        13 => Case::new("dag/resolve").arg(inside(rng, known)),
        14 => Case::new("resolve").arg(inside(rng, known)),
        15 => Case::new("block/stat").arg(path(rng, known)),
        16 => Case::new("block/get").arg(path(rng, known)),
        17..20 => cat(rng, known),
        20 => get(rng, known),
        21 | 22 => diff(rng, known),
        23 | 24 => patch(rng, known),
        _ => {
            // What is removed is nothing that paths lead over.
            let block = if known.blocks.is_empty() { "nope" } else { rng.pick(&known.blocks) };
            let mut case = Case::new("block/rm").arg(block);
            if rng.one_in(2) {
                case.options.push(("force", "true".into()));
            }
            case
        }
    }
}

/// The CID of something, or a path to it.
fn path(rng: &mut Rng, known: &Known) -> String {
    let text = match rng.below(8) {
        0 if !known.blocks.is_empty() => rng.pick(&known.blocks).clone(),
        1 | 2 => rng.pick(&known.values).clone(),
        3 | 4 => rng.pick(&known.paths).clone(),
        5 if rng.one_in(3) => format!("{}/nope", rng.pick(&known.nodes)),
        _ => rng.pick(&known.nodes).clone(),
    };
    match rng.below(12) {
        0 => format!("/ipfs/{text}"),
        1 => format!("ipfs://{text}"),
        2 => format!("IPFS:{text}"),
        3 if rng.one_in(2) => format!("/ipfs//{text}/./"),
        3 => format!("/ipld/{text}"),
        4 if rng.one_in(4) => {
            rng.pick(&["", "/", "nope", "/ipfs/", "/ipfs/nope", "/foo/bar", "bafkqaaa", "QmNope"]).to_string()
        }
        _ => text,
    }
}

fn root(rng: &mut Rng, known: &Known) -> String {
    if rng.one_in(6) { path(rng, known) } else { rng.pick(&known.nodes).clone() }
}

/// A path into values, which may lead nowhere.
fn inside(rng: &mut Rng, known: &Known) -> String {
    let mut text = match rng.below(4) {
        0 => path(rng, known),
        1 => format!("/ipld/{}", rng.pick(&known.nodes)),
        _ => rng.pick(&known.values).clone(),
    };
    for _ in 0..rng.below(3) {
        text.push('/');
        let name: &&str = rng.pick(&["a", "b", "0", "1", "Links", "Hash", "Data", "key", "-1", "x"]);
        text.push_str(name);
    }
    text
}

fn ls(rng: &mut Rng, known: &Known) -> Case {
    let mut case = Case::new("ls").arg(path(rng, known));
    if rng.one_in(4) {
        case.args.push(path(rng, known));
    }
    for name in ["resolve-type", "size", "stream", "long", "headers"] {
        if rng.one_in(4) {
            case.options.push((name, rng.one_in(2).to_string()));
        }
    }
    case
}

fn refs(rng: &mut Rng, known: &Known) -> Case {
    let mut case = Case::new("refs").arg(path(rng, known));
    if rng.one_in(5) {
        case.args.push(path(rng, known));
    }
    if rng.one_in(2) {
        case.options.push(("recursive", "true".into()));
        if rng.one_in(3) {
            case.options.push(("max-depth", rng.pick(&["0", "1", "2", "-1", "5"]).to_string()));
        }
    }
    if rng.one_in(3) {
        case.options.push(("unique", "true".into()));
    }
    match rng.below(6) {
        0 => case.options.push(("edges", "true".into())),
        1 => case.options.push(("format", "<src> <dst> <linkname>".into())),
        2 if rng.one_in(3) => case = case.option("edges", true).option("format", "<dst>"),
        _ => {}
    }
    case
}

fn cat(rng: &mut Rng, known: &Known) -> Case {
    let mut case = Case::new("cat").arg(path(rng, known)).option("progress", false);
    if rng.one_in(4) {
        case.args.push(path(rng, known));
    }
    if rng.one_in(3) {
        case.options.push(("offset", rng.pick(&["0", "1", "100", "2000", "99999999", "-1"]).to_string()));
    }
    if rng.one_in(3) {
        case.options.push(("length", rng.pick(&["0", "1", "100", "2000", "99999999", "-1"]).to_string()));
    }
    case
}

/// The archives themselves differ in padding and in times of now; what is in them is compared by other suites. A wrong
/// path has to fail alike.
fn get(rng: &mut Rng, known: &Known) -> Case {
    let nowhere = format!("{}/nope/deeper", rng.pick(&known.nodes));
    let mut case = Case::new("get").arg(nowhere);
    if rng.one_in(2) {
        case = case.option("compress", true).option("compression-level", rng.pick(&["0", "5", "10", "-3"]));
    }
    case
}

fn diff(rng: &mut Rng, known: &Known) -> Case {
    let (before, after) = (root(rng, known), root(rng, known));
    Case::new("object/diff").arg(before).arg(after)
}

fn patch(rng: &mut Rng, known: &Known) -> Case {
    let name = match rng.below(3) {
        0 => rng.pick(&["new", "a/b/c", "", "x/", "ü"]).to_string(),
        _ => rng.pick(&known.paths).split_once('/').map_or(String::new(), |(_, below)| below.to_owned()),
    };
    let at = match rng.pick(&known.paths).split_once('/') {
        Some((root, _)) if rng.one_in(2) => root.to_owned(),
        _ => root(rng, known),
    };
    let mut case = if rng.one_in(3) {
        Case::new("object/patch/rm-link").arg(at).arg(name)
    } else {
        let mut case = Case::new("object/patch/add-link").arg(at).arg(name).arg(root(rng, known));
        if rng.one_in(2) {
            case.options.push(("create", "true".into()));
        }
        case
    };
    if rng.one_in(4) {
        case.options.push(("allow-non-unixfs", "true".into()));
    }
    case
}
