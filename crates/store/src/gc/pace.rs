//! Slowing work on the disk down, so that others have it too.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How fast segments may be copied.
#[derive(Clone, Default)]
pub struct Pace(Option<Arc<dyn Fn(u64) + Send + Sync>>);

impl Pace {
    /// As fast as it goes.
    pub fn full() -> Self {
        Self(None)
    }

    /// So many bytes a second; 0 is as fast as it goes.
    pub fn bytes_per_second(rate: u64) -> Self {
        if rate == 0 {
            return Self::full();
        }
        let free_at = Mutex::new(Instant::now());
        Self::new(move |bytes| {
            let wait = {
                let (mut free_at, now) = (free_at.lock(), Instant::now());
                *free_at = (*free_at).max(now) + Duration::from_secs_f64(bytes as f64 / rate as f64);
                *free_at - now
            };
            std::thread::sleep(wait);
        })
    }

    /// Calls `wait` with the bytes copied since it was last called; it returns when the next may follow.
    pub fn new(wait: impl Fn(u64) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(wait)))
    }

    pub(crate) fn wait(&self, bytes: u64) {
        if let Some(wait) = &self.0 {
            wait(bytes);
        }
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Pace(limited)" } else { "Pace(full)" })
    }
}
