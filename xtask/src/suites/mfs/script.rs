//! The steps of a script, and how they are drawn.

use crate::rng::Rng;

/// What both programs have, to copy from.
pub(super) struct Content {
    pub(super) cids: Vec<String>,
    /// Nodes that are no files: copying them fails.
    pub(super) not_files: Vec<String>,
}

/// One command.
#[derive(Clone, Debug)]
pub(super) struct Step {
    path: &'static str,
    args: Vec<String>,
    options: Vec<(&'static str, String)>,
    pub(super) data: Option<Vec<u8>>,
}

impl Step {
    pub(super) fn new(path: &'static str, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { path, args, options: Vec::new(), data: None }
    }

    pub(super) fn flag(mut self, name: &'static str, value: &str) -> Self {
        self.options.push((name, value.to_owned()));
        self
    }

    /// With the option, `odds` times in a hundred.
    fn maybe(self, rng: &mut Rng, odds: u64, name: &'static str, value: &str) -> Self {
        if rng.below(100) < odds { self.flag(name, value) } else { self }
    }

    pub(super) fn url(&self) -> String {
        let pairs = self.args.iter().map(|arg| ("arg", arg)).chain(self.options.iter().map(|(n, v)| (*n, v)));
        let query: Vec<String> = pairs.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        format!("/api/v0/{}?{}", self.path, query.join("&"))
    }

    pub(super) fn words(&self) -> Vec<String> {
        let path = self.path.split('/').map(str::to_owned);
        let options = self.options.iter().map(|(name, value)| format!("--{name}={value}"));
        path.chain(options).chain(["--".to_owned()]).chain(self.args.iter().cloned()).collect()
    }

    /// A command line for people.
    pub(super) fn shown(&self) -> String {
        let data = self.data.as_ref().map_or(String::new(), |data| format!(" <<{} bytes>>", data.len()));
        format!("{}{data}", self.words().join(" "))
    }

    /// Whether Kubo may have changed something although it says that it failed.
    pub(super) fn may_leave_a_part(&self) -> bool {
        matches!(self.path, "files/write" | "files/cp" | "files/mkdir" | "files/mv" | "files/rm")
    }
}

fn encoded(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    value.bytes().map(|byte| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") }).collect()
}

const NAMES: &[&str] = &["a", "b", "c", "d", "ü x", "50%"];
const HASHES: &[&str] = &["blake2b-256", "sha2-512", "sha3-256"];

/// Draws the steps of a script. Times are set after the last write alone: a write sets the time of a file that has one.
pub(super) fn draw(rng: &mut Rng, steps: usize, content: &Content) -> Vec<Step> {
    let mut script = vec![
        Step::new("files/mkdir", &["/a/b"]).flag("parents", "true"),
        Step::new("files/mkdir", &["/d"]).maybe(rng, 50, "cid-version", "1"),
    ];
    while script.len() < steps {
        let is_late = script.len() * 4 > steps * 3;
        script.push(one(rng, content, is_late));
    }
    script
}

fn one(rng: &mut Rng, content: &Content, is_late: bool) -> Step {
    match rng.below(100) {
        0..=29 if !is_late => write(rng),
        0..=9 => touch(rng),
        10..=19 => chmod(rng),
        20..=29 => chcid(rng),
        30..=41 => mkdir(rng),
        42..=55 => copy(rng, content),
        56..=63 => rename(rng),
        64..=71 => remove(rng),
        72..=79 => stat(rng, content),
        80..=87 => list(rng),
        88..=97 => read(rng),
        _ => Step::new("files/flush", &[&path(rng)]),
    }
}

fn path(rng: &mut Rng) -> String {
    if rng.one_in(40) {
        return (*rng.pick(&["/", "a", "", "//a/./b/..", "/a/", "/nothing/at/all"])).to_owned();
    }
    let depth = 1 + rng.below(3);
    (0..depth).map(|_| format!("/{}", rng.pick(NAMES))).collect()
}

/// A path without a slash at its end and without surprises.
fn plain_path(rng: &mut Rng) -> String {
    let depth = 1 + rng.below(3);
    (0..depth).map(|_| format!("/{}", rng.pick(NAMES))).collect()
}

fn data(rng: &mut Rng) -> Vec<u8> {
    let size = match rng.below(10) {
        0 => 0,
        1..=4 => rng.below(100),
        5..=6 => 5_000 + rng.below(3_000),
        7 => 262_144,
        8 => 262_145 + rng.below(600_000),
        // Kubo writes after 2 MiB and what it reads of a socket at a time beyond; from there on its cuts are by chance.
        _ => 2_097_152,
    };
    rng.bytes(size as usize)
}

fn write(rng: &mut Rng) -> Step {
    let mut step = Step::new("files/write", &[&plain_path(rng)])
        .maybe(rng, 80, "create", "true")
        .maybe(rng, 30, "parents", "true")
        .maybe(rng, 15, "truncate", "true")
        .maybe(rng, 10, "cid-version", "1")
        .maybe(rng, 5, "cid-version", "0");
    if rng.one_in(3) {
        let offset = *rng.pick(&[0, 1, 50, 4_096, 262_144, 300_000]) + rng.below(3);
        step = step.flag("offset", &offset.to_string());
    }
    if rng.one_in(8) {
        let count = rng.below(1000).to_string();
        step = step.flag("count", &count);
    }
    if rng.one_in(6) {
        let raw = if rng.one_in(2) { "true" } else { "false" };
        step = step.flag("raw-leaves", raw);
    }
    if rng.one_in(12) {
        let hash = rng.pick::<&str>(HASHES);
        step = step.flag("hash", hash);
    }
    // The last of an option given twice would count on the command line alone.
    step.options.dedup_by_key(|(name, _)| *name);
    step.data = Some(data(rng));
    step
}

fn mkdir(rng: &mut Rng) -> Step {
    let step = Step::new("files/mkdir", &[&path(rng)]).maybe(rng, 50, "parents", "true");
    match rng.below(6) {
        0 => step.flag("cid-version", "1"),
        1 => step.flag("hash", rng.pick::<&str>(HASHES)),
        2 => step.flag("cid-version", rng.pick::<&str>(&["0", "7"])),
        _ => step,
    }
}

fn copy(rng: &mut Rng, content: &Content) -> Step {
    let source = match rng.below(10) {
        0..=5 => format!("/ipfs/{}", rng.pick(&content.cids)),
        6 => format!("/ipfs/{}", rng.pick(&content.not_files)),
        _ => plain_path(rng),
    };
    let mut target = plain_path(rng);
    if rng.one_in(8) {
        target.push('/');
    }
    Step::new("files/cp", &[&source, &target]).maybe(rng, 30, "parents", "true").maybe(rng, 20, "force", "true")
}

fn rename(rng: &mut Rng) -> Step {
    loop {
        let (source, target) = (plain_path(rng), plain_path(rng));
        if moves_as_in_kubo(&source, &target) {
            return Step::new("files/mv", &[&source, &target]);
        }
    }
}

/// Whether Kubo moves such a pair as everybody else: not into itself, and not between directories of the same name.
fn moves_as_in_kubo(source: &str, target: &str) -> bool {
    let parts = |path: &str| -> Vec<String> { path.split('/').skip(1).map(str::to_owned).collect() };
    let (source, target) = (parts(source), parts(target));
    if target.starts_with(&source) || source.starts_with(&target) {
        return false;
    }
    let parent = |parts: &[String]| parts.len().checked_sub(2).and_then(|at| parts.get(at).cloned());
    // The target may be a directory that is entered.
    let name = source.last();
    !(parent(&source) == parent(&target) && name == target.last()) && parent(&source).as_ref() != target.last()
}

fn remove(rng: &mut Rng) -> Step {
    let mut paths = vec![path(rng)];
    if rng.one_in(5) {
        paths.push(path(rng));
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    Step::new("files/rm", &paths).maybe(rng, 60, "recursive", "true").maybe(rng, 30, "force", "true")
}

fn chmod(rng: &mut Rng) -> Step {
    let mode = *rng.pick(&["0644", "755", "0", "4755", "1777", "888", "x"]);
    Step::new("files/chmod", &[mode, &path(rng)])
}

fn touch(rng: &mut Rng) -> Step {
    let time = *rng.pick(&["1", "1630937926", "-5", "4000000000"]);
    let nanos = *rng.pick(&["0", "1", "999999999", "1500000000"]);
    Step::new("files/touch", &[&path(rng)]).flag("mtime", time).maybe(rng, 50, "mtime-nsecs", nanos)
}

fn chcid(rng: &mut Rng) -> Step {
    // Kubo changes a directory that is named without its slash, and then does not find it.
    let step = Step::new("files/chcid", &[&plain_path(rng)]);
    match rng.below(4) {
        0 => step,
        1 => step.flag("cid-version", "0"),
        2 => step.flag("cid-version", "1"),
        _ => step.flag("hash", rng.pick::<&str>(HASHES)),
    }
}

fn stat(rng: &mut Rng, content: &Content) -> Step {
    let path = if rng.one_in(4) { format!("/ipfs/{}", rng.pick(&content.cids)) } else { path(rng) };
    let step = Step::new("files/stat", &[&path]).maybe(rng, 30, "with-local", "true");
    match rng.below(5) {
        0 => step.flag("hash", "true"),
        1 => step.flag("size", "true"),
        2 => step.flag("cid-base", "base32"),
        _ => step,
    }
}

fn list(rng: &mut Rng) -> Step {
    Step::new("files/ls", &[&path(rng)])
        .maybe(rng, 60, "long", "true")
        .maybe(rng, 20, "U", "true")
        .maybe(rng, 20, "cid-base", "base32")
}

fn read(rng: &mut Rng) -> Step {
    let step = Step::new("files/read", &[&path(rng)]);
    let offset = (*rng.pick(&[-1_i64, 0, 1, 40, 262_143, 400_000])).to_string();
    let count = (*rng.pick(&[-2_i64, 0, 1, 100, 1 << 20])).to_string();
    step.maybe(rng, 40, "offset", &offset).maybe(rng, 40, "count", &count)
}

#[cfg(test)]
mod tests {
    use super::{Step, moves_as_in_kubo};

    #[test]
    fn a_step_is_a_url_and_a_command_line() {
        let step = Step::new("files/mkdir", &["/ü x"]).flag("parents", "true");
        assert_eq!(step.url(), "/api/v0/files/mkdir?arg=/%C3%BC%20x&parents=true");
        assert_eq!(step.shown(), "files mkdir --parents=true -- /ü x");
    }

    #[test]
    fn moves_that_kubo_loses_are_left_out() {
        assert!(moves_as_in_kubo("/a/b", "/c/d"));
        for (source, target) in [("/a", "/a/b"), ("/a/b/f", "/c/b/f"), ("/a/f", "/c/a"), ("/a", "/a")] {
            assert!(!moves_as_in_kubo(source, target), "{source} {target}");
        }
    }
}
