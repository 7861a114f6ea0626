//! Broken bytes for decoders, as plain tests: a corpus is replayed, then it is mutated, always the same way.
//!
//! Parts: this file (targets, running, shrinking), [`mutate`] (how bytes are broken).
//!
//! A target is a function from bytes to a line that says what happened; it must not panic. What it answers guides the
//! search: an input with an answer of a new shape joins those that are mutated further. Without the measurement of coverage
//! this finds less in a minute than libFuzzer, and it runs everywhere, with every test.
//!
//! - `cargo test` replays `tests/corpus/NAME/` and makes [`ROUNDS`] mutations with a fixed seed.
//! - `MERKURY_FUZZ_SECS=60` runs as long, with another seed each time (printed; `MERKURY_FUZZ_SEED` repeats one).
//! - `MERKURY_FUZZ_SAVE=1` adds small inputs of new shapes to the corpus.
//!
//! An input that makes the target panic is shrunk, written into the corpus as `crash-…`, and fails the test.

mod mutate;

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mutate::Mutator;

/// Mutations in a plain test run.
pub const ROUNDS: u64 = 3000;
/// Longest mutated input unless a target says otherwise.
const INPUT_BYTES_MAX: usize = 16 << 10;
/// Inputs that are mutated further.
const POPULATION_MAX: usize = 4096;
/// Longest input that is saved to the corpus.
const SAVED_BYTES_MAX: usize = 512;

/// One decoder under test.
pub struct Fuzz {
    name: &'static str,
    corpus: PathBuf,
    seeds: Vec<Vec<u8>>,
    tokens: Vec<Vec<u8>>,
    bytes_max: usize,
    rounds: u64,
}

impl Fuzz {
    /// A target; `crate_dir` is `env!("CARGO_MANIFEST_DIR")`, below which the corpus lies.
    pub fn new(name: &'static str, crate_dir: &str) -> Self {
        let corpus = PathBuf::from(crate_dir).join("tests/corpus").join(name);
        Self { name, corpus, seeds: Vec::new(), tokens: Vec::new(), bytes_max: INPUT_BYTES_MAX, rounds: ROUNDS }
    }

    /// A good input to begin with.
    #[must_use]
    pub fn seed(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.seeds.push(bytes.into());
        self
    }

    /// Pieces that inputs are made of.
    #[must_use]
    pub fn tokens(mut self, tokens: &[&[u8]]) -> Self {
        self.tokens.extend(tokens.iter().map(|token| token.to_vec()));
        self
    }

    /// Other limits, for slow targets.
    #[must_use]
    pub fn limits(mut self, rounds: u64, bytes_max: usize) -> Self {
        (self.rounds, self.bytes_max) = (rounds, bytes_max);
        self
    }

    /// Runs it.
    ///
    /// # Panics
    /// When the target does; the message names the input.
    pub fn run(self, target: impl Fn(&[u8]) -> String) {
        let mut search = Search { known: HashSet::new(), population: Vec::new() };
        for (path, input) in self.corpus_files() {
            let Ok(answer) = answer(&target, &input) else {
                panic!("{}: the input {} of the corpus fails", self.name, path.display());
            };
            search.keep(&answer, input);
        }
        for seed in &self.seeds {
            match answer(&target, seed) {
                Ok(answer) => search.keep(&answer, seed.clone()),
                Err(()) => self.fail(&target, seed.clone()),
            };
        }
        assert!(!search.population.is_empty(), "{} has neither corpus nor seeds", self.name);
        let (deadline, seed) = timed();
        let mut mutator = Mutator::new(seed, &self.tokens);
        let mut round = 0;
        while deadline.map_or(round < self.rounds, |deadline| Instant::now() < deadline) {
            round += 1;
            let input = mutator.next(&search.population, self.bytes_max);
            match answer(&target, &input) {
                Ok(answer) => {
                    if search.keep(&answer, input.clone()) {
                        self.save(&target, &answer, input);
                    }
                }
                Err(()) => self.fail(&target, input),
            }
        }
        if deadline.is_some() {
            report(&format!("{}: {round} inputs, {} shapes of answers, seed {seed}", self.name, search.known.len()));
        }
    }

    fn corpus_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let Ok(listed) = fs::read_dir(&self.corpus) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = listed.map_while(Result::ok).map(|entry| entry.path()).collect();
        paths.sort();
        paths.into_iter().map(|path| (path.clone(), fs::read(&path).expect("a readable corpus"))).collect()
    }

    /// Writes a failing input, as small as it gets, and ends the test.
    fn fail(&self, target: &impl Fn(&[u8]) -> String, input: Vec<u8>) -> ! {
        let small = shrink(input, |input| answer(target, input).is_err());
        let path = self.corpus.join(format!("crash-{:016x}", mutate::hash(&small)));
        let _ = fs::create_dir_all(&self.corpus);
        let _ = fs::write(&path, &small);
        let shown: String = small.iter().take(256).map(|byte| format!("{byte:02x}")).collect();
        panic!("{}: {} bytes make it fail, written to {}: {shown}", self.name, small.len(), path.display());
    }

    fn save(&self, target: &impl Fn(&[u8]) -> String, seen: &str, input: Vec<u8>) {
        if std::env::var_os("MERKURY_FUZZ_SAVE").is_none() {
            return;
        }
        let shape = shape_of(seen);
        let small = shrink(input, |input| answer(target, input).is_ok_and(|answer| shape_of(&answer) == shape));
        if small.len() <= SAVED_BYTES_MAX {
            fs::create_dir_all(&self.corpus).expect("the corpus can be made");
            let path = self.corpus.join(format!("{:016x}", mutate::hash(&small)));
            fs::write(path, small).expect("the corpus can be written to");
        }
    }
}

/// What was found so far.
struct Search {
    known: HashSet<String>,
    population: Vec<Vec<u8>>,
}

impl Search {
    /// Keeps an input whose answer has a new shape; says whether it had.
    fn keep(&mut self, answer: &str, input: Vec<u8>) -> bool {
        let is_new = self.known.insert(shape_of(answer));
        if (is_new || self.population.is_empty()) && self.population.len() < POPULATION_MAX {
            self.population.push(input);
        }
        is_new
    }
}

/// An answer without what differs from input to input: numbers count by their length, quoted parts and CIDs not at all.
fn shape_of(answer: &str) -> String {
    let mut shape = String::new();
    for word in answer.split_whitespace() {
        let is_plain = word.len() < 30 && !word.contains(['"', '\'', '`']);
        if is_plain {
            shape.extend(word.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }));
        }
        shape.push(' ');
    }
    shape.truncate(shape.char_indices().nth(120).map_or(shape.len(), |(at, _)| at));
    shape
}

fn answer(target: &impl Fn(&[u8]) -> String, input: &[u8]) -> Result<String, ()> {
    catch_unwind(AssertUnwindSafe(|| target(input))).map_err(drop)
}

/// Takes pieces out as long as the rest still does what it did.
fn shrink(mut input: Vec<u8>, still: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut piece = input.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < input.len() {
            let mut fewer = input.clone();
            fewer.drain(at..(at + piece).min(input.len()));
            if still(&fewer) {
                input = fewer;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    input
}

/// When a run by the clock ends, and the seed.
fn timed() -> (Option<Instant>, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let deadline = number("MERKURY_FUZZ_SECS").map(|secs| Instant::now() + Duration::from_secs(secs));
    let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_nanos() as u64);
    let seed = number("MERKURY_FUZZ_SEED").unwrap_or_else(|| if deadline.is_some() { by_clock() } else { 1 });
    (deadline, seed)
}

#[allow(clippy::print_stderr)]
fn report(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_input_is_found_and_shrunk() {
        let dir = std::env::temp_dir().join(format!("merkury-fuzz-{}", std::process::id()));
        let dir_text = dir.to_str().expect("a path of text").to_owned();
        let found = catch_unwind(AssertUnwindSafe(|| {
            Fuzz::new("made to fail", &dir_text).seed(*b"some words").tokens(&[b"magic"]).run(|input| {
                assert!(!input.windows(5).any(|window| window == b"magic"), "found");
                format!("{} bytes", input.len())
            });
        }));
        let written: Vec<_> = fs::read_dir(dir.join("tests/corpus/made to fail")).expect("a corpus").collect();
        let small = fs::read(written[0].as_ref().expect("an entry").path()).expect("read");
        fs::remove_dir_all(&dir).expect("removed");
        assert!(found.is_err());
        assert_eq!(small, b"magic");
    }

    #[test]
    fn answers_of_one_shape_are_one() {
        assert_eq!(shape_of("block 12 of \"x\""), shape_of("block 99 of \"yy\""));
        assert_ne!(shape_of("ends at 5"), shape_of("ends at 500"));
    }
}
