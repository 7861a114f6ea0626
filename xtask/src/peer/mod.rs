//! The programs under test and the programs they are tested against: how they get here (`install`), how one is run
//! as a node (`node`).

pub(crate) mod install;
pub(crate) mod node;

use crate::exec::Exec;
use crate::{Res, paths};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A program that is called `ipfs`: Kubo, or ours.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// How messages call it.
    pub(crate) name: &'static str,
    /// The file to run.
    pub(crate) bin: PathBuf,
    /// The profiles of new repositories.
    pub(crate) profile: &'static str,
}

/// Loopback, port 0, no bootstrap peers.
const PROFILE: &str = "test";

impl Program {
    /// The same program with other profiles for new repositories.
    pub(crate) fn with_profile(self, profile: &'static str) -> Self {
        Self { profile, ..self }
    }

    /// The installed Kubo.
    pub(crate) fn kubo() -> Res<Self> {
        let bin = install::kubo_bin()?;
        if !bin.exists() {
            return Err(format!("Kubo is not at {}; run `cargo xtask peers --install`", bin.display()));
        }
        Ok(Self { name: "kubo", bin, profile: PROFILE })
    }

    /// The binary under test, called through a link named `ipfs` in `links`: a drop-in is known by that name.
    pub(crate) fn merkury(links: &Path) -> Res<Self> {
        let real = merkury_bin()?;
        if !real.exists() {
            return Err(format!("the binary under test is not at {}", real.display()));
        }
        let bin = links.join("ipfs");
        if !bin.exists() {
            symlink(&real, &bin).map_err(|e| format!("cannot link {}: {e}", bin.display()))?;
        }
        Ok(Self { name: "merkury", bin, profile: PROFILE })
    }

    /// The program in a clean environment for `repo`.
    pub(crate) fn exec(&self, repo: &Path) -> Exec {
        Self::clean(&self.bin, repo)
    }

    /// The same, called by its own name and not as a drop-in.
    pub(crate) fn own(&self, repo: &Path) -> Exec {
        Self::clean(&self.bin.canonicalize().unwrap_or_else(|_| self.bin.clone()), repo)
    }

    fn clean(bin: &Path, repo: &Path) -> Exec {
        Exec::new(bin)
            .env("IPFS_PATH", repo.display().to_string())
            .env("HOME", repo.parent().unwrap_or(repo).display().to_string())
            .env("IPFS_TELEMETRY", "off")
            .env("GOLOG_LOG_LEVEL", "error")
    }
}

/// Where the binary under test is: `$MERKURY_BIN`, else what `cargo build --release` makes.
pub(crate) fn merkury_bin() -> Res<PathBuf> {
    if let Some(bin) = std::env::var_os("MERKURY_BIN").filter(|bin| !bin.is_empty()) {
        return Ok(PathBuf::from(bin));
    }
    Ok(target_dir().join("release/merkury"))
}

/// Builds the binary under test, unless `$MERKURY_BIN` names one.
pub(crate) fn build_merkury() -> Res<()> {
    if std::env::var_os("MERKURY_BIN").is_some_and(|bin| !bin.is_empty()) {
        return Ok(());
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Exec::new(cargo).args(["build", "--release", "--locked", "--package", "merkury"]).dir(paths::root()).pass_through()
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => paths::root().join(dir),
        None => paths::root().join("target"),
    }
}
