//! Rows about a store with a million blocks or a million pins, and how work grows. Ours alone: Kubo takes half an hour and more
//! for what each of them needs.

use super::Bench;
use super::measure::{Measure, measure};
use super::rows::{DEADLINE, Rival, Row, repo, small_tree};
use super::store_rows::{
    add_pins, collect_measured, copied, counted, import, import_measured, list_pins, local_refs, made_car, prepared,
    scaled, stat_measured, tiny_car,
};
use crate::Res;
use crate::http::Request;
use crate::paths;
use crate::peer::Program;
use crate::peer::node::{Daemon, Repo};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(super) const ROWS: &[Row] = &[
    own("import-million", "dag import of 1,000,000 DAG-CBOR blocks of 200 B", import_million),
    own("export-million", "dag export of the same", export_million),
    own("stat-million", "repo stat with 1,000,000 blocks, daemon, mean of 10", stat_million),
    own("refs-million", "refs local with 1,000,000 blocks, daemon", refs_million),
    own("start-million", "daemon with 1,000,000 blocks until ready, mean of 3", start_million),
    own("start-killed", "the same after kill -9, mean of 3", start_killed),
    own("gc-million", "repo gc of 1,000,000 dead blocks of 200 B", gc_million),
    own("gc-all", "repo gc beside adds: 1,000,000 blocks of 4 KiB, all dead", |b, p, d| gc_beside(b, p, d, 1)),
    own("gc-half", "the same, every second of 1,000 DAGs dead", |b, p, d| gc_beside(b, p, d, 2)),
    own("gc-percent", "the same, every hundredth dead", |b, p, d| gc_beside(b, p, d, 100)),
    own("growth-add", "add of N, 4N and 16N small files", growth_add),
    own("growth-import", "dag import of N, 4N and 16N tiny blocks", growth_import),
    own("growth-gc", "repo gc of N, 4N and 16N dead blocks", growth_gc),
    own("growth-pins", "pin ls of N, 4N and 16N pins, daemon", growth_pins),
    own("pins-list", "pin ls of 1,000,000 pins, streamed, daemon", pins_list),
    own("pins-command", "pin ls of one of 1,000,000 pins without a daemon, mean of 3", pins_command),
    own("pins-add", "pin add of 1,000 roots beside 1,000,000 pins, daemon", pins_add),
];

/// Blocks of a DAG in the archive of kind `dags`.
const DAG_BLOCKS: u64 = 1_000;

const fn own(name: &'static str, work: &'static str, run: fn(&Bench, &Program, &Path) -> Res<Measure>) -> Row {
    Row { name, work, goal_wall: 0.0, goal_cpu: 0.0, rival: Rival::Nobody, run }
}

fn million(bench: &Bench, program: &Program) -> Res<Repo> {
    prepared(bench, program, "million", |repo| {
        import(repo, &tiny_car(bench, scaled(bench, 1_000_000), "tree")?, false).map(drop)
    })
}

fn import_million(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    import_measured(&repo(program, dir, "repo")?, &tiny_car(bench, scaled(bench, 1_000_000), "tree")?, false)
}

fn export_million(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    let repo = million(bench, program)?;
    let (car, out) = (tiny_car(bench, scaled(bench, 1_000_000), "tree")?, dir.join("out.car"));
    let root = car_root(&repo, &car)?;
    let measured = measure(&[], dir, || {
        let done = repo.cli(["dag", "export", "--progress=false", &root]).stdout_to(&out).deadline(DEADLINE).run()?;
        let bytes = std::fs::metadata(&out).map_err(|e| e.to_string())?.len();
        Ok((vec![done.usage], format!("{bytes} bytes")))
    });
    let _ = std::fs::remove_file(&out);
    measured
}

/// The root of the archive, asked from the program.
fn car_root(repo: &Repo, car: &str) -> Res<String> {
    let done = repo.cli(["dag", "import", "--pin-roots=true", car]).deadline(DEADLINE).text()?;
    let root = done.lines().find_map(|line| line.split_whitespace().find(|word| word.starts_with("bafy")));
    let root = root.ok_or_else(|| format!("no root in {done:?}"))?.to_owned();
    repo.cli(["pin", "rm", &root]).run()?;
    Ok(root)
}

fn stat_million(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    stat_measured(&million(bench, program)?, dir)
}

fn refs_million(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    local_refs(&million(bench, program)?, dir)
}

fn start_million(bench: &Bench, program: &Program, _: &Path) -> Res<Measure> {
    start(&million(bench, program)?, false)
}

fn start_killed(bench: &Bench, program: &Program, _: &Path) -> Res<Measure> {
    start(&million(bench, program)?, true)
}

fn start(repo: &Repo, killed: bool) -> Res<Measure> {
    const RUNS: u32 = 3;
    let mut sum = Measure::default();
    for run in 0..RUNS {
        if killed {
            let daemon = repo.daemon(&["--offline"])?;
            daemon.cli(["block", "put"]).stdin(format!("something new {run}")).run()?;
            daemon.kill()?;
        }
        let mut daemon = repo.start(&["--offline"])?;
        sum.wall += daemon.ready()? / RUNS;
        sum.rss_max_kib = sum.rss_max_kib.max(daemon.rss_max_kib()?);
        sum.cpu += daemon.stop()?.usage.cpu / RUNS;
    }
    Ok(sum)
}

fn gc_million(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    collect_measured(&copied(&million(bench, program)?, dir)?)
}

/// 1,000 pinned DAGs of 1,000 blocks.
fn dags(bench: &Bench, program: &Program) -> Res<Repo> {
    prepared(bench, program, "dags", |repo| {
        let car = made_car(bench, "dags", scaled(bench, 1_000_000), 0)?;
        import(repo, &car, true)?;
        std::fs::remove_file(&car).map_err(|e| format!("cannot remove {car}: {e}"))
    })
}

/// Collects through a daemon while files are added; of the pinned DAGs each `nth` is unpinned before.
fn gc_beside(bench: &Bench, program: &Program, dir: &Path, nth: usize) -> Res<Measure> {
    let repo = copied(&dags(bench, program)?, dir)?;
    let daemon = repo.daemon(&["--offline"])?;
    let pins = daemon.cli(["pin", "ls", "--type=recursive", "-q"]).deadline(DEADLINE).text()?;
    // `init` pins something of its own.
    let unpinned: Vec<&str> = pins.lines().filter(|cid| cid.starts_with("bafy")).step_by(nth).collect();
    for some in unpinned.chunks(100) {
        daemon.cli(["pin", "rm"]).args(some).deadline(DEADLINE).run()?;
    }
    let alone = adds_beside(daemon.api()?, || thread::sleep(Duration::from_secs(2)))?.1;
    let before = repo_size(&daemon)?;
    let mut meanwhile = Latencies::default();
    let mut measured = measure(&[&daemon], dir, || {
        let collect = || counted(daemon.cli(["repo", "gc", "-q"]), dir);
        let (collected, latencies) = adds_beside(daemon.api()?, collect)?;
        meanwhile = latencies;
        let (usage, removed) = collected?;
        let removed = removed as u64;
        let expected = unpinned.len() as u64 * (DAG_BLOCKS + 1);
        if removed != expected {
            return Err(format!("{removed} blocks removed instead of {expected}"));
        }
        Ok((vec![usage], String::new()))
    })?;
    let (after, dead) = (repo_size(&daemon)?, unpinned.len() as u64 * DAG_BLOCKS * 4_096);
    let given_back = before.saturating_sub(after) * 100 / dead.max(1);
    measured.proof =
        format!("{given_back} % of the space given back at once; adds beside it: {meanwhile}; before: {alone}");
    daemon.stop()?;
    Ok(measured)
}

fn repo_size(daemon: &Daemon) -> Res<u64> {
    let stat = daemon.rpc("repo/stat")?.json()?;
    stat["RepoSize"].as_u64().ok_or_else(|| format!("`repo stat` answers {stat}"))
}

/// How long adds took.
#[derive(Default)]
struct Latencies(Vec<Duration>);

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |part: usize| self.0.get(self.0.len() * part / 100).or(self.0.last()).copied().unwrap_or_default();
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let (middle, most, longest) = (ms(at(50)), ms(at(99)), ms(self.0.last().copied().unwrap_or_default()));
        write!(f, "{} adds, median {middle:.0} ms, p99 {most:.0} ms, longest {longest:.0} ms", self.0.len())
    }
}

/// Adds small files, one after another, while `work` runs.
fn adds_beside<T>(api: SocketAddr, work: impl FnOnce() -> T) -> Res<(T, Latencies)> {
    let over = AtomicBool::new(false);
    let (done, added) = thread::scope(|scope| {
        let adder = scope.spawn(|| -> Res<Vec<Duration>> {
            let mut took = Vec::new();
            // At least one: a collection may be over before the first is.
            while took.is_empty() || !over.load(Ordering::Relaxed) {
                let (start, content) = (Instant::now(), format!("file {} of {:?}", took.len(), Instant::now()));
                Request::post("/api/v0/add?cid-version=1").file("small", content.as_bytes()).send(api)?.good()?;
                took.push(start.elapsed());
            }
            Ok(took)
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        (done, adder.join())
    });
    let mut took = added.map_err(|_| "the adding thread ended early".to_owned())??;
    took.sort();
    Ok((done, Latencies(took)))
}

/// A million pins of tiny roots, and 1,000 roots that are not pinned.
fn pinned(bench: &Bench, program: &Program) -> Res<Repo> {
    prepared(bench, program, "million-pins", |repo| {
        let (pins, free) = (scaled(bench, 1_000_000), scaled(bench, 1_000));
        // Several archives: the header of one with a million roots is longer than a reader has to take.
        let step = pins / 10;
        for from in (0..pins).step_by(step as usize) {
            let car = made_car(bench, "roots", step, from)?;
            import(repo, &car, true)?;
            std::fs::remove_file(&car).map_err(|e| format!("cannot remove {car}: {e}"))?;
        }
        import(repo, &made_car(bench, "roots", free, pins)?, false).map(drop)
    })
}

fn pins_list(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    list_pins(&pinned(bench, program)?, dir)
}

fn pins_add(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    add_pins(bench, &copied(&pinned(bench, program)?, dir)?, dir)
}

fn pins_command(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    const RUNS: u32 = 3;
    let repo = pinned(bench, program)?;
    let one = repo.cli(["pin", "ls", "--type=recursive", "-q"]).deadline(DEADLINE).text()?;
    let one = one.lines().last().ok_or("nothing is pinned")?.to_owned();
    let mut measured = measure(&[], dir, || {
        let runs = (0..RUNS).map(|_| Ok(repo.cli(["pin", "ls", "-q", &one]).run()?.usage)).collect::<Res<Vec<_>>>()?;
        Ok((runs, String::new()))
    })?;
    measured.wall /= RUNS;
    measured.cpu /= RUNS;
    Ok(measured)
}

/// The same work at N, 4N and 16N; the figures are those of 16N, all three and the slope (1 is in proportion) are noted.
fn growth(bench: &Bench, dir: &Path, n: u64, work: impl Fn(u64, &Path) -> Res<Measure>) -> Res<Measure> {
    let n = scaled(bench, n);
    let mut measured = Vec::new();
    for times in [1, 4, 16] {
        let dir = dir.join(times.to_string());
        paths::make_dir(&dir)?;
        measured.push((n * times, work(n * times, &dir)?));
        let _ = std::fs::remove_dir_all(&dir);
    }
    let seconds = |m: &Measure| m.cpu.max(Duration::from_millis(1)).as_secs_f64();
    let (Some((_, first)), Some((_, last))) = (measured.first(), measured.last()) else {
        return Err("nothing was measured".to_owned());
    };
    let slope = (seconds(last) / seconds(first)).ln() / 16_f64.ln();
    let parts: Vec<String> =
        measured.iter().map(|(n, m)| format!("{n}: {:.3} CPU-s, {} MiB", seconds(m), m.rss_max_kib >> 10)).collect();
    Ok(Measure { proof: format!("{}; slope {slope:.2}", parts.join("; ")), ..last.clone() })
}

fn growth_add(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    growth(bench, dir, 6_000, |n, dir| {
        let (repo, tree) = (repo(program, dir, "repo")?, small_tree(bench, n)?.display().to_string());
        measure(&[], &repo.path, || {
            let done = repo.cli(["add", "-r", "-Q", &tree]).deadline(DEADLINE).run()?;
            Ok((vec![done.usage], String::new()))
        })
    })
}

fn growth_import(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    growth(bench, dir, 60_000, |n, dir| {
        import_measured(&repo(program, dir, "repo")?, &tiny_car(bench, n, "tree")?, true)
    })
}

fn growth_gc(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    growth(bench, dir, 60_000, |n, dir| {
        let repo = repo(program, dir, "repo")?;
        import(&repo, &tiny_car(bench, n, "tree")?, false)?;
        collect_measured(&repo)
    })
}

fn growth_pins(bench: &Bench, program: &Program, dir: &Path) -> Res<Measure> {
    growth(bench, dir, 5_000, |n, dir| {
        let repo = repo(program, dir, "repo")?;
        import(&repo, &tiny_car(bench, n, "roots")?, true)?;
        list_pins(&repo, dir)
    })
}
