//! What can go wrong behind the network.

use std::io;
use std::path::{Path, PathBuf};

use merkury_core::ErrorKind;
use merkury_store::StoreError;

/// Why a pool could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The address or the settings do not name an object store.
    #[error("{url:?} is no pool: {why}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The object store refused, or could not be reached.
    #[error("the object store failed: {0}")]
    Objects(#[from] object_store::Error),
    /// A file on this machine could not be used.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// An index in the pool is not what its name says.
    #[error("the index {id} in the pool is damaged: {why}")]
    Index {
        /// Its name.
        id: String,
        /// What is wrong.
        why: &'static str,
    },
    /// More blocks than a node can know of.
    #[error("the pool has more than {limit} blocks, the most that are kept track of")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The store that is uploaded from failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The work was ended.
    #[error("the pool is closed")]
    Closed,
}

impl PoolError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Url { .. } => ErrorKind::Invalid,
            Self::Objects(object_store::Error::NotFound { .. }) => ErrorKind::NotFound,
            Self::Objects(_) | Self::Closed | Self::TooLarge { .. } => ErrorKind::Unavailable,
            Self::Io { .. } => ErrorKind::Internal,
            Self::Index { .. } => ErrorKind::Corrupt,
            Self::Store(error) => error.kind(),
        }
    }
}
