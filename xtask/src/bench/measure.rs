//! Wall time, CPU time and peak memory of one piece of work.

use crate::Res;
use crate::exec::Exec;
use crate::os::Usage;
use crate::peer::node::Daemon;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// What one piece of work took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measure {
    pub(crate) wall: Duration,
    /// User and system time of command lines and daemons together.
    pub(crate) cpu: Duration,
    /// The most memory any one of them held.
    pub(crate) rss_max_kib: u64,
    /// Equal when the same work was done: a root CID, a number of bytes.
    pub(crate) proof: String,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3} s, {:.3} CPU-s, {} MiB",
            self.wall.as_secs_f64(),
            self.cpu.as_secs_f64(),
            self.rss_max_kib >> 10
        )
    }
}

/// Measures `work`, which returns what its command lines used and the proof.
///
/// A `sync` of the file system is inside the window: whoever leaves dirty pages behind pays for them.
pub(crate) fn measure(
    daemons: &[&Daemon],
    dir: &Path,
    work: impl FnOnce() -> Res<(Vec<Usage>, String)>,
) -> Res<Measure> {
    // What others left dirty is not to be paid for here.
    sync(dir)?;
    let cpu_before = daemons.iter().map(|daemon| daemon.cpu()).sum::<Res<Duration>>()?;
    let start = Instant::now();
    let (usages, proof) = work()?;
    let synced = sync(dir)?;
    let wall = start.elapsed();
    let cpu_after = daemons.iter().map(|daemon| daemon.cpu()).sum::<Res<Duration>>()?;
    let clients: Duration = usages.iter().map(|usage| usage.cpu).sum();
    let mut rss_max_kib = usages.iter().map(|usage| usage.rss_max_kib).max().unwrap_or(0);
    for daemon in daemons {
        rss_max_kib = rss_max_kib.max(daemon.rss_max_kib()?);
    }
    Ok(Measure { wall, cpu: cpu_after.saturating_sub(cpu_before) + clients + synced.cpu, rss_max_kib, proof })
}

fn sync(dir: &Path) -> Res<Usage> {
    Ok(Exec::new("sync").args(["-f".to_owned(), dir.display().to_string()]).run()?.usage)
}

/// The load of the machine, for the report.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
