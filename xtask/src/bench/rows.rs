//! What is measured. Each row makes a new repository, prepares it, and measures one piece of work.
//!
//! Inputs are written once per run and read once before the first measurement, so that they are in the page cache.

use super::Bench;
use super::files;
use super::load;
use super::measure::{Measure, measure};
use super::million;
use super::store_rows;
use crate::Res;
use crate::exec::Exec;
use crate::paths;
use crate::peer::Program;
use crate::peer::node::{Daemon, Repo};
use crate::rng::Rng;
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) work: &'static str,
    /// How many times faster than Kubo we have to be, in wall time and in CPU time.
    pub(crate) goal_wall: f64,
    pub(crate) goal_cpu: f64,
    pub(crate) rival: Rival,
    pub(crate) run: fn(&Bench, &Program, &Path) -> Res<Measure>,
}

/// Who does the same work beside us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    Kubo,
    /// One round takes minutes of Kubo, so there is only one.
    KuboOnce,
    /// Nobody: no goals, only what it takes.
    Nobody,
}

/// What one run measures, in the order of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// What is measured when nothing is named.
    Usual,
    /// The store beside Kubo: a quarter of an hour, most of it Kubo's.
    Store,
    /// The store with a million blocks and a million pins, and growth: ours alone.
    Million,
}

impl Group {
    pub(crate) const NAMED: [(&'static str, Self); 2] = [("store", Self::Store), ("million", Self::Million)];

    pub(crate) fn rows(self) -> Vec<&'static Row> {
        match self {
            Self::Usual => ROWS.iter().chain(store_rows::SHORT).collect(),
            Self::Store => store_rows::SHORT.iter().chain(store_rows::LONG).collect(),
            Self::Million => million::ROWS.iter().collect(),
        }
    }
}

/// All rows there are.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(store_rows::SHORT).chain(store_rows::LONG).chain(million::ROWS)
}

/// The goals are those of the project's performance page, set on Kubo 0.43.1.
const ROWS: &[Row] = &[
    Row {
        name: "add",
        work: "add of a random file of 1 GiB, offline",
        goal_wall: 4.0,
        goal_cpu: 10.0,
        rival: Rival::Kubo,
        run: add,
    },
    Row {
        name: "only-hash",
        work: "the same with -n",
        goal_wall: 3.0,
        goal_cpu: 3.0,
        rival: Rival::Kubo,
        run: only_hash,
    },
    Row {
        name: "small-files",
        work: "add of 100,000 files of 0.1 to 2.9 KB",
        goal_wall: 25.0,
        goal_cpu: 25.0,
        rival: Rival::Kubo,
        run: small_files,
    },
    Row {
        name: "tree",
        work: "add of a real tree: the documentation of the Rust tool chain",
        goal_wall: 12.0,
        goal_cpu: 12.0,
        rival: Rival::Kubo,
        run: tree,
    },
    Row {
        name: "re-add",
        work: "the same tree again",
        goal_wall: 20.0,
        goal_cpu: 20.0,
        rival: Rival::Kubo,
        run: re_add,
    },
    Row {
        name: "cat",
        work: "cat of 1 GiB through the daemon",
        goal_wall: 5.0,
        goal_cpu: 5.0,
        rival: Rival::Kubo,
        run: cat,
    },
    Row {
        name: "get",
        work: "get of 1 GiB to a file through the daemon",
        goal_wall: 4.0,
        goal_cpu: 5.0,
        rival: Rival::Kubo,
        run: get,
    },
    Row {
        name: "gateway-small",
        work: "gateway: 20,000 small files, 32 connections",
        goal_wall: 12.0,
        goal_cpu: 12.0,
        rival: Rival::Kubo,
        run: gateway_small,
    },
    Row {
        name: "gateway-stream",
        work: "gateway: GET of 1 GiB",
        goal_wall: 1.7,
        goal_cpu: 2.0,
        rival: Rival::Kubo,
        run: gateway_stream,
    },
    Row {
        name: "bitswap-get",
        work: "get of 1 GiB from one peer, Noise, loopback",
        goal_wall: 8.0,
        goal_cpu: 6.0,
        rival: Rival::Kubo,
        run: bitswap_get,
    },
    Row {
        name: "bitswap-pin",
        work: "pin add of 1 GiB from one peer, Noise, loopback",
        goal_wall: 4.0,
        goal_cpu: 4.0,
        rival: Rival::Kubo,
        run: bitswap_pin,
    },
    Row {
        name: "command-start",
        work: "--offline id, mean of 20",
        goal_wall: 8.0,
        goal_cpu: 8.0,
        rival: Rival::Kubo,
        run: command_start,
    },
    Row {
        name: "daemon-ready",
        work: "daemon on an empty repository until ready, mean of 5",
        goal_wall: 4.0,
        goal_cpu: 3.0,
        rival: Rival::Kubo,
        run: daemon_ready,
    },
    Row {
        name: "mfs-files",
        work: "25,000 files put into one directory of MFS, one command each",
        goal_wall: 20.0,
        goal_cpu: 20.0,
        rival: Rival::KuboOnce,
        run: files::mfs_files,
    },
    Row {
        name: "mfs-batch",
        work: "the same in one batch (Kubo has none: one command each)",
        goal_wall: 20.0,
        goal_cpu: 20.0,
        rival: Rival::KuboOnce,
        run: files::mfs_batch,
    },
    Row {
        name: "hamt-list",
        work: "ls of a directory of 1,000,000 entries through the daemon",
        goal_wall: 10.0,
        goal_cpu: 10.0,
        rival: Rival::KuboOnce,
        run: files::hamt_list,
    },
    Row {
        name: "hamt-resolve",
        work: "resolve of a name in it: wall is the 99th percentile, CPU all",
        goal_wall: 5.0,
        goal_cpu: 5.0,
        rival: Rival::KuboOnce,
        run: files::hamt_resolve,
    },
    Row {
        name: "hamt-add",
        work: "one entry more in it, in MFS, mean of 200",
        goal_wall: 10.0,
        goal_cpu: 10.0,
        rival: Rival::KuboOnce,
        run: files::hamt_add,
    },
];

const CONNECTIONS: usize = 32;
pub(super) const DEADLINE: Duration = Duration::from_secs(900);

pub(super) fn repo(program: &Program, dir: &Path, name: &str) -> Res<Repo> {
    let repo = Repo::init(program, &dir.join(name))?;
    repo.configure(&[
        ("Routing.Type", json!("none")),
        ("Addresses.Swarm", json!(["/ip4/127.0.0.1/tcp/0"])),
        ("Swarm.Transports.Security.TLS", json!(false)),
    ])?;
    Ok(repo)
}

/// The big random file; it is made by the first row that asks.
pub(super) fn big_file(bench: &Bench) -> Res<String> {
    let path = bench.scratch.join("big");
    if !path.exists() {
        let mebibytes = if bench.quick { 100 } else { 1_024 };
        let mut file = File::create(&path).map_err(|e| e.to_string())?;
        let mut rng = Rng::new(7);
        for _ in 0..mebibytes {
            file.write_all(&rng.bytes(1 << 20)).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    Ok(path.display().to_string())
}

pub(super) fn small_tree(bench: &Bench, files: u64) -> Res<PathBuf> {
    let dir = bench.scratch.join(format!("small-{files}"));
    if !dir.exists() {
        let mut rng = Rng::new(11);
        for number in 0..files {
            let folder = dir.join(format!("{:03}", number / 1_000));
            if number % 1_000 == 0 {
                paths::make_dir(&folder)?;
            }
            let size = 100 + rng.below(2_800) as usize;
            paths::write(&folder.join(format!("{number:06}.bin")), rng.bytes(size))?;
        }
    }
    Ok(dir)
}

/// The documentation that comes with the Rust tool chain; without it, the sources of the crates in cargo's cache.
fn real_tree(bench: &Bench) -> Res<String> {
    let sysroot = Exec::new("rustc").args(["--print", "sysroot"]).text()?;
    let part = if bench.quick { "share/doc/cargo" } else { "share/doc/rust/html" };
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let candidates = [PathBuf::from(sysroot).join(part), PathBuf::from(home.unwrap_or_default()).join("registry/src")];
    let found = candidates.into_iter().find(|path| path.is_dir());
    found.map(|path| path.display().to_string()).ok_or_else(|| "this machine has no real tree to add".to_owned())
}

fn add_measured(repo: &Repo, flags: &[&str], path: &str) -> Res<Measure> {
    measure(&[], &repo.path, || {
        let done = repo.cli(["add", "-r", "-Q"]).args(flags).arg(path).deadline(DEADLINE).run()?;
        Ok((vec![done.usage], done.text()))
    })
}

fn add(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    add_measured(&repo(program, dir, "repo")?, &[], &big_file(bench)?)
}

fn only_hash(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    add_measured(&repo(program, dir, "repo")?, &["-n"], &big_file(bench)?)
}

fn small_files(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let tree = small_tree(bench, if bench.quick { 10_000 } else { 100_000 })?;
    add_measured(&repo(program, dir, "repo")?, &[], &tree.display().to_string())
}

fn tree(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    add_measured(&repo(program, dir, "repo")?, &[], &real_tree(bench)?)
}

fn re_add(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let repo = repo(program, dir, "repo")?;
    let tree = real_tree(bench)?;
    repo.cli(["add", "-r", "-Q", &tree]).deadline(DEADLINE).run()?;
    add_measured(&repo, &[], &tree)
}

/// A daemon that holds the big file.
fn holding(bench: &Bench, program: &Program, dir: &Path, name: &str) -> Res<(Daemon, String)> {
    let repo = repo(program, dir, name)?;
    let cid = repo.cli(["add", "-Q", "--cid-version=1", &big_file(bench)?]).deadline(DEADLINE).text()?;
    Ok((repo.daemon(&[])?, cid))
}

fn cat(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (daemon, cid) = holding(bench, program, dir, "repo")?;
    measure(&[&daemon], dir, || {
        let done = daemon.cli(["cat", &cid]).stdout_to("/dev/null").deadline(DEADLINE).run()?;
        Ok((vec![done.usage], cid.clone()))
    })
}

fn get(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (daemon, cid) = holding(bench, program, dir, "repo")?;
    get_measured(&daemon, &[&daemon], &cid, dir)
}

fn get_measured(fetcher: &Daemon, daemons: &[&Daemon], cid: &str, dir: &Path) -> Res<Measure> {
    let out = dir.join("out").display().to_string();
    let measured = measure(daemons, dir, || {
        let done = fetcher.cli(["get", "-o", &out, cid]).deadline(DEADLINE).run()?;
        Ok((vec![done.usage], cid.to_owned()))
    });
    let _ = std::fs::remove_file(&out);
    measured
}

fn gateway_small(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let files = if bench.quick { 2_000 } else { 20_000 };
    let tree = small_tree(bench, files)?;
    let repo = repo(program, dir, "repo")?;
    let root =
        repo.cli(["add", "-r", "-Q", "--cid-version=1", &tree.display().to_string()]).deadline(DEADLINE).text()?;
    let daemon = repo.daemon(&[])?;
    let paths: Vec<String> = (0..files).map(|n| format!("/ipfs/{root}/{:03}/{n:06}.bin", n / 1_000)).collect();
    let gateway = daemon.gateway()?;
    // The client is this program; its CPU time is not counted for either side.
    measure(&[&daemon], dir, || Ok((Vec::new(), load::get_all(gateway, &paths, CONNECTIONS)?.to_string())))
}

fn gateway_stream(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (daemon, cid) = holding(bench, program, dir, "repo")?;
    let gateway = daemon.gateway()?;
    let path = [format!("/ipfs/{cid}")];
    measure(&[&daemon], dir, || Ok((Vec::new(), load::get_all(gateway, &path, 1)?.to_string())))
}

fn bitswap_get(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (provider, cid) = holding(bench, program, dir, "provider")?;
    let fetcher = repo(program, dir, "fetcher")?.daemon(&[])?;
    fetcher.connect(&provider, "/tcp/")?;
    get_measured(&fetcher, &[&provider, &fetcher], &cid, dir)
}

fn bitswap_pin(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let (provider, cid) = holding(bench, program, dir, "provider")?;
    let fetcher = repo(program, dir, "fetcher")?.daemon(&[])?;
    fetcher.connect(&provider, "/tcp/")?;
    measure(&[&provider, &fetcher], dir, || {
        let done = fetcher.cli(["pin", "add", "--progress=false", &cid]).deadline(DEADLINE).run()?;
        Ok((vec![done.usage], cid.clone()))
    })
}

fn command_start(_: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    const RUNS: u32 = 20;
    let repo = repo(program, dir, "repo")?;
    let mut sum = Measure::default();
    for _ in 0..RUNS {
        let done = repo.cli(["--offline", "id"]).run()?;
        sum.wall += done.wall / RUNS;
        sum.cpu += done.usage.cpu / RUNS;
        sum.rss_max_kib = sum.rss_max_kib.max(done.usage.rss_max_kib);
    }
    Ok(sum)
}

fn daemon_ready(_: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    const RUNS: u32 = 5;
    let repo = repo(program, dir, "repo")?;
    let mut sum = Measure::default();
    for _ in 0..RUNS {
        let mut daemon = repo.start(&[])?;
        let took = daemon.ready()?;
        sum.wall += took / RUNS;
        sum.rss_max_kib = sum.rss_max_kib.max(daemon.rss_max_kib()?);
        let ended = daemon.kill()?;
        sum.cpu += ended.usage.cpu / RUNS;
    }
    Ok(sum)
}
