//! Where things are: the project, the cache outside it, folders that end with the run.

use crate::Res;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The project's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask lies in the project's root folder").to_path_buf()
}

/// Where installed peers are kept: `$MERKURY_CACHE`, else `~/.cache/merkury`.
pub(crate) fn cache() -> Res<PathBuf> {
    if let Some(dir) = std::env::var_os("MERKURY_CACHE").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    let home = std::env::var_os("HOME").ok_or("neither MERKURY_CACHE nor HOME says where to keep the peers")?;
    Ok(PathBuf::from(home).join(".cache/merkury"))
}

/// What lies beside the project on some machines: data of other projects' suites that is not ours to commit.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let path = root().parent()?.join("shared").join(part);
    path.exists().then_some(path)
}

/// A folder that is removed when this value goes.
#[must_use = "the folder is removed when this is dropped"]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Res<Self> {
        Self::below(&std::env::temp_dir(), name)
    }

    /// A folder in memory, where the system has such a place: what is killed a thousand times need not wear a disk.
    pub(crate) fn fast(name: &str) -> Res<Self> {
        Self::below(Path::new("/dev/shm"), name).or_else(|_| Self::new(name))
    }

    fn below(base: &Path, name: &str) -> Res<Self> {
        for attempt in 0..100 {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
            let path = base.join(format!("merkury-{name}-{now:x}-{attempt}"));
            if fs::create_dir(&path).is_ok() {
                return Ok(Self(path));
            }
        }
        Err(format!("cannot make a folder in {}", base.display()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, part: impl AsRef<Path>) -> PathBuf {
        self.0.join(part)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // `MERKURY_KEEP=1` leaves the folder for a look at what failed.
        if std::env::var_os("MERKURY_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Reads a whole file, with its name in the error.
pub(crate) fn read(path: &Path) -> Res<Vec<u8>> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Writes a whole file, with its name in the error.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Res<()> {
    fs::write(path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

/// Makes a folder and those above it.
pub(crate) fn make_dir(path: &Path) -> Res<()> {
    fs::create_dir_all(path).map_err(|e| format!("cannot make {}: {e}", path.display()))
}
