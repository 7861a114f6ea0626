//! The log of the running process, as the `log` commands see it.
//!
//! The program owns its log and installs it here once; without one there is nothing to show or to set.

use std::sync::OnceLock;

use futures::stream::BoxStream;
use merkury_api::ApiError;

/// The log of a process.
pub trait Logs: Send + Sync {
    /// Names of the subsystems that have a level of their own.
    fn subsystems(&self) -> Vec<String>;
    /// The level of those that have none of their own.
    fn default_level(&self) -> Level;
    /// The level of a subsystem; `None` when there is no such subsystem.
    fn level(&self, subsystem: &str) -> Option<Level>;
    /// Sets the level of a subsystem; `false` when there is no such subsystem.
    fn set_level(&self, subsystem: &str, level: Level) -> bool;
    /// Sets every level, the default too.
    fn set_all(&self, level: Level);
    /// Messages from now on, a JSON object with a line end each. A reader that is too slow misses some.
    fn tail(&self, level: Level) -> BoxStream<'static, bytes::Bytes>;
}

/// How bad a message must be to be written; Kubo's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything.
    Debug,
    /// What happens.
    Info,
    /// What may need a look.
    Warn,
    /// What went wrong.
    Error,
    /// Kubo's three levels above errors: this program writes nothing there.
    DPanic,
    /// See [`Level::DPanic`].
    Panic,
    /// See [`Level::DPanic`].
    Fatal,
}

impl Level {
    /// All, with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Warn, "warn"),
        (Self::Error, "error"),
        (Self::DPanic, "dpanic"),
        (Self::Panic, "panic"),
        (Self::Fatal, "fatal"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(level, _)| *level == self).map_or("error", |(_, name)| name)
    }

    /// Reads a name, in any case.
    pub fn parse(name: &str) -> Result<Self, ApiError> {
        let found = Self::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name));
        found.map(|(level, _)| *level).ok_or_else(|| {
            ApiError::invalid(format!("unrecognized level: {name:?}"))
                .hint("levels: debug, info, warn, error, dpanic, panic, fatal")
        })
    }
}

static INSTALLED: OnceLock<Box<dyn Logs>> = OnceLock::new();

/// Makes a log the one of this process; the first stays.
pub fn install(logs: Box<dyn Logs>) {
    let _ = INSTALLED.set(logs);
}

/// The log of this process.
pub(crate) fn installed() -> Result<&'static dyn Logs, ApiError> {
    INSTALLED.get().map(|logs| &**logs).ok_or_else(|| ApiError::internal("this program keeps no log"))
}
