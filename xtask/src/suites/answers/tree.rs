//! Trees as clients send them, and options of `add`.

use super::case::{Case, Part, PartKind};
use crate::rng::Rng;

/// The chunk size when no chunker is given; small, so that bodies stay small.
const CHUNK_DEFAULT: u64 = 2_000;
/// Most entries of a tree, but for the wide ones.
const ENTRIES_MAX: u64 = 40;

/// One `add`.
pub(super) fn add(rng: &mut Rng) -> Case {
    let mut case = Case::new("add").option("progress", false);
    let chunk = chunker(rng, &mut case);
    shape(rng, &mut case);
    // When it stores nothing, Kubo loses a directory's mode and forgets how many links the root may have.
    if case.options.iter().any(|(name, _)| *name == "only-hash") {
        case.options.retain(|(name, _)| *name != "max-directory-links");
    } else {
        metadata(rng, &mut case);
    }
    // A chunker that is none is only noticed at a file.
    let shape = if chunk == 0 { 3 } else { rng.below(30) };
    let mut tree = Tree { rng, chunk: chunk.max(1), parts: Vec::new() };
    match shape {
        0 => tree.file("").map_or((), drop),
        1 => tree.wide(6_000),
        2 => tree.wide(300),
        3..6 => {
            tree.file("one");
        }
        _ => {
            let entries = 1 + tree.rng.below(ENTRIES_MAX);
            tree.directory("top", entries, 0);
        }
    }
    if tree.rng.one_in(20) {
        // A second root.
        tree.file("zz");
    }
    case.parts = tree.parts;
    if case.has("only-hash") {
        case.parts.iter_mut().for_each(|part| part.meta = None);
    }
    case
}

/// The chunker, and about how large its chunks are.
fn chunker(rng: &mut Rng, case: &mut Case) -> u64 {
    let (text, chunk) = match rng.below(12) {
        0..=4 => {
            let size = *rng.pick(&[1, 16, 100, 1_000, 4_096, 65_536]);
            (format!("size-{size}"), size)
        }
        5 => ("rabin-16-32-64".into(), 32),
        6 => ("rabin-100".into(), 100),
        7 => ("rabin".into(), 200_000),
        8 => ("buzhash".into(), 200_000),
        9 => {
            const WRONG: &[&str] =
                &["size-0", "size-", "rabin-1-2-3", "rabin-3-2-1", "nope", "size-99999999", "rabin-a-b-c", ""];
            (rng.pick::<&'static str>(WRONG).to_string(), 0)
        }
        _ => return CHUNK_DEFAULT,
    };
    case.options.push(("chunker", text));
    chunk
}

/// Options that decide the form of the DAG.
fn shape(rng: &mut Rng, case: &mut Case) {
    let mut set = |name: &'static str, value: String| case.options.push((name, value));
    if rng.one_in(2) {
        set("cid-version", rng.pick(&["0", "1", "1", "1", "2", "-1"]).to_string());
    }
    if rng.one_in(3) {
        set("raw-leaves", rng.one_in(2).to_string());
    }
    if rng.one_in(4) {
        let hash = rng.pick(&[
            "sha2-256",
            "sha2-512",
            "sha3-256",
            "blake2b-256",
            "blake3",
            "keccak-256",
            "sha1",
            "md5",
            "nope",
        ]);
        set("hash", hash.to_string());
    }
    if rng.one_in(4) {
        set("trickle", rng.one_in(2).to_string());
    }
    if rng.one_in(4) {
        set("inline", "true".into());
        if rng.one_in(2) {
            set("inline-limit", rng.pick(&["0", "1", "16", "64", "128", "129"]).to_string());
        }
    }
    if rng.one_in(4) {
        set("max-file-links", rng.pick(&["2", "3", "10", "174", "1024"]).to_string());
    }
    if rng.one_in(5) {
        set("max-directory-links", rng.pick(&["1", "3", "20", "0"]).to_string());
    }
    if rng.one_in(5) {
        set("max-hamt-fanout", rng.pick(&["8", "16", "64", "256", "1024"]).to_string());
    }
    if rng.one_in(4) {
        set("wrap-with-directory", "true".into());
    }
    match rng.below(6) {
        0 => set("only-hash", "true".into()),
        1 => set("pin", "false".into()),
        2 => set("pin-name", "a name".into()),
        _ => {}
    }
    if rng.one_in(8) {
        set("empty-dirs", rng.one_in(2).to_string());
    }
    if rng.one_in(12) {
        set("silent", "true".into());
    }
    if rng.one_in(8) {
        set("cid-base", rng.pick(&["base58btc", "base32", "base36", "base16upper", "base64url", "nope"]).to_string());
    }
}

fn metadata(rng: &mut Rng, case: &mut Case) {
    let mut set = |name: &'static str, value: String| case.options.push((name, value));
    if rng.one_in(6) {
        set("preserve-mode", "true".into());
    }
    if rng.one_in(6) {
        set("preserve-mtime", "true".into());
    }
    if rng.one_in(10) {
        set("mode", rng.pick(&["0644", "0755", "420", "0", "07777"]).to_string());
    }
    if rng.one_in(10) {
        set("mtime", rng.pick(&["1", "1700000000", "-5", "0"]).to_string());
        if rng.one_in(2) {
            set("mtime-nsecs", rng.pick(&["1", "999999999"]).to_string());
        }
    }
}

struct Tree<'a> {
    rng: &'a mut Rng,
    chunk: u64,
    parts: Vec<Part>,
}

impl Tree<'_> {
    fn push(&mut self, path: &str, kind: PartKind) {
        let meta = self.rng.one_in(3).then(|| {
            let mode = *self.rng.pick(&[0o644, 0o755, 0o600, 0o4755]);
            (mode, *self.rng.pick(&[0, 1, 1_700_000_000]), *self.rng.pick(&[0, 5]))
        });
        self.parts.push(Part { path: path.to_owned(), kind, meta });
    }

    fn directory(&mut self, path: &str, entries: u64, depth: u32) {
        self.push(path, PartKind::Directory);
        let mut left = entries;
        let mut number = 0;
        while left > 0 {
            left -= 1;
            number += 1;
            let child = format!("{path}/{:02}{}", number, self.name());
            match self.rng.below(10) {
                0 | 1 if depth < 5 => {
                    let below = self.rng.below(left.min(6) + 1);
                    left -= below;
                    self.directory(&child, below, depth + 1);
                }
                2 => {
                    let target = *self.rng.pick(&["a", "../up", "/absolute/path", "dangling ü", "."]);
                    self.push(&child, PartKind::Symlink(target.to_owned()));
                }
                _ => drop(self.file(&child)),
            }
        }
    }

    fn wide(&mut self, entries: u64) {
        self.push("wide", PartKind::Directory);
        for number in 0..entries {
            self.push(&format!("wide/{number:040}"), PartKind::File(vec![b'x'; (number % 3) as usize]));
        }
    }

    /// Sizes around the edges of chunks and of nodes.
    fn file(&mut self, path: &str) -> Option<()> {
        let chunk = self.chunk;
        let size = match self.rng.below(12) {
            0 => 0,
            1 => 1,
            2 => chunk.saturating_sub(1),
            3 => chunk,
            4 => chunk + 1,
            5 => 3 * chunk,
            6 if chunk <= 1_000 => 174 * chunk,
            7 if chunk <= 1_000 => 174 * chunk + 1,
            8 if chunk <= 16 => 175 * 174 * chunk / 8,
            9 if chunk >= 100_000 => 700_000,
            _ => self.rng.below(3_000),
        };
        let size = size.min(if chunk == 1 { 2_000 } else { 1_000_000 });
        let bytes = if self.rng.one_in(5) { vec![0; size as usize] } else { self.rng.bytes(size as usize) };
        self.push(path, PartKind::File(bytes));
        Some(())
    }

    fn name(&mut self) -> &'static str {
        const NAMES: &[&str] = &[
            "plain",
            "with space",
            "ünïcödé",
            "日本語",
            "😀",
            ".hidden",
            "-dash",
            "a.b",
            "100%",
            "q\"uote",
            "#h?q",
            "&=",
        ];
        self.rng.pick::<&'static str>(NAMES)
    }
}
