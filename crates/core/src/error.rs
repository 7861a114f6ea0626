//! What kind of failure an error is; surfaces map kinds, never single variants.

/// The kind of a failure. Each crate has its own error types; each of them answers `kind()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The named thing is not here and was not found.
    NotFound,
    /// The caller's words or bytes are wrong; the same call will fail again.
    Invalid,
    /// The state does not allow it: exists already, pinned, not empty.
    Conflict,
    /// The caller may not do this.
    Denied,
    /// Try again later: a limit of concurrency or rate.
    Busy,
    /// A resource outside is missing: offline, no peer answered in time.
    Unavailable,
    /// Nothing more can be stored: the disk is full, or the limit of the repository is reached. Reading goes on.
    NoSpace,
    /// The wait ended before the answer came.
    Timeout,
    /// Stored bytes are not what they must be.
    Corrupt,
    /// Our own mistake or an unexpected failure of the system.
    Internal,
}
