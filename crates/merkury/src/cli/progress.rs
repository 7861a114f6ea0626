//! The line at the bottom of a terminal: how far, how fast, how long still.

use std::io::Write;
use std::time::{Duration, Instant};

use merkury_commands::text::binary_size;

/// Time between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// Width of the bar.
const BAR: usize = 24;

/// A transfer on its way. The line is gone when this is dropped.
pub(super) struct Progress {
    total: Option<u64>,
    done: u64,
    started: Instant,
    drawn: Option<Instant>,
}

impl Progress {
    /// Of so many bytes, when known.
    pub(super) fn new(total: Option<u64>) -> Self {
        Self { total: total.filter(|total| *total > 0), done: 0, started: Instant::now(), drawn: None }
    }

    /// So many more are through.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_EVERY) {
            self.drawn = Some(Instant::now());
            let line = line(self.done, self.total, self.started.elapsed());
            let mut stderr = std::io::stderr().lock();
            // A terminal that is gone is no reason to stop the transfer.
            let _ = write!(stderr, "\r\x1b[2K{line}").and_then(|()| stderr.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            // As above.
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

/// The line as it stands.
fn line(done: u64, total: Option<u64>, spent: Duration) -> String {
    let seconds = spent.as_secs_f64().max(0.001);
    let rate = done as f64 / seconds;
    let speed = format!("{}/s", binary_size(rate as u64));
    let Some(total) = total else { return format!("{}  {speed}", binary_size(done)) };
    let part = (done as f64 / total as f64).min(1.0);
    let filled = (part * BAR as f64) as usize;
    let bar: String = "=".repeat(filled) + if filled < BAR { ">" } else { "" };
    let left = total.saturating_sub(done) as f64 / rate.max(1.0);
    format!(
        "{} of {}  [{bar:BAR$}]  {:.0}%  {speed}  {} left",
        binary_size(done),
        binary_size(total),
        part * 100.0,
        span(left as u64)
    )
}

/// `2m 10s`.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_far_how_fast_and_how_long() {
        let half = line(512 << 20, Some(1 << 30), Duration::from_secs(2));
        assert_eq!(half, "512.0 MiB of 1.0 GiB  [============>           ]  50%  256.0 MiB/s  2s left");
        assert_eq!(line(1024, None, Duration::from_secs(1)), "1.0 KiB  1.0 KiB/s");
        assert_eq!(span(130), "2m 10s");
    }
}
