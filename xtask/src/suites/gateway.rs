//! The same requests to Kubo's gateway and to ours: status, headers and bytes have to be equal.
//!
//! The content is a tree of our own, and the CARs of the public gateway suite where they lie beside the project.

use super::Context;
use crate::Res;
use crate::http::{Answer, Request};
use crate::paths::{self, Scratch};
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use crate::say::{self, Tally};
use std::path::PathBuf;

/// Headers that have to be equal; the others name the server or the time.
const HEADERS: &[&str] = &[
    "accept-ranges",
    "cache-control",
    "content-disposition",
    "content-length",
    "content-range",
    "content-type",
    "etag",
    "location",
    "x-content-type-options",
    "x-ipfs-roots",
];

/// One request: a path, and headers.
struct Case {
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
}

const fn get(path: &'static str) -> Case {
    Case { path, headers: &[] }
}

const fn with(path: &'static str, headers: &'static [(&'static str, &'static str)]) -> Case {
    Case { path, headers }
}

/// `$ROOT` is our own tree.
const OWN: &[Case] = &[
    get("/ipfs/$ROOT/a.txt"),
    get("/ipfs/$ROOT/a.txt?filename=other.html"),
    get("/ipfs/$ROOT/a.txt?download=true&filename=x.txt"),
    get("/ipfs/$ROOT/inner"),
    get("/ipfs/$ROOT/inner/"),
    get("/ipfs/$ROOT"),
    get("/ipfs/$ROOT/"),
    get("/ipfs/$ROOT/site"),
    get("/ipfs/$ROOT/site/"),
    get("/ipfs/$ROOT/missing"),
    get("/ipfs/$ROOT/a.txt/below"),
    get("/ipfs/not-a-cid"),
    get("/ipfs/"),
    get("/ipfs/$ROOT/%C3%BC%20name.bin"),
    get("/ipfs/$ROOT/big.bin"),
    with("/ipfs/$ROOT/big.bin", &[("Range", "bytes=0-0")]),
    with("/ipfs/$ROOT/big.bin", &[("Range", "bytes=262143-262145")]),
    with("/ipfs/$ROOT/big.bin", &[("Range", "bytes=-10")]),
    with("/ipfs/$ROOT/big.bin", &[("Range", "bytes=999990-")]),
    with("/ipfs/$ROOT/big.bin", &[("Range", "bytes=9999999-")]),
    with("/ipfs/$ROOT/big.bin", &[("Range", "lines=1-2")]),
    with("/ipfs/$ROOT/a.txt", &[("If-None-Match", "*")]),
    with("/ipfs/$ROOT/a.txt", &[("If-None-Match", "\"other\"")]),
    get("/ipfs/$ROOT/a.txt?format=raw"),
    get("/ipfs/$ROOT?format=raw"),
    get("/ipfs/$ROOT?format=car"),
    get("/ipfs/$ROOT/inner?format=car&dag-scope=block"),
    get("/ipfs/$ROOT/big.bin?format=car&dag-scope=entity"),
    get("/ipfs/$ROOT/a.txt?format=nonsense"),
    with("/ipfs/$ROOT/a.txt", &[("Accept", "application/vnd.ipld.raw")]),
    with("/ipfs/$ROOT/inner", &[("Accept", "application/vnd.ipld.car")]),
    with("/ipfs/$ROOT/inner", &[("Accept", "application/vnd.ipld.car;version=1;order=dfs;dups=n")]),
    with("/ipfs/$ROOT/a.txt", &[("Service-Worker", "script")]),
];

/// Asked of the root of every CAR of the public suite.
const EACH_ROOT: &[&str] = &["/ipfs/$ROOT", "/ipfs/$ROOT/", "/ipfs/$ROOT?format=raw", "/ipfs/$ROOT?format=car"];

/// Asked of the content of those CARs by name.
const FIXTURES: &[Case] = &[
    get("/ipfs/bafybeiegxwlgmoh2cny7qlolykdf7aq7g6dlommarldrbm7c4hbckhfcke/foo.txt"),
    get("/ipfs/bafybeiegxwlgmoh2cny7qlolykdf7aq7g6dlommarldrbm7c4hbckhfcke/foo/bar.txt"),
    get("/ipfs/bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy/multiblock.txt"),
    with(
        "/ipfs/bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy/multiblock.txt",
        &[("Range", "bytes=255-257")],
    ),
    get("/ipfs/bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy/ascii.txt?format=raw"),
    get(
        "/ipfs/bafybeig675grnxcmshiuzdaz2xalm6ef4thxxds6o6ypakpghm5kghpc34/Portugal%252C+Espa%C3%B1a=Peninsula%20Ib%C3%A9rica.txt",
    ),
    with("/ipfs/QmYhmPjhFjYFyaoiuNzYv8WGavpSRDwdHWe5B4M5du5Rtk", &[("Range", "bytes=0-999")]),
    with("/ipfs/QmYhmPjhFjYFyaoiuNzYv8WGavpSRDwdHWe5B4M5du5Rtk", &[("Range", "bytes=2048-3071")]),
    get("/ipfs/bafybeig6ka5mlwkl4subqhaiatalkcleo4jgnr3hqwvpmsqfca27cijp3i/%C4%85/%C4%99/file-%C5%BA%C5%82.txt"),
    get("/ipfs/bafybeib3ffl2teiqdncv3mkz4r23b5ctrwkzrrhctdbne6iboayxuxk5ui/root2/root3/root4/"),
    get("/ipfs/bafybeidbclfqleg2uojchspzd4bob56dqetqjsj27gy2cq3klkkgxtpn4i/1.txt"),
    get("/ipfs/bafybeidbclfqleg2uojchspzd4bob56dqetqjsj27gy2cq3klkkgxtpn4i/1000.txt"),
    get("/ipfs/QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt/foo"),
    get("/ipfs/QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt/bar"),
];

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("gateway")?;
    let tree = own_tree(context, &scratch)?;
    let kubo = Repo::init(&context.kubo, &scratch.join("kubo"))?;
    let merkury = Repo::init(&context.merkury, &scratch.join("merkury"))?;
    let mut roots = Vec::new();
    for repo in [&kubo, &merkury] {
        roots.push(repo.cli(["add", "-r", "-Q", "--cid-version=1", &tree.display().to_string()]).text()?);
    }
    tally.check("both have the same root", if roots[0] == roots[1] { Ok(()) } else { Err(format!("{roots:?}")) });
    let fixtures = import_fixtures(&[&kubo, &merkury], tally)?;

    let (theirs, ours) = (kubo.daemon(&["--offline"])?, merkury.daemon(&["--offline"])?);
    for case in OWN {
        both(&theirs, &ours, &case.path.replace("$ROOT", &roots[0]), case.headers, tally);
    }
    for root in &fixtures {
        for path in EACH_ROOT {
            both(&theirs, &ours, &path.replace("$ROOT", root), &[], tally);
        }
    }
    if !fixtures.is_empty() {
        for case in FIXTURES {
            both(&theirs, &ours, case.path, case.headers, tally);
        }
    }
    tally.check("stops", ours.stop().map(drop));
    theirs.stop().map(drop)
}

fn own_tree(context: &Context, scratch: &Scratch) -> Res<PathBuf> {
    let tree = scratch.join("tree");
    let mut rng = Rng::new(context.seed);
    paths::make_dir(&tree.join("inner"))?;
    paths::make_dir(&tree.join("site"))?;
    paths::write(&tree.join("a.txt"), "some text\n")?;
    paths::write(&tree.join("inner/b.json"), "{\"b\": 1}")?;
    paths::write(&tree.join("site/index.html"), "<!doctype html><title>site</title>")?;
    paths::write(&tree.join("ü name.bin"), rng.bytes(3_000))?;
    paths::write(&tree.join("big.bin"), rng.bytes(1_000_000))?;
    Ok(tree)
}

/// Imports the CARs of the public suite into both, and returns their roots.
fn import_fixtures(repos: &[&Repo], tally: &mut Tally) -> Res<Vec<String>> {
    let Some(dir) = paths::shared("fixtures/gateway") else {
        say::line(
            "  the CARs of the public gateway suite do not lie beside the project: only our own tree is asked for",
        );
        return Ok(Vec::new());
    };
    say::line(format!("  with the CARs in {}", dir.display()));
    let mut cars: Vec<PathBuf> = std::fs::read_dir(&dir)
        .map_err(|e| format!("{}: {e}", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "car"))
        .collect();
    cars.sort();
    let mut roots = Vec::new();
    for car in cars {
        let name = car.display().to_string();
        let mut said = Vec::new();
        for repo in repos {
            said.push(repo.cli(["dag", "import", "--pin-roots=false", "--enc=json", &name]).text());
        }
        let same = match (&said[0], &said[1]) {
            (Ok(theirs), Ok(ours)) if root_of(theirs) == root_of(ours) => Ok(()),
            (Ok(theirs), Ok(ours)) => Err(format!("Kubo prints {theirs:?}, we {ours:?}")),
            (_, Err(reason)) | (Err(reason), _) => Err(reason.clone()),
        };
        tally.check(&format!("dag import {}", car.file_name().unwrap_or_default().to_string_lossy()), same);
        // A DAG that is not whole has no answer to compare: Kubo sends a CAR that ends early as if it were complete.
        if !name.contains("missing-block") {
            roots.extend(said[0].as_ref().ok().and_then(|text| car_root(text, &car)));
        }
    }
    roots.sort();
    roots.dedup();
    Ok(roots)
}

fn root_of(printed: &str) -> Option<String> {
    let first = printed.lines().next()?;
    let value: serde_json::Value = serde_json::from_str(first).ok()?;
    value["Root"]["Cid"]["/"].as_str().map(str::to_owned)
}

/// The root that `dag import` printed, or, when unpinned roots are not printed, the one in the CAR's header.
fn car_root(printed: &str, car: &std::path::Path) -> Option<String> {
    root_of(printed).or_else(|| header_root(&paths::read(car).ok()?))
}

/// The first root in a CAR's header as a base16 CIDv1, or nothing for version 0 (whose bytes start with 0x12).
fn header_root(bytes: &[u8]) -> Option<String> {
    // Tag 42, a byte string, and the zero that stands before the CID's bytes.
    let at = bytes.windows(2).position(|pair| pair == [0xd8, 0x2a])?;
    let size = usize::from(*bytes.get(at + 3)?);
    let cid = bytes.get(at + 5..at + 4 + size)?;
    let version_1 = cid.first() == Some(&1);
    let mut whole = if version_1 { Vec::new() } else { vec![0x01, 0x70] };
    whole.extend_from_slice(cid);
    Some(format!("f{}", whole.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// One GET and one HEAD to both.
fn both(theirs: &Daemon, ours: &Daemon, path: &str, headers: &[(&str, &str)], tally: &mut Tally) {
    let ask = |daemon: &Daemon, head: bool| {
        let request = if head { Request::head(path) } else { Request::get(path) };
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send(daemon.gateway()?)
    };
    let want = ask(theirs, false);
    let kind = want.as_ref().map_or(Kind::Refused, Kind::of);
    tally.check(&format!("GET {path} {headers:?}"), compare(kind, want, ask(ours, false)));
    tally.check(&format!("HEAD {path} {headers:?}"), compare(kind, ask(theirs, true), ask(ours, true)));
}

/// What an answer is, which says what has to be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Content: everything is compared.
    Content,
    /// A CAR: its weak tag and its length (known only when it was made first) are each program's own.
    Car,
    /// A listing or a redirect: a page of each program's own.
    Page,
    /// An error: its text is each program's own, and so is which 4xx a nonsensical request gets.
    Refused,
}

impl Kind {
    fn of(answer: &Answer) -> Self {
        match answer.status {
            400.. => Self::Refused,
            300..=303 | 307 | 308 => Self::Page,
            _ if answer.header("etag").is_some_and(|tag| tag.contains("DirIndex")) => Self::Page,
            _ if answer.header("content-type").is_some_and(|kind| kind.contains("ipld.car")) => Self::Car,
            _ => Self::Content,
        }
    }

    fn compares(self, header: &str) -> bool {
        match self {
            Self::Content => true,
            Self::Car => !matches!(header, "etag" | "content-length"),
            Self::Page => matches!(header, "location" | "x-ipfs-roots" | "content-range"),
            Self::Refused => false,
        }
    }
}

fn compare(kind: Kind, want: Res<Answer>, got: Res<Answer>) -> Res<()> {
    // Where Kubo fails itself (a block is missing and it says 500, or breaks off) we may do better.
    let Some(want) = want.ok().filter(|want| want.status < 500) else {
        return Ok(());
    };
    let got = got?;
    let same = if want.status >= 400 { got.status / 100 == want.status / 100 } else { got.status == want.status };
    if !same {
        return Err(format!("status {} expected, got {}", want.status, got.status));
    }
    for name in HEADERS.iter().filter(|name| kind.compares(name)) {
        let (theirs, ours) = (want.header(name), got.header(name));
        // Kubo answers HEAD of a listing with hardly a header; ours are those of GET, as HTTP has it.
        let may_add = kind == Kind::Page && theirs.is_none();
        if theirs != ours && !may_add {
            return Err(format!("header {name}: {theirs:?} expected, got {ours:?}"));
        }
    }
    match kind {
        Kind::Content | Kind::Car => super::content::same_bytes(&want.body, &got.body),
        Kind::Page | Kind::Refused => Ok(()),
    }
}
