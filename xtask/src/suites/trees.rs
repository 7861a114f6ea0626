//! Generated trees with random options: what `add` prints has to equal Kubo's output, line by line.

use super::Context;
use crate::Res;
use crate::paths::{self, Scratch};
use crate::peer::node::Repo;
use crate::rng::Rng;
use crate::say::Tally;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const TREES: u64 = 500;
const TREES_QUICK: u64 = 60;
/// The chunk size when no `--chunker` is given.
const CHUNK_DEFAULT: u64 = 256 << 10;

pub(super) fn run(context: &Context, tally: &mut Tally) -> Res<()> {
    let scratch = Scratch::new("trees")?;
    let kubo = Repo::init(&context.kubo, &scratch.join("kubo"))?;
    let merkury = Repo::init(&context.merkury, &scratch.join("merkury"))?;
    let count = if context.quick { TREES_QUICK } else { TREES };
    for number in 0..count {
        let seed = context.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let dir = scratch.join(format!("tree-{seed}"));
        let mut rng = Rng::new(seed);
        let options = Options::draw(&mut rng);
        Tree { rng, chunk: options.chunk, entries_left: 400 }.write(&dir, number)?;
        let name = format!("seed {seed}: add {}", options.flags.join(" "));
        tally.check(&name, compare(&kubo, &merkury, &options, &dir));
        let _ = fs::remove_dir_all(&dir);
    }
    Ok(())
}

fn compare(kubo: &Repo, merkury: &Repo, options: &Options, dir: &Path) -> Res<()> {
    let args: Vec<String> = ["add"]
        .iter()
        .map(|s| (*s).to_owned())
        .chain(options.flags.iter().cloned())
        .chain([dir.display().to_string()])
        .collect();
    let want = kubo.cli(&args).run()?.text();
    let got = merkury.cli(&args).run()?.text();
    if want == got {
        return Ok(());
    }
    let (want_lines, got_lines): (Vec<_>, Vec<_>) = (want.lines().collect(), got.lines().collect());
    let at =
        want_lines.iter().zip(&got_lines).position(|(a, b)| a != b).unwrap_or(want_lines.len().min(got_lines.len()));
    let show = |lines: &[&str]| lines.get(at).map_or("nothing".to_owned(), |line| format!("{line:?}"));
    Err(format!(
        "line {} of {} (we print {}): Kubo {}, we {}",
        at + 1,
        want_lines.len(),
        got_lines.len(),
        show(&want_lines),
        show(&got_lines)
    ))
}

/// Options of one `add`.
struct Options {
    flags: Vec<String>,
    chunk: u64,
}

impl Options {
    fn draw(rng: &mut Rng) -> Self {
        let mut flags = vec!["-r".to_owned()];
        let mut chunk = CHUNK_DEFAULT;
        match rng.below(4) {
            0 => flags.push("-q".to_owned()),
            1 => flags.push("-Q".to_owned()),
            _ => {}
        }
        // Progress goes to standard error and must not change what is printed.
        flags.push(format!("--progress={}", rng.one_in(3)));
        if rng.one_in(2) {
            flags.push("-n".to_owned());
        } else if rng.one_in(2) {
            flags.push("--pin=false".to_owned());
        }
        if rng.one_in(4) {
            flags.push("-w".to_owned());
        }
        if rng.one_in(2) {
            flags.push(format!("--cid-version={}", rng.below(2)));
        }
        if rng.one_in(3) {
            flags.push(format!("--raw-leaves={}", rng.one_in(2)));
        }
        if rng.one_in(2) {
            chunk = *rng.pick(&[16, 100, 1_000, 4_096, 65_536, 1 << 20]);
            flags.push(format!("--chunker=size-{chunk}"));
        }
        if rng.one_in(4) {
            // CID version 0 knows no hash but sha2-256, and both programs refuse the pair.
            flags.retain(|flag| flag != "--cid-version=0");
            let hash = rng.pick(&["sha2-256", "sha2-512", "sha3-256", "blake2b-256", "blake3", "keccak-256"]);
            flags.push(format!("--hash={hash}"));
        }
        Self { flags, chunk }
    }
}

/// Writes one tree.
struct Tree {
    rng: Rng,
    chunk: u64,
    /// No tree is larger than this, whatever its shape.
    entries_left: u32,
}

impl Tree {
    fn write(mut self, dir: &Path, number: u64) -> Res<()> {
        paths::make_dir(dir)?;
        match number % 50 {
            // An empty directory, a chain, one wide enough to become a HAMT, one just below that.
            0 => Ok(()),
            1 => self.chain(dir),
            2 => self.wide(dir, 3_000, 60),
            3 => self.wide(dir, 2_500, 60),
            _ => self.folder(dir, 0),
        }
    }

    fn folder(&mut self, dir: &Path, depth: u32) -> Res<()> {
        let entries = 1 + self.rng.below(if depth == 0 { 12 } else { 6 });
        for number in 0..entries {
            if self.entries_left == 0 {
                break;
            }
            self.entries_left -= 1;
            let path = dir.join(self.name(number));
            if path.symlink_metadata().is_ok() {
                continue;
            }
            match self.rng.below(10) {
                0..=1 if depth < 6 => {
                    paths::make_dir(&path)?;
                    if !self.rng.one_in(6) {
                        self.folder(&path, depth + 1)?;
                    }
                }
                2 => {
                    let target = *self.rng.pick(&["a", "../up", "/absolute/path", "dangling ü", ".", "x/../y"]);
                    symlink(target, &path).map_err(|e| format!("{}: {e}", path.display()))?;
                }
                _ => self.file(&path)?,
            }
        }
        Ok(())
    }

    fn chain(&mut self, dir: &Path) -> Res<()> {
        let mut path = dir.to_path_buf();
        for number in 0..40 {
            path.push(format!("d{number}"));
        }
        paths::make_dir(&path)?;
        self.file(&path.join("leaf"))
    }

    fn wide(&mut self, dir: &Path, entries: u64, name_len: usize) -> Res<()> {
        for number in 0..entries {
            let name = format!("{number:0name_len$}");
            paths::write(&dir.join(name), self.rng.bytes((number % 3) as usize))?;
        }
        Ok(())
    }

    /// Sizes around the edges of blocks and of nodes (174 links).
    fn file(&mut self, path: &Path) -> Res<()> {
        let chunk = self.chunk;
        let size = match self.rng.below(12) {
            0 => 0,
            1 => 1,
            2 => chunk - 1,
            3 => chunk,
            4 => chunk + 1,
            5 => 2 * chunk,
            6 if chunk <= 4_096 => 174 * chunk,
            7 if chunk <= 4_096 => 174 * chunk + 1,
            8 if chunk <= 100 => 175 * 174 * chunk / 4,
            _ => self.rng.below(5_000),
        };
        let bytes = if self.rng.one_in(5) { vec![0; size as usize] } else { self.rng.bytes(size as usize) };
        paths::write(path, bytes)
    }

    fn name(&mut self, number: u64) -> String {
        let kind = *self.rng.pick(&[
            "plain",
            "with space",
            "ünïcödé",
            "日本語",
            "😀",
            ".hidden",
            "-dash",
            "UPPER",
            "a.b.c",
            "percent%20",
            "q\"uote",
            "back\\slash",
            "e\u{301}",
            "tab\tname",
            "#hash?query",
        ]);
        if self.rng.one_in(3) { kind.to_owned() } else { format!("{kind}{number}") }
    }
}
