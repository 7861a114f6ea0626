//! The one error of the API.

use merkury_core::{ErrorKind, GetError, PutError};

/// What failed, of what kind, and what to try next.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Surfaces map this to status codes and exit codes.
    pub kind: ErrorKind,
    /// One sentence; where Kubo has words for the case these are Kubo's.
    pub message: String,
    /// What a person can do next, a sentence or a command each. May be empty.
    pub hints: Vec<String>,
}

impl ApiError {
    /// An error without hints.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// The caller's input is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The named thing does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Something unexpected broke here.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// A block is over the limit, in Kubo's words.
    pub fn block_over(limit_bytes: usize) -> Self {
        Self::invalid(format!(
            "produced block is over {}MiB: big blocks can't be exchanged with other peers. consider using UnixFS for \
             automatic chunking of bigger files, or pass --allow-big-block to override",
            limit_bytes >> 20
        ))
    }

    /// The same error with a hint more.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same error with words in front, as in "pin: block was not found".
    #[must_use]
    pub fn context(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<GetError> for ApiError {
    fn from(error: GetError) -> Self {
        let made = Self::new(error.kind(), error.to_string());
        match error {
            GetError::NotHere { .. } => made.hint("run it without --offline, or start the daemon, to ask peers"),
            GetError::Corrupt { .. } => made.hint("remove the block and fetch it again: merkury block rm --force CID"),
            _ => made,
        }
    }
}

impl From<PutError> for ApiError {
    fn from(error: PutError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}
