//! What a command does while nothing comes of it: said after a while on standard error, never as `ipfs`.

use std::future::Future;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use merkury_commands::text::harmless;

/// Silence on a terminal after which the line comes, and is drawn anew.
const FIRST_LIVE: Duration = Duration::from_secs(1);
/// Silence in a pipe after which the first line comes; each further one comes after twice as long.
const FIRST_IN_LINES: Duration = Duration::from_secs(2);
/// The longest silence between two lines.
const LONGEST: Duration = Duration::from_secs(60);

/// Counts what came: items and chunks of bytes.
pub(super) type Activity = Arc<AtomicU64>;

/// Runs `work`; while nothing comes of it, says so and, with `why`, what it waits for.
pub(super) async fn telling<T, F: Future<Output = Option<String>>>(
    what: &str,
    activity: &Activity,
    live: bool,
    why: impl Fn() -> F,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let started = Instant::now();
    let first = if live { FIRST_LIVE } else { FIRST_IN_LINES };
    let (mut seen, mut silence) = (activity.load(Ordering::Relaxed), first);
    let mut is_shown = false;
    loop {
        let out = tokio::select! {
            biased;
            out = &mut work => Some(out),
            () = tokio::time::sleep(silence) => None,
        };
        let now = activity.load(Ordering::Relaxed);
        if let Some(out) = out {
            if is_shown && live {
                say("\r\x1b[2K");
            }
            return out;
        }
        if now != seen {
            (seen, silence) = (now, first);
            continue;
        }
        silence = (silence * 2).min(if live { first } else { LONGEST });
        let reason = why().await.unwrap_or_else(|| "still working".to_owned());
        let line = format!("{what}: {}s, {}", started.elapsed().as_secs(), harmless(&reason).replace('\n', " "));
        is_shown = true;
        say(&if live { format!("\r\x1b[2K{line}") } else { format!("{line}\n") });
    }
}

/// A courtesy: a standard error that is closed changes nothing.
fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
