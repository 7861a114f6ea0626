//! The line at the bottom of a terminal: how far, how fast, how long still.

use std::io::Write;
use std::time::{Duration, Instant};

use merkury_commands::text::{Pace, progress_line};

/// Time between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// A transfer on its way. The line is gone when this is dropped.
pub(super) struct Progress {
    total: Option<u64>,
    done: u64,
    started: Instant,
    drawn: Option<Instant>,
    /// Where no line can be rewritten, one comes now and then.
    pace: Option<Pace>,
}

impl Progress {
    /// Of so many bytes, when known.
    pub(super) fn new(total: Option<u64>, live: bool) -> Self {
        Self { total, done: 0, started: Instant::now(), drawn: None, pace: (!live).then(Pace::default) }
    }

    /// So many more are through.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done = self.done.saturating_add(bytes);
        if let Some(pace) = &mut self.pace {
            if pace.is_due() {
                // As below.
                let _ = writeln!(std::io::stderr(), "{}", progress_line(self.done, self.total, self.started.elapsed()));
            }
            return;
        }
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_EVERY) {
            self.drawn = Some(Instant::now());
            let line = progress_line(self.done, self.total, self.started.elapsed());
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
