//! What can go wrong with other people's repositories.

use std::io;
use std::path::{Path, PathBuf};

use merkury_core::ErrorKind;

use crate::leveldb::LevelDbError;

/// Why a Kubo repository, or a running Kubo, did not give what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum KuboError {
    /// The system refused.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file does not say what it must.
    #[error("{path}: {why}", path = path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Its blocks are in a database that only Kubo reads.
    #[error("{path} keeps its blocks in {kind}, which only a running Kubo can read", path = path.display())]
    Unread {
        /// The repository.
        path: PathBuf,
        /// The kind of database.
        kind: String,
    },
    /// Its LevelDB cannot be read.
    #[error(transparent)]
    LevelDb(#[from] LevelDbError),
    /// A value in the datastore is not what its key says.
    #[error("Kubo's datastore has a value under {key} that cannot be used: {why}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The address of a Kubo is not usable.
    #[error("{address:?} is no address of a Kubo: {why}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A running Kubo could not be reached, or ended the conversation.
    #[error("cannot ask the Kubo at {address}: {why}")]
    Unreachable {
        /// Where.
        address: String,
        /// The cause.
        why: String,
    },
    /// A running Kubo refused.
    #[error("the Kubo at {address} refused {command}: {message}")]
    Refused {
        /// Where.
        address: String,
        /// What was asked.
        command: String,
        /// Its words.
        message: String,
    },
}

impl KuboError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::PermissionDenied => ErrorKind::Denied,
                _ => ErrorKind::Internal,
            },
            Self::Layout { .. } | Self::Value { .. } | Self::LevelDb(_) => ErrorKind::Corrupt,
            Self::Unread { .. } | Self::Address { .. } => ErrorKind::Invalid,
            Self::Unreachable { .. } => ErrorKind::Unavailable,
            Self::Refused { .. } => ErrorKind::Internal,
        }
    }
}
