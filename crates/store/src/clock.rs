//! What time it is, for when blocks were last used.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that gives whole seconds since 1970; the system's own unless a test gives another.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u32 + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::from_fn(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
        })
    }

    /// A clock that gives what `seconds` says.
    pub fn from_fn(seconds: impl Fn() -> u32 + Send + Sync + 'static) -> Self {
        Self(Arc::new(seconds))
    }

    pub(crate) fn seconds(&self) -> u32 {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}
