//! Rows about the store: archives, collection, pins, counts.
//!
//! What takes long to prepare is prepared once per program and run, and copied where the work would change it.

use super::Bench;
use super::measure::{Measure, measure};
use super::rows::{DEADLINE, Rival, Row, big_file, repo, small_tree};
use crate::Res;
use crate::exec::Exec;
use crate::os::Usage;
use crate::paths;
use crate::peer::node::Repo;
use crate::peer::{self, Program};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Part of every run.
pub(super) const SHORT: &[Row] = &[
    Row {
        name: "re-add-file",
        work: "add of 1 GiB that is there already",
        goal_wall: 6.0,
        goal_cpu: 6.0,
        rival: Rival::Kubo,
        run: re_add_file,
    },
    Row {
        name: "car-import",
        work: "dag import of 1 GiB in blocks of 256 KiB, offline",
        goal_wall: 4.0,
        goal_cpu: 9.0,
        rival: Rival::Kubo,
        run: car_import,
    },
    Row {
        name: "car-export",
        work: "dag export of 1 GiB, offline",
        goal_wall: 4.0,
        goal_cpu: 4.0,
        rival: Rival::Kubo,
        run: car_export,
    },
];

/// Where one round, or what it needs, takes minutes of Kubo there is one.
pub(super) const LONG: &[Row] = &[
    Row {
        name: "car-tiny",
        work: "dag import of 150,000 DAG-CBOR blocks of 200 B, offline",
        goal_wall: 50.0,
        goal_cpu: 50.0,
        rival: Rival::KuboOnce,
        run: car_tiny,
    },
    Row {
        name: "gc",
        work: "repo gc: 150,000 dead blocks beside 20,000 kept files",
        goal_wall: 40.0,
        goal_cpu: 40.0,
        rival: Rival::KuboOnce,
        run: gc,
    },
    Row {
        name: "pin-ls",
        work: "pin ls of 10,000 recursive pins, streamed, daemon",
        goal_wall: 5.0,
        goal_cpu: 10.0,
        rival: Rival::Kubo,
        run: pin_ls,
    },
    Row {
        name: "pin-add",
        work: "pin add of 1,000 roots that are here, beside 10,000 pins, daemon",
        goal_wall: 30.0,
        goal_cpu: 30.0,
        rival: Rival::KuboOnce,
        run: pin_add,
    },
    Row {
        name: "repo-stat",
        work: "repo stat of the same repository, daemon, mean of 10",
        goal_wall: 10.0,
        goal_cpu: 10.0,
        rival: Rival::Kubo,
        run: repo_stat,
    },
    Row {
        name: "refs-local",
        work: "refs local of the same repository, daemon",
        goal_wall: 10.0,
        goal_cpu: 10.0,
        rival: Rival::Kubo,
        run: refs_local,
    },
];

/// Builds what the rows need besides the binary.
pub(super) fn build() -> Res<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let args = ["build", "--release", "--locked", "--quiet", "--package", "merkury-core", "--example", "make_car"];
    Exec::new(cargo).args(args).dir(paths::root()).pass_through()
}

/// An archive of so many tiny blocks; it is made by the first row that asks.
pub(super) fn tiny_car(bench: &Bench, blocks: u64, kind: &str) -> Res<String> {
    made_car(bench, kind, blocks, 0)
}

/// An archive with blocks that are numbered from `first`; it is made by the first row that asks.
pub(super) fn made_car(bench: &Bench, kind: &str, blocks: u64, first: u64) -> Res<String> {
    let path = bench.scratch.join(format!("{kind}-{blocks}-{first}.car"));
    if !path.exists() {
        let program = peer::target_dir().join("release/examples/make_car");
        let args = [path.display().to_string(), kind.to_owned(), blocks.to_string(), first.to_string()];
        Exec::new(program).args(args).deadline(DEADLINE).run()?;
    }
    Ok(path.display().to_string())
}

pub(super) fn scaled(bench: &Bench, count: u64) -> u64 {
    if bench.quick { count / 10 } else { count }
}

/// A repository that is made once for each program and run, and must be left as it is.
pub(super) fn prepared(bench: &Bench, program: &Program, name: &str, make: impl FnOnce(&Repo) -> Res<()>) -> Res<Repo> {
    let dir = bench.scratch.join(format!("{name}-{}", program.name));
    let finished = dir.join("finished");
    if finished.exists() {
        return Ok(Repo { program: program.clone(), path: dir.join("repo") });
    }
    paths::make_dir(&dir)?;
    let repo = repo(program, &dir, "repo")?;
    make(&repo)?;
    paths::write(&finished, "")?;
    Ok(repo)
}

/// A copy whose work may change it. Kubo's block files never change, so they are linked: copying them would take minutes.
pub(super) fn copied(from: &Repo, dir: &Path) -> Res<Repo> {
    let to = dir.join("repo");
    paths::make_dir(&to)?;
    let entries = std::fs::read_dir(&from.path).map_err(|e| format!("cannot list {}: {e}", from.path.display()))?;
    for entry in entries.flatten() {
        let how = if entry.file_name() == "blocks" { "-al" } else { "-a" };
        let (path, into) = (entry.path().display().to_string(), to.display().to_string());
        Exec::new("cp").args([how, &path, &into]).deadline(DEADLINE).run()?;
    }
    Ok(Repo { program: from.program.clone(), path: to })
}

pub(super) fn import(repo: &Repo, car: &str, pin: bool) -> Res<crate::exec::Finished> {
    let pin = format!("--pin-roots={pin}");
    repo.cli(["dag", "import", &pin, "--stats", car]).deadline(DEADLINE).run()
}

/// What an import says it did; pins are listed one a line, so only their number counts.
pub(super) fn import_measured(repo: &Repo, car: &str, pin: bool) -> Res<Measure> {
    measure(&[], &repo.path, || {
        let done = import(repo, car, pin)?;
        let text = done.text();
        let imported = text.lines().find(|line| line.contains("Imported")).unwrap_or_default().to_owned();
        Ok((vec![done.usage], imported))
    })
}

fn re_add_file(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let repo = repo(program, dir, "repo")?;
    let file = big_file(bench)?;
    repo.cli(["add", "-Q", &file]).deadline(DEADLINE).run()?;
    measure(&[], &repo.path, || {
        let done = repo.cli(["add", "-Q", &file]).deadline(DEADLINE).run()?;
        Ok((vec![done.usage], done.text()))
    })
}

/// The big file as an archive, made by Kubo.
fn big_car(bench: &Bench) -> Res<PathBuf> {
    let path = bench.scratch.join("big.car");
    if !path.exists() {
        let dir = bench.scratch.join("big-car");
        paths::make_dir(&dir)?;
        let repo = repo(&bench.kubo, &dir, "repo")?;
        let cid = repo.cli(["add", "-Q", "--cid-version=1", &big_file(bench)?]).deadline(DEADLINE).text()?;
        repo.cli(["dag", "export", &cid]).stdout_to(&path).deadline(DEADLINE).run()?;
        let _ = std::fs::remove_dir_all(&dir);
    }
    Ok(path)
}

fn car_import(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    import_measured(&repo(program, dir, "repo")?, &big_car(bench)?.display().to_string(), true)
}

fn car_export(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let repo = repo(program, dir, "repo")?;
    let cid = repo.cli(["add", "-Q", "--cid-version=1", &big_file(bench)?]).deadline(DEADLINE).text()?;
    measure(&[], &repo.path, || {
        let done = repo.cli(["dag", "export", &cid]).stdout_to("/dev/null").deadline(DEADLINE).run()?;
        Ok((vec![done.usage], cid.clone()))
    })
}

fn car_tiny(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    import_measured(&repo(program, dir, "repo")?, &tiny_car(bench, scaled(bench, 150_000), "tree")?, true)
}

/// Runs a command and counts the lines it prints. They go to a file: what this process holds in memory, the system counts as
/// the memory of each program that it starts.
pub(super) fn counted(exec: Exec, dir: &Path) -> Res<(Usage, usize)> {
    let path = dir.join("lines");
    let done = exec.stdout_to(&path).deadline(DEADLINE).run()?;
    let file = File::open(&path).map_err(|e| format!("cannot open {}: {e}", path.display()))?;
    let lines = BufReader::new(file).split(b'\n').count();
    let _ = std::fs::remove_file(&path);
    Ok((done.usage, lines))
}

/// Collects in `repo`; the proof is the number of blocks that went.
pub(super) fn collect_measured(repo: &Repo) -> Res<Measure> {
    // Not below the repository: what is written there is measured.
    let dir = repo.path.parent().unwrap_or(&repo.path);
    measure(&[], dir, || {
        let (usage, removed) = counted(repo.cli(["repo", "gc", "-q"]), dir)?;
        Ok((vec![usage], removed.to_string()))
    })
}

fn gc(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let template = prepared(bench, program, "garbage", |repo| {
        let tree = small_tree(bench, scaled(bench, 20_000))?;
        repo.cli(["add", "-r", "-Q", &tree.display().to_string()]).deadline(DEADLINE).run()?;
        import(repo, &tiny_car(bench, scaled(bench, 150_000), "tree")?, false).map(drop)
    })?;
    collect_measured(&copied(&template, dir)?)
}

/// 10,000 pins of tiny roots, and 1,000 roots that are not pinned.
fn pinned(bench: &Bench, program: &Program) -> Res<Repo> {
    prepared(bench, program, "pinned", |repo| {
        import(repo, &tiny_car(bench, scaled(bench, 11_000), "roots")?, false)?;
        import(repo, &tiny_car(bench, scaled(bench, 10_000), "roots")?, true).map(drop)
    })
}

fn pin_ls(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    list_pins(&pinned(bench, program)?, dir)
}

pub(super) fn list_pins(repo: &Repo, dir: &Path) -> Res<Measure> {
    let daemon = repo.daemon(&["--offline"])?;
    let measured = measure(&[&daemon], dir, || {
        let (usage, pins) = counted(daemon.cli(["pin", "ls", "--type=recursive", "-q", "--stream"]), dir)?;
        Ok((vec![usage], pins.to_string()))
    })?;
    daemon.stop()?;
    Ok(measured)
}

fn pin_add(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    add_pins(bench, &copied(&pinned(bench, program)?, dir)?, dir)
}

/// Pins 1,000 roots that are not pinned, a hundred with each command.
pub(super) fn add_pins(bench: &Bench, repo: &Repo, dir: &Path) -> Res<Measure> {
    let daemon = repo.daemon(&["--offline"])?;
    let list = |args: &[&str]| -> Res<std::collections::BTreeSet<String>> {
        Ok(daemon.cli(args).deadline(DEADLINE).text()?.lines().map(str::to_owned).collect())
    };
    let pins = list(&["pin", "ls", "--type=recursive", "-q"])?;
    let all = list(&["refs", "local"])?;
    // Kubo lists blocks under the CID of raw bytes, whatever they are: then each is pinned under that.
    let digest = |cid: &String| cid.get(cid.len().saturating_sub(48)..).unwrap_or_default().to_owned();
    let known: std::collections::BTreeSet<String> = pins.iter().map(digest).collect();
    let count = scaled(bench, 1_000) as usize;
    let free: Vec<String> = all.into_iter().filter(|cid| !known.contains(&digest(cid))).take(count).collect();
    if free.len() < count {
        return Err(format!("only {} blocks are not pinned", free.len()));
    }
    measure(&[&daemon], dir, || {
        let mut usages = Vec::new();
        for some in free.chunks(100) {
            let done = daemon.cli(["pin", "add", "--progress=false"]).args(some).deadline(DEADLINE).run()?;
            usages.push(done.usage);
        }
        Ok((usages, free.len().to_string()))
    })
}

fn repo_stat(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    stat_measured(&pinned(bench, program)?, dir)
}

pub(super) fn stat_measured(repo: &Repo, dir: &Path) -> Res<Measure> {
    const RUNS: u32 = 10;
    let daemon = repo.daemon(&["--offline"])?;
    let mut measured = measure(&[&daemon], dir, || {
        let runs = (0..RUNS).map(|_| Ok(daemon.cli(["repo", "stat"]).run()?.usage)).collect::<Res<Vec<_>>>()?;
        Ok((runs, String::new()))
    })?;
    measured.wall /= RUNS;
    measured.cpu /= RUNS;
    daemon.stop()?;
    Ok(measured)
}

fn refs_local(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    local_refs(&pinned(bench, program)?, dir)
}

pub(super) fn local_refs(repo: &Repo, dir: &Path) -> Res<Measure> {
    let daemon = repo.daemon(&["--offline"])?;
    let measured = measure(&[&daemon], dir, || {
        let (usage, blocks) = counted(daemon.cli(["refs", "local"]), dir)?;
        // Kubo keeps two more blocks of its own in a new repository; the order of size is the proof.
        Ok((vec![usage], (blocks / 100).to_string()))
    })?;
    daemon.stop()?;
    Ok(measured)
}
