//! Rows about the mutable file system and huge directories.

use super::Bench;
use super::measure::{Measure, measure};
use super::rows::repo;
use crate::Res;
use crate::http::Request;
use crate::paths;
use crate::peer::Program;
use crate::peer::node::Daemon;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(1800);

fn mfs_root(daemon: &Daemon) -> Res<String> {
    let stat = daemon.rpc("files/stat?arg=/")?.json()?;
    stat["Hash"].as_str().map(str::to_owned).ok_or_else(|| format!("`files stat` answers {stat}"))
}

fn add_leaf(daemon: &Daemon) -> Res<String> {
    let added = Request::post("/api/v0/add?cid-version=1").file("leaf", b"leaf").send(daemon.api()?)?.json()?;
    added["Hash"].as_str().map(str::to_owned).ok_or_else(|| format!("`add` answers {added}"))
}

/// Files put into one directory, one command each.
pub(super) fn mfs_files(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let files = if bench.quick { 2_500 } else { 25_000 };
    let daemon = repo(program, dir, "repo")?.daemon(&["--offline"])?;
    let leaf = add_leaf(&daemon)?;
    daemon.rpc("files/mkdir?arg=/many")?.good()?;
    measure(&[&daemon], dir, || {
        for number in 0..files {
            daemon.rpc(&format!("files/cp?arg=/ipfs/{leaf}&arg=/many/file-{number:06}"))?.good()?;
        }
        Ok((Vec::new(), mfs_root(&daemon)?))
    })
}

/// The same as one batch; Kubo, which has none, puts them one by one.
pub(super) fn mfs_batch(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    if program.name != bench.merkury.name {
        return mfs_files(bench, program, dir);
    }
    let files = if bench.quick { 2_500 } else { 25_000 };
    let daemon = repo(program, dir, "repo")?.daemon(&["--offline"])?;
    let leaf = add_leaf(&daemon)?;
    daemon.rpc("files/mkdir?arg=/many")?.good()?;
    let lines: String = (0..files).map(|number| format!("cp /ipfs/{leaf} /many/file-{number:06}\n")).collect();
    measure(&[&daemon], dir, || {
        let request = Request::post("/api/v0/files/batch").file("lines", lines.as_bytes());
        request.send(daemon.api()?)?.good()?;
        Ok((Vec::new(), mfs_root(&daemon)?))
    })
}

/// An archive of a directory with a million entries, and its root; made once by our program.
fn huge(bench: &Bench) -> Res<(PathBuf, String, u64)> {
    let entries = if bench.quick { 100_000 } else { 1_000_000 };
    let (archive, root) = (bench.scratch.join("huge.car"), bench.scratch.join("huge.root"));
    if !archive.exists() {
        let dir = bench.scratch.join("huge");
        let repo = repo(&bench.merkury, &dir, "repo")?;
        let daemon = repo.daemon(&["--offline"])?;
        let leaf = add_leaf(&daemon)?;
        // Names as people give them, in directories of their own until the last step, so that a batch stays small.
        for from in (0..entries).step_by(100_000) {
            let lines: String = (from..entries.min(from + 100_000))
                .map(|number| format!("cp -p /ipfs/{leaf} /huge/entry-{number:07}.txt\n"))
                .collect();
            let request = Request::post("/api/v0/files/batch").file("lines", lines.as_bytes());
            request.send(daemon.api()?)?.good()?;
        }
        let stat = daemon.rpc("files/stat?arg=/huge")?.json()?;
        let cid = stat["Hash"].as_str().ok_or("no hash")?.to_owned();
        daemon.cli(["dag", "export", "--progress=false", &cid]).stdout_to(&archive).deadline(DEADLINE).run()?;
        daemon.stop()?;
        paths::write(&root, &cid)?;
        let _ = std::fs::remove_dir_all(&dir);
    }
    let cid = String::from_utf8_lossy(&paths::read(&root)?).into_owned();
    Ok((archive, cid, entries))
}

/// A daemon that has the huge directory.
fn with_huge(bench: &Bench, program: &Program, dir: &Path) -> Res<(Daemon, String, u64)> {
    let (archive, root, entries) = huge(bench)?;
    let repo = repo(program, dir, "repo")?;
    repo.cli(["dag", "import", "--pin-roots=false", &archive.display().to_string()]).deadline(DEADLINE).run()?;
    Ok((repo.daemon(&["--offline"])?, root, entries))
}

pub(super) fn hamt_list(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (daemon, root, entries) = with_huge(bench, program, dir)?;
    let listed = dir.join("listed");
    measure(&[&daemon], dir, || {
        let ls = daemon.cli(["ls", "--resolve-type=false", "--size=false", "--stream", &root]);
        let done = ls.stdout_to(&listed).deadline(DEADLINE).run()?;
        let lines = paths::read(&listed)?.iter().filter(|&&byte| byte == b'\n').count() as u64;
        if lines != entries {
            return Err(format!("{lines} lines for {entries} entries"));
        }
        Ok((vec![done.usage], lines.to_string()))
    })
}

/// The slowest but one of a hundred lookups; CPU of all.
pub(super) fn hamt_resolve(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (daemon, root, entries) = with_huge(bench, program, dir)?;
    let lookups = if bench.quick { 300 } else { 2_000 };
    let mut took = Vec::new();
    let mut measured = measure(&[&daemon], dir, || {
        for number in 0..lookups {
            // A large odd step visits names in no order.
            let name = number * 7_919_017 % entries;
            let start = Instant::now();
            daemon.rpc(&format!("resolve?arg=/ipfs/{root}/entry-{name:07}.txt"))?.good()?;
            took.push(start.elapsed());
        }
        Ok((Vec::new(), lookups.to_string()))
    })?;
    took.sort();
    measured.wall = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    Ok(measured)
}

/// Entries added to the huge directory in the mutable file system; the mean of one.
pub(super) fn hamt_add(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (daemon, root, _) = with_huge(bench, program, dir)?;
    let adds = if bench.quick { 50 } else { 200 };
    let leaf = add_leaf(&daemon)?;
    daemon.rpc(&format!("files/cp?arg=/ipfs/{root}&arg=/huge"))?.good()?;
    let mut measured = measure(&[&daemon], dir, || {
        for number in 0..adds {
            daemon.rpc(&format!("files/cp?arg=/ipfs/{leaf}&arg=/huge/new-{number}"))?.good()?;
        }
        Ok((Vec::new(), mfs_root(&daemon)?))
    })?;
    measured.wall /= adds;
    measured.cpu /= adds;
    Ok(measured)
}
