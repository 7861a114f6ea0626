//! What the suites exchange: a big file, a directory of 3,000 files, a directory wide enough to become a HAMT, a CAR;
//! and the comparison of two trees, byte by byte.

use crate::peer::node::Repo;
use crate::rng::Rng;
use crate::{Res, paths};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of the big file.
const FILE_BYTES: usize = 64 << 20;
/// Files of the plain directory.
const FILES: usize = 3_000;
/// Entries of the HAMT directory: names and CIDs together well above the 256 KiB at which Kubo shards.
const HAMT_ENTRIES: usize = 5_000;

/// The four kinds of content, written below one folder.
pub(crate) struct Contents {
    dir: PathBuf,
}

/// One kind of content in a repository.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// How checks call it.
    pub(crate) name: &'static str,
    pub(crate) cid: String,
    pub(crate) kind: Kind,
}

/// What an item is compared with.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// A file or directory on disk.
    Tree(PathBuf),
    /// A CAR whose one root is the item; it may hold what is no file.
    Car(PathBuf),
}

impl Contents {
    /// Writes everything that is made from `seed`.
    pub(crate) fn write(dir: &Path, seed: u64) -> Res<Self> {
        let mut rng = Rng::new(seed);
        paths::make_dir(dir)?;
        paths::write(&dir.join("file"), rng.bytes(FILE_BYTES))?;
        write_plain(&dir.join("plain"), &mut rng)?;
        write_hamt(&dir.join("hamt"), &mut rng)?;
        write_plain_small(&dir.join("packed"), &mut rng)?;
        Ok(Self { dir: dir.to_path_buf() })
    }

    /// Adds everything to a repository whose daemon is not running.
    pub(crate) fn add_to(&self, repo: &Repo) -> Res<Vec<Item>> {
        let mut items = Vec::new();
        for (name, part) in [("64 MiB file", "file"), ("3,000 files", "plain"), ("HAMT of 5,000", "hamt")] {
            let path = self.dir.join(part);
            let cid = repo.cli(["add", "-r", "-Q", &path.display().to_string()]).text()?;
            items.push(Item { name, cid, kind: Kind::Tree(path) });
        }
        let path = self.dir.join("packed");
        let cid = repo.cli(["add", "-r", "-Q", "--cid-version=1", &path.display().to_string()]).text()?;
        let car = self.dir.join(format!("{}.car", repo.program.name));
        repo.cli(["dag", "export", "--progress=false", &cid]).stdout_to(&car).run()?;
        items.push(Item { name: "CAR", cid, kind: Kind::Car(car) });
        Ok(items)
    }
}

impl Item {
    /// Fetches the item with `fetcher`'s command line into `scratch` and compares every byte.
    pub(crate) fn fetch_and_compare(&self, fetcher: &Repo, scratch: &Path) -> Res<()> {
        match &self.kind {
            Kind::Tree(original) if original.is_file() => {
                let copy = scratch.join("fetched.file");
                fetcher.cli(["cat", &self.cid]).stdout_to(&copy).run()?;
                let same = same_file(original, &copy);
                let _ = fs::remove_file(&copy);
                same
            }
            Kind::Tree(original) => {
                let copy = scratch.join("fetched.tree");
                if fetcher.program.name == "kubo" {
                    // Kubo's `get` asks for one small file after the other, at 20 ms each; its `pin add` asks for many.
                    fetcher.cli(["pin", "add", "--progress=false", &self.cid]).run()?;
                }
                fetcher.cli(["get", "-o", &copy.display().to_string(), &self.cid]).run()?;
                let same = same_tree(original, &copy);
                let _ = fs::remove_dir_all(&copy);
                same
            }
            Kind::Car(original) => {
                let copy = scratch.join("fetched.car");
                fetcher.cli(["dag", "export", "--progress=false", &self.cid]).stdout_to(&copy).run()?;
                let same = same_file(original, &copy);
                let _ = fs::remove_file(&copy);
                same
            }
        }
    }
}

fn write_plain(dir: &Path, rng: &mut Rng) -> Res<()> {
    for number in 0..FILES {
        let folder = dir.join(format!("folder {:02}", number % 37));
        if number < 37 {
            paths::make_dir(&folder)?;
        }
        let size = rng.below(2_048) as usize;
        paths::write(&folder.join(format!("file {number:04}.bin")), rng.bytes(size))?;
    }
    // Some larger than one block.
    paths::write(&dir.join("larger"), rng.bytes(1_000_000))?;
    paths::write(&dir.join("empty"), [])
}

fn write_hamt(dir: &Path, rng: &mut Rng) -> Res<()> {
    paths::make_dir(dir)?;
    for number in 0..HAMT_ENTRIES {
        let name = format!("an entry with a long name, number {number:05}, {:08x}", rng.next() as u32);
        let size = rng.below(64) as usize;
        paths::write(&dir.join(name), rng.bytes(size))?;
    }
    Ok(())
}

fn write_plain_small(dir: &Path, rng: &mut Rng) -> Res<()> {
    paths::make_dir(&dir.join("inner"))?;
    for number in 0..50 {
        let size = rng.below(300_000) as usize;
        paths::write(&dir.join("inner").join(format!("{number}.bin")), rng.bytes(size))?;
    }
    Ok(())
}

/// Fails at the first difference between two files.
pub(crate) fn same_file(original: &Path, copy: &Path) -> Res<()> {
    let (want, got) = (paths::read(original)?, paths::read(copy)?);
    same_bytes(&want, &got)
}

/// Fails at the first difference between two byte strings.
pub(crate) fn same_bytes(want: &[u8], got: &[u8]) -> Res<()> {
    if want == got {
        return Ok(());
    }
    if want.len() != got.len() {
        return Err(format!("{} bytes expected, {} came", want.len(), got.len()));
    }
    let at = want.iter().zip(got).position(|(a, b)| a != b).unwrap_or(0);
    Err(format!("the bytes differ at offset {at} of {}", want.len()))
}

/// Fails at the first difference between two trees: names, kinds, link targets, bytes.
pub(crate) fn same_tree(original: &Path, copy: &Path) -> Res<()> {
    let (want, got) = (entries(original)?, entries(copy)?);
    if let Some(missing) = want.keys().find(|name| !got.contains_key(*name)) {
        return Err(format!("{missing:?} is missing ({} of {} entries came)", got.len(), want.len()));
    }
    if let Some(extra) = got.keys().find(|name| !want.contains_key(*name)) {
        return Err(format!("{extra:?} is not in the original"));
    }
    for (name, path) in &want {
        let (want, got) = (entry(path)?, entry(&got[name])?);
        if want != got {
            return Err(format!("{name:?} differs: expected {}, got {}", want.shown(), got.shown()));
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Entry {
    Dir,
    Link(PathBuf),
    File(Vec<u8>),
}

impl Entry {
    fn shown(&self) -> String {
        match self {
            Self::Dir => "a directory".to_owned(),
            Self::Link(to) => format!("a link to {}", to.display()),
            Self::File(bytes) => format!("a file of {} bytes", bytes.len()),
        }
    }
}

fn entry(path: &Path) -> Res<Entry> {
    let kind = fs::symlink_metadata(path).map_err(|e| format!("{}: {e}", path.display()))?.file_type();
    if kind.is_symlink() {
        return fs::read_link(path).map(Entry::Link).map_err(|e| format!("{}: {e}", path.display()));
    }
    if kind.is_dir() { Ok(Entry::Dir) } else { paths::read(path).map(Entry::File) }
}

/// Every path below `root` (and `root` itself as the empty name).
fn entries(root: &Path) -> Res<BTreeMap<PathBuf, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(path) = open.pop() {
        let name = path.strip_prefix(root).map_err(|e| e.to_string())?.to_path_buf();
        let kind = fs::symlink_metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?.file_type();
        if kind.is_dir() {
            let listed = fs::read_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            open.extend(listed.flatten().map(|entry| entry.path()));
        }
        found.insert(name, path);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{same_bytes, same_tree};
    use crate::paths::{Scratch, make_dir, write};

    #[test]
    fn a_difference_is_named() {
        assert!(same_bytes(b"abc", b"abc").is_ok());
        assert!(same_bytes(b"abc", b"abd").unwrap_err().contains("offset 2"));
        let scratch = Scratch::new("content").unwrap();
        let (one, two) = (scratch.join("one"), scratch.join("two"));
        make_dir(&one).unwrap();
        make_dir(&two).unwrap();
        write(&one.join("f"), "x").unwrap();
        assert!(same_tree(&one, &two).unwrap_err().contains("missing"));
        write(&two.join("f"), "y").unwrap();
        assert!(same_tree(&one, &two).unwrap_err().contains("differs"));
        write(&two.join("f"), "x").unwrap();
        assert!(same_tree(&one, &two).is_ok());
    }
}
